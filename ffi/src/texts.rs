//! Lists of texts.

use crate::error::answer;
use crate::memory::{c_text, handle, take};
use std::ffi::{CString, c_char};
use std::ptr::null;

/// Some texts. They can be read by any thread.
pub struct ferromq_texts_t(Vec<CString>);

impl<T: AsRef<str>> FromIterator<T> for ferromq_texts_t {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        ferromq_texts_t(texts.into_iter().map(|text| c_text(text.as_ref())).collect())
    }
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_texts_count(texts: *const ferromq_texts_t) -> usize {
    // SAFETY: the caller gives NULL or texts that are not destroyed.
    answer(0, || Ok(unsafe { handle(texts, "the texts") }?.0.len()))
}

/// One; NULL when there are not so many. Borrowed from the texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_texts_get(
    texts: *const ferromq_texts_t,
    index: usize,
) -> *const c_char {
    answer(null(), || {
        // SAFETY: the caller gives NULL or texts that are not destroyed.
        let texts = unsafe { handle(texts, "the texts") }?;
        Ok(texts.0.get(index).map_or(null(), |text| text.as_ptr()))
    })
}

/// Ends texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_texts_destroy(texts: *mut ferromq_texts_t) {
    // SAFETY: the caller gives NULL or texts that it does not use any more.
    unsafe { take(texts) };
}
