//! Consuming as a member of a group.

use crate::callback::{Callback, Callers, ferromq_user_data_destroy_t};
use crate::config::{ferromq_config_t, read};
use crate::error::{Fault, answer, ferromq_error_t, guard};
use crate::memory::{Out, attend, c_text, handle, subscription, take, text, wait};
use crate::queues::ferromq_queues_t;
use crate::received::ferromq_batch_t;
use crate::texts::ferromq_texts_t;
use facade::{Consumer, ConsumerConfig, Error};
use std::ffi::{CString, c_char, c_void};
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
    client_id: CString,
    bell: OnceCell<Bell>,
    callers: Callers,
}

impl ferromq_consumer_t {
    fn close(&self) -> Result<(), Fault> {
        self.callers.refuse_own()?;
        // First: what the callback acknowledges while it ends is still stored.
        self.callers.finish();
        attend(self.consumer.close())
    }
}

/// How long a thread that calls back waits before it looks around.
const LONG: Duration = Duration::from_secs(3600);

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
        let _ = self.close();
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
        out.put(ferromq_consumer_t {
            client_id: c_text(consumer.client_id()),
            consumer: Arc::new(consumer),
            bell: OnceCell::new(),
            callers: Callers::default(),
        });
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
        it.callers.none()?;
        let patience = Duration::from_millis(timeout_ms.max(0) as u64);
        let deliveries = wait(it.consumer.poll(max, patience));
        if let Some(bell) = it.bell.get() {
            bell.heard();
        }
        out.put(ferromq_batch_t::of_deliveries(deliveries?));
        Ok(())
    })
}

/// Handles messages. The batch is borrowed until it returns; what is not settled by then comes again.
pub type ferromq_batch_callback_t =
    Option<unsafe extern "C" fn(batch: *const ferromq_batch_t, user_data: *mut c_void)>;

/// Calls a function with up to `max` messages at a time as they come, instead of `ferromq_consumer_poll`. It
/// runs on one thread of this consumer, with no lock held; it may call this library, but it may not unwind,
/// or close or destroy this consumer. Closing the consumer waits until the function returns. `user_data_destroy`,
/// which may be NULL, ends `user_data` when the function is called no more, in any case also when this fails. A
/// consumer can have one such function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_on_messages(
    consumer: *const ferromq_consumer_t,
    max: usize,
    callback: ferromq_batch_callback_t,
    user_data: *mut c_void,
    user_data_destroy: ferromq_user_data_destroy_t,
) -> *mut ferromq_error_t {
    let callback = Callback::new(callback, user_data, user_data_destroy);
    guard(move || {
        let it = of(consumer)?;
        let function = callback.required()?;
        if it.consumer.is_closed() {
            return Err(Error::Closed.into());
        }
        let (runtime, consumer) = (facade::runtime()?, it.consumer.clone());
        it.callers.set("ferromq-messages", move |stop| {
            loop {
                let polled = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = stop.notified() => None,
                        polled = consumer.poll(max, LONG) => polled.ok(),
                    }
                });
                let Some(deliveries) = polled else { return };
                if !deliveries.is_empty() {
                    let batch = ferromq_batch_t::of_deliveries(deliveries);
                    // SAFETY: a function of this type, with its data and a batch that lives until it returns.
                    unsafe { function(&raw const batch, callback.data()) };
                }
            }
        })
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

/// The id by which brokers know this consumer; empty for NULL. Borrowed from the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_client_id(
    consumer: *const ferromq_consumer_t,
) -> *const c_char {
    answer(c"".as_ptr(), || Ok(of(consumer)?.client_id.as_ptr()))
}

/// The queues that are this consumer's at present.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_queues(
    consumer: *const ferromq_consumer_t,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(queues) };
    guard(|| {
        out.required()?;
        out.put(of(consumer)?.consumer.queues().into_iter().collect());
        Ok(())
    })
}

/// What this consumer has counted, and what it holds, as one text of JSON: docs/statistics.md.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_stats_json(
    consumer: *const ferromq_consumer_t,
    json: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(json) };
    guard(|| {
        out.required()?;
        out.put([of(consumer)?.consumer.statistics().to_json()].into_iter().collect());
        Ok(())
    })
}

/// How many queues of a topic are this consumer's at present.
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

/// Stores the group's progress now, instead of every few seconds, and waits until the brokers have it.
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
    guard(|| of(consumer)?.close())
}

/// Closes and frees a consumer. Its batches stay. Not from its own callback, where this does nothing but say
/// so in the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_consumer_destroy(consumer: *mut ferromq_consumer_t) {
    if of(consumer).is_ok_and(|it| it.callers.forbid_destroying()) {
        return;
    }
    // SAFETY: the caller gives NULL or a consumer that it does not use any more.
    unsafe { take(consumer) };
}
