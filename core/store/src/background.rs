//! Threads that work behind the appends: one writes consume queue entries to their files, one
//! enters keys in the index. Both sleep while nothing happens.

use crate::checkpoint::Checkpoint;
use crate::commit_log::Step;
use crate::store::Inner;
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

/// How long the index may stay behind the log.
const INDEX_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Background {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How far the index has got.
#[derive(Default)]
pub(crate) struct IndexProgress {
    pub(crate) position: AtomicI64,
    pub(crate) full_until: AtomicI64,
}

impl Background {
    pub(crate) fn start(inner: Arc<Inner>) -> Self {
        let mut threads = Vec::new();
        for (name, work) in
            [("ferromq-queues", write_queues as fn(&Inner)), ("ferromq-index", follow_log)]
        {
            let task = inner.clone();
            let spawned = std::thread::Builder::new().name(name.into()).spawn(move || work(&task));
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(error) => inner.health.fail(format!("no thread {name}: {error}")),
            }
        }
        Background { inner, threads: Mutex::new(threads) }
    }

    /// Finishes the work and ends the threads.
    pub(crate) fn stop(&self) {
        self.inner.queue_bell.stop();
        self.inner.index_bell.stop();
        self.threads.lock().drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn write_queues(inner: &Inner) {
    let pause = Duration::from_millis(inner.config.flush_interval_consume_queue);
    let thorough = Duration::from_millis(inner.config.flush_consume_queue_thorough_interval);
    let mut last_sync = Instant::now();
    loop {
        let stopped = inner.queue_bell.wait(pause);
        let sync = stopped || last_sync.elapsed() >= thorough;
        if sync {
            last_sync = Instant::now();
        }
        match write_and_sync(inner, sync) {
            Ok(true) => {}
            Ok(false) => inner.queue_bell.ring(),
            Err(error) => inner.health.fail(format!("consume queues cannot be written: {error}")),
        }
        if stopped {
            return;
        }
    }
}

fn write_and_sync(inner: &Inner, sync: bool) -> Result<bool, crate::StoreError> {
    let flushed = inner.log.flushed();
    let all = inner.queues.write(flushed)?;
    if sync {
        inner.queues.sync()?;
        let path = Checkpoint::path(&inner.root);
        let checkpoint = inner.checkpoint_at(flushed);
        checkpoint
            .save(&*inner.disk, &inner.root)
            .map_err(crate::StoreError::file("write", path))?;
    }
    Ok(all)
}

fn follow_log(inner: &Inner) {
    if !inner.config.message_index_enable {
        return;
    }
    loop {
        let stopped = inner.index_bell.wait(INDEX_PAUSE);
        if let Err(error) = enter_keys(inner) {
            inner.health.fail(format!("the index cannot be written: {error}"));
            return;
        }
        if stopped {
            return;
        }
    }
}

/// Enters the keys of every record up to the end of the log.
fn enter_keys(inner: &Inner) -> Result<(), crate::StoreError> {
    let progress = &inner.index_progress;
    let mut position = progress.position.load(Ordering::Acquire).max(inner.log.start());
    while position < inner.log.end() {
        let next = inner.log.visit(position, false, |step| match step {
            Step::Record(record) => {
                let next = position + record.bytes().len() as i64;
                inner.index.enter(&record).map(|filled| (Some(next), filled))
            }
            Step::Blank(next) => Ok((Some(next), None)),
            Step::End(_) => Ok((None, None)),
        })?;
        if let (_, Some(full_until)) = next {
            progress.full_until.store(full_until, Ordering::Release);
        }
        let (Some(next), _) = next else { break };
        position = next;
        progress.position.store(position, Ordering::Release);
    }
    Ok(())
}
