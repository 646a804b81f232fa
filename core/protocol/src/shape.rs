//! JSON headers that are like one before.
//!
//! What one connection sends is nearly always built the same way and as long as what it sent before; a few
//! characters of values are others. A [`Shape`] has the bytes of a header that was read, which of them may
//! differ, and what reading came to. A header of that shape is compared, not read.

use crate::command::FrameError;
use crate::decimal;
use crate::fields::{FieldSpans, Fields};
use crate::json_header::{self, Head, STOPS};
use crate::pairs::Span;
use crate::scan::{Pattern, first_of};
use bytes::BytesMut;
use std::ops::Range;

/// What headers have in common that differ in their values' characters only.
pub(crate) struct Shape {
    pattern: Pattern,
    /// As it was read; the opaque number of another header is another one.
    head: Head,
    pairs: FieldSpans,
    escapes: Vec<Escape>,
    /// What is left behind values that had escapes.
    rests: Vec<Span>,
}

/// An escape in a value, and what follows it up to the next one or to the value's end.
struct Escape {
    /// Where its character goes.
    to: usize,
    character: u8,
    /// Where what goes behind the character is.
    rest: Span,
    /// How much may be moved at once: more than the rest, if what is behind it is not needed any more.
    moved: Moved,
}

#[derive(Clone, Copy)]
enum Moved {
    Sixteen,
    ThirtyTwo,
    Rest,
}

impl Moved {
    /// For a rest of `length` bytes, with `room` for it.
    fn of(length: usize, room: usize) -> Self {
        match (length, room) {
            (..=16, 16..) => Moved::Sixteen,
            (..=32, 32..) => Moved::ThirtyTwo,
            _ => Moved::Rest,
        }
    }
}

impl Escape {
    #[inline(always)]
    fn resolve(&self, header: &mut [u8]) -> Option<()> {
        *header.get_mut(self.to)? = self.character;
        let (to, Range { start, end }) = (self.to + 1, self.rest.range());
        match self.moved {
            Moved::Sixteen => move_chunk::<16>(header, start, to),
            Moved::ThirtyTwo => move_chunk::<32>(header, start, to),
            Moved::Rest => {
                let rest = header.get_mut(to..end)?;
                rest.copy_within(start.checked_sub(to)?.., 0);
                Some(())
            }
        }
    }
}

#[inline(always)]
fn move_chunk<const N: usize>(bytes: &mut [u8], from: usize, to: usize) -> Option<()> {
    let chunk: [u8; N] = *bytes.get(from..)?.first_chunk()?;
    *bytes.get_mut(to..)?.first_chunk_mut()? = chunk;
    Some(())
}

impl Shape {
    /// The shape of the header `raw`, which was read as `head` and `pairs` of `text`. `None` if that is
    /// none: it is too short, or has escapes elsewhere than in fields, or other than of single bytes.
    pub(crate) fn of(raw: &[u8], text: &[u8], head: &Head, pairs: &FieldSpans) -> Option<Self> {
        let mut free = vec![false; raw.len()];
        let mut shape = Shape {
            pattern: Pattern::default(),
            head: head.clone(),
            pairs: pairs.clone(),
            escapes: Vec::new(),
            rests: Vec::new(),
        };
        for (_, value) in pairs {
            let start = value.range().start;
            // Other values than strings are as they were.
            if raw.get(start.checked_sub(1)?) == Some(&b'"') {
                shape.take_value(raw, text, start, &mut free)?;
            }
        }
        // Elsewhere than where digits are, it is part of what must be the same.
        match integer(raw, head.opaque_at) {
            Some(_) => free.get_mut(head.opaque_at.range())?.fill(true),
            None => shape.head.opaque_at = Span::default(),
        }
        shape.pattern = Pattern::new(raw, &free)?;
        // Nothing but what is known here was changed by reading.
        let mut again = raw.to_vec();
        shape.resolve(&mut again);
        (again == text).then_some(shape)
    }

    /// Takes the string that begins at `start` for a value.
    fn take_value(
        &mut self,
        raw: &[u8],
        text: &[u8],
        start: usize,
        free: &mut [bool],
    ) -> Option<()> {
        let mut stop = first_of(raw, start, STOPS);
        free.get_mut(start..stop)?.fill(true);
        let mut to = stop;
        while *raw.get(stop)? == b'\\' {
            let from = stop + if raw.get(stop + 1) == Some(&b'u') { 6 } else { 2 };
            stop = first_of(raw, from, STOPS);
            free.get_mut(from..stop)?.fill(true);
            // What lies up to there is not needed when this is moved.
            let room = (stop - (to + 1)).min(raw.len() - from);
            let (character, moved) = (*text.get(to)?, Moved::of(stop - from, room));
            self.escapes.push(Escape { to, character, rest: Span::new(from..stop), moved });
            to += 1 + stop - from;
        }
        if to < stop {
            self.rests.push(Span::new(to..stop));
        }
        Some(())
    }

