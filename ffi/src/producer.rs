//! Sending.

use crate::callback::{Callback, Callers, ferromq_user_data_destroy_t};
use crate::completions::{Completions, ferromq_completions_t};
use crate::config::{ferromq_config_t, read};
use crate::error::{Fault, ferromq_error_t, guard};
use crate::memory::{Out, attend, handle, take, text, wait, wait_briefly};
use crate::message::{ferromq_message_t, ferromq_receipt_t};
use crate::queues::ferromq_queues_t;
use crate::texts::ferromq_texts_t;
use facade::{Message, MessageQueue, Producer, ProducerConfig};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sends messages. Any thread may use it at any time.
pub struct ferromq_producer_t {
    producer: Producer,
    completions: Arc<Completions>,
    callers: Callers,
}

impl ferromq_producer_t {
    fn close(&self) -> Result<(), Fault> {
        self.callers.refuse_own()?;
        attend(self.producer.close())?;
        // The callback hears of what is still on its way, and then of the end.
        self.completions.close();
        self.callers.finish();
        Ok(())
    }
}

impl Drop for ferromq_producer_t {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Starts a producer. Settings: those of clients and producers; `namesrvAddr` is the only one needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_create(
    config: *const ferromq_config_t,
    producer: *mut *mut ferromq_producer_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(producer) };
    guard(|| {
        out.required()?;
        let (client, own) = read::<ProducerConfig>(config)?;
        let producer = wait(Producer::start(client, own))?;
        out.put(ferromq_producer_t {
            producer,
            completions: Arc::default(),
            callers: Callers::default(),
        });
        Ok(())
    })
}

/// The producer and a copy of the message.
fn parts<'a>(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
) -> Result<(&'a ferromq_producer_t, Message), Fault> {
    // SAFETY: the caller gives NULL, or what is not destroyed.
    let (producer, message) =
        unsafe { (handle(producer, "the producer")?, handle(message, "the message")?) };
    Ok((producer, message.0.lock().clone()))
}

/// Sends a message and waits until a broker has stored it. Queues take turns; another broker is tried
/// when one fails. `receipt` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
    receipt: *mut *mut ferromq_receipt_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(receipt) };
    guard(|| {
        let (it, message) = parts(producer, message)?;
        out.put(wait(it.producer.send(message))?.into());
        Ok(())
    })
}

/// As `ferromq_producer_send`, to the queue that all messages of this key go to: they stay in order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send_ordered(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
    key: *const c_char,
    receipt: *mut *mut ferromq_receipt_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(receipt) };
    guard(|| {
        let (it, message) = parts(producer, message)?;
        // SAFETY: the caller gives a terminated text.
        let key = unsafe { text(key, "the key") }?;
        out.put(wait(it.producer.send_ordered(message, key))?.into());
        Ok(())
    })
}

/// As `ferromq_producer_send`, to one queue of the message's topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send_to(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
    broker_name: *const c_char,
    queue_id: i32,
    receipt: *mut *mut ferromq_receipt_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(receipt) };
    guard(|| {
        let (it, message) = parts(producer, message)?;
        // SAFETY: the caller gives a terminated text.
        let broker = unsafe { text(broker_name, "the broker's name") }?;
        let queue = MessageQueue::new(message.topic.clone(), broker.to_string(), queue_id);
        out.put(wait(it.producer.send_to(message, &queue))?.into());
        Ok(())
    })
}

/// Sends a message and waits for no answer: it may be lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send_oneway(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
) -> *mut ferromq_error_t {
    guard(|| {
        let (it, message) = parts(producer, message)?;
        wait(it.producer.send_oneway(message))
    })
}

/// Sends several messages of one topic as one, to one queue: much faster. `receipt` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send_batch(
    producer: *const ferromq_producer_t,
    messages: *const *const ferromq_message_t,
    count: usize,
    receipt: *mut *mut ferromq_receipt_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(receipt) };
    guard(|| {
        // SAFETY: the caller gives NULL or a producer that is not destroyed.
        let it = unsafe { handle(producer, "the producer") }?;
        if messages.is_null() && count > 0 {
            return Err(Fault::argument("the messages are NULL".to_string()));
        }
        let mut all = Vec::new();
        for index in 0..count {
            // SAFETY: the caller gives so many messages, none of them destroyed.
            let message = unsafe { handle(*messages.add(index), "a message") }?;
            all.push(message.0.lock().clone());
        }
        out.put(wait(it.producer.send_batch(all))?.into());
        Ok(())
    })
}

