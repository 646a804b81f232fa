//! The ext fields of a command.

use crate::header::{FieldKey, FieldSink, FieldSource, FieldText};
use crate::json_writer::is_plain;
use crate::pairs::{Span, Spans};
use bytestring::ByteString;
use std::fmt;

/// Most commands have fewer.
const USUAL: usize = 16;
/// What is reserved for the text of fields that are being built: enough for most.
const USUAL_LENGTH: usize = 256;
/// Where the fields of a received header lie.
pub(crate) type FieldSpans = Spans<USUAL>;

/// Name-value pairs of a command (the reference calls them ext fields; protocol §1.10).
///
/// What is being built is laid out as a JSON header has it, so that such a header is written by copying
/// once.
#[derive(Clone)]
pub struct Fields {
    text: Text,
    spans: FieldSpans,
    /// Whether what was built can stand in a JSON header as it is.
    plain: bool,
}

/// The buffer that spans point into.
#[derive(Clone)]
enum Text {
    /// As it arrived.
    Received(ByteString),
    /// `"name":"value"`, separated by commas, without any escape.
    Built(String),
}

impl Default for Fields {
    fn default() -> Self {
        Fields { text: Text::Built(String::new()), spans: FieldSpans::new(), plain: true }
    }
}

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Fields::default()
    }

    /// Fields that lie in `text`.
    pub(crate) fn of_header(text: ByteString, spans: FieldSpans) -> Self {
        Fields { text: Text::Received(text), spans, plain: false }
    }

    fn text(&self) -> &str {
        match &self.text {
            Text::Received(text) => text,
            Text::Built(text) => text,
        }
    }

    /// The fields in the order in which they were sent.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let text = self.text();
        self.spans.iter().map(|(key, value)| (key.of(text), value.of(text)))
    }

    /// As [`iter`](Self::iter), for the code that reads typed headers.
    #[doc(hidden)]
    #[inline]
    pub fn for_header(&self) -> impl Iterator<Item = (&[u8], FieldText<'_>)> {
        let all = self.text();
        let text = |span| FieldText { all, span };
        self.spans.iter().map(move |(key, value)| (key.of_bytes(all.as_bytes()), text(*value)))
    }

    /// The fields as a JSON header has them, if that is how they lie here.
    pub(crate) fn as_json(&self) -> Option<&str> {
        match &self.text {
            Text::Built(text) if self.plain => Some(text),
            _ => None,
        }
    }

    /// The value of `key`; of several the last, as every receiver keeps it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Appends a field.
    pub fn push(&mut self, key: &str, value: &str) {
        self.build();
        self.plain &= is_plain(key) && is_plain(value);
        let first = self.is_empty();
        let text = self.building(key.len() + value.len());
        text.push_str(if first { "\"" } else { ",\"" });
        let key = Span::appended(text, key);
        text.push_str("\":\"");
        let value = Span::appended(text, value);
        text.push('"');
        self.spans.push((key, value));
    }

    /// Appends all fields of others.
    pub fn extend(&mut self, others: &Fields) {
        let (Some(json), Text::Built(_)) = (others.as_json(), &self.text) else {
            return others.iter().for_each(|(key, value)| self.push(key, value));
        };
        let first = self.is_empty();
        let text = self.building(json.len());
        if !first && !json.is_empty() {
            text.push(',');
        }
        let start = text.len();
        text.push_str(json);
        self.spans.extend(others.spans.iter().map(|(k, v)| (k.moved(start), v.moved(start))));
    }

    /// Lays out anew what was received, so that it can be added to.
    fn build(&mut self) {
        if let Text::Received(_) = self.text {
            *self = self.iter().collect();
        }
    }

    /// The text of what is being built, with room for a pair of `length`.
    fn building(&mut self, length: usize) -> &mut String {
        self.build();
        // Just seen to.
        let Text::Built(text) = &mut self.text else { unreachable!() };
        match text.capacity() {
            0 => *text = String::with_capacity(USUAL_LENGTH.max(length + 6)),
            _ => text.reserve(length + 6),
        }
        text
    }

    /// Appends a field whose value is written in decimal.
    pub fn push_integer(&mut self, key: &str, value: i64) {
        self.push(key, itoa::Buffer::new().format(value));
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Removes every field named `key`.
    pub fn remove(&mut self, key: &str) {
        *self = self.iter().filter(|(name, _)| *name != key).collect();
    }
}

impl FieldSource for Fields {
    fn put_into(&self, sink: &mut impl FieldSink) {
        sink.put_all(self);
    }
}

impl FieldSink for Fields {
    fn put(&mut self, key: FieldKey, value: &str) {
        self.build();
        self.plain &= is_plain(value);
        self.put_plain(key, value);
    }

    fn put_plain(&mut self, key: FieldKey, value: &str) {
        let before = if self.is_empty() { key.quoted() } else { key.behind_comma() };
        let text = self.building(before.len() + value.len());
        text.push_str(before);
        let end = text.len() - 3;
        let name = Span::new(end - key.name().len()..end);
        let value = Span::appended(text, value);
        text.push('"');
        self.spans.push((name, value));
    }

    fn put_all(&mut self, fields: &Fields) {
        self.extend(fields);
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut fields = Fields::new();
        pairs.into_iter().for_each(|(key, value)| fields.push(key, value));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use bytes::BytesMut;

    #[test]
    fn keeps_order_and_lets_the_last_win() {
        let mut fields: Fields = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        fields.push_integer("n", -7);
        assert_eq!(fields.get("b"), Some("3"));
        assert_eq!(fields.get("n"), Some("-7"));
        assert_eq!(fields.get("x"), None);
        fields.remove("b");
        assert_eq!(fields.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["a", "n"]);
    }

    fn sent_and_received(command: &Command) -> Command {
        let mut bytes = BytesMut::from(&command.encode()[..]);
        Command::decode(&mut bytes).unwrap().unwrap()
    }

    #[test]
    fn what_was_received_can_be_added_to() {
        for (first, added) in [("1", "3"), ("1\n", "3"), ("1", "\"3\"")] {
            let mut sent = Command::request(1);
            sent.fields = [("a", first), ("b", "2")].into_iter().collect();
            let mut received = sent_and_received(&sent);
            received.fields.push("c", added);
            received.fields.remove("b");
            assert_eq!(received.fields.iter().collect::<Vec<_>>(), [("a", first), ("c", added)]);
            assert_eq!(sent_and_received(&received), received);

            let mut received = sent_and_received(&sent);
            received.fields.extend(&[("c", added)].into_iter().collect());
            assert_eq!(received.fields.get("c"), Some(added));
            assert_eq!(sent_and_received(&received), received);
            sent.fields.extend(&[("c", added)].into_iter().collect());
            assert_eq!(sent_and_received(&sent), received);
        }
    }

    #[test]
    fn escapes_are_left_to_whoever_writes() {
        let mut fields: Fields = [("a", "1"), ("ü", "é")].into_iter().collect();
        assert_eq!(fields.as_json(), Some(r#""a":"1","ü":"é""#));
        fields.push("b", "\"");
        assert_eq!(fields.as_json(), None);
        assert_eq!(fields.get("b"), Some("\""));
    }
}
