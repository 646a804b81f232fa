//! The thread that syncs the commit log: at intervals, or whenever someone waits (store §7).
//!
//! However many wait, one sync serves them all: those who come while it runs are served by the
//! next. A sync that fails is not tried again, since the system may have dropped the pages that it
//! could not write: the store stops taking messages instead.

use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::error::{FlushOutcome, StoreError};
use crate::health::Health;
use crate::work::Work;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Told when a position of the log is on disk, or will not be.
pub type FlushCallback = Box<dyn FnOnce(FlushOutcome) + Send>;

struct Waiter {
    position: i64,
    deadline: Instant,
    callback: FlushCallback,
}

#[derive(Default)]
struct State {
    waiters: Vec<Waiter>,
    stopped: bool,
}

struct Shared {
    log: Arc<CommitLog>,
    health: Arc<Health>,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether anything was appended since the thread last looked.
    dirty: AtomicBool,
    interval: Duration,
    thorough: Duration,
    least: i64,
}

pub(crate) struct Flusher {
    shared: Arc<Shared>,
    timeout: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Flusher {
    pub(crate) fn start(
        log: Arc<CommitLog>,
        health: Arc<Health>,
        config: &StoreConfig,
        work: Work,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            log,
            health,
            state: Mutex::default(),
            changed: Condvar::new(),
            dirty: AtomicBool::new(false),
            interval: Duration::from_millis(config.flush_interval_commit_log),
            thorough: Duration::from_millis(config.flush_commit_log_thorough_interval),
            least: config.flush_commit_log_least_pages * 4096,
        });
        let run = {
            let shared = shared.clone();
            move || shared.run()
        };
        let thread = work.start("ferromq-flush", run)?;
        let timeout = Duration::from_millis(config.sync_flush_timeout);
        Ok(Flusher { shared, timeout, thread: Mutex::new(thread) })
    }

    /// Something was appended.
    pub(crate) fn appended(&self) {
        if !self.shared.dirty.load(Ordering::Relaxed)
            && !self.shared.dirty.swap(true, Ordering::AcqRel)
        {
            let _state = self.shared.state.lock();
            self.shared.changed.notify_one();
        }
    }

    /// Calls back once everything before `position` is on disk.
    pub(crate) fn when_flushed(&self, position: i64, callback: FlushCallback) {
        if self.shared.log.flushed() >= position {
            return callback(FlushOutcome::Flushed);
        }
        if self.shared.health.failed() {
            return callback(FlushOutcome::Failed);
        }
        let waiter = Waiter { position, deadline: Instant::now() + self.timeout, callback };
        {
            let mut state = self.shared.state.lock();
            if !state.stopped {
                state.waiters.push(waiter);
                self.shared.changed.notify_one();
                return;
            }
        }
        (waiter.callback)(FlushOutcome::Failed);
    }

    /// Syncs what is left and ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
        match self.thread.lock().take() {
            Some(thread) => drop(thread.join()),
            None => {
                self.flush();
                self.shared.answer_all(FlushOutcome::Failed);
            }
        }
    }

    /// Syncs what there is and tells those who wait, on the caller's thread.
    pub(crate) fn flush(&self) {
        self.shared.sync();
        self.shared.answer();
    }
}

impl Shared {
    fn run(&self) {
        let mut last_sync = Instant::now();
        loop {
            let stopped = self.wait();
            let waiting = !self.state.lock().waiters.is_empty();
            let behind = self.log.end() - self.log.flushed();
            let due =
                waiting || stopped || behind >= self.least || last_sync.elapsed() >= self.thorough;
            if behind > 0 && due && !self.health.failed() {
                last_sync = Instant::now();
                self.sync();
            } else if behind > 0 {
                self.dirty.store(true, Ordering::Release);
            }
            self.answer();
            if stopped {
                return self.answer_all(FlushOutcome::Failed);
            }
        }
    }

    fn sync(&self) {
        if !self.health.failed()
            && let Err(error) = self.log.sync()
        {
            self.health.fail(format!("the commit log cannot be synced: {error}"));
        }
    }

    /// Waits until there is something to do; returns whether it is the last.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.stopped && state.waiters.is_empty() && !self.dirty.load(Ordering::Acquire) {
            self.changed.wait(&mut state);
        }
        // Asynchronous: gather what comes in the meantime, unless someone waits.
        let end = Instant::now() + self.interval;
        while !state.stopped && state.waiters.is_empty() {
            if self.changed.wait_until(&mut state, end).timed_out() {
                break;
            }
        }
        self.dirty.store(false, Ordering::Release);
        state.stopped
    }

    /// Calls back everyone whose position is on disk, or whose time is over.
    fn answer(&self) {
        let (flushed, now, failed) = (self.log.flushed(), Instant::now(), self.health.failed());
        let settled =
            |waiter: &mut Waiter| waiter.position <= flushed || failed || waiter.deadline <= now;
        let done: Vec<Waiter> = self.state.lock().waiters.extract_if(.., settled).collect();
        for waiter in done {
            let outcome = match waiter.position <= flushed {
                true => FlushOutcome::Flushed,
                false if failed => FlushOutcome::Failed,
                false => FlushOutcome::TimedOut,
            };
            (waiter.callback)(outcome);
        }
    }

    fn answer_all(&self, outcome: FlushOutcome) {
        let waiters = std::mem::take(&mut self.state.lock().waiters);
        waiters.into_iter().for_each(|waiter| (waiter.callback)(outcome));
    }
}
