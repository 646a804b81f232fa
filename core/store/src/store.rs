mod opening;

use crate::background::{Background, Bell, IndexProgress, QueueProgress};
use crate::checkpoint::Checkpoint;
use crate::commit_log::{CommitLog, Step, Synced};
use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::disk::Disk;
use crate::entry::Entry;
use crate::error::{RecordFault, StoreError};
use crate::flusher::{FlushCallback, FlushLead, Flusher};
use crate::health::Health;
use crate::index::Index;
use crate::lock::DirectoryLock;
use crate::queue::{Patience, Queue};
use crate::queues::Queues;
use crate::read::{self, ReadLimits, ReadResult, TransferLimits};
use crate::recovery::TagsRule;
use crate::retention::{self, Retention};
use bytes::Bytes;
use ferromq_protocol::record::RecordView;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the store's threads share.
pub(crate) struct Inner {
    pub(crate) config: StoreConfig,
    pub(crate) root: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) health: Arc<Health>,
    pub(crate) log: Arc<CommitLog>,
    pub(crate) queues: Queues,
    pub(crate) index: Index,
    pub(crate) deleted: DeletedTopics,
    pub(crate) queue_bell: Bell,
    pub(crate) index_bell: Bell,
    pub(crate) index_progress: IndexProgress,
    pub(crate) queue_progress: QueueProgress,
}

impl Inner {
    /// The checkpoint when queues are on disk for every record of that part of the log.
    pub(crate) fn checkpoint_at(&self, Synced { end, last }: Synced) -> Checkpoint {
        let complete = self.last_store_time_before(end);
        Checkpoint {
            log_timestamp: complete,
            queues_timestamp: complete,
            index_timestamp: self.index_progress.full_until.load(Ordering::Acquire),
            master_flushed_offset: 0,
            confirmed_offset: 0,
            queues_complete: Some(end),
            index_complete: self.index_progress.full_offset.load(Ordering::Acquire),
            last_record: last,
        }
    }

    /// The store time of some record shortly before `offset`: one that every record after `offset`
    /// is younger than.
    fn last_store_time_before(&self, offset: i64) -> i64 {
        // Segments begin with records; without reading backwards, the first of the segment that
        // holds `offset` is the best that is known to be before it. Recovery starts there anyway.
        let segments = self.log.segments();
        let newest = segments.iter().rev().find(|segment| segment.base < offset);
        newest.map_or(0, |segment| {
            self.log.visit(segment.base, false, |step| match step {
                // The margin that recovery subtracts must not push it a segment back.
                Step::Record(record) => record.store_timestamp() + 3000,
                _ => 0,
            })
        })
    }
}

/// Which of two neighbouring messages a search by time prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// The first message stored at the time or later.
    #[default]
    Lower,
    /// The last message stored at the time or earlier.
    Upper,
}

/// A data directory in use: commit log, consume queues and index.
///
/// Every method may be called from any thread. Reading takes no lock that appending holds for long.
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    rule: TagsRule,
    transfer: TransferLimits,
    pub(crate) flusher: Flusher,
    background: Background,
    retention: Retention,
    closed: AtomicBool,
    _lock: DirectoryLock,
}

impl Store {
    /// The settings it was opened with.
    pub fn config(&self) -> &StoreConfig {
        &self.inner.config
    }

    /// A queue of a topic, whether or not it has messages; `None` for a negative number. A queue
    /// that is never written costs no file.
    pub fn queue(&self, topic: &str, id: i32) -> Option<Arc<Queue>> {
        self.inner.queues.get(topic, id)
    }

    /// Whether storing so many bytes would have to wait until the disk has made room for them: for
    /// callers on a thread that others need. Never waits itself.
    pub fn would_wait(&self, length: usize) -> bool {
        self.inner.log.would_wait(length)
    }

    /// Whether acknowledgements and readers wait until messages are on disk.
    pub fn sync_flush(&self) -> bool {
        self.inner.config.sync_flush()
    }

    /// Calls back once everything before the physical offset `position` is on disk, or will not
    /// be. When this returns, a process that is killed does not lose it any more. The callback must not block.
    pub fn when_flushed(&self, position: i64, callback: FlushCallback) {
        self.flusher.when_flushed(position, callback);
    }

