//! Message properties: an ordered list of text pairs, and their form in records and headers
//! (protocol §5.4, store §2.3).

use crate::pairs::{Span, Spans, TextPairs};
use crate::scan::{each, first_of};
use bytestring::ByteString;
use std::fmt;
use std::ops::Range;

/// Most messages have fewer.
const USUAL: usize = 10;

/// Names of the properties that RocketMQ itself uses (protocol §5.5).
pub mod key {
    /// Index keys, separated by spaces.
    pub const KEYS: &str = "KEYS";
    /// The tag.
    pub const TAGS: &str = "TAGS";
    /// Whether the producer waits until the message is stored.
    pub const WAIT: &str = "WAIT";
    /// The delay level, 1 to 18.
    pub const DELAY: &str = "DELAY";
    /// The original topic of a retry message.
    pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
    /// The topic that a delayed or half message is for.
    pub const REAL_TOPIC: &str = "REAL_TOPIC";
    /// The queue that a delayed or half message is for.
    pub const REAL_QUEUE_ID: &str = "REAL_QID";
    /// `true` for a half message.
    pub const TRANSACTION_PREPARED: &str = "TRAN_MSG";
    /// The producer group of a transactional message.
    pub const PRODUCER_GROUP: &str = "PGROUP";
    /// The queue's first offset, added by consumers.
    pub const MIN_OFFSET: &str = "MIN_OFFSET";
    /// The offset after the queue's last, added by consumers.
    pub const MAX_OFFSET: &str = "MAX_OFFSET";
    /// The message's id at its first delivery.
    pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
    /// How often the message was consumed without success.
    pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
    /// After how many failures it is a dead letter.
    pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
    /// The broker's region.
    pub const MSG_REGION: &str = "MSG_REGION";
    /// Whether the message is traced.
    pub const TRACE_ON: &str = "TRACE_ON";
    /// The id that the producer gave the message.
    pub const UNIQUE_KEY: &str = "UNIQ_KEY";
    /// When the listener was called, in ms.
    pub const CONSUME_START_TIME: &str = "CONSUME_START_TIME";
    /// How many messages an inner batch holds.
    pub const INNER_NUM: &str = "INNER_NUM";
    /// The queue offset of an inner batch's first message.
    pub const INNER_BASE: &str = "INNER_BASE";
    /// After how many seconds a half message is first checked.
    pub const CHECK_IMMUNITY_TIME: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
    /// How often a half message was checked.
    pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
    /// The transaction's id.
    pub const TRANSACTION_ID: &str = "__transactionId__";
    /// The broker's cluster.
    pub const CLUSTER: &str = "CLUSTER";
    /// `reply` for a reply.
    pub const MESSAGE_TYPE: &str = "MSG_TYPE";
    /// Who waits for a reply.
    pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
    /// A pop receipt.
    pub const POP_CK: &str = "POP_CK";
    /// The ordering key.
    pub const SHARDING_KEY: &str = "__SHARDINGKEY";
    /// Delay in seconds (5.x).
    pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
    /// Delay in ms (5.x).
    pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
    /// When to deliver, in ms since the epoch (5.x).
    pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
    /// A dead letter's topic before.
    pub const DLQ_ORIGIN_TOPIC: &str = "DLQ_ORIGIN_TOPIC";
    /// A dead letter's id before.
    pub const DLQ_ORIGIN_MESSAGE_ID: &str = "DLQ_ORIGIN_MESSAGE_ID";
}

/// Between a name and its value.
pub const NAME_END: char = '\u{1}';
/// After each value.
pub const PAIR_END: char = '\u{2}';
const NAME_END_BYTE: u8 = NAME_END as u8;
/// The longest property string, in bytes.
pub const MAX_LENGTH: usize = 32_767;

/// The pairs of a property string; pieces that are no pair, and empty names or values, are left out.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    spans(text).map(|(name, value)| (&text[name], &text[value]))
}

/// Where the names and values of [`pairs`] are.
fn spans(text: &str) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut next = 0;
    std::iter::from_fn(move || {
        while next < bytes.len() {
            let start = next;
            let middle = first_of(bytes, start, [NAME_END as u8, PAIR_END as u8]);
            if bytes.get(middle) != Some(&(NAME_END as u8)) {
                next = middle + 1;
                continue;
            }
            let end = first_of(bytes, middle + 1, [PAIR_END as u8]);
            next = end + 1;
            if start < middle && middle + 1 < end {
                return Some((start..middle, middle + 1..end));
            }
        }
        None
    })
}

/// The value of a property in a property string; of several the last.
pub fn find<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let [value] = find_each(text.as_bytes(), [name]);
    value.map(|value| &text[value])
}

