//! The ext fields of a command.

use crate::pairs::{Spans, TextPairs};
use bytestring::ByteString;
use std::fmt;

/// Most commands have fewer.
const USUAL: usize = 16;
/// Where the fields of a received header lie.
pub(crate) type FieldSpans = Spans<USUAL>;

/// Name-value pairs of a command (the reference calls them ext fields; protocol §1.10).
#[derive(Clone, Default, PartialEq)]
pub struct Fields(TextPairs<USUAL>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Fields::default()
    }

    /// Fields that lie in `text`.
    pub(crate) fn of_header(text: ByteString, spans: FieldSpans) -> Self {
        Fields(TextPairs::received(text, spans))
    }

    /// The fields in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }

    /// The value of `key`; of several the last, as every receiver keeps it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Appends a field.
    pub fn push(&mut self, key: &str, value: &str) {
        self.0.push(key, value);
    }

    /// Appends a field whose value is written in decimal.
    pub fn push_integer(&mut self, key: &str, value: i64) {
        self.push(key, itoa::Buffer::new().format(value));
    }

    /// Appends a field with anything that can be displayed.
    pub fn push_display(&mut self, key: &str, value: impl fmt::Display) {
        self.0.push_display(key, value);
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes every field named `key`.
    pub fn remove(&mut self, key: &str) {
        self.0.remove_all(key);
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
