//! Lists of queues.

use crate::error::{Fault, answer};
use crate::memory::{c_text, handle, take};
use facade::MessageQueue;
use std::ffi::{CString, c_char};

/// Queues of a topic.
pub struct ferromq_queues_t(pub(crate) Vec<(MessageQueue, CString)>);

impl From<Vec<MessageQueue>> for ferromq_queues_t {
    fn from(queues: Vec<MessageQueue>) -> Self {
        let named = |queue: MessageQueue| {
            let name = c_text(&queue.broker_name);
            (queue, name)
        };
        ferromq_queues_t(queues.into_iter().map(named).collect())
    }
}

pub(crate) fn queue<'a>(
    queues: *const ferromq_queues_t,
    index: usize,
) -> Result<&'a (MessageQueue, CString), Fault> {
    // SAFETY: the caller gives NULL or queues that are not destroyed.
    let queues = unsafe { handle(queues, "the queues") }?;
    queues.0.get(index).ok_or_else(|| Fault::argument(format!("there is no queue {index}")))
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_count(queues: *const ferromq_queues_t) -> usize {
    // SAFETY: the caller gives NULL or queues that are not destroyed.
    answer(0, || Ok(unsafe { handle(queues, "the queues") }?.0.len()))
}

/// The broker of one; empty when there is none. Borrowed from the queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_broker_name(
    queues: *const ferromq_queues_t,
    index: usize,
) -> *const c_char {
    answer(c"".as_ptr(), || Ok(queue(queues, index)?.1.as_ptr()))
}

/// The number of one at its broker; -1 when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_queue_id(
    queues: *const ferromq_queues_t,
    index: usize,
) -> i32 {
    answer(-1, || Ok(queue(queues, index)?.0.queue_id))
}

/// Ends queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_queues_destroy(queues: *mut ferromq_queues_t) {
    // SAFETY: the caller gives NULL or queues that it does not use any more.
    unsafe { take(queues) };
}
