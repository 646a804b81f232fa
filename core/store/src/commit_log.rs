//! The commit log: one endless sequence of records in segments of fixed size (store §2).

use crate::chunk::Held;
use crate::config::StoreConfig;
use crate::disk::{Disk, Segment};
use crate::entry::Entry;
use crate::error::{AppendError, RecordFault, StoreError};
use crate::keys::NewKeys;
use crate::log_paths::LogPaths;
use crate::log_writer::Writer;
use crate::new_records::Laid;
use crate::preparer::Preparer;
use crate::residency::{self, Question, Residency};
use crate::segment_files;
use crate::work::Work;
use arc_swap::ArcSwap;
use bytes::Bytes;
use ferromq_protocol::record::{self, MAGIC_BLANK, RecordView};
use parking_lot::{Mutex, MutexGuard};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// What a blank record at a segment's end takes at least.
pub(crate) const BLANK: usize = 8;

/// How long an append waits for others: until the next segment is there, that is, as nothing else
/// takes long. Then senders are better told to come back than kept waiting.
pub(crate) const BUSY: Duration = Duration::from_millis(200);
pub(crate) const BUSY_ERROR: AppendError = AppendError::Busy { millis: BUSY.as_millis() as u64 };

/// So many bytes of pages are made ready at once, and no fewer than these lie ahead of the writer.
const AHEAD: i64 = 1 << 20;

/// A segment and where it begins.
#[derive(Clone)]
pub(crate) struct LogSegment {
    pub(crate) base: i64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn Segment>,
    residency: Arc<Residency>,
}

impl LogSegment {
    fn new(base: i64, path: PathBuf, file: Arc<dyn Segment>) -> Self {
        // All of one that was there already counts as published.
        let residency = Arc::new(Residency::new(file.length(), file.published() == 0));
        LogSegment { base, path, file, residency }
    }
}

impl LogSegment {
    pub(crate) fn append(&self, at: i64, bytes: &[u8], end: i64) {
        self.file.append((at - self.base) as usize, bytes, (end - self.base) as usize);
    }
}

/// What is at a place of the log.
pub(crate) enum Step<'a> {
    Record(RecordView<'a>),
    /// The segment ends here; the log goes on at this offset.
    Blank(i64),
    /// No record: the end of the log, or damage.
    End(&'static str),
}

/// What of a log is on disk.
#[derive(Clone, Copy)]
pub(crate) struct Synced {
    pub(crate) end: i64,
    /// Where the last record before that begins, if it is known.
    pub(crate) last: Option<i64>,
}

/// What every append changes. It lies apart from what appends only look at, so that a processor has that
/// in its cache while another one appends.
#[repr(align(128))]
struct Tail {
    writer: Mutex<Writer>,
    end: AtomicI64,
    /// Where the last record begins; -1 while that is unknown.
    last: AtomicI64,
}

pub(crate) struct CommitLog {
    disk: Arc<dyn Disk>,
    paths: Arc<LogPaths>,
    size: i64,
    /// Whether records are written only when somebody asks for it: no reader sees them before they are on
    /// disk anyway.
    holds_back: bool,
    segments: ArcSwap<Vec<LogSegment>>,
    tail: Tail,
    /// Where the last segment ends.
    room_until: AtomicI64,
    flushed: AtomicI64,
    synced: Mutex<Synced>,
    preparer: Preparer,
    /// Segments whose files are removed, for as long as readers hold them. Locked while one is
    /// removed.
    removed: Mutex<Vec<Arc<dyn Segment>>>,
}

/// The end of the log in the hands of one who stores records, until the queues have their entries.
pub(crate) struct Appending<'a> {
    log: &'a CommitLog,
    writer: MutexGuard<'a, Writer>,
}

