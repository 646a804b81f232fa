//! Threads that work behind the appends: one writes consume queue entries to their files, one
//! enters keys in the index. Both sleep while nothing happens.

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::index::{TOGETHER, Writer};
use crate::keys::NewKeys;
use crate::store::Inner;
use crate::work::Work;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Wakes a thread that has found nothing to do.
#[derive(Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Something happened. Costs next to nothing while the thread is awake.
    pub(crate) fn ring(&self) {
        if !self.rung.load(Ordering::Relaxed) && !self.rung.swap(true, Ordering::AcqRel) {
            let _stopped = self.stopped.lock();
            self.changed.notify_one();
        }
    }

    fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_one();
    }

    /// Waits until it has rung, then for `pause` to gather more. Returns whether it is over.
    fn wait(&self, pause: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        while !*stopped && !self.rung.load(Ordering::Acquire) {
            self.changed.wait(&mut stopped);
        }
        let end = Instant::now() + pause;
        while !*stopped && !self.changed.wait_until(&mut stopped, end).timed_out() {}
        self.rung.store(false, Ordering::Release);
        *stopped
    }
}

/// After how much of the log the checkpoint is written anew, though its time has not come: what is
/// behind it has to be read after a crash.
const CHECKPOINT_BYTES: i64 = 64 << 20;
/// So many times as long as a checkpoint of many queues took is waited for the next, unless its time has come:
/// it must not become all that the disk does. With few queues, what is to be read after a crash counts for more.
const CHECKPOINT_REST: u32 = 20;
/// More queues than these are many.
const MANY_QUEUES: usize = 64;
/// How long it may go unnoticed that so much of the log has come.
const QUEUES_PAUSE: Duration = Duration::from_millis(100);
/// How long the index may stay behind the log.
const INDEX_PAUSE: Duration = Duration::from_millis(20);
/// So many keys in one go are few. Where more come, the index would stay behind if it waited for others in between.
const FEW_KEYS: usize = 1024;
/// How much of the log is looked at before saying how far that is, in bytes.
const INDEX_RUN: i64 = 1 << 20;
/// How long to wait for room on a full disk.
const PAUSE_WITHOUT_ROOM: Duration = Duration::from_secs(1);

pub(crate) struct Background {
    inner: Arc<Inner>,
    work: Work,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How far the index has got, and up to which time (ms) and log offset its full files are on disk.
#[derive(Default)]
pub(crate) struct IndexProgress {
    pub(crate) position: AtomicI64,
    pub(crate) full_until: AtomicI64,
    pub(crate) full_offset: AtomicI64,
}

impl IndexProgress {
    /// Up to which log offset keys are entered.
    fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }
}

/// How far the consume queues are on disk.
#[derive(Default)]
pub(crate) struct QueueProgress {
    /// The log offset before which every record's entry is.
    pub(crate) on_disk: AtomicI64,
    /// Whether somebody waits for that to change.
    pub(crate) wanted: AtomicBool,
}

impl Background {
    pub(crate) fn start(inner: Arc<Inner>, work: Work) -> Result<Self, StoreError> {
        let mut threads = Vec::new();
        for (name, run) in
            [("ferromq-queues", write_queues as fn(&Inner)), ("ferromq-index", follow_log)]
        {
            let task = inner.clone();
            threads.extend(work.start(name, move || run(&task))?);
        }
        Ok(Background { inner, work, threads: Mutex::new(threads) })
    }

    /// Finishes the work and ends the threads.
    pub(crate) fn stop(&self) {
        self.inner.queue_bell.stop();
        self.inner.index_bell.stop();
        self.threads.lock().drain(..).for_each(|thread| drop(thread.join()));
        self.write_queues(true);
        self.follow_log();
    }
}

impl Background {
    /// Writes consume queue entries, unless a thread does.
    pub(crate) fn write_queues(&self, sync: bool) {
        if self.work == Work::ByHand {
            write_or_fail(&self.inner, sync);
        }
    }

    /// Enters keys up to the end of the log, unless a thread does.
    pub(crate) fn follow_log(&self) {
        if self.work == Work::ByHand {
            enter_or_fail(&self.inner, &mut NewKeys::default());
        }
    }
}

