//! Storing messages, and what follows from it: waking waiting pulls, counting, and answering once
//! the disk has them.

use crate::answer::Failure;
use crate::clock::now_ms;
use crate::inner::Inner;
use ferromq_model::names;
use ferromq_protocol::code::response;
use ferromq_store::{AppendError, Appended, FlushOutcome, NewRecords};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Handle;

/// Records that are in the log, and that nobody has been told about yet.
#[must_use]
pub(crate) struct Stored {
    pub(crate) appended: Appended,
    next_offset: i64,
}

impl Stored {
    pub(crate) fn new(appended: Appended, records: usize) -> Self {
        Stored { appended, next_offset: appended.queue_offset + records as i64 }
    }
}

/// Called when a message is on disk, or will not be.
pub(crate) type Flushed = Box<dyn FnOnce(FlushOutcome) + Send>;

/// Stores records in a queue; [`announce`] must follow.
pub(crate) fn append(
    broker: &Inner,
    topic: &str,
    queue_id: i32,
    mut records: NewRecords,
) -> Result<Stored, Failure> {
    let queue = broker.store.queue(topic, queue_id).ok_or_else(|| no_queue(topic, queue_id))?;
    let start = now_ms();
    let appended =
        broker.store.append(&queue, &mut records).map_err(|error| not_stored(broker, error))?;
    let (messages, bytes) = (records.len() as i64, records.byte_length() as i64);
    broker.stats.put(topic, messages, bytes, appended.store_timestamp);
    broker.stats.broker().put_took(appended.store_timestamp - start, 1);
    Ok(Stored::new(appended, records.len()))
}

pub(crate) fn no_queue(topic: &str, queue_id: i32) -> Failure {
    Failure::system(format!("topic[{topic}] has no queue {queue_id}"))
}

/// Wakes whoever waits for the records: at once, or with synchronous flush when they are on disk.
/// `flushed` is called only then; [`flush`] must follow, once for all that come together.
pub(crate) fn announce(
    broker: &Arc<Inner>,
    topic: &str,
    queue_id: i32,
    stored: &Stored,
    flushed: Option<Flushed>,
) {
    let place =
        Place { queue_id, next_offset: stored.next_offset, tags_code: stored.appended.tags_code };
    if !broker.store.sync_flush() {
        return arrived(broker, topic, place);
    }
    let (waker, topic, answers) = (broker.clone(), topic.to_string(), flushed.is_some());
    let callback = move |outcome| {
        if outcome == FlushOutcome::Flushed {
            arrived(&waker, &topic, place);
        }
        if let Some(flushed) = flushed {
            flushed(outcome);
        }
    };
    match answers {
        true => broker.store.when_flushed_together(stored.appended.end, Box::new(callback)),
        false => broker.store.when_flushed(stored.appended.end, Box::new(callback)),
    }
}

/// Sees to it that what was [announced](announce) gets to the disk.
///
/// With `may_wait`, this thread syncs if nobody else does: the answers to its own connection need no other
/// thread then. The other tasks of the runtime go on on its other threads; if it has none, the store's own
/// thread syncs. Returns whether this one has.
pub(crate) fn flush(broker: &Inner, may_wait: bool) -> bool {
    if !broker.store.sync_flush() {
        return false;
    }
    if !may_wait || Handle::current().metrics().num_workers() == 1 {
        broker.store.flush_soon();
        return false;
    }
    let Some(lead) = broker.store.lead_flush() else { return false };
    // Not in `block_in_place`: to hand the other tasks over takes a fifth as long as the sync. One thread at most
    // is here, and only while the disk is quick.
    ferromq_net::aside(|| lead.sync());
    true
}

#[derive(Clone, Copy)]
struct Place {
    queue_id: i32,
    next_offset: i64,
    tags_code: i64,
}

/// Messages up to `next_offset` can be read now.
fn arrived(broker: &Arc<Inner>, topic: &str, place: Place) {
    if topic == names::SCHEDULE_TOPIC {
        // There, the tags code is the time at which the message falls due.
        broker.delay.arrived(place.tags_code);
    }
    broker.long_polling.arrived(broker, topic, place.queue_id, place.next_offset);
}

/// The answer to a message that the store has not taken. Counts it.
pub(crate) fn not_stored(broker: &Inner, error: AppendError) -> Failure {
    broker.stats.broker().put_failed.fetch_add(1, Ordering::Relaxed);
    match error {
        AppendError::TooLarge { .. } => too_large(broker),
        AppendError::Busy { .. } => Failure::new(
            response::SYSTEM_BUSY,
            "[PC_SYNCHRONIZED]broker busy, start flow control for a while",
        ),
        AppendError::NoSegment(reason) => {
            tracing::error!(reason, "message not stored");
            Failure::system("create mapped file failed, server is busy or broken.")
        }
        AppendError::NotWritable(reason) => {
            let used = broker.store.disk_used();
            Failure::new(
                response::SERVICE_NOT_AVAILABLE,
                format!(
                    "service not available now. It may be caused by one of the following reasons: \
                     the broker's disk is full [CL: {used:.2} CQ: {used:.2} INDEX: {used:.2}], \
                     messages are put to the slave, message store has been shut down, etc. ({reason})"
                ),
            )
        }
    }
}

/// The answer to a message above a limit.
pub(crate) fn too_large(broker: &Inner) -> Failure {
    let limit = broker.store.config().max_message_size;
    Failure::new(
        response::MESSAGE_ILLEGAL,
        format!(
            "the message is illegal, maybe msg body or properties length not matched. \
             msg body length limit {limit}B, msg properties length limit 32KB."
        ),
    )
}

#[cfg(test)]
mod tests;