impl Appending<'_> {
    /// Where the next records go, which have so many bytes together, and the time, in ms. Waits only when the
    /// next segment is not ready yet.
    pub(crate) fn place(&mut self, length: usize) -> Result<(i64, i64), AppendError> {
        let (log, writer) = (self.log, &mut *self.writer);
        if length + BLANK > log.size as usize {
            return Err(AppendError::TooLarge { length, limit: log.size as usize - BLANK });
        }
        log.room_for(writer, length)?;
        if writer.segment.is_none() {
            return Err(AppendError::NoSegment("none is open".to_string()));
        }
        Ok((writer.position, now_ms(&*log.disk)))
    }

    /// Copies records to the place that they were given. With synchronous flush they are in this process's
    /// memory until they are [written](CommitLog::write) or [synced](CommitLog::sync).
    pub(crate) fn put(&mut self, records: &Laid<'_>, timestamp: i64) {
        let (log, writer) = (self.log, &mut *self.writer);
        let start = writer.position;
        writer.put(records.bytes, log.holds_back);
        let end = writer.position;
        writer.keys.add(records, start, timestamp);
        let last = records.parts.last().map_or(0, |part| part.length);
        log.tail.last.store(end - last as i64, Ordering::Relaxed);
        log.tail.end.store(end, Ordering::Release);
        log.keep_pages_ahead(writer);
    }
}