/// When the next checkpoint is due.
struct Due {
    /// After how long, however little has come.
    thorough: Duration,
    last: Instant,
    /// How long it is not due after the last, however much has come.
    rest: Duration,
}

impl Due {
    fn after(start: Instant, thorough: Duration) -> Self {
        Due { thorough, last: start, rest: Duration::ZERO }
    }

    /// Whether it is, with so many bytes of the log behind the last one.
    fn is_now(&self, now: Instant, behind: i64) -> bool {
        let since = now - self.last;
        since >= self.thorough || behind >= CHECKPOINT_BYTES && since >= self.rest
    }

    /// One was taken, for which so many queues were synced.
    fn taken(&mut self, begin: Instant, end: Instant, queues: usize) {
        self.last = end;
        self.rest =
            if queues > MANY_QUEUES { CHECKPOINT_REST * (end - begin) } else { Duration::ZERO };
    }
}

fn write_queues(inner: &Inner) {
    let pause = Duration::from_millis(inner.config.flush_interval_consume_queue);
    let thorough = Duration::from_millis(inner.config.flush_consume_queue_thorough_interval);
    let mut last_write = Instant::now();
    let mut due = Due::after(last_write, thorough);
    loop {
        let stopped = inner.queue_bell.wait(pause.min(QUEUES_PAUSE));
        let wanted = inner.queue_progress.wanted.swap(false, Ordering::AcqRel);
        let behind = inner.log.flushed() - inner.queue_progress.on_disk.load(Ordering::Acquire);
        let sync = stopped || wanted || due.is_now(Instant::now(), behind);
        if !sync && last_write.elapsed() < pause {
            inner.queue_bell.ring();
            continue;
        }
        last_write = Instant::now();
        let written = write_or_fail(inner, sync);
        if !written.all {
            inner.queue_bell.ring();
        }
        if sync {
            due.taken(last_write, Instant::now(), written.synced);
        }
        if stopped {
            return;
        }
    }
}

/// What came of writing queues.
struct Written {
    /// Whether there is nothing left to write, or no use in trying.
    all: bool,
    /// How many queues were synced.
    synced: usize,
}

fn write_or_fail(inner: &Inner, sync: bool) -> Written {
    if inner.health.failed() {
        // What is missing since, the next start makes anew: nothing may say that it is complete.
        return Written { all: true, synced: 0 };
    }
    write_and_sync(inner, sync).unwrap_or_else(|error| {
        inner.health.fail(format!("consume queues cannot be written: {error}"));
        Written { all: true, synced: 0 }
    })
}

fn write_and_sync(inner: &Inner, sync: bool) -> Result<Written, StoreError> {
    let synced = inner.log.synced();
    let all = match inner.queues.write(synced.end) {
        // Nothing is lost: the entries are in memory until there is room.
        Err(error) if error.is_full() => {
            inner.health.set_disk_full(true);
            return Ok(Written { all: false, synced: 0 });
        }
        written => written?,
    };
    let mut queues = 0;
    if sync {
        queues = inner.queues.sync()?;
        let path = Checkpoint::path(&inner.root);
        let checkpoint = inner.checkpoint_at(synced);
        checkpoint.save(&*inner.disk, &inner.root).map_err(StoreError::file("write", path))?;
        inner.queue_progress.on_disk.store(synced.end, Ordering::Release);
    }
    Ok(Written { all, synced: queues })
}

fn follow_log(inner: &Inner) {
    inner.index.free_removed();
    let (mut pause, mut taken) = (INDEX_PAUSE, NewKeys::default());
    loop {
        let stopped = inner.index_bell.wait(pause);
        pause = match enter_or_fail(inner, &mut taken) {
            Entered::All => INDEX_PAUSE,
            Entered::NoRoom => {
                inner.index_bell.ring();
                PAUSE_WITHOUT_ROOM
            }
            Entered::Failed => return,
        };
        if stopped {
            return;
        }
    }
}

/// How entering keys went.
enum Entered {
    All,
    /// The disk is full; the rest is entered when there is room.
    NoRoom,
    Failed,
}

