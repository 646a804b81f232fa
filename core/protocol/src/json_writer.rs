//! Writing the JSON header, serialize type 0 (protocol §1.2).

use crate::command::{CURRENT_VERSION, Command};
use crate::fields::Fields;
use crate::header::{FieldKey, FieldSink, FieldSource};
use crate::scan::{any_up_to, first_up_to};
use bytes::{BufMut, BytesMut};

/// Appends the header with its members in alphabetical order, as Apache's clients do.
pub(crate) fn write<F: FieldSource>(command: &Command<F>, out: &mut BytesMut) {
    out.put_slice(b"{\"code\":");
    put_integer(command.code, out);
    let mut fields = JsonFields { out, empty: true };
    command.fields.put_into(&mut fields);
    fields.end();
    out.put_slice(b",\"flag\":");
    put_integer(command.flag, out);
    if let Some(language) = command.language.json_member() {
        out.put_slice(language.as_bytes());
    }
    out.put_slice(b",\"opaque\":");
    put_integer(command.opaque, out);
    if let Some(remark) = &command.remark {
        out.put_slice(b",\"remark\":\"");
        put_text(remark, out);
        out.put_slice(b"\"");
    }
    if command.version == CURRENT_VERSION {
        return out.put_slice(END_OF_OURS);
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    put_integer(command.version, out);
    out.put_slice(b"}");
}

/// What a header of our own version ends with.
const END_OF_OURS: &[u8] = b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}";
const _: () = assert!(CURRENT_VERSION == 479, "headers end with another version");

/// Writes fields where they belong in a header. The quote that ends a value is left to what follows it.
struct JsonFields<'a> {
    out: &'a mut BytesMut,
    empty: bool,
}

impl JsonFields<'_> {
    #[inline(always)]
    fn key(&mut self, key: FieldKey) {
        if std::mem::take(&mut self.empty) {
            self.out.put_slice(b",\"extFields\":{");
            return self.out.put_slice(key.quoted().as_bytes());
        }
        self.out.put_slice(key.behind_value().as_bytes());
    }

    fn end(self) {
        if !self.empty {
            self.out.put_slice(b"\"}");
        }
    }
}

impl FieldSink for JsonFields<'_> {
    #[inline]
    fn put(&mut self, key: FieldKey, value: &str) {
        self.key(key);
        put_text(value, self.out);
    }

    #[inline]
    fn put_plain(&mut self, key: FieldKey, value: &str) {
        self.key(key);
        self.out.put_slice(value.as_bytes());
    }

    fn put_all(&mut self, fields: &Fields) {
        if fields.is_empty() {
            return;
        }
        let before: &[u8] = if self.empty { b",\"extFields\":{" } else { b"\"," };
        self.out.put_slice(before);
        self.empty = false;
        match fields.as_json().and_then(|json| json.strip_suffix('"')) {
            Some(json) => self.out.put_slice(json.as_bytes()),
            None => {
                for (index, (key, value)) in fields.iter().enumerate() {
                    self.out.put_slice(if index > 0 { b"\",\"" } else { b"\"" });
                    put_text(key, self.out);
                    self.out.put_slice(b"\":\"");
                    put_text(value, self.out);
                }
            }
        }
    }
}

fn put_integer(integer: i32, out: &mut BytesMut) {
    match u8::try_from(integer) {
        Ok(digit @ 0..10) => out.put_u8(b'0' + digit),
        _ => out.put_slice(itoa::Buffer::new().format(integer).as_bytes()),
    }
}

/// Whether a text can stand in JSON as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    !any_up_to(text.as_bytes(), HIGHEST, ODD)
}

/// Up to this byte, none can stand for itself.
const HIGHEST: u8 = 0x1F;
/// Nor can these.
const ODD: [u8; 3] = *b"\"\\\x7F";

/// What stands after the backslash for a byte that cannot stand for itself; 0 for those that can.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x7F] = b'u';
    escapes[0x08] = b'b';
    escapes[0x09] = b't';
    escapes[0x0A] = b'n';
    escapes[0x0C] = b'f';
    escapes[0x0D] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Appends a text with its escapes, without quotes.
#[inline]
fn put_text(text: &str, out: &mut BytesMut) {
    match is_plain(text) {
        true => out.put_slice(text.as_bytes()),
        false => put_escaped(text, out),
    }
}