fn now_ms(disk: &dyn Disk) -> i64 {
    disk.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl CommitLog {
    /// Opens the segments that exist. Until [`recovered`](Self::recovered), all of them count as
    /// written to their ends.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        config: &StoreConfig,
        work: Work,
    ) -> Result<Self, StoreError> {
        let paths = Arc::new(LogPaths::open(&*disk, config)?);
        let size = config.mapped_file_size_commit_log;
        let files =
            segment_files::list(&*disk, paths.all(), size as u64, "mappedFileSizeCommitLog")?;
        let mut segments = Vec::with_capacity(files.len());
        for (base, entry) in files {
            let path = entry.path;
            let file = disk.open_segment(&path).map_err(StoreError::file("open", &path))?;
            segments.push(LogSegment::new(base, path, file.into()));
        }
        if let Some(last) = segments.last() {
            // Before recovery reads to its end, and appends go on there.
            last.file.reserve().map_err(StoreError::file("reserve space for", &last.path))?;
        }
        let end = segments.last().map_or(0, |last| last.base + size);
        let preparer = Preparer::start(disk.clone(), paths.clone(), config, work)?;
        let keys = if config.message_index_enable { work.keys_in_memory() } else { 0 };
        Ok(CommitLog {
            disk,
            paths,
            size,
            holds_back: config.sync_flush(),
            segments: ArcSwap::from_pointee(segments),
            tail: Tail {
                writer: Mutex::new(Writer::at(end, NewKeys::with_limit(keys))),
                end: AtomicI64::new(end),
                last: AtomicI64::new(-1),
            },
            room_until: AtomicI64::new(end),
            flushed: AtomicI64::new(end),
            synced: Mutex::new(Synced { end, last: None }),
            preparer,
            removed: Mutex::default(),
        })
    }

    /// Ends recovery: `end` is where the next record goes. Whatever lies beyond is removed, so
    /// that no later recovery takes it for messages.
    pub(crate) fn recovered(&mut self, end: i64) -> Result<(), StoreError> {
        let segments = Arc::unwrap_or_clone(self.segments.swap(Arc::default()));
        let mut kept = Vec::with_capacity(segments.len());
        for mut segment in segments {
            if segment.base >= end && segment.base > 0 {
                let failed = StoreError::file("remove", &segment.path);
                self.disk.remove(&segment.path).map_err(failed)?;
                continue;
            }
            let within = (end - segment.base).clamp(0, self.size) as usize;
            if within < self.size as usize {
                // Opened anew, to have it alone: what is shared cannot be truncated.
                let failed = StoreError::file("open", &segment.path);
                let mut file = self.disk.open_segment(&segment.path).map_err(failed)?;
                file.truncate(within).map_err(StoreError::file("truncate", &segment.path))?;
                segment.file = file.into();
            }
            kept.push(segment);
        }
        let room_until = kept.last().map_or(end, |last| last.base + self.size);
        self.room_until.store(room_until, Ordering::Release);
        let last = kept.last().filter(|last| end < last.base + self.size).cloned();
        let writer = self.tail.writer.get_mut();
        writer.go_on(end, last);
        writer.keys.begin_at(end);
        self.segments.store(Arc::new(kept));
        self.tail.end.store(end, Ordering::Release);
        self.flushed.store(end, Ordering::Release);
        *self.synced.get_mut() = Synced { end, last: None };
        self.make_room()
    }

    /// Creates a segment when none has room: a disk that is full shall say so now, not when the
    /// first message comes.
    fn make_room(&self) -> Result<(), StoreError> {
        let mut writer = self.tail.writer.lock();
        if writer.segment.is_some() {
            return Ok(());
        }
        self.roll(&mut writer).map_err(|error| StoreError::File {
            action: "create",
            path: self.paths.place(writer.position, self.size as u64),
            source: std::io::Error::other(error),
        })
    }

    /// The end of the log, for records to be stored there while nobody else does.
    pub(crate) fn appending(&self) -> Result<Appending<'_>, AppendError> {
        let writer = self.tail.writer.try_lock_for(BUSY).ok_or(BUSY_ERROR)?;
        Ok(Appending { log: self, writer })
    }

    /// Writes what was held back.
    pub(crate) fn write(&self) {
        if self.holds_back {
            self.tail.writer.lock().write();
        }
    }

    /// Takes the keys of the records that were stored since it was called last, or since the start, and
    /// returns where the log ends, up to which it is written.
    pub(crate) fn take_keys(&self, taken: &mut NewKeys) -> i64 {
        let mut writer = self.tail.writer.lock();
        writer.write();
        let position = writer.position;
        writer.keys.take(position, taken);
        position
    }

    /// Sees to it that the writer's segment has room.
    fn room_for(&self, writer: &mut Writer, length: usize) -> Result<(), AppendError> {
        let Some(segment) = &writer.segment else { return self.roll(writer) };
        let left = (segment.base + self.size - writer.position) as usize;
        if length + BLANK > left {
            return self.roll(writer);
        }
        if !writer.asked_for_next && left as i64 <= self.size / 2 {
            writer.asked_for_next = true;
            self.preparer.ask(segment.base + self.size);
        }
        Ok(())
    }

    /// Has the pages that come next made ready.
    fn keep_pages_ahead(&self, writer: &mut Writer) {
        if let Some(segment) = &writer.segment
            && writer.ready - writer.position < AHEAD
            && writer.ready < segment.base + self.size
        {
            let from = writer.ready.max(writer.position);
            writer.ready = (from - from % AHEAD + AHEAD).min(segment.base + self.size);
            let range = (from - segment.base) as usize..(writer.ready - segment.base) as usize;
            self.preparer.make_ready(segment.file.clone(), range);
        }
    }

    /// Whether an append of so many bytes would have to wait for the next segment. Never waits.
    pub(crate) fn would_wait(&self, length: usize) -> bool {
        let (end, room_until) = (self.end(), self.room_until.load(Ordering::Acquire));
        end + (length + BLANK) as i64 > room_until && !self.preparer.is_ready(room_until)
    }

    /// Goes on in the next segment. The old one is closed only when the new one is there, so that
    /// a failure leaves everything as it was.
    fn roll(&self, writer: &mut Writer) -> Result<(), AppendError> {
        let base = match &writer.segment {
            Some(segment) => segment.base + self.size,
            None => writer.position - writer.position % self.size,
        };
        let new = self.preparer.take(base).map_err(AppendError::NoSegment)?;
        let (path, file): (_, Arc<dyn Segment>) = (new.path, new.file.into());
        writer.write();
        if let Some(full) = &writer.segment {
            let end = full.base + self.size;
            let left = end - writer.position;
            let mut blank = [0; BLANK];
            blank[..4].copy_from_slice(&(left as u32).to_be_bytes());
            blank[4..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
            full.append(writer.position, &blank, end);
        }
        let segment = LogSegment::new(base, path, file);
        let mut segments = Vec::clone(&self.segments.load());
        segments.push(segment.clone());
        self.segments.store(Arc::new(segments));
        writer.go_on(base, Some(segment));
        self.room_until.store(base + self.size, Ordering::Release);
        self.tail.end.store(base, Ordering::Release);
        Ok(())
    }

    /// Where its segments are.
    pub(crate) fn paths(&self) -> &LogPaths {
        &self.paths
    }

    /// Where the log begins.
    pub(crate) fn start(&self) -> i64 {
        self.segments.load().first().map_or(0, |first| first.base)
    }

    /// Where a log offset is in its segment's file.
    pub(crate) fn within_segment(&self, offset: i64) -> usize {
        offset.rem_euclid(self.size) as usize
    }

    /// Whether a range lies within one segment.
    pub(crate) fn in_one_segment(&self, start: i64, end: i64) -> bool {
        start.div_euclid(self.size) == (end - 1).div_euclid(self.size)
    }

    /// Where the next record goes. What is before it can be read once it is written.
    pub(crate) fn end(&self) -> i64 {
        self.tail.end.load(Ordering::Acquire)
    }

    /// Where the last record begins, if that is known.
    pub(crate) fn last(&self) -> Option<i64> {
        Some(self.tail.last.load(Ordering::Relaxed)).filter(|last| *last >= 0)
    }

    /// Recovery has found the last record.
    pub(crate) fn set_last(&mut self, last: Option<i64>) {
        *self.tail.last.get_mut() = last.unwrap_or(-1);
    }

    /// Up to where the log is on disk, and the last record of that.
    pub(crate) fn synced(&self) -> Synced {
        *self.synced.lock()
    }

    /// Up to where the log is on disk.
    pub(crate) fn flushed(&self) -> i64 {
        self.flushed.load(Ordering::Acquire)
    }

    pub(crate) fn segments(&self) -> Arc<Vec<LogSegment>> {
        self.segments.load_full()
    }

    fn segment_at(segments: &[LogSegment], size: i64, offset: i64) -> Option<&LogSegment> {
        let first = segments.first()?.base;
        let index = usize::try_from((offset - first).div_euclid(size)).ok()?;
        segments.get(index)
    }

    /// A range of published bytes within one segment, without copying.
    pub(crate) fn bytes(&self, offset: i64, length: usize) -> Option<Bytes> {
        Some(self.held(offset)?.slice(offset, length)?.bytes)
    }

    /// What is published of the segment at `offset`.
    pub(crate) fn held(&self, offset: i64) -> Option<Held> {
        let segments = self.segments.load();
        let segment = CommitLog::segment_at(&segments, self.size, offset)?;
        Some(Held::new(segment.base, &segment.file))
    }

    fn with_published<T>(
        &self,
        offset: i64,
        length: usize,
        look: impl FnOnce(&LogSegment, Range<usize>) -> T,
    ) -> Option<T> {
        let segments = self.segments.load();
        let segment = CommitLog::segment_at(&segments, self.size, offset)?;
        let start = (offset - segment.base) as usize;
        let range = start..start.checked_add(length)?;
        (range.end <= segment.file.published()).then(|| look(segment, range))
    }

    /// Looks at the record at `offset`, checking its checksum if `verify`.
    pub(crate) fn visit<T>(
        &self,
        offset: i64,
        verify: bool,
        visit: impl FnOnce(Step<'_>) -> T,
    ) -> T {
        let segments = self.segments.load();
        let Some(segment) = CommitLog::segment_at(&segments, self.size, offset) else {
            return visit(Step::End("no segment"));
        };
        let start = (offset - segment.base) as usize;
        let end = segment.file.published();
        if start >= end {
            return visit(Step::End("end of the log"));
        }
        visit(step(segment.file.slice(start..end), offset, segment.base + self.size, verify))
    }

    /// Whether a record begins at `last` and the log goes on at `offset` behind it.
    pub(crate) fn goes_on_at(&self, last: i64, offset: i64) -> bool {
        let next = |from: i64| {
            self.visit(from, false, |step| match step {
                Step::Record(record) => Some(from + record.bytes().len() as i64),
                Step::Blank(next) => Some(next),
                Step::End(_) => None,
            })
        };
        next(last).is_some_and(|end| end == offset || next(end) == Some(offset))
    }

    /// Visits the records that begin in `range`, one after the other and within one segment, their
    /// checksums checked if `verify`; `visit` may still say why one is no record. Returns where the
    /// log goes on, and why no record is there, if that is known.
    pub(crate) fn visit_run<E>(
        &self,
        range: Range<i64>,
        verify: bool,
        mut visit: impl FnMut(&RecordView<'_>) -> Result<Option<&'static str>, E>,
    ) -> Result<(i64, Option<&'static str>), E> {
        let mut offset = range.start;
        let segments = self.segments.load();
        let Some(segment) = CommitLog::segment_at(&segments, self.size, offset) else {
            return Ok((offset, Some("no segment")));
        };
        let limit = segment.base + self.size;
        let mut bytes = match (offset - segment.base) as usize..segment.file.published() {
            published if published.is_empty() => &[],
            published => segment.file.slice(published),
        };
        while offset < range.end.min(limit) {
            if bytes.is_empty() {
                return Ok((offset, Some("end of the log")));
            }
            match step(bytes, offset, limit, verify) {
                Step::Record(record) => {
                    if let Some(reason) = visit(&record)? {
                        return Ok((offset, Some(reason)));
                    }
                    let length = record.bytes().len();
                    offset += length as i64;
                    bytes = &bytes[length..];
                }
                Step::Blank(next) => return Ok((next, None)),
                Step::End(reason) => return Ok((offset, Some(reason))),
            }
        }
        Ok((offset, None))
    }

    /// Checks the record that a queue entry points at, its body's checksum included.
    pub(crate) fn check(&self, entry: &Entry) -> Result<(), RecordFault> {
        let found = self.visit(entry.physical_offset, true, |step| match step {
            Step::Record(record) if record.bytes().len() == entry.size as usize => Ok(()),
            Step::Record(_) => Err("its length is not that of its queue entry"),
            Step::Blank(_) => Err("the end of a segment"),
            Step::End(reason) => Err(reason),
        });
        found.map_err(|reason| self.fault(entry.physical_offset, reason))
    }

    /// What is wrong with the record at `offset`.
    pub(crate) fn fault(&self, offset: i64, reason: &'static str) -> RecordFault {
        let segments = self.segments.load();
        match CommitLog::segment_at(&segments, self.size, offset) {
            Some(segment) => RecordFault::Damaged {
                offset,
                path: segment.path.clone(),
                position: (offset - segment.base) as u64,
                reason,
            },
            None => RecordFault::Removed { offset },
        }
    }

    /// Where the log goes on behind a damaged record at `offset`: at the next whole record of its
    /// segment, or else at the segment's end.
    pub(crate) fn behind_damage(&self, offset: i64) -> i64 {
        let segments = self.segments.load();
        let Some(segment) = CommitLog::segment_at(&segments, self.size, offset) else {
            return self.start().max(offset);
        };
        let (base, limit) = (segment.base, segment.base + self.size);
        let bytes = segment.file.slice((offset - base) as usize..segment.file.published());
        // Its own length is the best guess; after that, any place that holds what belongs there.
        let own = RecordView::parse(bytes).map(|record| record.bytes().len());
        let behind = own.into_iter().chain(1..bytes.len()).find(|at| {
            let place = offset + *at as i64;
            match step(&bytes[*at..], place, limit, true) {
                Step::Record(_) => true,
                Step::Blank(_) => bytes[*at..].starts_with(&((limit - place) as u32).to_be_bytes()),
                Step::End(_) => *at == bytes.len(),
            }
        });
        offset + behind.unwrap_or(bytes.len()) as i64
    }

    /// Writes everything up to the present end to disk.
    pub(crate) fn sync(&self) -> std::io::Result<i64> {
        let from = self.flushed();
        let (to, last) = {
            // While nobody appends: the queues have the entries of all records before this end.
            let mut writer = self.tail.writer.lock();
            writer.write();
            (writer.position, self.last())
        };
        for segment in self.segments.load().iter() {
            if segment.base < to && segment.base + self.size > from {
                let within = (to - segment.base).min(self.size) as usize;
                segment.file.sync(within)?;
            }
        }
        let mut synced = self.synced.lock();
        if synced.end <= to {
            *synced = Synced { end: to, last };
        }
        self.flushed.fetch_max(to, Ordering::AcqRel);
        Ok(to)
    }

    /// What is behind `start` does not count as flushed: a process that was killed may have left it to
    /// the system.
    pub(crate) fn unflushed_from(&mut self, start: i64) {
        *self.flushed.get_mut() = start;
        *self.synced.get_mut() = Synced { end: start, last: None };
    }

    /// Writes everything from `start` on to disk: a process that was killed may have left it to the
    /// system, and from now on it counts as flushed.
    pub(crate) fn sync_from(&self, start: i64) -> Result<(), StoreError> {
        for segment in self.segments.load().iter().filter(|s| s.base + self.size > start) {
            let within = (self.end() - segment.base).clamp(0, self.size) as usize;
            segment.file.sync(within).map_err(StoreError::file("sync", &segment.path))?;
        }
        Ok(())
    }

    /// Removes the oldest segment; the last is never removed. Readers keep what they hold.
    pub(crate) fn remove_first(&self) -> Result<bool, StoreError> {
        let mut removed = self.removed.lock();
        let first = match &self.segments.load()[..] {
            [first, _, ..] => first.clone(),
            _ => return Ok(false),
        };
        // The file first, and without the writer's lock: removing a large one takes its time, and
        // when it fails everything is as it was.
        self.disk.remove(&first.path).map_err(StoreError::file("remove", &first.path))?;
        // Under it, since rolling over replaces the list too.
        let _writer = self.tail.writer.lock();
        self.segments.store(Arc::new(self.segments.load()[1..].to_vec()));
        removed.push(first.file);
        Ok(true)
    }

    /// Lets go of removed segments that nobody reads any more. Their space is free only then, and
    /// freeing it takes longer than a reader should be kept.
    pub(crate) fn release_removed(&self) {
        self.removed.lock().retain(|segment| Arc::strong_count(segment) > 1);
    }

    /// Whether a range within one segment is in memory, or was a moment ago, or is gone.
    pub(crate) fn is_cached(&self, offset: i64, length: usize) -> bool {
        let cached =
            self.with_published(offset, length, |LogSegment { file, residency, .. }, range| {
                let ask = |range, question| match question {
                    Question::Is => file.is_cached(range),
                    Question::IsStill => file.is_still_cached(range),
                };
                residency.is_cached(range, file.published(), residency::now(), ask)
            });
        cached.unwrap_or(true)
    }

    /// Brings up to so many bytes from `offset` on into memory, no further than the segment's end, and
    /// returns how far that is.
    pub(crate) fn fetch_ahead(&self, offset: i64, length: i64) -> i64 {
        let end = (offset + length).min(offset - offset.rem_euclid(self.size) + self.size);
        self.fetch(offset, (end - offset) as usize);
        end
    }

    /// Brings a range within one segment into memory. Waits for the disk.
    pub(crate) fn fetch(&self, offset: i64, length: usize) {
        let found = self.with_published(offset, length, |segment, range| {
            (segment.file.clone(), segment.residency.clone(), range)
        });
        if let Some((file, residency, range)) = found {
            residency.forget();
            file.fetch(range);
            residency.forget();
        }
    }

    /// Ends the preparing thread and removes a segment that it made for nothing.
    pub(crate) fn close(&self) {
        self.preparer.stop();
    }
}

/// What lies at the start of `bytes`, which is at `offset` of the log.
pub(crate) fn step(bytes: &[u8], offset: i64, segment_end: i64, verify: bool) -> Step<'_> {
    if let Some(magic) = bytes.get(4..8)
        && magic == MAGIC_BLANK.to_be_bytes()
    {
        return Step::Blank(segment_end);
    }
    let record = match RecordView::parse(bytes) {
        Ok(record) => record,
        Err(record::RecordError::Magic(0)) => return Step::End("end of the log"),
        Err(_) => return Step::End("not a record"),
    };
    if record.physical_offset() != offset {
        return Step::End("a record from elsewhere");
    }
    if verify && record.verify().is_err() {
        return Step::End("a body that does not match its checksum");
    }
    Step::Record(record)
}
