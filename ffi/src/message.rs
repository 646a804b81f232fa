//! Messages to be sent, and where they went.

use crate::error::{Fault, answer, ferromq_error_t, guard};
use crate::memory::{Out, bytes, handle, take, terminated, text};
use bytes::Bytes;
use facade::{Message, SendReceipt, SendStatus};
use parking_lot::Mutex;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

/// A message to be sent; it can be sent more than once.
pub struct ferromq_message_t(pub(crate) Mutex<Message>);

/// A message. `body` is copied and may hold any bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_create(
    topic: *const c_char,
    body: *const u8,
    size: usize,
    message: *mut *mut ferromq_message_t,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives NULL or a place for a handle.
    let out = unsafe { Out::new(message) };
    guard(|| {
        out.required()?;
        // SAFETY: the caller gives a terminated text, and so many bytes.
        let (topic, body) = unsafe { (text(topic, "the topic")?, bytes(body, size, "the body")?) };
        out.put(ferromq_message_t(Mutex::new(Message::new(topic, Bytes::copy_from_slice(body)))));
        Ok(())
    })
}

fn change(
    message: *mut ferromq_message_t,
    change: impl FnOnce(Message) -> Result<Message, Fault>,
) -> *mut ferromq_error_t {
    guard(|| {
        // SAFETY: the caller gives NULL or a message that is not destroyed.
        let mut message = unsafe { handle(message, "the message") }?.0.lock();
        *message = change(message.clone())?;
        Ok(())
    })
}

/// Sets the tag, by which consumers choose messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_set_tag(
    message: *mut ferromq_message_t,
    tag: *const c_char,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives a terminated text.
    change(message, |message| Ok(message.tag(unsafe { text(tag, "the tag") }?)))
}

/// Adds a key, by which a message can be found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_add_key(
    message: *mut ferromq_message_t,
    key: *const c_char,
) -> *mut ferromq_error_t {
    // SAFETY: the caller gives a terminated text.
    change(message, |message| Ok(message.key(unsafe { text(key, "the key") }?)))
}

/// Sets a property.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_set_property(
    message: *mut ferromq_message_t,
    name: *const c_char,
    value: *const c_char,
) -> *mut ferromq_error_t {
    change(message, |message| {
        // SAFETY: the caller gives terminated texts.
        let (name, value) = unsafe { (text(name, "the name")?, text(value, "the value")?) };
        Ok(message.property(name, value))
    })
}

/// Sets the level of delay, 1 to 18; see `messageDelayLevel` of the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_set_delay_level(
    message: *mut ferromq_message_t,
    level: i32,
) -> *mut ferromq_error_t {
    change(message, |message| Ok(message.delay_level(level)))
}

/// Sets a number that consumers see and brokers do not look at; 0 by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_set_flag(
    message: *mut ferromq_message_t,
    flag: i32,
) -> *mut ferromq_error_t {
    change(message, |message| Ok(message.flag(flag)))
}

/// Ends a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_message_destroy(message: *mut ferromq_message_t) {
    // SAFETY: the caller gives NULL or a message that it does not use any more.
    unsafe { take(message) };
}

/// The broker has stored the message.
pub const FERROMQ_SEND_OK: i32 = 0;
/// The broker has stored it, but could not write it to disk in time.
pub const FERROMQ_SEND_FLUSH_DISK_TIMEOUT: i32 = 1;
/// The broker has stored it, but its slave did not confirm in time.
pub const FERROMQ_SEND_FLUSH_SLAVE_TIMEOUT: i32 = 2;
/// The broker has stored it, but has no slave although it should.
pub const FERROMQ_SEND_SLAVE_NOT_AVAILABLE: i32 = 3;

/// Where a message went.
pub struct ferromq_receipt_t {
    receipt: SendReceipt,
    // Made when they are asked for: most receipts are only looked at for there being one.
    message_id: OnceLock<CString>,
    offset_message_id: OnceLock<CString>,
    broker_name: OnceLock<CString>,
}

impl From<SendReceipt> for ferromq_receipt_t {
    fn from(receipt: SendReceipt) -> Self {
        ferromq_receipt_t {
            receipt,
            message_id: OnceLock::new(),
            offset_message_id: OnceLock::new(),
            broker_name: OnceLock::new(),
        }
    }
}

fn of<T>(
    receipt: *const ferromq_receipt_t,
    otherwise: T,
    what: impl FnOnce(&ferromq_receipt_t) -> T,
) -> T {
    // SAFETY: the caller gives NULL or a receipt that is not destroyed.
    answer(otherwise, || Ok(what(unsafe { handle(receipt, "the receipt") }?)))
}

/// One of `FERROMQ_SEND_…`; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_status(receipt: *const ferromq_receipt_t) -> i32 {
    of(receipt, -1, |it| match it.receipt.status {
        SendStatus::Ok => FERROMQ_SEND_OK,
        SendStatus::FlushDiskTimeout => FERROMQ_SEND_FLUSH_DISK_TIMEOUT,
        SendStatus::FlushSlaveTimeout => FERROMQ_SEND_FLUSH_SLAVE_TIMEOUT,
        SendStatus::SlaveNotAvailable => FERROMQ_SEND_SLAVE_NOT_AVAILABLE,
    })
}

/// The id that the producer gave the message. Borrowed from the receipt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_message_id(
    receipt: *const ferromq_receipt_t,
) -> *const c_char {
    of(receipt, c"".as_ptr(), |it| terminated(&it.message_id, &it.receipt.message_id))
}

/// The id that says where it is stored, for `ferromq_admin_view_message`. Borrowed from the receipt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_offset_message_id(
    receipt: *const ferromq_receipt_t,
) -> *const c_char {
    of(receipt, c"".as_ptr(), |it| terminated(&it.offset_message_id, &it.receipt.offset_message_id))
}

/// The broker that has it. Borrowed from the receipt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_broker_name(
    receipt: *const ferromq_receipt_t,
) -> *const c_char {
    of(receipt, c"".as_ptr(), |it| terminated(&it.broker_name, &it.receipt.queue.broker_name))
}

/// The number of the queue that has it; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_queue_id(receipt: *const ferromq_receipt_t) -> i32 {
    of(receipt, -1, |it| it.receipt.queue.queue_id)
}

/// Its offset in the queue, of several messages that of the first; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_queue_offset(receipt: *const ferromq_receipt_t) -> i64 {
    of(receipt, -1, |it| it.receipt.queue_offset)
}

/// Ends a receipt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_receipt_destroy(receipt: *mut ferromq_receipt_t) {
    // SAFETY: the caller gives NULL or a receipt that it does not use any more.
    unsafe { take(receipt) };
}