#[inline(never)]
fn put_escaped(text: &str, out: &mut BytesMut) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, odd) = rest.split_at(first_up_to(rest, HIGHEST, ODD));
        out.put_slice(plain);
        let Some((byte, behind)) = odd.split_first() else { return };
        match ESCAPES[usize::from(*byte)] {
            b'u' => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.put_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            escape => out.put_slice(&[b'\\', escape]),
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::SendMessageResponse;
    use crate::{Language, Serialization};
    use proptest::prelude::*;

    const TEXT: &str =
        "[a-zA-Z0-9]{0,40}|\\PC{0,20}|[ -~]{0,30}|[\u{0}-\u{20}\"\\\\/\u{7f}é😀]{0,40}";

    fn sent_and_received(command: &Command) -> Command {
        let mut bytes = BytesMut::from(&command.encode()[..]);
        Command::decode(&mut bytes).unwrap().unwrap()
    }

    #[test]
    fn the_longest_head_is_written_whole() {
        let command = Command {
            code: i32::MIN,
            language: Language::NODE_JS,
            version: i32::MIN,
            opaque: i32::MIN,
            flag: i32::MIN,
            remark: None,
            ..Command::request(0)
        };
        assert_eq!(sent_and_received(&command), command);
    }

    #[test]
    fn no_fields_are_no_member() {
        let json = |command: Command<((), Fields)>| {
            let command = Command { opaque: 7, ..command };
            String::from_utf8(command.encode()[8..].to_vec()).unwrap()
        };
        assert_eq!(
            json(Command::request_of(1, ((), Fields::new()))),
            r#"{"code":1,"flag":0,"language":"RUST","opaque":7,"serializeTypeCurrentRPC":"JSON","version":479}"#
        );
        assert_eq!(
            json(Command::request_of(1, ((), [("a", "\"")].into_iter().collect()))),
            r#"{"code":1,"extFields":{"a":"\""},"flag":0,"language":"RUST","opaque":7,"serializeTypeCurrentRPC":"JSON","version":479}"#
        );
    }

    proptest! {
        /// A typed header that is written at once, and text pairs.
        #[test]
        fn both_ways_write_the_same(
            msg_id in TEXT, queue_id: i32, queue_offset: i64, transaction_id in proptest::option::of(TEXT),
            others in proptest::collection::vec(("[a-zA-Z_]{1,9}|\\PC{1,9}|[\u{1}-\u{1f}\"\\\\]{1,3}", TEXT), 0..4),
            others_first: bool, received: bool, remark in proptest::option::of(TEXT), binary: bool,
        ) {
            let header = SendMessageResponse {
                msg_id: &msg_id,
                queue_id,
                queue_offset,
                transaction_id: transaction_id.as_deref(),
                batch_uniq_id: None,
                recall_handle: None,
            };
            let (queue, offset) = (queue_id.to_string(), queue_offset.to_string());
            let mut pairs =
                vec![("msgId", &*msg_id), ("queueId", &*queue), ("queueOffset", &*offset)];
            pairs.extend(transaction_id.as_deref().map(|id| ("transactionId", id)));
            let mut other_fields: Fields =
                others.iter().map(|(key, value)| (&**key, &**value)).collect();
            if received {
                let sent = Command { fields: other_fields, ..Command::request(1) };
                other_fields = sent_and_received(&sent).fields;
            }
            let at = if others_first { 0 } else { pairs.len() };
            pairs.splice(at..at, others.iter().map(|(key, value)| (&**key, &**value)));

            let head = Command {
                remark: remark.clone().map(Into::into),
                serialization: if binary { Serialization::Binary } else { Serialization::Json },
                ..Command::request_of(1, ())
            };
            let expected = head.clone().with_fields(pairs.into_iter().collect::<Fields>());
            let (written, laid_out) = match others_first {
                true => {
                    let command = head.with_fields((&other_fields, header));
                    (command.encode(), command.laid_out())
                }
                false => {
                    let command = head.with_fields((header, &other_fields));
                    (command.encode(), command.laid_out())
                }
            };
            prop_assert_eq!(&written, &expected.encode());
            prop_assert_eq!(&laid_out, &expected);
            prop_assert_eq!(laid_out.encode(), &written);
            if !binary {
                let json: serde_json::Value = serde_json::from_slice(&written[8..]).unwrap();
                prop_assert_eq!(json["remark"].as_str(), remark.as_deref());
                let fields = json["extFields"].as_object().unwrap();
                prop_assert!(fields.iter().all(|(key, value)| expected.fields.get(key) == value.as_str()));
                prop_assert!(expected.fields.iter().all(|(key, _)| fields.contains_key(key)));
            }
        }
    }
}
