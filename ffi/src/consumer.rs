//! Consuming as a member of a group.

use crate::config::{ferromq_config_t, read};
use crate::error::{Fault, answer, ferromq_error_t, guard};
use crate::memory::{Out, attend, handle, take, text, wait};
use crate::received::ferromq_batch_t;
use facade::{Consumer, ConsumerConfig};
use std::ffi::c_char;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OnceCell};
use tokio::task::AbortHandle;

/// Receives messages together with the other members of its group. Any thread may use it at any time.
pub struct ferromq_consumer_t {
    consumer: Arc<Consumer>,
    bell: OnceCell<Bell>,
}

/// What an event loop watches.
struct Bell {
    waking: UnixStream,
    polled: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for ferromq_consumer_t {
    fn drop(&mut self) {
        if let Some(bell) = self.bell.get() {
            bell.task.abort();
        }
        let _ = attend(self.consumer.close());
    }
}

impl Bell {
    /// Rings once for messages that are there, and again when they have been polled and more came.
    fn new(consumer: Arc<Consumer>) -> Result<Bell, Fault> {
        let failed = |error: std::io::Error| {
            Fault::argument(format!("there is no file descriptor: {error}"))
        };
        let (ringing, waking) = UnixStream::pair().map_err(failed)?;
        ringing.set_nonblocking(true).map_err(failed)?;
        waking.set_nonblocking(true).map_err(failed)?;
        let polled = Arc::new(Notify::new());
        let next = polled.clone();
        let task = facade::runtime()?.spawn(async move {
            loop {
                consumer.ready().await;
                let _ = (&ringing).write(&[1]);
                next.notified().await;
            }
        });
        Ok(Bell { waking, polled, task: task.abort_handle() })
    }

    /// A poll has taken what it wanted. For what is left, and what comes, it rings again.
    fn heard(&self) {
        let _ = (&self.waking).read(&mut [0; 8]);
        self.polled.notify_one();
    }
}

fn of<'a>(consumer: *const ferromq_consumer_t) -> Result<&'a ferromq_consumer_t, Fault> {
    // SAFETY: the caller gives NULL or a consumer that is not destroyed.
    unsafe { handle(consumer, "the consumer") }
}

/// A topic and tags.
///
/// # Safety
/// Both are NULL or texts that end with a zero byte.
unsafe fn subscription<'a>(
    topic: *const c_char,
    tags: *const c_char,
) -> Result<(&'a str, &'a str), Fault> {
    let tags = if tags.is_null() { c"*".as_ptr() } else { tags };
    // SAFETY: by the contract of this function.
    unsafe { Ok((text(topic, "the topic")?, text(tags, "the tags")?)) }
}

/// Joins a group, and receives a topic: `tags` is `*` for everything, or tags such as `TagA || TagB`; NULL
/// is `*`. Further topics come with `ferromq_consumer_subscribe`. Settings: those of clients and
/// consumers; `namesrvAddr` and `consumerGroup` are needed. With `ordered` other than 0, the next messages
/// of a queue come when those before them are settled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_create(
    config: *const ferromq_config_t,
    topic: *const c_char,
    tags: *const c_char,
    ordered: i32,
    consumer: *mut *mut ferromq_consumer_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(consumer) };
    guard(|| {
        out.required()?;
        let (client, own) = read::<ConsumerConfig>(config)?;
        // SAFETY: the caller gives terminated texts.
        let subscription = unsafe { subscription(topic, tags) }?;
        let consumer = wait(Consumer::start(client, own, &[subscription], ordered != 0))?;
        out.put(ferromq_consumer_t { consumer: Arc::new(consumer), bell: OnceCell::new() });
        Ok(())
    })
}

/// Receives another topic, or a topic with other tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_subscribe(
    consumer: *const ferromq_consumer_t,
    topic: *const c_char,
    tags: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        // SAFETY: the caller gives terminated texts.
        let (topic, tags) = unsafe { subscription(topic, tags) }?;
        wait(it.consumer.subscribe(topic, tags))
    })
}

/// Receives a topic no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_unsubscribe(
    consumer: *const ferromq_consumer_t,
    topic: *const c_char,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        // SAFETY: the caller gives a terminated text.
        wait(it.consumer.unsubscribe(unsafe { text(topic, "the topic") }?))
    })
}

/// Up to `max` messages, waiting up to `timeout_ms` for the first; an empty batch when none came. Each
/// message is to be settled. Fails with `CLOSED` when the consumer is closed, also while it waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_poll(
    consumer: *const ferromq_consumer_t,
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
        let deliveries = wait(it.consumer.poll(max, patience));
        if let Some(bell) = it.bell.get() {
            bell.heard();
        }
        out.put(ferromq_batch_t::of_deliveries(deliveries?));
        Ok(())
    })
}

/// A file descriptor that can be read when there are messages to poll: for event loops, which watch it
/// and call `ferromq_consumer_poll`; that makes it unreadable again. -1 when there is none. Borrowed from
/// the consumer: do not read from it and do not close it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_wakeup_fd(consumer: *const ferromq_consumer_t) -> i32 {
    answer(-1, || {
        let it = of(consumer)?;
        let made = it.bell.get_or_try_init(|| async { Bell::new(it.consumer.clone()) });
        Ok(facade::runtime()?.block_on(made)?.waking.as_raw_fd())
    })
}

/// How many queues are this consumer's at present.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_queue_count(
    consumer: *const ferromq_consumer_t,
    topic: *const c_char,
) -> usize {
    answer(0, || {
        let it = of(consumer)?;
        // SAFETY: the caller gives a terminated text.
        let topic = unsafe { text(topic, "the topic") }?;
        Ok(it.consumer.queues().iter().filter(|queue| queue.topic == topic).count())
    })
}

/// Pulls no more messages until `ferromq_consumer_resume`; those that are here can still be polled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_pause(
    consumer: *const ferromq_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        of(consumer)?.consumer.pause();
        Ok(())
    })
}

/// Pulls messages again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_resume(
    consumer: *const ferromq_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        of(consumer)?.consumer.resume();
        Ok(())
    })
}

/// Stores the group's progress now, instead of every few seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_commit(
    consumer: *const ferromq_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        attend(it.consumer.commit())
    })
}

/// Stores progress and leaves the group. Messages that are not settled come again, to this or another
/// member; polls that wait end. Closing twice does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_close(
    consumer: *const ferromq_consumer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let it = of(consumer)?;
        attend(it.consumer.close())
    })
}

/// Closes and frees a consumer. Its batches stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_destroy(consumer: *mut ferromq_consumer_t) {
    // SAFETY: the caller gives NULL or a consumer that it does not use any more.
    unsafe { take(consumer) };
}
