//! The ext fields of a command: an ordered list of text pairs in one buffer.
//!
//! A received command keeps its fields where they arrived, in the header's own bytes; a command
//! being built appends to a buffer. Either way a field is a pair of spans, so that neither reading
//! nor writing one allocates.

use bytes::BytesMut;
use smallvec::SmallVec;
use std::fmt;
use std::io::Write as _;
use std::ops::Range;

/// Where a piece of text lies in the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `range`. Headers are below 16 MiB, so 32 bits always hold it.
    pub(crate) fn new(range: Range<usize>) -> Self {
        Span { start: range.start as u32, end: range.end as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Name-value pairs of a command (the reference calls them ext fields; protocol §1.10).
#[derive(Clone, Default)]
pub struct Fields {
    text: BytesMut,
    pairs: SmallVec<[(Span, Span); 16]>,
}

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Fields::default()
    }

    /// Fields that lie in `text`. Every span must cover valid UTF-8.
    pub(crate) fn of_header(text: BytesMut, pairs: SmallVec<[(Span, Span); 16]>) -> Self {
        Fields { text, pairs }
    }

    /// The fields in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (self.text_at(*key), self.text_at(*value)))
    }

    /// The value of `key`; of several the last, as every receiver keeps it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|(k, _)| &self.text[k.range()] == key.as_bytes())
            .map(|(_, value)| self.text_at(*value))
    }

    /// Appends a field.
    pub fn push(&mut self, key: &str, value: &str) {
        let key = self.append(key);
        let value = self.append(value);
        self.pairs.push((key, value));
    }

    /// Appends a field whose value is written in decimal.
    pub fn push_integer(&mut self, key: &str, value: i64) {
        self.push(key, itoa::Buffer::new().format(value));
    }

    /// Appends a field with anything that can be displayed.
    pub fn push_display(&mut self, key: &str, value: impl fmt::Display) {
        let key = self.append(key);
        let start = self.text.len();
        // Writing into a growing buffer cannot fail.
        let _ = write!(bytes::BufMut::writer(&mut self.text), "{value}");
        self.pairs.push((key, Span::new(start..self.text.len())));
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Removes every field named `key`.
    pub fn remove(&mut self, key: &str) {
        let text = &self.text;
        self.pairs.retain(|(k, _)| &text[k.range()] != key.as_bytes());
    }

    fn append(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(text.as_bytes());
        Span::new(start..self.text.len())
    }

    fn text_at(&self, span: Span) -> &str {
        // Spans are checked when they are made; an empty text is the answer to a broken promise.
        std::str::from_utf8(&self.text[span.range()]).unwrap_or_default()
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

    #[test]
    fn keeps_order_and_lets_the_last_win() {
        let mut fields: Fields = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        fields.push_integer("n", -7);
        fields.push_display("d", 1.5);
        assert_eq!(fields.get("b"), Some("3"));
        assert_eq!(fields.get("n"), Some("-7"));
        assert_eq!(fields.get("d"), Some("1.5"));
        assert_eq!(fields.get("x"), None);
        fields.remove("b");
        assert_eq!(fields.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["a", "n", "d"]);
    }
}
