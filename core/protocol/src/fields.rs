//! The ext fields of a command: an ordered list of text pairs in one buffer.
//!
//! A received command keeps its fields where they arrived, in the header's own bytes; a command
//! being built appends to a buffer. Either way a field is a pair of spans, so that neither reading
//! nor writing one allocates.

use bytestring::ByteString;
use smallvec::SmallVec;
use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;

/// What is reserved for the text of a command that is being built: enough for most.
const USUAL_LENGTH: usize = 256;

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

/// The buffer that spans point into.
#[derive(Clone)]
enum Text {
    /// A header as it arrived.
    Received(ByteString),
    /// What is being built.
    Built(String),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Text::Received(text) => text,
            Text::Built(text) => text,
        }
    }

    /// The text, to append to.
    fn growing(&mut self) -> &mut String {
        if let Text::Received(text) = self {
            *self = Text::Built(text.to_string());
        }
        match self {
            Text::Built(text) => text,
            Text::Received(_) => unreachable!("just replaced"),
        }
    }
}

/// Name-value pairs of a command (the reference calls them ext fields; protocol §1.10).
#[derive(Clone)]
pub struct Fields {
    text: Text,
    pairs: SmallVec<[(Span, Span); 16]>,
}

impl Default for Fields {
    fn default() -> Self {
        Fields { text: Text::Built(String::new()), pairs: SmallVec::new() }
    }
}

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Fields::default()
    }

    /// Fields that lie in `text`.
    pub(crate) fn of_header(text: ByteString, pairs: SmallVec<[(Span, Span); 16]>) -> Self {
        Fields { text: Text::Received(text), pairs }
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
            .find(|(k, _)| self.text_at(*k) == key)
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
        let text = self.text.growing();
        let start = text.len();
        // Writing into a growing buffer cannot fail.
        let _ = write!(text, "{value}");
        let end = text.len();
        self.pairs.push((key, Span::new(start..end)));
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
        let text = self.text.as_str();
        self.pairs.retain(|(k, _)| text.get(k.range()) != Some(key));
    }

    fn append(&mut self, text: &str) -> Span {
        let all = self.text.growing();
        if all.capacity() == 0 {
            all.reserve(USUAL_LENGTH);
        }
        let start = all.len();
        all.push_str(text);
        Span::new(start..all.len())
    }

    fn text_at(&self, span: Span) -> &str {
        // Spans begin and end at characters; an empty text is the answer to a broken promise.
        self.text.as_str().get(span.range()).unwrap_or_default()
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
