//! Who syncs the commit log, and when: a thread at intervals, and whoever waits (store §7).
//!
//! However many wait, one sync serves them all: those who come while it runs are served by the
//! next. It is led by one who waits, on its own thread, if the disk is quick: waking another thread
//! and being woken by it can take as long as the sync. Otherwise the store's thread leads, and gives those
//! whom it has answered a moment to come again before the next.
//!
//! A sync that fails is not tried again, since the system may have dropped the pages that it
//! could not write: the store stops taking messages instead.

use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::error::{FlushOutcome, StoreError};
use crate::health::Health;
use crate::work::Work;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Told when a position of the log is on disk, or will not be.
pub type FlushCallback = Box<dyn FnOnce(FlushOutcome) + Send>;

/// A sync that takes longer, in µs, is left to the store's thread: beside it a wake-up is nothing, and
/// whoever leads does nothing else meanwhile.
const QUICK: u64 = 1000;

/// On a disk that is not quick, those who were answered have this part of a sync's time to come again,
/// and no more than so long.
const COME_AGAIN: (u32, Duration) = (4, Duration::from_millis(5));

/// After how much of the log it is synced, though its time has not come: what is not, a start after a kill has
/// to read.
const MUCH: i64 = 32 << 20;

/// How long it may go unnoticed that so much has come.
const LOOK: Duration = Duration::from_millis(50);

struct Waiter {
    position: i64,
    deadline: Instant,
    callback: FlushCallback,
}

#[derive(Default)]
struct State {
    waiters: Vec<Waiter>,
    /// Whether a sync is wanted after the one that runs, if one does.
    wanted: bool,
    /// Whether the thread is to see to that.
    asked: bool,
    /// How many may wait soon, since they were answered just now or wait already.
    expected: usize,
    /// Until when the thread waits for them.
    expected_until: Option<Instant>,
    stopped: bool,
}

struct Shared {
    log: Arc<CommitLog>,
    health: Arc<Health>,
    /// Held by whoever leads, until those are answered whom the sync served. One at a time: the system
    /// tells of a failure once, and another sync of the same pages would take them for written.
    leading: Mutex<()>,
    /// How long the last sync took, in µs.
    last_took: AtomicU64,
    /// How many syncs there were.
    syncs: AtomicU64,
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
            leading: Mutex::default(),
            last_took: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
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

    /// Calls back once everything before `position` is on disk; the thread sees to that. The system has it
    /// when this returns, so that it outlives the process.
    pub(crate) fn when_flushed(&self, position: i64, callback: FlushCallback) {
        self.shared.log.write();
        self.when_flushed_together(position, callback);
        self.flush_soon();
    }

    /// As [`when_flushed`](Self::when_flushed), but the caller sees to it, once all who come together
    /// are there.
    pub(crate) fn when_flushed_together(&self, position: i64, callback: FlushCallback) {
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
                return state.waiters.push(waiter);
            }
        }
        (waiter.callback)(FlushOutcome::Failed);
    }

    /// Has the thread sync for those who wait.
    pub(crate) fn flush_soon(&self) {
        // Whoever leads asks the thread when he is done.
        if self.shared.want() && !self.shared.leading.is_locked() {
            self.shared.ask_if_wanted();
        }
    }

    /// The lead, if somebody waits, nobody leads, and the disk is quick. Otherwise those who wait are
    /// seen to.
    pub(crate) fn lead(&self) -> Option<FlushLead<'_>> {
        if self.shared.last_took.load(Ordering::Relaxed) > QUICK {
            self.flush_soon();
            return None;
        }
        if self.shared.want() { self.shared.try_lead() } else { None }
    }

    /// How many times the log was synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
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
        self.shared.wait_to_lead().sync();
    }
}

/// The right to sync, which one has at a time.
pub struct FlushLead<'a> {
    shared: &'a Shared,
    leading: Option<MutexGuard<'a, ()>>,
}

impl FlushLead<'_> {
    /// Syncs what there is and calls back everyone whom that serves. Waits for the disk.
    pub fn sync(self) {
        self.shared.sync();
        self.shared.answer();
    }
}