    /// How long headers of this shape are, in bytes.
    pub(crate) fn length(&self) -> usize {
        self.pattern.length()
    }

    /// The opaque number of `header`, if that is of this shape.
    #[inline]
    pub(crate) fn fits(&self, header: &[u8]) -> Option<i32> {
        if !self.pattern.fits(header, STOPS) {
            return None;
        }
        match self.head.opaque_at.range().is_empty() {
            true => Some(self.head.opaque),
            false => integer(header, self.head.opaque_at),
        }
    }

    /// What beside the ext fields a header says that fits.
    #[inline(always)]
    pub(crate) fn head(&self, opaque: i32) -> Head {
        let mut head = self.head.clone();
        head.opaque = opaque;
        head
    }

    /// Reads the ext fields of a `header` that fits.
    #[inline(always)]
    pub(crate) fn fields(&self, mut header: BytesMut) -> Result<Fields, FrameError> {
        self.resolve(&mut header);
        let text = json_header::text(header)?;
        Ok(Fields::of_header(text, FieldSpans::from_slice(&self.pairs)))
    }

    /// Puts characters where the escapes of a header are that fits.
    #[inline]
    fn resolve(&self, header: &mut [u8]) {
        for escape in &self.escapes {
            // Never out of it, as the header is as long as the one that was read.
            let resolved = escape.resolve(header);
            debug_assert!(resolved.is_some());
        }
        for rest in &self.rests {
            if let Some(rest) = header.get_mut(rest.range()) {
                rest.fill(b' ');
            }
        }
    }
}

