//! What a consumer holds of one queue.

use super::mailbox::Source;
use crate::message::ReceivedMessage;
use ferromq_model::MessageQueue;
use ferromq_protocol::body::ProcessQueueInfo;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a queue's lock is believed without being renewed.
const LOCK_VALIDITY: Duration = Duration::from_secs(30);

/// How long a queue that goes elsewhere waits for what is being handled of it in order.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message that was not handled yet.
struct Kept {
    bytes: usize,
    /// The message itself, when the queue is to give it to somebody: in order.
    message: Option<Box<ReceivedMessage>>,
}

#[derive(Default)]
struct Held {
    messages: BTreeMap<i64, Kept>,
    /// Those being handled, when in order.
    taken: BTreeMap<i64, ReceivedMessage>,
    /// Whether they are: not while they wait for their turn.
    handling: bool,
    /// Since when the queue is to go elsewhere.
    leaving: Option<Instant>,
    bytes: usize,
    /// The offset after the last message that was ever held.
    next: i64,
}

impl Held {
    fn add(&mut self, offset: i64, bytes: usize, message: Option<Box<ReceivedMessage>>) {
        self.next = self.next.max(offset + 1);
        self.bytes += bytes;
        self.messages.insert(offset, Kept { bytes, message });
    }
}

impl Source for Arc<ProcessQueue> {
    fn is_gone(&self) -> bool {
        self.is_dropped()
    }
}

/// One queue that this consumer has been allocated.
pub(crate) struct ProcessQueue {
    pub(crate) queue: MessageQueue,
    held: Mutex<Held>,
    /// Nothing more is handled.
    dropped: AtomicBool,
    /// Nothing more is committed. Changes only under the lock of `held`.
    lost: AtomicBool,
    paused: AtomicBool,
    locked_at: Mutex<Option<Instant>>,
    /// The next offset to pull.
    pub(crate) pull_offset: AtomicI64,
    /// The next offset that the broker writes, as it said last; -1 before it did.
    pub(crate) max_offset: AtomicI64,
    pub(crate) last_pull: AtomicI64,
    pub(crate) last_consume: AtomicI64,
    /// Messages arrived, or the queue was dropped.
    pub(crate) changed: Notify,
    /// Messages were handled.
    pub(crate) room: Notify,
}

impl ProcessQueue {
    pub(crate) fn new(queue: MessageQueue, offset: i64) -> Self {
        ProcessQueue {
            queue,
            held: Mutex::new(Held { next: offset, ..Held::default() }),
            dropped: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            locked_at: Mutex::new(None),
            pull_offset: AtomicI64::new(offset),
            max_offset: AtomicI64::new(-1),
            last_pull: AtomicI64::new(0),
            last_consume: AtomicI64::new(0),
            changed: Notify::new(),
            room: Notify::new(),
        }
    }

    /// Takes the queue away: nothing of it is handled or committed any more.
    pub(crate) fn drop_queue(&self) {
        {
            let _no_commit_meanwhile = self.held.lock();
            self.lost.store(true, Ordering::Release);
        }
        self.finish();
    }