impl Drop for FlushLead<'_> {
    fn drop(&mut self) {
        self.leading = None;
        // Looked at only now: whoever finds the lead taken has said before that he wants a sync.
        self.shared.ask_if_wanted();
    }
}

impl Shared {
    fn run(&self) {
        let mut last_sync = Instant::now();
        loop {
            let stopped = self.wait();
            if stopped {
                self.wait_to_lead().sync();
                return self.answer_all(FlushOutcome::Failed);
            }
            let behind = self.log.end() - self.log.flushed();
            let due = self.someone_waits()
                || behind >= self.least
                || last_sync.elapsed() >= self.thorough;
            let lead = if behind > 0 && due { self.try_lead() } else { None };
            match lead {
                Some(lead) => {
                    last_sync = Instant::now();
                    lead.sync();
                }
                None if behind > 0 && !self.health.failed() => {
                    self.dirty.store(true, Ordering::Release);
                }
                None => {}
            }
            self.answer();
        }
    }

    fn someone_waits(&self) -> bool {
        !self.state.lock().waiters.is_empty()
    }

    /// Says that a sync is wanted, if somebody waits; returns whether that is so.
    fn want(&self) -> bool {
        let mut state = self.state.lock();
        state.wanted = !state.waiters.is_empty();
        state.wanted
    }

    fn ask_if_wanted(&self) {
        let mut state = self.state.lock();
        if state.wanted && !state.waiters.is_empty() {
            state.asked = true;
            self.changed.notify_one();
        }
    }

    fn try_lead(&self) -> Option<FlushLead<'_>> {
        let leading = self.leading.try_lock()?;
        Some(FlushLead { shared: self, leading: Some(leading) })
    }

    fn wait_to_lead(&self) -> FlushLead<'_> {
        FlushLead { shared: self, leading: Some(self.leading.lock()) }
    }

    fn sync(&self) {
        // Whoever wanted one until now is served by this one.
        self.state.lock().wanted = false;
        if self.health.failed() {
            return;
        }
        let start = Instant::now();
        if let Err(error) = self.log.sync() {
            self.health.fail(format!("the commit log cannot be synced: {error}"));
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.last_took.store(start.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Waits until there is something to do; returns whether it is the last.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.stopped && !state.asked && !self.dirty.load(Ordering::Acquire) {
            self.changed.wait(&mut state);
        }
        // Gather what comes in the meantime, unless someone waits, or much has come.
        let end = Instant::now() + self.interval;
        while !state.stopped && !state.asked {
            let look = end.min(Instant::now() + LOOK);
            let waited = self.changed.wait_until(&mut state, look).timed_out();
            if waited && (look == end || self.log.end() - self.log.flushed() >= MUCH) {
                self.dirty.store(false, Ordering::Release);
                break;
            }
        }
        self.gather(&mut state);
        state.asked = false;
        state.stopped
    }

    /// Waits a moment for those who were answered just now. If the next sync began without what they send
    /// next, they would share syncs in two halves that take turns, and everybody would wait for two.
    fn gather(&self, state: &mut MutexGuard<'_, State>) {
        let Some(until) = state.expected_until.take() else { return };
        while !state.stopped && state.waiters.len() < state.expected {
            if self.changed.wait_until(state, until).timed_out() {
                return;
            }
        }
    }

    /// Calls back everyone whose position is on disk, or whose time is over.
    fn answer(&self) {
        let (flushed, now, failed) = (self.log.flushed(), Instant::now(), self.health.failed());
        let settled =
            |waiter: &mut Waiter| waiter.position <= flushed || failed || waiter.deadline <= now;
        let done: Vec<Waiter> = {
            let mut state = self.state.lock();
            let done: Vec<Waiter> = state.waiters.extract_if(.., settled).collect();
            let took = self.last_took.load(Ordering::Relaxed);
            if took > QUICK && !done.is_empty() {
                state.expected = state.waiters.len() + done.len();
                let (part, most) = COME_AGAIN;
                state.expected_until = Some(now + (Duration::from_micros(took) / part).min(most));
            }
            done
        };
        if done.iter().any(|waiter| waiter.position > flushed) {
            // A message that is late is stored all the same.
            self.log.write();
        }
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
