//! The keys under which messages are found, and those on their way from the log into the index.

use crate::new_records::Laid;
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::RecordView;
use ferromq_protocol::tags::{java_string_hash_after, java_string_hash_with};
use std::ops::Range;

/// The keys under which a message is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Its unique id.
    unique: Option<&'a [u8]>,
    /// Those that its sender gave it, separated by spaces.
    others: &'a [u8],
}

impl<'a> Keys<'a> {
    /// Those that are properties: the unique id, and `KEYS`.
    pub fn new(unique: Option<&'a [u8]>, others: Option<&'a [u8]>) -> Self {
        Keys { unique, others: others.unwrap_or_default() }
    }

    /// Those in a property string.
    pub fn of(properties: &'a [u8]) -> Self {
        let found = properties::find_each(properties, [key::UNIQUE_KEY, key::KEYS]);
        let [unique, others] = found.map(|place| place.map(|place| &properties[place]));
        Keys::new(unique, others)
    }

    /// Its unique id.
    pub(crate) fn unique(&self) -> Option<&'a [u8]> {
        self.unique
    }

    /// Those that its sender gave it.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'a [u8]> {
        self.others.split(|byte| *byte == b' ').filter(|key| !key.is_empty())
    }

    /// Visits the hashes of all, in the order in which they are entered.
    #[inline]
    pub(crate) fn each_hash<E>(
        &self,
        topic: TopicHash,
        mut visit: impl FnMut(u32) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(key) = self.unique {
            visit(topic.key(key))?;
        }
        // Most messages have no others, which is not worth a search.
        if self.others.is_empty() {
            return Ok(());
        }
        self.others().try_for_each(|key| visit(topic.key(key)))
    }
}

/// The key under which Apache's brokers from 5.4 on enter a record for its tag, too. Ours do not.
pub(crate) fn tag_key_of(record: &RecordView<'_>) -> Option<String> {
    record.property(key::TAGS).map(|tag| format!("T#{tag}"))
}

/// The hash of what all index keys of a topic begin with.
#[derive(Clone, Copy)]
pub(crate) struct TopicHash(i32);

impl TopicHash {
    pub(crate) fn of(topic: &[u8]) -> Self {
        TopicHash(java_string_hash_with(java_string_hash_after(0, topic), b'#'))
    }

    /// The hash of one of its keys: never negative.
    pub(crate) fn key(self, key: &[u8]) -> u32 {
        java_string_hash_after(self.0, key).checked_abs().unwrap_or(0) as u32
    }
}

/// A key of a record that has its place.
#[derive(Clone, Copy)]
pub(crate) struct NewKey {
    pub(crate) hash: u32,
    /// Where the record is.
    pub(crate) offset: i64,
    /// When it was stored, in ms.
    pub(crate) timestamp: i64,
}

/// Keys of the records that were stored last, in the order of the log: whoever stores a record has its
/// properties at hand, and the index need not read them again. What does not fit is left out, and the log
/// says it.
#[derive(Default)]
pub(crate) struct NewKeys {
    keys: Vec<NewKey>,
    /// How many there may be.
    limit: usize,
    /// The part of the log whose records' keys are all here.
    range: Range<i64>,
    /// Whether some were left out since.
    full: bool,
}

impl NewKeys {
    /// None, and room for so many.
    pub(crate) fn with_limit(limit: usize) -> Self {
        NewKeys { limit, ..NewKeys::default() }
    }

    /// Goes on at `position` without any.
    pub(crate) fn begin_at(&mut self, position: i64) {
        self.keys.clear();
        // What a while of much work takes, at once: it must not grow while others wait for the log. Memory
        // comes only as it is used.
        self.keys.reserve_exact(self.limit);
        (self.range, self.full) = (position..position, false);
    }

    /// Goes on at `position` without any, and leaves those that there are in `taken`.
    pub(crate) fn take(&mut self, position: i64, taken: &mut NewKeys) {
        taken.limit = self.limit;
        taken.begin_at(position);
        std::mem::swap(self, taken);
    }

    /// Adds those of records that were stored at `start`, unless there is no room for all.
    #[inline]
    pub(crate) fn add(&mut self, records: &Laid<'_>, start: i64, timestamp: i64) {
        self.full |= self.keys.len() + records.key_hashes.len() > self.limit;
        if self.full {
            return;
        }
        let (mut hashes, mut offset) = (records.key_hashes, start);
        for part in records.parts {
            let (of_this, rest) = hashes.split_at(part.keys.min(hashes.len()));
            self.keys.extend(of_this.iter().map(|hash| NewKey { hash: *hash, offset, timestamp }));
            offset += part.length as i64;
            hashes = rest;
        }
        self.range.end = offset;
    }

    /// The part of the log whose records' keys are all here.
    pub(crate) fn range(&self) -> Range<i64> {
        self.range.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// All, so many at once.
    pub(crate) fn chunks(&self, length: usize) -> impl Iterator<Item = &[NewKey]> {
        self.keys.chunks(length)
    }
}
