//! Consuming from queues of one's own choice.

use crate::config::{ferromq_config_t, read};
use crate::error::{Fault, ferromq_error_t, guard};
use crate::memory::{Number, Out, attend, handle, subscription, take, text, wait};
use crate::queues::{all, ferromq_queues_t, one};
use crate::received::ferromq_batch_t;
use crate::texts::ferromq_texts_t;
use facade::{ConsumerConfig, PullConsumer};
use std::ffi::c_char;
use std::time::Duration;

/// Reads queues that are assigned to it. Any thread may use it at any time.
pub struct ferromq_pull_consumer_t(PullConsumer);

impl Drop for ferromq_pull_consumer_t {
    fn drop(&mut self) {
        let _ = attend(self.0.close());
    }
}

fn of<'a>(consumer: *const ferromq_pull_consumer_t) -> Result<&'a PullConsumer, Fault> {
    // SAFETY: the caller gives NULL or a consumer that is not destroyed.
    Ok(&unsafe { handle(consumer, "the consumer") }?.0)
}

/// Starts a pull consumer. Settings: those of clients and consumers; `namesrvAddr` and `consumerGroup`
/// are needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_create(
    config: *const ferromq_config_t,
    consumer: *mut *mut ferromq_pull_consumer_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(consumer) };
    guard(|| {
        out.required()?;
        let (client, own) = read::<ConsumerConfig>(config)?;
        out.put(ferromq_pull_consumer_t(wait(PullConsumer::start(client, own))?));
        Ok(())
    })
}

/// The queues of a topic that can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_topic_queues(
    consumer: *const ferromq_pull_consumer_t,
    topic: *const c_char,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(queues) };
    guard(|| {
        out.required()?;
        let it = of(consumer)?;
        // SAFETY: the caller gives a terminated text.
        let queues = wait(it.topic_queues(unsafe { text(topic, "the topic") }?))?;
        out.put(queues.into_iter().collect());
        Ok(())
    })
}

/// Reads a topic together with the other members of the group, instead of assigned queues: `tags` is `*` for
/// everything, or tags such as `TagA || TagB`; NULL is `*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_subscribe(
    consumer: *const ferromq_pull_consumer_t,
    topic: *const c_char,
    tags: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        // SAFETY: the caller gives terminated texts.
        let (topic, tags) = unsafe { subscription(topic, tags) }?;
        wait(it.subscribe(topic, tags))
    })
}

/// Reads a topic no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_unsubscribe(
    consumer: *const ferromq_pull_consumer_t,
    topic: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        // SAFETY: the caller gives a terminated text.
        wait(it.unsubscribe(unsafe { text(topic, "the topic") }?))
    })
}

/// The queues that are read at present.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_assignment(
    consumer: *const ferromq_pull_consumer_t,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(queues) };
    guard(|| {
        out.required()?;
        out.put(of(consumer)?.assignment().into_iter().collect());
        Ok(())
    })
}

/// Reads these queues, and no others, from the group's progress on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_assign(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        wait(it.assign(&all(queues)?))
    })
}

/// Goes on at an offset of the queue with this index in `queues`. -1 is its first message, -2 its next
/// new one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_seek(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
    index: usize,
    offset: i64,
) -> *mut ferromq_error_t {
    guard(|| {
        let (it, queue) = (of(consumer)?, one(queues, index)?);
        match offset {
            -1 => wait(it.seek_to_begin(&queue)),
            -2 => wait(it.seek_to_end(&queue)),
            offset => wait(it.seek(&queue, offset)),
        }
    })
}

/// The group's stored progress in the queue with this index in `queues`; -1 when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_committed(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
    index: usize,
    offset: *mut i64,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a number.
    let out = unsafe { Number::new(offset) };
    guard(|| {
        out.required()?;
        let (it, queue) = (of(consumer)?, one(queues, index)?);
        out.put(wait(it.committed(&queue))?.unwrap_or(-1));
        Ok(())
    })
}

/// The offset of the first message of the queue with this index in `queues` that was stored at a time, in
/// ms since 1970, or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_offset_for_timestamp(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
    index: usize,
    timestamp: i64,
    offset: *mut i64,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a number.
    let out = unsafe { Number::new(offset) };
    guard(|| {
        out.required()?;
        let (it, queue) = (of(consumer)?, one(queues, index)?);
        out.put(wait(it.offset_for_timestamp(&queue, timestamp))?);
        Ok(())
    })
}

/// Pulls no more messages of these queues.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_pause(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
) -> *mut ferromq_error_t {
    guard(|| {
        of(consumer)?.pause(&all(queues)?);
        Ok(())
    })
}

/// Pulls messages of these queues again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_resume(
    consumer: *const ferromq_pull_consumer_t,
    queues: *const ferromq_queues_t,
) -> *mut ferromq_error_t {
    guard(|| {
        of(consumer)?.resume(&all(queues)?);
        Ok(())
    })
}

/// What this consumer has counted, and what it holds, as one text of JSON: docs/statistics.md.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_stats_json(
    consumer: *const ferromq_pull_consumer_t,
    json: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(json) };
    guard(|| {
        out.required()?;
        out.put([of(consumer)?.statistics().to_json()].into_iter().collect());
        Ok(())
    })
}

/// Up to `max` messages, waiting up to `timeout_ms` for the first; an empty batch when none came. They
/// need no settling.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_poll(
    consumer: *const ferromq_pull_consumer_t,
    max: usize,
    timeout_ms: i64,
    batch: *mut *mut ferromq_batch_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(batch) };
    guard(|| {
        out.required()?;
        let it = of(consumer)?;
        let patience = Duration::from_millis(timeout_ms.max(0) as u64);
        out.put(ferromq_batch_t::of_messages(wait(it.poll(max, patience))?));
        Ok(())
    })
}

/// Stores progress now, and waits until the brokers have it: what was polled counts as handled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_commit(
    consumer: *const ferromq_pull_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        attend(it.commit())
    })
}

/// Stores progress and ends the consumer. Closing twice does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_close(
    consumer: *const ferromq_pull_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        attend(it.close())
    })
}

/// Closes and frees a pull consumer. Its batches stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_pull_consumer_destroy(consumer: *mut ferromq_pull_consumer_t) {
    // SAFETY: the caller gives NULL or a consumer that it does not use any more.
    unsafe { take(consumer) };
}