/// Sends a message in the background. What becomes of it is told by `ferromq_producer_poll`, under this
/// token. Waits only when `backPressureForAsyncSendNum` messages are on their way. Fails with `UNPOLLED` when
/// `FERROMQ_MAX_COMPLETIONS` messages are on their way or have not been polled for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_send_async(
    producer: *const ferromq_producer_t,
    message: *const ferromq_message_t,
    token: u64,
) -> *mut ferromq_error_t {
    guard(|| {
        let (it, message) = parts(producer, message)?;
        let place = it.completions.reserve(token)?;
        let accepted = wait_briefly(it.producer.accept(message))?;
        accepted.send(move |outcome| place.fill(outcome));
        Ok(())
    })
}

/// Is told what became of messages of `ferromq_producer_send_async`; they are borrowed until it returns.
pub type ferromq_completions_callback_t =
    Option<unsafe extern "C" fn(completions: *const ferromq_completions_t, user_data: *mut c_void)>;

/// Calls a function when messages of `ferromq_producer_send_async` have been stored or have failed, instead
/// of `ferromq_producer_poll`. It runs on one thread of this producer, with no lock held; it may call this
/// library, but it may not unwind, wait for long, or close or destroy this producer. Closing the producer
/// waits until it has heard of all. `user_data_destroy`, which may be NULL, ends `user_data` when the function
/// is called no more, in any case also when this fails. A producer can have one such function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_on_completions(
    producer: *const ferromq_producer_t,
    callback: ferromq_completions_callback_t,
    user_data: *mut c_void,
    user_data_destroy: ferromq_user_data_destroy_t,
) -> *mut ferromq_error_t {
    let callback = Callback::new(callback, user_data, user_data_destroy);
    guard(move || {
        // SAFETY: the caller gives NULL or a producer that is not destroyed.
        let it = unsafe { handle(producer, "the producer") }?;
        let function = callback.required()?;
        it.completions.open()?;
        let completions = it.completions.clone();
        it.callers.set("ferromq-completions", move |_| {
            while let Some(all) = completions.take(256, None) {
                // SAFETY: a function of this type, with its data and completions that live until it returns.
                unsafe { function(&raw const all, callback.data()) };
            }
        })
    })
}

/// Up to `max` messages of `ferromq_producer_send_async` that have been stored or have failed, waiting up
/// to `timeout_ms` for the first. None is no error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_poll(
    producer: *const ferromq_producer_t,
    max: usize,
    timeout_ms: i64,
    completions: *mut *mut ferromq_completions_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(completions) };
    guard(|| {
        out.required()?;
        // SAFETY: the caller gives NULL or a producer that is not destroyed.
        let it = unsafe { handle(producer, "the producer") }?;
        it.callers.none()?;
        facade::runtime()?;
        // A year is as good as for ever, and fits every clock.
        let patience = Duration::from_millis(timeout_ms.clamp(0, 31_536_000_000) as u64);
        let all = it.completions.take(max.clamp(1, 4096), Some(Instant::now() + patience));
        out.put(all.unwrap_or_default());
        Ok(())
    })
}

/// The queues of a topic that can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_queues(
    producer: *const ferromq_producer_t,
    topic: *const c_char,
    queues: *mut *mut ferromq_queues_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(queues) };
    guard(|| {
        out.required()?;
        // SAFETY: the caller gives NULL or a producer that is not destroyed, and a terminated text.
        let (it, topic) = unsafe { (handle(producer, "the producer")?, text(topic, "the topic")?) };
        out.put(wait(it.producer.queues(topic))?.into_iter().collect());
        Ok(())
    })
}

/// What this producer has counted, as one text of JSON: docs/statistics.md.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_stats_json(
    producer: *const ferromq_producer_t,
    json: *mut *mut ferromq_texts_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(json) };
    guard(|| {
        out.required()?;
        // SAFETY: the caller gives NULL or a producer that is not destroyed.
        let it = unsafe { handle(producer, "the producer") }?;
        out.put([it.producer.statistics().to_json()].into_iter().collect());
        Ok(())
    })
}

/// Waits for what is on its way, and ends the producer. Closing twice does nothing; sends fail then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_close(
    producer: *const ferromq_producer_t,
) -> *mut ferromq_error_t {
    guard(|| {
        // SAFETY: the caller gives NULL or a producer that is not destroyed.
        unsafe { handle(producer, "the producer") }?.close()
    })
}

/// Closes and frees a producer. Not from its own callback, where this does nothing but say so in the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_producer_destroy(producer: *mut ferromq_producer_t) {
    // SAFETY: the caller gives NULL or a producer that is not destroyed.
    if unsafe { producer.as_ref() }.is_some_and(|it| it.callers.forbid_destroying()) {
        return;
    }
    // SAFETY: the caller gives NULL or a producer that it does not use any more.
    unsafe { take(producer) };
}