    /// Begins to handle nothing more; what is being handled can still be committed.
    pub(crate) fn finish(&self) {
        {
            let _none_begins_meanwhile = self.held.lock();
            self.dropped.store(true, Ordering::Release);
        }
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// Begins to handle nothing more, in order, and says whether the queue can go: what is being handled of it
    /// would be handled elsewhere at the same time. It is waited for, but not for ever.
    pub(crate) fn leave(&self) -> bool {
        self.finish();
        let mut held = self.held.lock();
        let since = *held.leaving.get_or_insert_with(Instant::now);
        !held.handling || since.elapsed() > PATIENCE
    }

    /// Whether it is to go, and waits for what is being handled.
    pub(crate) fn is_leaving(&self) -> bool {
        self.held.lock().leaving.is_some()
    }

    /// What was taken is being handled from now on, unless nothing more is to be.
    pub(crate) fn begin_handling(&self) -> bool {
        let mut held = self.held.lock();
        held.handling = !self.is_dropped();
        held.handling
    }

    /// It is no longer, and its progress is noted. Returns whether the queue waits for that to go elsewhere.
    pub(crate) fn end_handling(&self) -> bool {
        let mut held = self.held.lock();
        held.handling = false;
        held.leaving.is_some()
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// Commits with `commit`, unless the queue was taken away: an offset of then must not go over
    /// that of whoever has the queue now.
    pub(crate) fn unless_lost(&self, commit: impl FnOnce()) {
        let _not_lost_meanwhile = self.held.lock();
        if !self.lost.load(Ordering::Acquire) {
            commit();
        }
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Notes whether the broker says that the queue is this client's.
    pub(crate) fn set_locked(&self, locked: bool) {
        *self.locked_at.lock() = locked.then(Instant::now);
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked_at.lock().is_some_and(|at| at.elapsed() < LOCK_VALIDITY)
    }

    /// Holds messages that somebody else handles; their progress is kept here.
    pub(crate) fn note(&self, messages: &[ReceivedMessage]) {
        let mut held = self.held.lock();
        for message in messages {
            held.add(message.queue_offset, message.body.len(), None);
        }
    }

    /// Holds messages that are handled in order, with [`take`](Self::take).
    pub(crate) fn add(&self, messages: Vec<ReceivedMessage>) {
        let mut held = self.held.lock();
        for message in messages {
            let (offset, bytes) = (message.queue_offset, message.body.len());
            held.add(offset, bytes, Some(Box::new(message)));
        }
        drop(held);
        self.changed.notify_one();
    }

    /// How many messages, how many bytes of bodies, and how far from the first to the last.
    pub(crate) fn load(&self) -> (usize, usize, i64) {
        let held = self.held.lock();
        let ends = held.messages.first_key_value().zip(held.messages.last_key_value());
        let span = ends.map_or(0, |((first, _), (last, _))| last - first);
        (held.messages.len() + held.taken.len(), held.bytes, span)
    }

    /// The next offset that the broker writes, as it said last.
    pub(crate) fn broker_offset(&self) -> Option<i64> {
        Some(self.max_offset.load(Ordering::Relaxed)).filter(|offset| *offset >= 0)
    }

    /// The offset of the first message that is not handled.
    pub(crate) fn position(&self) -> i64 {
        let held = self.held.lock();
        let first = held.taken.keys().next().or(held.messages.keys().next());
        first.copied().unwrap_or(held.next)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let held = self.held.lock();
        held.messages.is_empty() && held.taken.is_empty()
    }

    /// Forgets handled messages and returns the offset that is safe to commit: of the first message
    /// still held, or behind the last.
    pub(crate) fn remove(&self, offsets: impl IntoIterator<Item = i64>) -> i64 {
        let mut held = self.held.lock();
        for offset in offsets {
            if let Some(kept) = held.messages.remove(&offset) {
                held.bytes -= kept.bytes;
            }
        }
        self.room.notify_one();
        held.messages.first_key_value().map_or(held.next, |(offset, _)| *offset)
    }

    /// Takes the first messages, to be handled in order.
    pub(crate) fn take(&self, count: usize) -> Vec<ReceivedMessage> {
        let mut held = self.held.lock();
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some((offset, kept)) = held.messages.pop_first()
        {
            let Some(message) = kept.message else { continue };
            held.taken.insert(offset, (*message).clone());
            taken.push(*message);
        }
        taken
    }

    /// Forgets the messages that were taken, and returns the offset that is safe to commit.
    pub(crate) fn settle(&self) -> Option<i64> {
        let mut held = self.held.lock();
        let taken = std::mem::take(&mut held.taken);
        held.bytes -= taken.values().map(|message| message.body.len()).sum::<usize>();
        self.room.notify_one();
        taken.last_key_value().map(|(offset, _)| offset + 1)
    }

    /// Puts the messages that were taken back to be handled again, after `change`.
    pub(crate) fn put_back(&self, change: impl Fn(&mut ReceivedMessage)) {
        let mut held = self.held.lock();
        let taken = std::mem::take(&mut held.taken);
        for (offset, mut message) in taken {
            change(&mut message);
            let bytes = message.body.len();
            held.messages.insert(offset, Kept { bytes, message: Some(Box::new(message)) });
        }
    }

    pub(crate) fn describe(&self, committed: i64) -> ProcessQueueInfo {
        let held = self.held.lock();
        fn first<T>(map: &BTreeMap<i64, T>) -> i64 {
            map.keys().next().copied().unwrap_or(0)
        }
        fn last<T>(map: &BTreeMap<i64, T>) -> i64 {
            map.keys().next_back().copied().unwrap_or(0)
        }
        ProcessQueueInfo {
            cached_msg_count: held.messages.len() as i32,
            cached_msg_max_offset: last(&held.messages),
            cached_msg_min_offset: first(&held.messages),
            cached_msg_size_in_mib: (held.bytes >> 20) as i32,
            commit_offset: committed,
            droped: self.is_dropped(),
            last_consume_timestamp: self.last_consume.load(Ordering::Relaxed),
            last_lock_timestamp: 0,
            last_pull_timestamp: self.last_pull.load(Ordering::Relaxed),
            locked: self.is_locked(),
            transaction_msg_count: held.taken.len() as i32,
            transaction_msg_max_offset: last(&held.taken),
            transaction_msg_min_offset: first(&held.taken),
            try_unlock_times: 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ferromq_protocol::properties::Properties;

    pub(crate) fn message(offset: i64) -> ReceivedMessage {
        let host = "127.0.0.1:1".parse().unwrap();
        ReceivedMessage {
            topic: "T".into(),
            body: vec![0; 10].into(),
            flag: 0,
            properties: Properties::new(),
            queue: MessageQueue::new("T", "b", 0),
            queue_offset: offset,
            message_id: String::new(),
            offset_message_id: String::new(),
            born_timestamp: 0,
            born_host: host,
            store_timestamp: 0,
            store_host: host,
            reconsume_times: 0,
            physical_offset: offset * 100,
        }
    }

    fn queue(offsets: std::ops::Range<i64>) -> ProcessQueue {
        let queue = ProcessQueue::new(MessageQueue::new("T", "b", 0), offsets.start);
        queue.add(offsets.map(message).collect());
        queue
    }

    #[test]
    fn the_first_message_held_is_what_may_be_committed() {
        let queue = queue(5..10);
        assert_eq!(queue.load(), (5, 50, 4));
        assert_eq!(queue.remove([7, 9]), 5);
        assert_eq!(queue.remove([5]), 6);
        assert_eq!(queue.remove([6, 8]), 10);
        assert!(queue.is_empty());
        assert_eq!(queue.load(), (0, 0, 0));
    }

    #[test]
    fn what_others_handle_is_held_as_offsets_and_sizes() {
        let queue = ProcessQueue::new(MessageQueue::new("T", "b", 0), 5);
        queue.note(&(5..8).map(message).collect::<Vec<_>>());
        assert_eq!(queue.load(), (3, 30, 2));
        assert_eq!(queue.remove([5, 7]), 6);
        assert_eq!(queue.load(), (1, 10, 0));
        assert_eq!(queue.remove([6]), 8);
    }

    #[test]
    fn messages_in_order_are_taken_settled_or_put_back() {
        let queue = queue(0..3);
        assert_eq!(queue.take(2).len(), 2);
        assert_eq!(queue.position(), 0);
        queue.put_back(|message| message.reconsume_times += 1);
        let again = queue.take(1);
        assert_eq!((again[0].queue_offset, again[0].reconsume_times), (0, 1));
        assert_eq!(queue.settle(), Some(1));
        assert_eq!(queue.settle(), None);
        assert_eq!(queue.take(9).len(), 2);
        assert_eq!(queue.settle(), Some(3));
        assert!(queue.is_empty() && queue.position() == 3);
    }
}
