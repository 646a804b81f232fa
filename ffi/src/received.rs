//! Messages that were received, in batches.

use crate::error::{Fault, answer};
use crate::memory::{c_text, handle, take, terminated};
use facade::{Delivery, ReceivedMessage};
use parking_lot::Mutex;
use std::ffi::{CStr, CString, c_char};
use std::ptr::null;
use std::sync::{Arc, OnceLock};

/// A message as it was stored; lives as long as its batch.
pub struct ferromq_received_t {
    message: Arc<ReceivedMessage>,
    topic: OnceLock<CString>,
    broker_name: OnceLock<CString>,
    message_id: OnceLock<CString>,
    offset_message_id: OnceLock<CString>,
    born_host: OnceLock<CString>,
    store_host: OnceLock<CString>,
    property_names: OnceLock<Vec<CString>>,
}

/// Messages of a poll. One thread at a time may use a batch.
pub struct ferromq_batch_t {
    messages: Vec<ferromq_received_t>,
    /// What is to be settled; nothing for those of a pull consumer.
    deliveries: Mutex<Vec<Option<Delivery>>>,
}

fn received(message: Arc<ReceivedMessage>) -> ferromq_received_t {
    ferromq_received_t {
        message,
        topic: OnceLock::new(),
        broker_name: OnceLock::new(),
        message_id: OnceLock::new(),
        offset_message_id: OnceLock::new(),
        born_host: OnceLock::new(),
        store_host: OnceLock::new(),
        property_names: OnceLock::new(),
    }
}

impl ferromq_batch_t {
    pub(crate) fn of_deliveries(deliveries: Vec<Delivery>) -> Self {
        let messages = deliveries.iter().map(Delivery::message).map(received).collect();
        let deliveries = deliveries.into_iter().map(Some).collect();
        ferromq_batch_t { messages, deliveries: Mutex::new(deliveries) }
    }

    pub(crate) fn of_messages(messages: impl IntoIterator<Item = ReceivedMessage>) -> Self {
        let messages = messages.into_iter().map(Arc::new).map(received).collect();
        ferromq_batch_t { messages, deliveries: Mutex::default() }
    }
}

fn batch<'a>(batch: *const ferromq_batch_t) -> Result<&'a ferromq_batch_t, Fault> {
    // SAFETY: the caller gives NULL or a batch that is not destroyed.
    unsafe { handle(batch, "the batch") }
}

fn delivery(of: *const ferromq_batch_t, index: usize) -> Result<Option<Delivery>, Fault> {
    Ok(batch(of)?.deliveries.lock().get_mut(index).and_then(Option::take))
}

/// How many messages there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_count(of: *const ferromq_batch_t) -> usize {
    answer(0, || Ok(batch(of)?.messages.len()))
}

/// A message; NULL when there are not so many. Borrowed from the batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_get(
    of: *const ferromq_batch_t,
    index: usize,
) -> *const ferromq_received_t {
    answer(null(), || Ok(batch(of)?.messages.get(index).map_or(null(), |message| message)))
}

/// The message was handled. Returns 1, or 0 when it was settled before or needs no settling.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_ack(of: *const ferromq_batch_t, index: usize) -> i32 {
    answer(0, || Ok(delivery(of, index)?.map(Delivery::ack).is_some().into()))
}

/// All messages that are not settled were handled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_ack_all(of: *const ferromq_batch_t) {
    answer((), || {
        let deliveries = std::mem::take(&mut *batch(of)?.deliveries.lock());
        Delivery::ack_all(deliveries.into_iter().flatten());
        Ok(())
    });
}

/// The message was not handled and comes again: after the time of `delay_level`, or one that the broker
/// chooses when it is 0; a negative level makes a dead letter of it. Returns as `ferromq_batch_ack`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_retry_later(
    of: *const ferromq_batch_t,
    index: usize,
    delay_level: i32,
) -> i32 {
    answer(0, || {
        let delivery = delivery(of, index)?;
        Ok(delivery.map(|delivery| delivery.retry_later(delay_level)).is_some().into())
    })
}