fn integer(header: &[u8], at: Span) -> Option<i32> {
    decimal::parse(at.of_bytes(header))?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use crate::code::request;
    use crate::headers::{PullMessageResponse, SendMessageRequestV2, SendMessageResponse};
    use bytes::Bytes;
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// The shape of `header`, if it has one.
    fn shape(header: &[u8]) -> Option<Shape> {
        let (mut head, mut pairs) = (Head::default(), FieldSpans::new());
        let mut text = header.to_vec();
        json_header::parse(&mut text, &mut head, &mut pairs).ok()?;
        Shape::of(header, &text, &head, &pairs)
    }

    fn read_whole(header: &[u8]) -> Result<Command, FrameError> {
        json_header::read(header.into(), Bytes::new())
    }

    /// What `header` reads as by comparing, if it is of that shape.
    fn read_as(shape: &Shape, header: &[u8]) -> Option<Result<Command, FrameError>> {
        let opaque = shape.fits(header)?;
        let fields = shape.fields(header.into());
        Some(fields.map(|fields| shape.head(opaque).command(fields, Bytes::new())))
    }

    fn header_of(command: &Command) -> Vec<u8> {
        let mut out = BytesMut::new();
        crate::json_writer::write(command, &mut out);
        out.to_vec()
    }

    fn send(number: i32) -> Vec<u8> {
        let properties = format!(
            "UNIQ_KEY\u{1}7F00000100002A139A554E05{number:08X}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}Tag\"\\\u{2}KEYS\u{1}k{number:06} ü{number:02}\u{2}"
        );
        let header = SendMessageRequestV2 {
            producer_group: "producers",
            topic: "Orders",
            default_topic: "TBW102",
            default_topic_queue_nums: 4,
            queue_id: number % 8,
            sys_flag: 0,
            born_timestamp: 1_700_000_000_000 + i64::from(number),
            flag: 0,
            properties: Some(&properties),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(false),
            broker_name: Some("broker-a"),
        };
        let mut command = Command::request_with(request::SEND_MESSAGE_V2, &header);
        command.opaque = number;
        header_of(&command)
    }

    fn sent(number: i32) -> Vec<u8> {
        let mut request = Command::request(request::SEND_MESSAGE_V2);
        request.opaque = -number;
        header_of(&request.success(&SendMessageResponse {
            msg_id: &format!("7F00000100002A9F{number:016X}"),
            queue_id: number % 8,
            queue_offset: i64::from(number) * 3,
            transaction_id: Some("7F00000100002A139A554E05F0E50000"),
            batch_uniq_id: None,
            recall_handle: None,
        }))
    }

    fn pulled(number: i32) -> Vec<u8> {
        let mut request = Command::request(request::PULL_MESSAGE);
        request.opaque = number * 20_000;
        let mut response = request.response(0).with_header(&PullMessageResponse {
            suggest_which_broker_id: 0,
            next_begin_offset: i64::from(number),
            min_offset: 0,
            max_offset: i64::from(number) + 5,
            offset_delta: None,
            topic_sys_flag: None,
            group_sys_flag: None,
            forbidden_type: None,
        });
        response.remark = Some("FOUND".into());
        header_of(&response)
    }

    #[test]
    fn what_a_busy_connection_brings_is_of_one_shape() {
        for header in [send, sent, pulled] {
            let shape = shape(&header(100_001)).unwrap();
            for number in [100_001, 100_002, 104_711, 105_999] {
                let header = header(number);
                assert_eq!(read_as(&shape, &header), Some(read_whole(&header)));
            }
            assert_eq!(read_as(&shape, &header(7)), None);
        }
    }

    #[test]
    fn what_is_built_otherwise_is_not() {
        let shape = shape(br#"{"code":10,"opaque":17,"extFields":{"a":"x\ty","b":12}}"#).unwrap();
        for (other, fits) in [
            (r#"{"code":10,"opaque":99,"extFields":{"a":"u\tv","b":12}}"#, true),
            (r#"{"code":10,"opaque":-9,"extFields":{"a":"u\tv","b":12}}"#, true),
            (r#"{"code":10,"opaque":9 ,"extFields":{"a":"u\tv","b":12}}"#, false),
            (r#"{"code":10,"opaque":1-,"extFields":{"a":"u\tv","b":12}}"#, false),
            (r#"{"code":11,"opaque":99,"extFields":{"a":"u\tv","b":12}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"a":"u\nv","b":12}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"a":"\\\tv","b":12}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"a":"u\t\"","b":12}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"c":"u\tv","b":12}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"a":"u\tv","b":13}}"#, false),
            (r#"{"code":10,"opaque":99,"extFields":{"a":"u\tv","b":12}} "#, false),
        ] {
            let read = read_as(&shape, other.as_bytes());
            assert_eq!(read.is_some(), fits, "{other}");
            assert!(read.is_none_or(|read| read == read_whole(other.as_bytes())), "{other}");
        }
    }

    #[test]
    fn what_reading_changes_elsewhere_has_no_shape() {
        for header in [
            r#"{"code":1,"opaque":1,"remark":"a\nb"}"#,
            r#"{"code":1,"opaque":1,"extFields":{"a\n":"b"}}"#,
            r#"{"code":1,"opaque":1,"extFields":{"a":"\u00fc"}}"#,
            r#"{"code":1,"opaque":1,"extFields":{"a":"\ud83d\ude00"}}"#,
            r#"{"code":1,"opaque":1,"extFields":{"a":["\n"]}}"#,
            "{}",
        ] {
            assert!(shape(header.as_bytes()).is_none(), "{header}");
            assert!(read_whole(header.as_bytes()).is_ok(), "{header}");
        }
    }

    fn any_header() -> impl Strategy<Value = Vec<u8>> {
        let text = "\\PC{0,20}|([a-z0-9ü]{0,9}(\\\\[nt\"\\\\/]|\\\\u00(0[12]|[0-9a-f]{2}))){0,4}[a-z0-9]{0,9}";
        let value = prop_oneof![
            8 => text.prop_map(|text| format!("\"{text}\"")),
            1 => "null|true|-?[0-9]{1,12}|\\[1, ?\"a\"\\]|\\{\"k\":\"v\"\\}",
        ];
        let pairs = proptest::collection::vec(("[a-z]{1,3}", value), 0..6);
        let opaque = prop_oneof![8 => "-?[0-9]{1,10}", 1 => "null|\"[0-9]{1,3}\"| [0-9]"];
        let odd =
            "|,\"remark\":\"[a-zü]{0,5}\"|,\"opaque\":[0-9]|,\"x\":[1,{}]|,\"language\":\"JAVA\"";
        let made = (pairs, opaque, odd).prop_map(|(pairs, opaque, odd)| {
            let pairs: Vec<_> =
                pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            let pairs = pairs.join(",");
            format!("{{\"code\":10,\"extFields\":{{{pairs}}},\"opaque\":{opaque}{odd}}}")
                .into_bytes()
        });
        let usual = (0..3usize, 100_000..106_000)
            .prop_map(|(kind, number)| [send, sent, pulled][kind](number));
        prop_oneof![made, usual]
    }

    fn any_byte() -> impl Strategy<Value = u8> {
        let odd = proptest::sample::select(&b"\"\\09-+ u1n,:{}\x00\xC3\xBC"[..]);
        prop_oneof![odd, any::<u8>(), b'0'..=b'9']
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn comparing_gives_what_reading_gives(
            first in any_header(),
            changes in proptest::collection::vec((any::<Index>(), any_byte()), 0..5),
        ) {
            let Some(shape) = shape(&first) else { return Ok(()) };
            let mut other = first.clone();
            for (at, byte) in changes {
                other[at.index(first.len())] = byte;
            }
            if let Some(read) = read_as(&shape, &other) {
                prop_assert_eq!(read, read_whole(&other));
            }
            prop_assert_eq!(read_as(&shape, &first), Some(read_whole(&first)));
        }
    }
}
