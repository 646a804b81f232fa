//! What became of messages that were sent in the background.

use crate::error::{Fault, answer, ferromq_error_t};
use crate::memory::{handle, take};
use crate::message::ferromq_receipt_t;
use facade::{Error, ErrorKind, SendReceipt};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::ptr::null;
use std::sync::Arc;
use std::time::Instant;

/// How many messages of `ferromq_producer_send_async` may be on their way or wait to be polled for.
pub const FERROMQ_MAX_COMPLETIONS: usize = 65536;

type Completion = (u64, Result<ferromq_receipt_t, ferromq_error_t>);

/// What became of messages that were sent without waiting.
#[derive(Default)]
pub struct ferromq_completions_t(Vec<Completion>);

/// Completions on their way from the clients' threads to whoever polls, or calls back.
#[derive(Default)]
pub(crate) struct Completions {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    arrived: VecDeque<Completion>,
    /// Those that have arrived, and those that will.
    count: usize,
    /// Threads that wait for some to arrive.
    waiting: usize,
    /// They are about to be woken.
    ringing: bool,
    closed: bool,
}

impl Completions {
    /// Keeps a place for the completion of a message that is about to be sent.
    pub(crate) fn reserve(self: &Arc<Self>, token: u64) -> Result<Place, Fault> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Closed.into());
        }
        if state.count >= FERROMQ_MAX_COMPLETIONS {
            return Err(Fault::new(
                ErrorKind::UNPOLLED,
                &format!(
                    "{} messages are on their way or have completions that nobody has asked for: call ferromq_producer_poll, or give a function to ferromq_producer_on_completions",
                    state.count
                ),
            ));
        }
        state.count += 1;
        Ok(Place { completions: self.clone(), token, filled: false })
    }

    /// Fails once no more messages are accepted.
    pub(crate) fn open(&self) -> Result<(), Fault> {
        if self.state.lock().closed { Err(Error::Closed.into()) } else { Ok(()) }
    }

    /// No more messages are accepted; what has arrived can still be taken.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Up to `max` completions, waiting for the first, perhaps only until `deadline`. `None` when there
    /// will be no more.
    pub(crate) fn take(
        &self,
        max: usize,
        deadline: Option<Instant>,
    ) -> Option<ferromq_completions_t> {
        let mut state = self.state.lock();
        while state.arrived.is_empty() && !state.closed {
            state.waiting += 1;
            let late = match deadline {
                Some(deadline) => self.arrived.wait_until(&mut state, deadline).timed_out(),
                None => {
                    self.arrived.wait(&mut state);
                    false
                }
            };
            state.waiting -= 1;
            if late {
                break;
            }
        }
        if state.arrived.is_empty() && state.closed {
            return None;
        }
        let count = state.arrived.len().min(max);
        let taken = state.arrived.drain(..count).collect();
        state.count -= count;
        if !state.arrived.is_empty() && state.waiting > 0 {
            self.arrived.notify_one();
        }
        Some(ferromq_completions_t(taken))
    }

    fn add(self: &Arc<Self>, completion: Completion) {
        let mut state = self.state.lock();
        state.arrived.push_back(completion);
        if state.waiting == 0 || state.ringing {
            return;
        }
        // Not at once: most answers come together, and their completions are to go to whoever waits
        // together too. A task begins when the one that reads the answers has done so.
        let Ok(runtime) = facade::runtime() else { return };
        state.ringing = true;
        drop(state);
        let this = self.clone();
        runtime.spawn(async move {
            this.state.lock().ringing = false;
            this.arrived.notify_one();
        });
    }
}

/// A place for one completion. Dropped, it is free again.
pub(crate) struct Place {
    completions: Arc<Completions>,
    token: u64,
    filled: bool,
}

impl Place {
    pub(crate) fn fill(mut self, outcome: Result<SendReceipt, Error>) {
        let outcome = outcome.map(Into::into).map_err(|error| ferromq_error_t(error.into()));
        self.filled = true;
        self.completions.add((self.token, outcome));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A filled one is free again when it has been polled for.
        if !self.filled {
            self.completions.state.lock().count -= 1;
        }
    }
}

fn completion<T>(
    completions: *const ferromq_completions_t,
    index: usize,
    otherwise: T,
    what: impl FnOnce(&Completion) -> T,
) -> T {
    answer(otherwise, || {
        // SAFETY: the caller gives NULL or completions that are not destroyed.
        let all = unsafe { handle(completions, "the completions") }?;
        let one = all.0.get(index).ok_or_else(|| Fault::argument("no such index".to_string()))?;
        Ok(what(one))
    })
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_completions_count(
    completions: *const ferromq_completions_t,
) -> usize {
    // SAFETY: the caller gives NULL or completions that are not destroyed.
    answer(0, || Ok(unsafe { handle(completions, "the completions") }?.0.len()))
}

/// The token of one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_completions_token(
    completions: *const ferromq_completions_t,
    index: usize,
) -> u64 {
    completion(completions, index, 0, |one| one.0)
}

/// The receipt of one; NULL when it failed. Borrowed from the completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_completions_receipt(
    completions: *const ferromq_completions_t,
    index: usize,
) -> *const ferromq_receipt_t {
    completion(completions, index, null(), |one| one.1.as_ref().map_or(null(), |it| it))
}

/// Why one failed; NULL when it was stored. Borrowed from the completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_completions_error(
    completions: *const ferromq_completions_t,
    index: usize,
) -> *const ferromq_error_t {
    completion(completions, index, null(), |one| one.1.as_ref().err().map_or(null(), |it| it))
}

/// Ends completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferromq_completions_destroy(completions: *mut ferromq_completions_t) {
    // SAFETY: the caller gives NULL or completions that it does not use any more.
    unsafe { take(completions) };
}
