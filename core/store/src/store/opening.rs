//! Opening a store: what a crash left is recovered before anything is appended.

use super::{Inner, Store};
use crate::background::{Background, Bell, IndexProgress, QueueProgress};
use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::examine::examine;
use crate::flusher::Flusher;
use crate::index::Index;
use crate::lock::DirectoryLock;
use crate::os_disk::OsDisk;
use crate::queues::Queues;
use crate::read::TransferLimits;
use crate::recovery::{self, LogEnd, TagsRule};
use crate::retention::Retention;
use crate::work::Work;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Store {
    /// Opens the directory that `config` names, creating it if need be, and recovers what a crash
    /// left.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing on disk is changed then, but for what recovery had repaired.
    pub fn open(config: StoreConfig) -> Result<Store, StoreError> {
        Store::open_on(Arc::new(OsDisk), config)
    }

    /// Whether a store can be opened with these settings, as far as that can be told quickly.
    /// Changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn examine(disk: &dyn Disk, config: &StoreConfig) -> Result<(), StoreError> {
        examine(disk, config)
    }

    /// As [`open`](Self::open), on another disk.
    pub fn open_on(disk: Arc<dyn Disk>, config: StoreConfig) -> Result<Store, StoreError> {
        Store::start(disk, config, Work::OnThreads)
    }

    /// As [`open_on`](Self::open_on), without threads: the caller does their work, with
    /// [`flush`](Self::flush), [`write_queues`](Self::write_queues),
    /// [`enter_keys`](Self::enter_keys) and [`remove_expired`](Self::remove_expired). For tests in
    /// which everything is to happen again in the same order.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_by_hand(disk: Arc<dyn Disk>, config: StoreConfig) -> Result<Store, StoreError> {
        Store::start(disk, config, Work::ByHand)
    }

    fn start(disk: Arc<dyn Disk>, config: StoreConfig, work: Work) -> Result<Store, StoreError> {
        let root = config.root();
        examine(&*disk, &config)?;
        disk.create_directory(&root).map_err(StoreError::file("create", &root))?;
        let lock = DirectoryLock::take(&root)?;
        let abort = root.join("abort");
        let unclean = disk.list(&root).map_err(StoreError::file("list", &root))?;
        let unclean = unclean.iter().any(|entry| entry.name == "abort");
        let mut checkpoint = Checkpoint::load(&*disk, &root)?;
        // Whoever wants queues to be made anew removes them. On disk, nothing may say any more that
        // they are complete: this start, too, can end before they are.
        let rebuild = !Queues::exist(&*disk, &config)?;
        if rebuild {
            checkpoint = Checkpoint::default();
            let failed = StoreError::file("write", Checkpoint::path(&root));
            checkpoint.save(&*disk, &root).map_err(failed)?;
        }
        let unclean = unclean || rebuild;
        let mut log = CommitLog::open(disk.clone(), &config, work)?;
        if !recovery::is_about(&checkpoint, &log) {
            checkpoint.queues_complete = None;
        }
        let rule = TagsRule::new(config.delay_levels());
        let deleted = DeletedTopics::load(disk.clone(), &root)?;
        let (queues, on_disk) =
            recover(&disk, &config, &mut log, &checkpoint, &deleted, &rule, unclean)?;
        let keep = unclean.then(|| checkpoint.index_to_keep());
        let index = Index::open(disk.clone(), &config, keep, log.end())?;
        let full = index.complete(keep);
        if unclean && (checkpoint.index_timestamp, checkpoint.index_complete) != full.into() {
            // Files that it speaks of are gone. Those that take their place must not be taken for them
            // after another crash.
            (checkpoint.index_timestamp, checkpoint.index_complete) = full.into();
            let failed = StoreError::file("write", Checkpoint::path(&root));
            checkpoint.save(&*disk, &root).map_err(failed)?;
        }
        let pid = std::process::id().to_string();
        disk.replace(&abort, pid.as_bytes()).map_err(StoreError::file("write", &abort))?;
        let inner = Arc::new(Inner {
            root,
            disk,
            health: Arc::default(),
            log: Arc::new(log),
            queues,
            index,
            deleted,
            queue_bell: Bell::default(),
            index_bell: Bell::default(),
            index_progress: IndexProgress::default(),
            queue_progress: QueueProgress::default(),
            config,
        });
        inner.queue_progress.on_disk.store(on_disk, Ordering::Release);
        let progress = &inner.index_progress;
        // After a crash the keys of what the index lost are entered behind the new messages' backs.
        let entered = if unclean { inner.index.last_update().1 } else { inner.log.end() };
        progress.position.store(entered, Ordering::Release);
        progress.full_until.store(full.time, Ordering::Release);
        progress.full_offset.store(full.offset, Ordering::Release);
        inner.queue_bell.ring();
        inner.index_bell.ring();
        let flusher = Flusher::start(inner.log.clone(), inner.health.clone(), &inner.config, work)?;
        if unclean {
            // Not all that it has need be on disk.
            flusher.appended();
        }
        Ok(Store {
            rule,
            transfer: TransferLimits::new(&inner.config),
            flusher,
            background: Background::start(inner.clone(), work)?,
            retention: Retention::start(inner.clone(), work)?,
            inner,
            closed: AtomicBool::new(false),
            _lock: lock,
        })
    }
}