/// Where the values of some properties are, as [`find`] finds them, in one pass.
#[inline]
pub fn find_each<const N: usize>(text: &[u8], names: [&str; N]) -> [Option<Range<usize>>; N] {
    let mut found = [const { None }; N];
    each_piece(text, |start, end| {
        let piece = text.get(start..end).unwrap_or_default();
        for (name, value) in names.iter().zip(&mut found) {
            // Names hold no separator, so the first one of a pair is where its name ends.
            if let Some((head, [NAME_END_BYTE, _, ..])) = piece.split_at_checked(name.len())
                && head == name.as_bytes()
            {
                *value = Some(start + name.len() + 1..end);
            }
        }
    });
    found
}

/// Visits the pieces that end with [`PAIR_END`], and the last though it does not.
#[inline(always)]
fn each_piece(text: &[u8], mut visit: impl FnMut(usize, usize)) {
    let mut start = 0;
    each(text, PAIR_END as u8, |end| {
        visit(start, end);
        start = end + 1;
    });
    if start < text.len() {
        visit(start, text.len());
    }
}

/// Appends a pair to a property string, ending the last pair first if its end was left out.
pub fn append(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() && !text.ends_with(PAIR_END) {
        text.push(PAIR_END);
    }
    text.push_str(name);
    text.push(NAME_END);
    text.push_str(value);
    text.push(PAIR_END);
}

/// The properties of one message, in the order in which they were set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(TextPairs<USUAL>);

impl Properties {
    /// None.
    pub fn new() -> Self {
        Properties::default()
    }

    /// Reads a property string; of several values of one name the last counts.
    pub fn parse(text: &str) -> Self {
        Properties::spanned(text, |spans| TextPairs::built(text.to_string(), spans))
    }

    /// As [`parse`](Self::parse), of text that is kept where it is.
    pub(crate) fn received(text: ByteString) -> Self {
        Properties::spanned(&text, |spans| TextPairs::received(text.clone(), spans))
    }

    fn spanned(text: &str, make: impl FnOnce(Spans<USUAL>) -> TextPairs<USUAL>) -> Self {
        let mut found = Spans::<USUAL>::new();
        for (name, value) in spans(text) {
            let known =
                found.iter_mut().find(|(known, _)| text[known.range()] == text[name.clone()]);
            match known {
                Some((_, old)) => *old = Span::new(value),
                None => found.push((Span::new(name), Span::new(value))),
            }
        }
        Properties(make(found))
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a property that holds a number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// Sets a property, in place of its former value if it has one.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match self.0.position(name) {
            Some(index) => self.0.replace(index, value),
            None => self.0.push(name, value),
        }
    }

    /// Sets a property to a number in decimal.
    pub fn set_number(&mut self, name: &str, value: i64) {
        self.set(name, itoa::Buffer::new().format(value));
    }

    /// Removes a property and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let index = self.0.position(name)?;
        Some(self.0.remove(index).to_string())
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The property string, with its last separator.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.iter().map(|(k, v)| k.len() + v.len() + 2).sum());
        self.iter().for_each(|(name, value)| append(&mut text, name, value));
        text
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut properties = Properties::new();
        pairs.into_iter().for_each(|(name, value)| properties.set(name, value));
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_as_java_does() {
        for text in ["KEYS\u{1}k1\u{2}TAGS\u{1}TagA\u{2}", "KEYS\u{1}k1\u{2}TAGS\u{1}TagA"] {
            assert_eq!(pairs(text).collect::<Vec<_>>(), [("KEYS", "k1"), ("TAGS", "TagA")]);
        }
        assert_eq!(
            pairs("\u{2}a\u{2}b\u{1}\u{2}\u{1}c\u{2}d\u{1}e\u{1}f\u{2}").collect::<Vec<_>>(),
            [("d", "e\u{1}f")]
        );
        assert_eq!(find("a\u{1}1\u{2}a\u{1}2\u{2}", "a"), Some("2"));
        let mut text = "a\u{1}1".to_string();
        append(&mut text, "b", "2");
        assert_eq!(text, "a\u{1}1\u{2}b\u{1}2\u{2}");
    }

    proptest! {
        #[test]
        fn round_trip(list in proptest::collection::vec(("[^\u{1}\u{2}]{1,8}", "[^\u{1}\u{2}]{1,8}"), 0..8)) {
            let properties: Properties = list.into_iter().collect();
            prop_assert_eq!(Properties::parse(&properties.encode()), properties);
        }

        #[test]
        fn any_text_can_be_read(text in "[ab\u{1}\u{2}\u{3}]{0,40}") {
            let properties = Properties::parse(&text);
            for (name, value) in properties.iter() {
                prop_assert_eq!(find(&text, name), Some(value));
            }
            for name in ["a", "b", "ab", "aa", "ba", "c"] {
                prop_assert_eq!(find(&text, name), properties.get(name));
            }
        }
    }
}
