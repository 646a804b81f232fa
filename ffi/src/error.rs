//! Errors as C sees them.

use crate::memory::{c_text, take};
use facade::{Error, ErrorKind, ServerError};
use std::any::Any;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// Why a call failed.
pub struct ferromq_error_t(pub(crate) Fault);

/// Why a call failed, within this library.
pub(crate) struct Fault {
    code: i32,
    name: CString,
    message: CString,
    retryable: bool,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: &str) -> Self {
        let ErrorKind { code, name, retryable } = kind;
        Fault { code, name: c_text(name), message: c_text(message), retryable }
    }

    pub(crate) fn argument(message: String) -> Self {
        Error::InvalidArgument(message).into()
    }

    fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Fault::new(ErrorKind::INTERNAL, &format!("a defect of ferromq: {text}"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::new(error.kind(), &error.to_string())
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        Fault::new(error.kind(), &format!("the embedded server did not start: {error}"))
    }
}

/// Runs what a function does, and turns whatever goes wrong into an error.
pub(crate) fn guard(work: impl FnOnce() -> Result<(), Fault>) -> *mut ferromq_error_t {
    let fault = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return null_mut(),
        Ok(Err(fault)) => fault,
        Err(panic) => Fault::panicked(&*panic),
    };
    crate::memory::give(ferromq_error_t(fault))
}

/// Runs what a function answers; `otherwise` when that is impossible.
pub(crate) fn answer<T>(otherwise: T, work: impl FnOnce() -> Result<T, Fault>) -> T {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(_) => otherwise,
    }
}

fn of<'a>(error: *const ferromq_error_t) -> Option<&'a Fault> {
    // SAFETY: the caller gives NULL or an error that is not destroyed.
    unsafe { error.as_ref() }.map(|error| &error.0)
}

fn kind(index: usize) -> Option<&'static (ErrorKind, CString)> {
    static ALL: OnceLock<Vec<(ErrorKind, CString)>> = OnceLock::new();
    let named = |kind: ErrorKind| (kind, c_text(kind.name));
    ALL.get_or_init(|| ErrorKind::all().into_iter().map(named).collect()).get(index)
}

/// How many kinds of errors there are: for programs that list them. A refusal to which a server gives a
/// number without a name is none of them; its name is `REFUSED`.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_error_kind_count() -> usize {
    answer(0, || Ok(ErrorKind::all().len()))
}

/// The number of a kind of error; 0 when there are not so many.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_error_kind_code(index: usize) -> i32 {
    answer(0, || Ok(kind(index).map_or(0, |(kind, _)| kind.code)))
}

/// The name of a kind of error; NULL when there are not so many. Lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_error_kind_name(index: usize) -> *const c_char {
    answer(null(), || Ok(kind(index).map_or(null(), |(_, name)| name.as_ptr())))
}

/// 1 when a call that fails with this kind of error may succeed when it is made again, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_error_kind_retryable(index: usize) -> i32 {
    answer(0, || Ok(kind(index).is_some_and(|(kind, _)| kind.retryable).into()))
}

/// The number: 0 for NULL, negative when this side found it, else the response code of the server that
/// refused. Numbers and names are the same in every language.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_error_code(error: *const ferromq_error_t) -> i32 {
    of(error).map_or(0, |fault| fault.code)
}

/// The name, as in `TIMEOUT`; empty for NULL. Borrowed from the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_error_name(error: *const ferromq_error_t) -> *const c_char {
    of(error).map_or(c"".as_ptr(), |fault| fault.name.as_ptr())
}

/// What went wrong and what to do, in one line; empty for NULL. Borrowed from the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_error_message(error: *const ferromq_error_t) -> *const c_char {
    of(error).map_or(c"".as_ptr(), |fault| fault.message.as_ptr())
}

/// 1 when the same call may succeed when it is made again, else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_error_retryable(error: *const ferromq_error_t) -> i32 {
    of(error).is_some_and(|fault| fault.retryable).into()
}

/// Ends an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_error_destroy(error: *mut ferromq_error_t) {
    // SAFETY: the caller gives NULL or an error that it does not use any more.
    unsafe { take(error) };
}
