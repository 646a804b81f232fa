//! What administration reads of the stored messages, and what it deletes.

use bytes::Bytes;

/// Where one message of a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) physical_offset: i64,
    pub(crate) size: i32,
    pub(crate) tags_code: i64,
}

/// The stored messages. Queues that never had a message are empty ones.
pub(crate) trait Log: Send + Sync {
    /// The offset after the queue's last message.
    fn max_offset(&self, topic: &str, queue: i32) -> i64;
    /// The offset of the queue's first message.
    fn min_offset(&self, topic: &str, queue: i32) -> i64;
    /// The offset of the first message stored at `timestamp` (ms) or later; with `upper`, of the
    /// last one stored at that time.
    fn offset_at(&self, topic: &str, queue: i32, timestamp: i64, upper: bool) -> i64;
    /// When a message was stored, in ms.
    fn store_time(&self, topic: &str, queue: i32, offset: i64) -> Option<i64>;
    /// Whether a message is among those that the machine likely holds in memory.
    fn in_memory(&self, topic: &str, queue: i32, offset: i64) -> bool;
    /// Up to `count` entries of a queue from `offset` on.
    fn entries(&self, topic: &str, queue: i32, offset: i64, count: usize) -> Vec<LogEntry>;
    /// The message at a physical offset.
    fn message(&self, physical_offset: i64) -> Option<Bytes>;
    /// The first physical offset.
    fn start(&self) -> i64;
    /// The physical offset after the last message.
    fn end(&self) -> i64;
    /// The physical offset up to which everything is on disk.
    fn flushed(&self) -> i64;
    /// The part of the disk that is in use, of the log and of the queues.
    fn disk_used(&self) -> (f64, f64);
    /// Deletes the queues of a topic.
    fn delete_topic(&self, topic: &str) -> Result<(), String>;
    /// Deletes the queues of every topic that is not known.
    fn delete_unknown_topics(&self, known: &dyn Fn(&str) -> bool) -> Result<(), String>;
    /// Deletes messages that have expired, and the queue entries that point to none.
    fn delete_expired(&self) -> Result<(), String>;
}
