//! The store as administration sees it: queues by topic and number, where one that never had a
//! message is an empty one.

use crate::topics::MAX_QUEUES;
use ferromq_store::{Boundary, Entry, Queue, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A view of the store.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a>(pub(crate) &'a Store);

type Result<T> = std::result::Result<T, StoreError>;

impl Log<'_> {
    fn on<T>(
        &self,
        topic: &str,
        queue: i32,
        absent: T,
        read: impl FnOnce(&Arc<Queue>) -> Result<T>,
    ) -> Result<T> {
        // The store remembers every queue that it is asked about.
        if queue >= MAX_QUEUES {
            return Ok(absent);
        }
        match self.0.queue(topic, queue) {
            Some(queue) => read(&queue),
            None => Ok(absent),
        }
    }

    /// The offset after the queue's last message.
    pub(crate) fn max_offset(&self, topic: &str, queue: i32) -> Result<i64> {
        self.on(topic, queue, 0, |queue| self.0.max_offset(queue))
    }

    /// The offset of the queue's first message.
    pub(crate) fn min_offset(&self, topic: &str, queue: i32) -> Result<i64> {
        self.on(topic, queue, 0, |queue| self.0.min_offset(queue))
    }

    /// The offset of a queue at a time in ms.
    pub(crate) fn offset_at(
        &self,
        topic: &str,
        queue: i32,
        time: i64,
        boundary: Boundary,
    ) -> Result<i64> {
        self.on(topic, queue, 0, |queue| self.0.offset_at(queue, time, boundary))
    }

    /// When a message was stored, in ms.
    pub(crate) fn store_time(&self, topic: &str, queue: i32, offset: i64) -> Result<Option<i64>> {
        self.on(topic, queue, None, |queue| self.0.store_time(queue, offset))
    }

    /// Up to `count` entries of a queue from `offset` on.
    pub(crate) fn entries(
        &self,
        topic: &str,
        queue: i32,
        offset: i64,
        count: usize,
    ) -> Result<Vec<Entry>> {
        self.on(topic, queue, Vec::new(), |queue| self.0.entries(queue, offset, count))
    }

    /// Whether the queue has a message at `offset`, among those that the machine likely holds in
    /// memory.
    pub(crate) fn in_memory(&self, topic: &str, queue: i32, offset: i64) -> Result<bool> {
        let entries = self.entries(topic, queue, offset, 1)?;
        let entry = entries.first().filter(|entry| entry.is_message());
        Ok(entry.is_some_and(|entry| self.0.in_memory(entry.physical_offset)))
    }

    /// Removes the queues of every topic that is not known.
    pub(crate) fn remove_unknown_topics(&self, known: impl Fn(&str) -> bool) -> Result<()> {
        let queues = self.0.queues_on_disk()?.into_iter();
        let topics: BTreeSet<String> = queues.map(|(topic, _)| topic).collect();
        for topic in topics.iter().filter(|topic| !known(topic)) {
            tracing::info!(topic, "the queues of a topic that does not exist are removed");
            self.0.remove_topic(topic)?;
        }
        Ok(())
    }
}