fn enter_or_fail(inner: &Inner, taken: &mut NewKeys) -> Entered {
    match enter_keys(inner, taken) {
        Ok(()) => Entered::All,
        Err(error) if error.is_full() => {
            inner.health.set_disk_full(true);
            Entered::NoRoom
        }
        Err(error) => {
            inner.health.fail(format!("the index cannot be written: {error}"));
            Entered::Failed
        }
    }
}

/// Enters the keys of every record up to the end of the log: those that it has in memory from there, and
/// what is missing from the records, in the order of the log. `taken` is room for them.
fn enter_keys(inner: &Inner, taken: &mut NewKeys) -> Result<(), StoreError> {
    if !inner.config.message_index_enable {
        return Ok(());
    }
    let mut entering =
        Entering { inner, writer: inner.index.writer(), position: inner.index_progress.position() };
    loop {
        let end = inner.log.take_keys(taken);
        if entering.position >= end {
            return Ok(());
        }
        let in_memory = taken.range();
        entering.read(in_memory.start)?;
        entering.enter(taken)?;
        entering.read(end)?;
    }
}

/// Entering keys, which has got to a place of the log.
struct Entering<'a> {
    inner: &'a Inner,
    writer: Writer<'a>,
    position: i64,
}

impl Entering<'_> {
    /// Enters keys that are in memory.
    fn enter(&mut self, keys: &NewKeys) -> Result<(), StoreError> {
        let few = keys.len() <= FEW_KEYS;
        let entered = keys.chunks(TOGETHER).try_for_each(|some| {
            some.iter().try_for_each(|key| self.writer.enter_key(key))?;
            if few {
                // Nobody who wants this core waits for more than these.
                std::thread::yield_now();
            }
            Ok(())
        });
        let next = match entered.and_then(|()| self.writer.finish()) {
            Ok(()) => Ok(self.position.max(keys.range().end)),
            Err(error) => Err((self.writer.first_left().unwrap_or(self.position), error)),
        };
        self.got_to(next)
    }

    /// Enters the keys of records before `end`, which are read from the log.
    fn read(&mut self, end: i64) -> Result<(), StoreError> {
        let log = &self.inner.log;
        self.position = self.position.max(log.start());
        while self.position < end {
            let run = INDEX_RUN.min(end - self.position);
            let range = self.position..log.fetch_ahead(self.position, run);
            let mut entered = range.start;
            let run = log.visit_run(range, true, |record| {
                self.writer.enter(record)?;
                entered += record.bytes().len() as i64;
                Ok::<_, StoreError>(None)
            });
            let next = match run.and_then(|run| self.writer.finish().map(|()| run)) {
                Ok((next, None)) => Ok(next),
                Ok((damaged, Some(reason))) => {
                    let fault = log.fault(damaged, reason);
                    tracing::error!(%fault, "a message cannot be found by its keys");
                    Ok(log.behind_damage(damaged))
                }
                Err(error) => Err((self.writer.first_left().unwrap_or(entered), error)),
            };
            self.got_to(next)?;
        }
        Ok(())
    }

    /// Says how far the index is now, after a failure too.
    fn got_to(&mut self, next: Result<i64, (i64, StoreError)>) -> Result<(), StoreError> {
        let progress = &self.inner.index_progress;
        if let Some(filled) = self.writer.end_run() {
            progress.full_until.store(filled.time, Ordering::Release);
            progress.full_offset.store(filled.offset, Ordering::Release);
        }
        let (position, result) = match next {
            Ok(position) => (position, Ok(())),
            Err((position, error)) => (position, Err(error)),
        };
        self.position = position;
        progress.position.store(position, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// After a checkpoint of so many queues that took a second: when the next is due if much comes, in seconds.
    fn next_after_one_of(queues: usize) -> Option<u64> {
        let start = Instant::now();
        let mut due = Due::after(start, MINUTE);
        let end = start + SECOND;
        due.taken(start, end, queues);
        (0..=60).find(|seconds| due.is_now(end + Duration::from_secs(*seconds), CHECKPOINT_BYTES))
    }

    #[test]
    fn a_checkpoint_takes_a_twentieth_of_the_time_at_most_if_it_has_many_queues() {
        assert_eq!(next_after_one_of(MANY_QUEUES + 1), Some(CHECKPOINT_REST.into()));
        assert_eq!(next_after_one_of(MANY_QUEUES), Some(0));
    }
}
