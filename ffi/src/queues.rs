//! Lists of queues.

use crate::error::{Fault, answer, ferromq_error_t, guard};
use crate::memory::{c_text, give, handle, take, text};
use facade::MessageQueue;
use parking_lot::Mutex;
use std::ffi::{CString, c_char};

/// Queues, and what was told about them.
pub struct ferromq_queues_t(Mutex<Vec<Entry>>);

/// A queue, and numbers that are -1 when they were not told.
pub(crate) struct Entry {
    pub(crate) queue: MessageQueue,
    pub(crate) topic: CString,
    pub(crate) broker_name: CString,
    pub(crate) min_offset: i64,
    pub(crate) max_offset: i64,
    pub(crate) consumer_offset: i64,
    pub(crate) timestamp: i64,
}

impl From<MessageQueue> for Entry {
    fn from(queue: MessageQueue) -> Self {
        Entry {
            topic: c_text(&queue.topic),
            broker_name: c_text(&queue.broker_name),
            queue,
            min_offset: -1,
            max_offset: -1,
            consumer_offset: -1,
            timestamp: -1,
        }
    }
}

impl<T: Into<Entry>> FromIterator<T> for ferromq_queues_t {
    fn from_iter<I: IntoIterator<Item = T>>(queues: I) -> Self {
        ferromq_queues_t(Mutex::new(queues.into_iter().map(Into::into).collect()))
    }
}

fn of<'a>(queues: *const ferromq_queues_t) -> Result<&'a ferromq_queues_t, Fault> {
    // SAFETY: the caller gives NULL or queues that are not destroyed.
    unsafe { handle(queues, "the queues") }
}

/// All of them.
pub(crate) fn all(queues: *const ferromq_queues_t) -> Result<Vec<MessageQueue>, Fault> {
    Ok(of(queues)?.0.lock().iter().map(|entry| entry.queue.clone()).collect())
}

/// One of them.
pub(crate) fn one(queues: *const ferromq_queues_t, index: usize) -> Result<MessageQueue, Fault> {
    entry(queues, index, |entry| entry.queue.clone())
}

fn entry<T>(
    queues: *const ferromq_queues_t,
    index: usize,
    what: impl FnOnce(&Entry) -> T,
) -> Result<T, Fault> {
    let queues = of(queues)?.0.lock();
    let entry = queues.get(index);
    entry.map(what).ok_or_else(|| Fault::argument(format!("there is no queue {index}")))
}

/// No queues yet.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_queues_create() -> *mut ferromq_queues_t {
    give(ferromq_queues_t(Mutex::default()))
}

/// Adds a queue. Both texts are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_add(
    queues: *mut ferromq_queues_t,
    topic: *const c_char,
    broker_name: *const c_char,
    queue_id: i32,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(queues)?;
        // SAFETY: the caller gives terminated texts.
        let (topic, broker) =
            unsafe { (text(topic, "the topic")?, text(broker_name, "the broker's name")?) };
        it.0.lock().push(MessageQueue::new(topic, broker, queue_id).into());
        Ok(())
    })
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_count(queues: *const ferromq_queues_t) -> usize {
    answer(0, || Ok(of(queues)?.0.lock().len()))
}

/// The topic of one; empty when there is none. Borrowed from the queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_topic(
    queues: *const ferromq_queues_t,
    index: usize,
) -> *const c_char {
    answer(c"".as_ptr(), || entry(queues, index, |entry| entry.topic.as_ptr()))
}

/// The broker of one; empty when there is none. Borrowed from the queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_broker_name(
    queues: *const ferromq_queues_t,
    index: usize,
) -> *const c_char {
    answer(c"".as_ptr(), || entry(queues, index, |entry| entry.broker_name.as_ptr()))
}

/// The number of one at its broker; -1 when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_queue_id(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i32 {
    answer(-1, || entry(queues, index, |entry| entry.queue.queue_id))
}

/// The offset of the first message of one, where `ferromq_admin_topic_stats` told it; else -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_min_offset(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i64 {
    answer(-1, || entry(queues, index, |entry| entry.min_offset))
}

/// The offset of the next message that one will store, where `ferromq_admin_topic_stats` or
/// `ferromq_admin_consume_stats` told it; else -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_max_offset(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i64 {
    answer(-1, || entry(queues, index, |entry| entry.max_offset))
}

/// The offset of the next message that the group will handle, where `ferromq_admin_consume_stats` or
/// `ferromq_admin_reset_offset` told it; else -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_consumer_offset(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i64 {
    answer(-1, || entry(queues, index, |entry| entry.consumer_offset))
}

/// When the last message was stored, in ms since 1970: of the queue, where `ferromq_admin_topic_stats` told
/// it, of those that the group has handled, where `ferromq_admin_consume_stats` did; else -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_timestamp(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i64 {
    answer(-1, || entry(queues, index, |entry| entry.timestamp))
}

/// Ends queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_destroy(queues: *mut ferromq_queues_t) {
    // SAFETY: the caller gives NULL or queues that it does not use any more.
    unsafe { take(queues) };
}