/// Finds the end of the log, removes what lies beyond, and enters what is missing. Returns the queues,
/// and before which log offset their entries are on disk already.
fn recover(
    disk: &Arc<dyn Disk>,
    config: &StoreConfig,
    log: &mut CommitLog,
    checkpoint: &Checkpoint,
    deleted: &DeletedTopics,
    rule: &TagsRule,
    unclean: bool,
) -> Result<(Queues, i64), StoreError> {
    let verify = config.check_crc_on_recover;
    if log.segments().is_empty() {
        let queues = Queues::new(disk.clone(), config, 0);
        queues.remove_all()?;
        deleted.log_ends_at(0)?;
        log.recovered(0)?;
        return Ok((queues, 0));
    }
    if !unclean {
        let LogEnd { last, end } = recovery::find_end(log, checkpoint, verify);
        deleted.log_ends_at(end)?;
        log.recovered(end)?;
        log.set_last(last);
        return Ok((Queues::new(disk.clone(), config, end), end));
    }
    let start = recovery::start(log, checkpoint, verify);
    let queues = Queues::new(disk.clone(), config, start);
    // Which records a deletion covers is known only when the log's end is: then it is read twice.
    let found = match deleted.any_behind(start) {
        true => Some(recovery::walk(log, start, verify, |_| Ok::<_, StoreError>(()))?),
        false => None,
    };
    if let Some(end) = found {
        deleted.log_ends_at(end)?;
    }
    queues.finish_deletions(deleted)?;
    if checkpoint.queues_complete.is_none() {
        // Another broker may have written entries of records that the log has lost: they must go
        // before other records are there. Ours are written behind their records.
        for (topic, id) in queues.on_disk()? {
            if let Some(queue) = queues.get(&topic, id) {
                queue.end()?;
            }
        }
    }
    let mut last = checkpoint.queues_complete.and(checkpoint.last_record);
    let read = recovery::walk(log, start, verify && found.is_none(), |record| {
        if found.is_some_and(|end| record.physical_offset() >= end) {
            return Ok(());
        }
        last = Some(record.physical_offset());
        recovery::enter(record, rule, &queues, deleted)
    })?;
    let end = found.unwrap_or(read);
    log.recovered(end)?;
    log.set_last(last);
    if config.sync_flush() {
        // Nobody may get what a power cut takes back, and everybody what they got before.
        log.sync_from(start)?;
    } else {
        log.unflushed_from(start);
    }
    tracing::info!(start, end, "recovered the queues of these messages from the log");
    Ok((queues, start))
}
