//! What makes room: old messages go by age, and by how full the disk is (store §8).

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Inner;
use crate::work::Work;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

#[derive(Default)]
struct Signal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

pub(crate) struct Retention {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How much longer than before the first look waits, as starting has enough to do.
const FIRST_LOOK: u32 = 6;

impl Retention {
    pub(crate) fn start(inner: Arc<Inner>, work: Work) -> Result<Self, StoreError> {
        let signal = Arc::new(Signal::default());
        let run = {
            let signal = signal.clone();
            move || run(&inner, &signal)
        };
        let thread = work.start("ferromq-retention", run)?;
        Ok(Retention { signal, thread: Mutex::new(thread) })
    }

    pub(crate) fn stop(&self) {
        *self.signal.stopped.lock() = true;
        self.signal.changed.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

fn run(inner: &Inner, signal: &Signal) {
    let interval = Duration::from_millis(inner.config.clean_resource_interval);
    let mut pause = interval * FIRST_LOOK;
    loop {
        let mut stopped = signal.stopped.lock();
        if !*stopped {
            signal.changed.wait_for(&mut stopped, pause);
        }
        if *stopped {
            return;
        }
        drop(stopped);
        pause = interval;
        if let Err(error) = look(inner, inner.disk.now()) {
            tracing::error!(%error, "expired messages cannot be removed");
        }
    }
}

/// How many times a batch of segments is removed when somebody asks for it.
const ROUNDS_BY_HAND: usize = 20;

/// Looks once: sets the disk-full state and removes what has to go. Returns how many segments went.
pub(crate) fn look(inner: &Inner, now: SystemTime) -> Result<usize, StoreError> {
    let config = &inner.config;
    inner.queues.close_idle_files();
    inner.log.release_removed();
    let used = examine_disks(inner)?;
    inner.health.set_disk_full(used > config.disk_space_warning_level_ratio as f64);
    let by_force =
        config.clean_file_forcibly_enable && used > config.disk_space_clean_forcibly_ratio as f64;
    let due = used > config.disk_max_used_space_ratio as f64 || is_hour(config, now);
    if by_force || due { remove(inner, now, by_force) } else { Ok(0) }
}

/// Removes what has expired, whatever the hour.
pub(crate) fn remove_expired(inner: &Inner, now: SystemTime) -> Result<usize, StoreError> {
    let mut all = 0;
    for _ in 0..ROUNDS_BY_HAND {
        match remove(inner, now, false)? {
            0 => break,
            removed => all += removed,
        }
    }
    Ok(all)
}

fn remove(inner: &Inner, now: SystemTime, by_force: bool) -> Result<usize, StoreError> {
    let removed = remove_segments(inner, now, by_force);
    inner.log.release_removed();
    let removed = removed?;
    if removed > 0 {
        let start = inner.log.start();
        tracing::info!(segments = removed, log_start = start, "expired messages removed");
        inner.queues.remove_expired(start)?;
        inner.index.remove_expired(start)?;
    }
    Ok(removed)
}

/// How much of the emptiest of the log's disks is in use, in percent, or of the queues' disk, if that
/// is more. New segments keep away from those
/// that are to be cleaned forcibly.
fn examine_disks(inner: &Inner) -> Result<f64, StoreError> {
    let limit = inner.config.disk_space_clean_forcibly_ratio as f64;
    let (mut least, mut full) = (f64::INFINITY, Vec::new());
    for path in inner.log.paths().writable() {
        let space = inner.disk.space(path).map_err(StoreError::file("examine", path))?;
        let used = 100.0 * space.used_ratio();
        least = least.min(used);
        if used > limit {
            full.push(path.clone());
        }
    }
    inner.log.paths().set_full(full);
    let queues = inner.disk.space(&inner.root).map_err(StoreError::file("examine", &inner.root))?;
    Ok(least.max(100.0 * queues.used_ratio()))
}

/// Whether it is an hour of deletion, local time.
fn is_hour(config: &StoreConfig, now: SystemTime) -> bool {
    let Ok(now) = jiff::Timestamp::try_from(now) else { return false };
    let hour = now.to_zoned_datetime(jiff::tz::TimeZone::system()).hour();
    config.delete_when.split(';').any(|word| word.trim().parse() == Ok(hour))
}

fn remove_segments(inner: &Inner, now: SystemTime, by_force: bool) -> Result<usize, StoreError> {
    let kept_for = Duration::from_secs(inner.config.file_reserved_time.max(0) as u64 * 3600);
    let mut files = Vec::new();
    for directory in inner.log.paths().all() {
        files.extend(inner.disk.list(directory).map_err(StoreError::file("list", directory))?);
    }
    let batch = inner.config.delete_file_batch_max as usize;
    let mut removed = 0;
    for segment in inner.log.segments().iter().take(batch) {
        // The last trace of a queue's offsets must not go: without entries they would begin again.
        let end = segment.base + segment.file.length() as i64;
        if end > inner.queue_progress.on_disk.load(Ordering::Acquire) {
            inner.queue_progress.wanted.store(true, Ordering::Release);
            inner.queue_bell.ring();
            break;
        }
        let entry = files.iter().find(|entry| entry.path == segment.path);
        let age = entry.and_then(|entry| now.duration_since(entry.modified).ok());
        let expired = age.is_some_and(|age| age >= kept_for);
        if !(expired || by_force) || !inner.log.remove_first()? {
            break;
        }
        removed += 1;
    }
    Ok(removed)
}
