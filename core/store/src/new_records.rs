//! Records on their way into the log.

use crate::keys::{Keys, TopicHash};
use ferromq_model::flags::message;
use ferromq_protocol::record::{self, Content, Layout};
use smallvec::SmallVec;
use std::convert::Infallible;

/// So much memory is kept for other records, in bytes.
const MOST_KEPT: usize = 64 << 10;

/// Records of one topic laid out one after the other, to be stored together.
#[derive(Default)]
pub struct NewRecords {
    pub(crate) bytes: Vec<u8>,
    pub(crate) parts: SmallVec<[Part; 1]>,
    topic: Option<TopicHash>,
    /// Hashes of their keys, in their order.
    pub(crate) key_hashes: SmallVec<[u32; 4]>,
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

    /// How long each of them is, in bytes, in their order.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.parts.iter().map(|part| part.length)
    }

    /// All records together, in bytes.
    pub fn byte_length(&self) -> usize {
        self.bytes.len()
    }
}
