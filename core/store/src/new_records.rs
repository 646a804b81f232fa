//! Records on their way into the log.

use crate::keys::{Keys, TopicHash};
use ferromq_model::flags::message;
use ferromq_protocol::record::{self, Content, Layout};
use smallvec::SmallVec;
use std::convert::Infallible;

/// So much memory is kept for other records, in bytes.
const MOST_KEPT: usize = 256 << 10;

/// Records laid out one after the other, to be stored together: those of one queue, or of several queues one
/// queue after the other.
#[derive(Default)]
pub struct NewRecords {
    pub(crate) bytes: Vec<u8>,
    pub(crate) parts: SmallVec<[Part; 1]>,
    /// That of the records that are laid out at present.
    topic: Option<TopicHash>,
    /// Hashes of their keys, in their order.
    pub(crate) key_hashes: SmallVec<[u32; 4]>,
}

/// How far records are laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    bytes: usize,
    parts: usize,
    keys: usize,
}

/// Records that follow one another.
pub(crate) struct Laid<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) parts: &'a [Part],
    pub(crate) key_hashes: &'a [u32],
}

/// One of several records.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) length: usize,
    pub(crate) tags: TagsCode,
    /// How many keys it has.
    pub(crate) keys: usize,
}

/// What a consume queue entry says about the record's tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagsCode {
    /// The hash of the tags.
    Hash(i64),
    /// For the schedule topic: when to deliver, in ms after the record was stored.
    DeliverAfter(i64),
}

impl TagsCode {
    pub(crate) fn at(self, store_timestamp: i64) -> i64 {
        match self {
            TagsCode::Hash(hash) => hash,
            TagsCode::DeliverAfter(delay) => store_timestamp + delay,
        }
    }
}

impl Mark {
    /// How many records there are from one mark to another.
    pub fn records_until(self, to: Mark) -> usize {
        to.parts - self.parts
    }

    /// How many bytes they have together.
    pub fn bytes_until(self, to: Mark) -> usize {
        to.bytes - self.bytes
    }
}

impl NewRecords {
    /// No records yet.
    pub fn new() -> Self {
        NewRecords::default()
    }

    /// One record.
    pub fn one(record: &record::NewRecord<'_>, tags: TagsCode) -> Self {
        let mut records = NewRecords::new();
        records.push(record, tags, Keys::of(record.properties.as_bytes()));
        records
    }

    /// Makes room for so many more records, and for so many bytes.
    pub fn reserve(&mut self, records: usize, length: usize) {
        self.bytes.reserve(length);
        self.parts.reserve(records);
        self.key_hashes.reserve(records);
    }

    /// The end of what is laid out. What is laid out from here on may be of another topic.
    pub fn mark(&mut self) -> Mark {
        self.topic = None;
        Mark { bytes: self.bytes.len(), parts: self.parts.len(), keys: self.key_hashes.len() }
    }

    /// Forgets what was laid out since.
    pub fn rewind(&mut self, to: Mark) {
        self.bytes.truncate(to.bytes);
        self.parts.truncate(to.parts);
        self.key_hashes.truncate(to.keys);
    }

    /// Those between two marks.
    pub(crate) fn between(&mut self, from: Mark, to: Mark) -> Laid<'_> {
        Laid {
            bytes: &mut self.bytes[from.bytes..to.bytes],
            parts: &self.parts[from.parts..to.parts],
            key_hashes: &self.key_hashes[from.keys..to.keys],
        }
    }

    /// How long each of the records between two marks is, in bytes, in their order.
    pub fn lengths(&self, from: Mark, to: Mark) -> impl ExactSizeIterator<Item = usize> {
        self.parts[from.parts..to.parts].iter().map(|part| part.length)
    }

    /// Removes them, but keeps their memory for others, unless that is much.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > MOST_KEPT {
            *self = NewRecords::new();
        }
        self.bytes.clear();
        self.parts.clear();
        self.topic = None;
        self.key_hashes.clear();
    }

    /// Lays out another record behind those that are there; `keys` are those that its properties name.
    pub fn push(&mut self, record: &record::NewRecord<'_>, tags: TagsCode, keys: Keys<'_>) {
        self.push_like(&Layout::of(record), &record.content(""), tags, keys);
    }

    /// As [`push`](Self::push), of a record that has much in common with others: whoever stores many lays
    /// that out once.
    pub fn push_like(
        &mut self,
        layout: &Layout<'_>,
        content: &Content<'_>,
        tags: TagsCode,
        keys: Keys<'_>,
    ) {
        debug_assert_eq!(keys, Keys::of(&content.properties.concat()));
        let (start, keys_before) = (self.bytes.len(), self.key_hashes.len());
        layout.encode(&mut self.bytes, content);
        if layout.sys_flag() & message::TRANSACTION_MASK != message::TRANSACTION_ROLLBACK {
            let topic = *self.topic.get_or_insert_with(|| TopicHash::of(layout.topic().as_bytes()));
            let Ok(()) = keys.each_hash(topic, |hash| {
                self.key_hashes.push(hash);
                Ok::<_, Infallible>(())
            });
        }
        let keys = self.key_hashes.len() - keys_before;
        self.parts.push(Part { length: self.bytes.len() - start, tags, keys });
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All records together, in bytes.
    pub fn byte_length(&self) -> usize {
        self.bytes.len()
    }
}
