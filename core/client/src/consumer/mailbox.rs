//! Messages that wait for the application to poll them.

use crate::message::ReceivedMessage;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Where polled messages come from, and what must know what became of them.
pub(crate) trait Source: Clone {
    /// Whether its messages are somebody else's by now.
    fn is_gone(&self) -> bool;
}

/// Runs of messages, each of one source, in the order of their arrival. What may wait is bounded by
/// the pull loops, which stop when a queue holds too much.
pub(crate) struct Mailbox<S> {
    ready: Mutex<VecDeque<(S, Vec<ReceivedMessage>)>>,
    /// Wakes one that polls.
    arrived: Notify,
    /// Wakes all that only watch: whoever watches must not be woken in place of one that polls.
    filled: Notify,
    closed: AtomicBool,
    closing: Notify,
}

impl<S> Default for Mailbox<S> {
    fn default() -> Self {
        let closed = AtomicBool::new(false);
        let (arrived, filled, closing) = (Notify::new(), Notify::new(), Notify::new());
        Mailbox { ready: Mutex::default(), arrived, filled, closed, closing }
    }
}

/// When somebody who polls now has waited long enough. A year is as good as for ever, and fits every clock.
pub(crate) fn deadline(patience: Duration) -> Instant {
    Instant::now() + patience.min(Duration::from_secs(365 * 24 * 3600))
}

impl<S: Source> Mailbox<S> {
    pub(crate) fn put(&self, source: S, messages: Vec<ReceivedMessage>) {
        self.change(|ready| ready.push_back((source, messages)));
    }

    /// Messages that were taken are to be taken again, before all others.
    pub(crate) fn put_back(&self, source: S, messages: Vec<ReceivedMessage>) {
        self.change(|ready| ready.push_front((source, messages)));
    }

    fn change(&self, add: impl FnOnce(&mut VecDeque<(S, Vec<ReceivedMessage>)>)) {
        let closed = {
            let mut ready = self.ready.lock();
            let closed = self.closed.load(Ordering::Acquire);
            if !closed {
                add(&mut ready);
            }
            closed
        };
        if !closed {
            self.arrived.notify_one();
            self.filled.notify_waiters();
        }
    }

    /// The first up to `max` messages of one source.
    pub(crate) fn take(&self, max: usize) -> Option<(S, Vec<ReceivedMessage>)> {
        let mut ready = self.ready.lock();
        loop {
            let (source, mut messages) = ready.pop_front()?;
            if source.is_gone() {
                continue;
            }
            if messages.len() > max {
                let rest = messages.split_off(max);
                ready.push_front((source.clone(), rest));
            }
            if !ready.is_empty() {
                // Another that waits can have the rest.
                self.arrived.notify_one();
            }
            return Some((source, messages));
        }
    }

    /// Returns when something waits, or when the mailbox is closed.
    pub(crate) async fn filled(&self) {
        loop {
            let mut filled = pin!(self.filled.notified());
            // Before looking, so that nothing comes unseen in between.
            filled.as_mut().enable();
            if !self.ready.lock().is_empty() || self.is_closed() {
                return;
            }
            filled.await;
        }
    }

    /// Waits until something may have arrived, or the mailbox was closed; false at the deadline.
    pub(crate) async fn arrival(&self, deadline: Instant) -> bool {
        if self.is_closed() {
            return true;
        }
        tokio::time::timeout_at(deadline.into(), self.arrived.notified()).await.is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns when the mailbox is closed.
    pub(crate) async fn closed(&self) {
        let closing = self.closing.notified();
        if !self.is_closed() {
            closing.await;
        }
    }

    /// Forgets what waits, takes nothing more, and wakes everyone who waits.
    pub(crate) fn close(&self) {
        let forgotten = {
            let mut ready = self.ready.lock();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut *ready)
        };
        drop(forgotten);
        self.closing.notify_waiters();
        self.filled.notify_waiters();
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }
}
