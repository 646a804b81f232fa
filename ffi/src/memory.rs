//! What comes from C and what goes there.

use crate::error::Fault;
use facade::Error;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

/// A handle that C owns from now on.
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes a handle back; NULL is nothing.
///
/// # Safety
/// The pointer came from [`give`] and is not used any more.
pub(crate) unsafe fn take<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: by the contract of this function.
        let owned = unsafe { Box::from_raw(handle) };
        // A panic in a destructor must not leave the library either.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(owned)));
    }
}

/// What a handle stands for.
///
/// # Safety
/// The pointer is NULL or came from [`give`] and was not taken back.
pub(crate) unsafe fn handle<'a, T>(handle: *const T, name: &str) -> Result<&'a T, Fault> {
    // SAFETY: by the contract of this function.
    unsafe { handle.as_ref() }.ok_or_else(|| Fault::argument(format!("{name} is NULL")))
}

/// A text.
///
/// # Safety
/// The pointer is NULL or a text that ends with a zero byte.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str, Fault> {
    if text.is_null() {
        return Err(Fault::argument(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, and by the contract of this function.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Fault::argument(format!("{name} is not UTF-8")))
}

/// A text that may be left out.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    given: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Fault> {
    if given.is_null() {
        return Ok(None);
    }
    // SAFETY: by the contract of this function.
    unsafe { text(given, name) }.map(Some)
}

/// A topic and tags.
///
/// # Safety
/// Both are NULL or texts that end with a zero byte.
pub(crate) unsafe fn subscription<'a>(
    topic: *const c_char,
    tags: *const c_char,
) -> Result<(&'a str, &'a str), Fault> {
    let tags = if tags.is_null() { c"*".as_ptr() } else { tags };
    // SAFETY: by the contract of this function.
    unsafe { Ok((text(topic, "the topic")?, text(tags, "the tags")?)) }
}

/// Some bytes.
///
/// # Safety
/// The pointer is NULL or has so many bytes.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    size: usize,
    name: &str,
) -> Result<&'a [u8], Fault> {
    if data.is_null() && size > 0 {
        return Err(Fault::argument(format!("{name} is NULL")));
    }
    if size == 0 {
        return Ok(&[]);
    }
    // SAFETY: not NULL, and by the contract of this function.
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

/// Where a result goes. Cleared first, so that it is NULL when the call fails.
pub(crate) struct Out<T>(*mut *mut T);

impl<T> Out<T> {
    /// # Safety
    /// The pointer is NULL or may be written to.
    pub(crate) unsafe fn new(out: *mut *mut T) -> Self {
        if !out.is_null() {
            // SAFETY: not NULL, and by the contract of this function.
            unsafe { *out = std::ptr::null_mut() };
        }
        Out(out)
    }

    /// Whether there is a place for a result.
    pub(crate) fn required(&self) -> Result<(), Fault> {
        match self.0.is_null() {
            true => Err(Fault::argument("the place for the result is NULL".to_string())),
            false => Ok(()),
        }
    }

    pub(crate) fn put(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not NULL, and by the contract of `new`.
            unsafe { *self.0 = give(value) };
        }
    }
}

/// Where a number goes. -1 first, so that it is that when the call fails.
pub(crate) struct Number(*mut i64);

impl Number {
    /// # Safety
    /// The pointer is NULL or may be written to.
    pub(crate) unsafe fn new(out: *mut i64) -> Self {
        let number = Number(out);
        if !number.0.is_null() {
            number.put(-1);
        }
        number
    }

    /// Whether there is a place for it.
    pub(crate) fn required(&self) -> Result<(), Fault> {
        match self.0.is_null() {
            true => Err(Fault::argument("the place for the result is NULL".to_string())),
            false => Ok(()),
        }
    }

    pub(crate) fn put(&self, value: i64) {
        if !self.0.is_null() {
            // SAFETY: not NULL, and by the contract of `new`.
            unsafe { *self.0 = value };
        }
    }
}

/// A text as C has it; what comes after a zero byte is lost.
pub(crate) fn c_text(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// A text as C has it, made when it is first asked for.
pub(crate) fn terminated(place: &OnceLock<CString>, text: &str) -> *const c_char {
    place.get_or_init(|| c_text(text)).as_ptr()
}

/// Waits for an operation that cannot fail.
pub(crate) fn attend(work: impl Future<Output = ()>) -> Result<(), Fault> {
    facade::runtime()?.block_on(work);
    Ok(())
}

/// Waits for an operation.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    Ok(facade::runtime()?.block_on(work)?)
}

/// Waits for an operation that as a rule is over at once: it is looked at before the runtime is entered.
pub(crate) fn wait_briefly<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    let runtime = facade::runtime()?;
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Ok(outcome?),
        Poll::Pending => Ok(runtime.block_on(work)?),
    }
}