/// Ends a batch. Messages that are not settled come again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_batch_destroy(of: *mut ferromq_batch_t) {
    // SAFETY: the caller gives NULL or a batch that it does not use any more.
    unsafe { take(of) };
}

fn of<'a, T>(
    message: *const ferromq_received_t,
    otherwise: T,
    what: impl FnOnce(&'a ferromq_received_t) -> T,
) -> T {
    // SAFETY: the caller gives NULL or a message whose batch is not destroyed.
    answer(otherwise, || Ok(what(unsafe { handle(message, "the message") }?)))
}

/// Puts a size where the caller wants it.
fn put_size(size: *mut usize, value: usize) {
    if !size.is_null() {
        // SAFETY: the caller gives NULL or a place for a number.
        unsafe { *size = value };
    }
}

/// The body, and in `size` its length; it may hold any bytes, and nothing ends it. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_body(
    message: *const ferromq_received_t,
    size: *mut usize,
) -> *const u8 {
    put_size(size, 0);
    of(message, null(), |message| {
        put_size(size, message.message.body.len());
        message.message.body.as_ptr()
    })
}

/// A property, and in `size` its length; NULL when the message does not have it. The tag is `TAGS`, the
/// keys, separated by spaces, are `KEYS`. Nothing ends it. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_property(
    message: *const ferromq_received_t,
    name: *const c_char,
    size: *mut usize,
) -> *const c_char {
    put_size(size, 0);
    of(message, null(), |message| {
        if name.is_null() {
            return null();
        }
        // SAFETY: not NULL, and the caller gives a terminated text.
        let name = unsafe { CStr::from_ptr(name) }.to_str();
        let Some(value) = name.ok().and_then(|name| message.message.properties.get(name)) else {
            return null();
        };
        put_size(size, value.len());
        value.as_ptr().cast()
    })
}

/// The name of a property; NULL when there are not so many. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_property_name(
    message: *const ferromq_received_t,
    index: usize,
) -> *const c_char {
    of(message, null(), |it| {
        let all = || it.message.properties.iter().map(|(name, _)| c_text(name)).collect();
        it.property_names.get_or_init(all).get(index).map_or(null(), |name| name.as_ptr())
    })
}

/// The topic. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_topic(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.topic, &it.message.topic))
}

/// The name of the broker that it came from. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_broker_name(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.broker_name, &it.message.queue.broker_name))
}

/// The id that its producer gave it. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_message_id(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.message_id, &it.message.message_id))
}

/// The id that says where it is stored. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_offset_message_id(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.offset_message_id, &it.message.offset_message_id))
}

/// The address of its producer. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_born_host(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.born_host, &it.message.born_host.to_string()))
}

/// The address of the broker that stored it. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_store_host(
    message: *const ferromq_received_t,
) -> *const c_char {
    of(message, c"".as_ptr(), |it| terminated(&it.store_host, &it.message.store_host.to_string()))
}

/// The number that its producer gave it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_flag(message: *const ferromq_received_t) -> i32 {
    of(message, 0, |it| it.message.flag)
}

/// The number of its queue; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_queue_id(message: *const ferromq_received_t) -> i32 {
    of(message, -1, |it| it.message.queue.queue_id)
}

/// Its offset in the queue; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_queue_offset(message: *const ferromq_received_t) -> i64 {
    of(message, -1, |it| it.message.queue_offset)
}

/// How often it was handled without success before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_reconsume_times(
    message: *const ferromq_received_t,
) -> i32 {
    of(message, 0, |it| it.message.reconsume_times)
}

/// When it was sent, in ms since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_born_timestamp(
    message: *const ferromq_received_t,
) -> i64 {
    of(message, 0, |it| it.message.born_timestamp)
}

/// When it was stored, in ms since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_received_store_timestamp(
    message: *const ferromq_received_t,
) -> i64 {
    of(message, 0, |it| it.message.store_timestamp)
}
