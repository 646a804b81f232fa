//! Answers, read as far as a load generator has to.
//!
//! The header is not parsed: the few members that matter are looked for where the answer before had
//! them, and searched for if they are not there. A name in quotes with a colon behind it cannot
//! stand inside a text, where the quotes would be escaped.

use memchr::memmem::Finder;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A field of a header.
pub struct Field {
    /// Of its name as it stands there, in quotes and with a colon.
    finder: LazyLock<Finder<'static>>,
    /// Where it was found last. Answers to one kind of request are alike.
    last: AtomicUsize,
}

impl Field {
    const fn new(finder: fn() -> Finder<'static>) -> Self {
        Field { finder: LazyLock::new(finder), last: AtomicUsize::new(0) }
    }

    /// What follows its name.
    fn find<'a>(&self, header: &'a [u8]) -> Option<&'a [u8]> {
        let name = self.finder.needle();
        let last = header.get(self.last.load(Ordering::Relaxed)..);
        if let Some(value) = last.and_then(|rest| rest.strip_prefix(name)) {
            return Some(value);
        }
        let at = self.finder.find(header)?;
        self.last.store(at, Ordering::Relaxed);
        Some(&header[at + name.len()..])
    }
}

static CODE: Field = Field::new(|| Finder::new(b"\"code\":"));
static FLAG: Field = Field::new(|| Finder::new(b"\"flag\":"));
static OPAQUE: Field = Field::new(|| Finder::new(b"\"opaque\":"));
/// Of the answer to a send.
pub static QUEUE_OFFSET: Field = Field::new(|| Finder::new(b"\"queueOffset\":"));
/// Of the answer to a pull.
pub static NEXT_BEGIN_OFFSET: Field = Field::new(|| Finder::new(b"\"nextBeginOffset\":"));

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
    let mut bytes = field.find(header)?.iter();
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
    fn answers_of_other_shapes_are_read_too() {
        let frame = |header: &str| {
            let length = header.len() as u32;
            [&(length + 4).to_be_bytes()[..], &length.to_be_bytes(), header.as_bytes()].concat()
        };
        let read = |header: &str| {
            let frame = frame(header);
            let answer = Answer::read(&frame)?;
            Some((answer.code, answer.opaque, answer.number(&QUEUE_OFFSET)))
        };
        let with = r#"{"code":0,"extFields":{"queueOffset":"17"},"flag":1,"opaque":5}"#;
        let longer = r#"{"code":0,"extFields":{"a":"b","queueOffset":"8"},"flag":1,"opaque":1234}"#;
        let without = r#"{"opaque":7,"flag":1,"code":14}"#;
        for _ in 0..2 {
            assert_eq!(read(with), Some((0, 5, Some(17))));
            assert_eq!(read(longer), Some((0, 1234, Some(8))));
            assert_eq!(read(without), Some((14, 7, None)));
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for frame in [&b""[..], &[0, 0, 0, 4, 0, 0, 0, 9], &[0, 0, 0, 6, 0, 0, 0, 2, b'{', b'}']] {
            assert!(Answer::read(frame).is_none());
        }
    }
}