    /// As [`when_flushed`](Self::when_flushed), for one of several that come together: once all have,
    /// [`lead_flush`](Self::lead_flush) or [`flush_soon`](Self::flush_soon) must follow.
    pub fn when_flushed_together(&self, position: i64, callback: FlushCallback) {
        self.flusher.when_flushed_together(position, callback);
    }

    /// The right to sync on this thread for everyone who waits: what is quickest where a thread may
    /// wait for the disk. `None` when nobody waits, and when somebody else sees to those who do: who
    /// syncs at present, or the store's thread, which is left to when the disk is slow.
    pub fn lead_flush(&self) -> Option<FlushLead<'_>> {
        self.flusher.lead()
    }

    /// Has the store's thread sync for everyone who waits.
    pub fn flush_soon(&self) {
        self.flusher.flush_soon();
    }

    /// How many times the log was synced since the store was opened.
    pub fn log_syncs(&self) -> u64 {
        self.flusher.syncs()
    }

    /// Writes what was appended to disk and answers those who wait for it, on this thread.
    pub fn flush(&self) {
        self.flusher.flush();
    }

    /// Takes no more messages. A [`flush`](Self::flush) after that serves everyone whose message was taken.
    pub fn refuse(&self) {
        self.inner.health.close();
    }

    /// Writes consume queue entries of records that are on disk to their files, on this thread; with
    /// `sync`, to the disk too, and the checkpoint after them. Does nothing if there are threads.
    pub fn write_queues(&self, sync: bool) {
        self.background.write_queues(sync);
    }

    /// Enters keys in the index up to the end of the log, on this thread. Does nothing if there are
    /// threads.
    pub fn enter_keys(&self) {
        self.background.follow_log();
    }

    /// Removes index files whose records are all gone from a log that starts at `log_start`.
    pub(crate) fn forget_keys_before(&self, log_start: i64) -> Result<(), StoreError> {
        self.inner.index.remove_expired(log_start)
    }

    /// Up to which physical offset records may be read.
    fn visible(&self) -> i64 {
        if self.sync_flush() { self.inner.log.flushed() } else { i64::MAX }
    }

    /// Reads messages of a queue from `offset` on whose tags code passes `filter`. Waits for the disk
    /// until all of them are in memory.
    ///
    /// # Errors
    /// When a consume queue file cannot be read.
    pub fn read(
        &self,
        queue: &Queue,
        offset: i64,
        limits: ReadLimits,
        filter: impl Fn(i64) -> bool,
    ) -> Result<ReadResult, StoreError> {
        self.read_with(queue, offset, limits, filter, Patience::Wait)
    }

    /// As [`read`](Self::read), for callers on a thread that others need: `None` when it would have
    /// to wait for the disk. What was written lately is read without asking the system.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_cached(
        &self,
        queue: &Queue,
        offset: i64,
        limits: ReadLimits,
        filter: impl Fn(i64) -> bool,
    ) -> Result<Option<ReadResult>, StoreError> {
        match self.read_with(queue, offset, limits, filter, Patience::Never) {
            Err(error) if error.would_block() => Ok(None),
            read => read.map(Some),
        }
    }

    fn read_with(
        &self,
        queue: &Queue,
        offset: i64,
        limits: ReadLimits,
        filter: impl Fn(i64) -> bool,
        patience: Patience,
    ) -> Result<ReadResult, StoreError> {
        let (log, visible) = (&self.inner.log, self.visible());
        let damaged = |entry: &Entry| match log.check(entry) {
            Err(fault @ RecordFault::Damaged { .. }) => {
                let (topic, queue) = (queue.topic(), queue.id());
                tracing::error!(topic, queue, %fault, "a message is left out of a pull");
                true
            }
            _ => false,
        };
        let passes = |entry: &Entry| filter(entry.tags_code);
        let check = self.inner.config.check_crc_on_read;
        // Whoever may not wait for the disk cannot look at records before it is known to need none.
        if !check || patience == Patience::Never {
            let found =
                read::read(log, queue, offset, limits, &self.transfer, visible, passes, patience)?;
            if !check {
                return Ok(found);
            }
        }
        let passes = |entry: &Entry| passes(entry) && !damaged(entry);
        read::read(log, queue, offset, limits, &self.transfer, visible, passes, patience)
    }

    /// Up to `count` entries of a queue from `offset` on.
    pub fn entries(
        &self,
        queue: &Queue,
        offset: i64,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let left = (self.max_offset(queue)? - offset).max(0) as usize;
        let mut entries = Vec::new();
        queue.entries(offset, count.min(left), Patience::Wait, &mut entries)?;
        Ok(entries)
    }

    /// The first offset of a queue.
    pub fn min_offset(&self, queue: &Queue) -> Result<i64, StoreError> {
        queue.min(self.inner.log.start(), Patience::Wait)
    }

    /// The offset after the last message of a queue that may be read.
    pub fn max_offset(&self, queue: &Queue) -> Result<i64, StoreError> {
        queue.end_within(self.visible(), Patience::Wait)
    }

    /// The record that a queue entry points at, its checksum checked.
    ///
    /// # Errors
    /// When it is not there any more, or damaged.
    pub fn record(&self, entry: &Entry) -> Result<Bytes, RecordFault> {
        let (log, offset) = (&self.inner.log, entry.physical_offset);
        log.check(entry)?;
        log.bytes(offset, entry.size as usize).ok_or(RecordFault::Removed { offset })
    }

    /// The record at a physical offset, if one begins there and is whole.
    pub fn record_at(&self, physical_offset: i64) -> Option<Bytes> {
        let log = &self.inner.log;
        if physical_offset < log.start() || physical_offset >= self.visible() {
            return None;
        }
        let length = log.visit(physical_offset, true, |step| match step {
            Step::Record(record) => Some(record.bytes().len()),
            Step::Blank(_) | Step::End(_) => None,
        })?;
        log.bytes(physical_offset, length)
    }

    /// When the message at a queue offset was stored, in ms.
    pub fn store_time(&self, queue: &Queue, offset: i64) -> Result<Option<i64>, StoreError> {
        let entries = match offset {
            0.. => self.entries(queue, offset, 1)?,
            _ => Vec::new(),
        };
        let message = entries.first().filter(|entry| entry.is_message());
        Ok(message.and_then(|entry| read::store_time(&self.inner.log, entry)))
    }

    /// The offset of a queue at a time in ms: of the message that `boundary` prefers, or the end
    /// nearest to it. 0 for a queue without messages.
    pub fn offset_at(
        &self,
        queue: &Queue,
        time: i64,
        boundary: Boundary,
    ) -> Result<i64, StoreError> {
        let (min, max) = (self.min_offset(queue)?, self.max_offset(queue)?);
        let stored = |entry: &Entry| read::store_time(&self.inner.log, entry).unwrap_or(i64::MIN);
        match boundary {
            Boundary::Lower => queue.partition(min, max, |entry| stored(entry) < time),
            Boundary::Upper => {
                let after = queue.partition(min, max, |entry| stored(entry) <= time)?;
                Ok(if after > min { after - 1 } else { 0 })
            }
        }
    }

    /// Messages with a key or unique id, as records, oldest first. Only hashes are compared, but
    /// records of other topics are left out.
    pub fn find(&self, topic: &str, key: &str, max: i32, begin: i64, end: i64) -> Vec<Bytes> {
        let max = max.clamp(0, self.inner.config.max_msgs_num_batch) as usize;
        let mut offsets = self.inner.index.find(topic, key, max, begin, end);
        offsets.sort_unstable();
        offsets.dedup();
        let of_topic =
            |bytes: &Bytes| RecordView::parse(bytes).is_ok_and(|record| record.topic() == topic);
        offsets.into_iter().filter_map(|offset| self.record_at(offset)).filter(of_topic).collect()
    }

    /// When (ms) and up to which physical offset the index was last written.
    pub fn index_update(&self) -> (i64, i64) {
        self.inner.index.last_update()
    }

    /// How long after it is stored a message of a delay level is due, in ms. Levels beyond the
    /// last count as the last.
    pub fn delay_ms(&self, level: i32) -> i64 {
        self.rule.delay_ms(level)
    }

    /// Where the log begins, as a physical offset.
    pub fn log_start(&self) -> i64 {
        self.inner.log.start()
    }

    /// Where the log ends, as a physical offset.
    pub fn log_end(&self) -> i64 {
        self.inner.log.end()
    }

    /// Up to which physical offset the log is on disk.
    pub fn log_flushed(&self) -> i64 {
        self.inner.log.flushed()
    }

    /// When the oldest message was stored, in ms; -1 without messages.
    pub fn earliest_store_time(&self) -> i64 {
        let log = &self.inner.log;
        log.visit(log.start(), false, |step| match step {
            Step::Record(record) => record.store_timestamp(),
            Step::Blank(_) | Step::End(_) => -1,
        })
    }

    /// Whether records at a physical offset count as in memory.
    pub fn in_memory(&self, physical_offset: i64) -> bool {
        self.inner.log.end() - physical_offset <= self.transfer.in_memory
    }

    /// The used part of the disk, from 0 to 1; -1 when it is unknown.
    pub fn disk_used(&self) -> f64 {
        self.inner.disk.space(&self.inner.root).map_or(-1.0, |space| space.used_ratio())
    }

    /// The directories to which the log's segments go, and the used part of the disk of each, from 0 to
    /// 1; -1 when it is unknown.
    pub fn log_disks(&self) -> Vec<(PathBuf, f64)> {
        let used = |path: &PathBuf| {
            let space = self.inner.disk.space(path);
            (path.clone(), space.map_or(-1.0, |space| space.used_ratio()))
        };
        self.inner.log.paths().writable().iter().map(used).collect()
    }

    /// How many bytes the disk has, and how many of them are free; 0 when it is unknown.
    pub fn disk_space(&self) -> (u64, u64) {
        let space = self.inner.disk.space(&self.inner.root);
        space.map_or((0, 0), |space| (space.total, space.available))
    }

    /// Why messages are refused at present, if they are.
    pub fn refusal(&self) -> Option<String> {
        self.inner.health.refusal()
    }

    /// Every queue that has files, as topic and number. Reads directories.
    pub fn queues_on_disk(&self) -> Result<Vec<(String, i32)>, StoreError> {
        self.inner.queues.on_disk()
    }

    /// Removes the queues of a topic; its records go with their segments.
    pub fn remove_topic(&self, topic: &str) -> Result<(), StoreError> {
        let log = &self.inner.log;
        self.inner.deleted.note(topic, log.start(), log.end())?;
        self.inner.queues.remove_topic(topic)
    }

    /// Removes files that have expired, whatever the hour. Returns how many segments went.
    ///
    /// # Errors
    /// When a file cannot be looked at or removed.
    pub fn remove_expired(&self, now: std::time::SystemTime) -> Result<usize, StoreError> {
        retention::remove_expired(&self.inner, now)
    }

    /// Looks once at the hour and at the room on the disk, as a thread does every ten seconds, and
    /// removes what has to go. Returns how many segments went.
    ///
    /// # Errors
    /// When a file cannot be looked at or removed.
    pub fn make_room(&self) -> Result<usize, StoreError> {
        retention::look(&self.inner, self.inner.disk.now())
    }

    /// Writes everything to disk and releases the directory. Messages are refused from then on;
    /// closing twice does nothing.
    pub fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = &self.inner;
        self.refuse();
        self.retention.stop();
        // The log first: entries are written only for records that are on disk.
        self.flusher.stop();
        self.background.stop();
        inner.log.close();
        if let Err(error) = self.finish() {
            tracing::error!(%error, "the store was not closed cleanly; the next start recovers it");
        }
    }

    fn finish(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        inner.index.sync()?;
        let end = inner.log.end();
        let indexed = inner.index_progress.position.load(Ordering::Acquire);
        let complete = inner.log.flushed() >= end
            && inner.queues.are_on_disk()
            && (indexed >= end || !inner.config.message_index_enable);
        if inner.health.failed() || !complete {
            return Ok(());
        }
        let mut checkpoint = inner.checkpoint_at(Synced { end, last: inner.log.last() });
        checkpoint.confirmed_offset = end;
        let path = Checkpoint::path(&inner.root);
        checkpoint.save(&*inner.disk, &inner.root).map_err(StoreError::file("write", path))?;
        let abort = inner.root.join("abort");
        inner.disk.remove(&abort).map_err(StoreError::file("remove", abort))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
