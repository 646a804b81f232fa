//! Answers, read as far as a load generator has to.
//!
//! The header is not parsed: the few members that matter are searched for. A name in quotes with a
//! colon behind it cannot stand inside a text, where the quotes would be escaped.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// A field of a header, which is quick to find.
pub type Field = LazyLock<Finder<'static>>;

static CODE: Field = LazyLock::new(|| Finder::new(b"\"code\":"));
static FLAG: Field = LazyLock::new(|| Finder::new(b"\"flag\":"));
static OPAQUE: Field = LazyLock::new(|| Finder::new(b"\"opaque\":"));
/// Of the answer to a send.
pub static QUEUE_OFFSET: Field = LazyLock::new(|| Finder::new(b"\"queueOffset\":"));
/// Of the answer to a pull.
pub static NEXT_BEGIN_OFFSET: Field = LazyLock::new(|| Finder::new(b"\"nextBeginOffset\":"));

/// A frame from a server.
pub struct Answer<'a> {
    /// The response's code, or the request's.
    pub code: i32,
    /// The number of the request.
    pub opaque: i32,
    /// Whether it is a response; otherwise the server asks or tells something.
    pub is_response: bool,
    header: &'a [u8],
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads a whole frame. `None` when it has no JSON header, or one without a code.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let word = u32::from_be_bytes(*frame.get(4..)?.first_chunk()?);
        let (kind, length) = (word >> 24, (word & 0x00FF_FFFF) as usize);
        let (header, body) = frame.get(8..)?.split_at_checked(length)?;
        if kind != 0 {
            return None;
        }
        let code = number(header, &CODE)?;
        let opaque = number(header, &OPAQUE)?;
        let is_response = number(header, &FLAG).unwrap_or(0) & 1 == 1;
        Some(Answer { code: code as i32, opaque: opaque as i32, is_response, header, body })
    }

    /// A number of the typed header.
    pub fn number(&self, field: &Field) -> Option<i64> {
        number(self.header, field)
    }
}

/// The whole number behind a field's name, bare or in quotes.
fn number(header: &[u8], field: &Field) -> Option<i64> {
    let at = field.find(header)? + field.needle().len();
    let mut bytes = header[at..].iter();
    let mut next = *bytes.next()?;
    if next == b'"' {
        next = *bytes.next()?;
    }
    let negative = next == b'-';
    if negative {
        next = *bytes.next()?;
    }
    if !next.is_ascii_digit() {
        return None;
    }
    let mut value = 0i64;
    while next.is_ascii_digit() {
        value = value.wrapping_mul(10).wrapping_add(i64::from(next - b'0'));
        next = *bytes.next()?;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::Command;
    use ferromq_protocol::headers::SendMessageResponse;

    #[test]
    fn reads_our_own_answers() {
        let mut request = Command::request(310);
        request.opaque = -17;
        let header = SendMessageResponse {
            msg_id: "A",
            queue_id: 3,
            queue_offset: 4711,
            transaction_id: None,
            batch_uniq_id: None,
            recall_handle: None,
        };
        let remark = "\"code\":9 and \"opaque\":8";
        let mut response = request.success(&header).with_body(&b"body"[..]);
        response.remark = Some(remark.into());
        let frame = response.encode();
        let answer = Answer::read(&frame).unwrap();
        assert_eq!((answer.code, answer.opaque, answer.is_response), (0, -17, true));
        assert_eq!(answer.number(&QUEUE_OFFSET), Some(4711));
        assert_eq!(answer.number(&NEXT_BEGIN_OFFSET), None);
        assert_eq!(answer.body, b"body");
        let asked = Command::request(40).encode();
        assert!(!Answer::read(&asked).unwrap().is_response);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for frame in [&b""[..], &[0, 0, 0, 4, 0, 0, 0, 9], &[0, 0, 0, 6, 0, 0, 0, 2, b'{', b'}']] {
            assert!(Answer::read(frame).is_none());
        }
    }
}
