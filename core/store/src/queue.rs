//! One consume queue: for each message of a topic's queue where its record is (store §3).
//!
//! New entries are kept in memory and written to the file in one go, about once a second and only
//! once their records are on disk. So the append path makes no system call for them, a file never
//! points beyond the log, and a crash loses entries that recovery makes anew from the log. A queue
//! never written has no file, and one not used has none open.

mod state;

pub(crate) use state::State;

use crate::disk::{DirEntry, Disk};
use crate::entry::{ENTRY, Entry};
use crate::error::StoreError;
use crate::mapped::LINE;
use crate::open_files::{OpenFile, OpenFiles};
use crate::segment_files;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// So many entries are written at once: whoever stores messages meanwhile waits until they are laid out.
const AT_ONCE: usize = 8 << 10;
/// What each append changes of a queue.
#[repr(C, align(64))]
struct Growing {
    /// The offset of the next message as who stores messages knows it, which is ahead of the state while entries
    /// are on their way there; [`UNKNOWN`] when nothing was stored yet.
    next: AtomicI64,
    state: Mutex<Option<State>>,
}

/// Who stores a message in one of hundreds of queues waits for the memory of each.
const _: () = {
    let state = offset_of!(Growing, state) + align_of::<State>();
    let lines = (state + offset_of!(State, starts_within_file)) / LINE;
    assert!(lines == 0 && size_of::<Option<State>>() == size_of::<State>());
};

/// Not the offset of any message.
const UNKNOWN: i64 = -1;

/// What recovery did with a record's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It was missing.
    Added,
    /// It is there, but perhaps not on disk: the queue is to be synced.
    Unsynced,
    /// It is there, and nothing is to be done for it, or no more than for the one before.
    Present,
}

/// What all queues of a store have in common.
pub(crate) struct QueueFiles {
    pub(crate) disk: Arc<dyn Disk>,
    /// The directory with a folder for each topic.
    pub(crate) directory: PathBuf,
    pub(crate) file_size: u64,
    /// Entries of records that end before this log offset are on disk as they were written. What is
    /// behind them may be anything that a crash has left.
    pub(crate) trusted: i64,
    pub(crate) open: OpenFiles,
    pub(crate) next_number: AtomicU64,
}

/// Whether a look into files may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It may.
    Wait,
    /// It may not: what is not in memory is an error of the kind `WouldBlock`.
    Never,
}

/// How long who must not wait for the disk waits for others in the same queue.
const MOMENT: Duration = Duration::from_millis(1);

/// One queue of a topic.
pub struct Queue {
    files: Arc<QueueFiles>,
    topic: Arc<str>,
    id: i32,
    /// Tells it apart from all others, those of deleted topics among them.
    number: u64,
    growing: Growing,
}

impl Queue {
    pub(crate) fn new(files: Arc<QueueFiles>, topic: Arc<str>, id: i32) -> Self {
        let number = files.next_number.fetch_add(1, Ordering::Relaxed);
        let growing = Growing { next: AtomicI64::new(UNKNOWN), state: Mutex::new(None) };
        Queue { files, topic, id, number, growing }
    }

    fn directory(&self) -> PathBuf {
        self.files.directory.join(&*self.topic).join(self.id.to_string())
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The queue's number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// What tells it apart from all others.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The state, read from the files when the queue is used for the first time.
    pub(crate) fn state(&self) -> Result<MappedMutexGuard<'_, State>, StoreError> {
        self.loaded(self.growing.state.lock())
    }

    /// Reads the state from the files, if that may not have been done; who needs it then is told of errors.
    pub(crate) fn prepare(&self) {
        if self.next().is_none() {
            drop(self.state());
        }
    }

    /// The offset of the next message, if it is known without a look at the state. For who has the log alone.
    pub(crate) fn next(&self) -> Option<i64> {
        Some(self.growing.next.load(Ordering::Relaxed)).filter(|next| *next != UNKNOWN)
    }

    /// Says where the message goes that follows those that are on their way; the state says it from then on if that
    /// is `None`. For who has the log alone.
    pub(crate) fn set_next(&self, next: Option<i64>) {
        self.growing.next.store(next.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Whether anybody looks at the state, or changes it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.growing.state.is_locked()
    }

    /// As [`state`](Self::state), but gives up after a while: `None`.
    pub(crate) fn state_within(
        &self,
        patience: Duration,
    ) -> Result<Option<MappedMutexGuard<'_, State>>, StoreError> {
        self.growing.state.try_lock_for(patience).map(|state| self.loaded(state)).transpose()
    }

    /// As [`state`](Self::state), unless that means waiting for the disk.
    fn state_with(&self, patience: Patience) -> Result<MappedMutexGuard<'_, State>, StoreError> {
        if patience == Patience::Wait {
            return self.state();
        }
        let state = self.growing.state.try_lock_for(MOMENT).filter(|state| state.is_some());
        state.map_or_else(|| Err(self.not_in_memory()), |state| self.loaded(state))
    }

    pub(crate) fn not_in_memory(&self) -> StoreError {
        StoreError::file("read", self.directory())(io::ErrorKind::WouldBlock.into())
    }

    fn loaded<'a>(
        &self,
        mut state: MutexGuard<'a, Option<State>>,
    ) -> Result<MappedMutexGuard<'a, State>, StoreError> {
        if state.is_none() {
            *state = Some(self.load()?);
        }
        // Just filled in; the default is never made.
        Ok(MutexGuard::map(state, |state| state.get_or_insert_with(State::empty)))
    }

    fn load(&self) -> Result<State, StoreError> {
        let files = self.list_files()?;
        let (Some((first, _)), Some((last, _))) = (files.first(), files.last()) else {
            return Ok(State::empty());
        };
        let file_size = self.files.file_size as i64;
        let (start, limit) = (first / ENTRY as i64, (last + file_size) / ENTRY as i64);
        let mut state = State { in_files: limit, min: start, ..State::empty() };
        let stored = |offset| self.entry_in_file(offset);
        // Trusted entries come first, and among them the physical offsets grow.
        let kept = search(start, limit, stored, |entry| {
            entry.is_written() && (!entry.is_message() || entry.end() <= self.files.trusted)
        })?;
        if kept < limit && self.entry_in_file(kept)?.is_written() {
            tracing::warn!(topic = %self.topic, queue = self.id, offset = kept,
                "consume queue entries from here on are not to be trusted after a crash; removed");
            self.clear(&mut state, kept)?;
        }
        state.in_files = kept;
        if kept > start {
            let last = self.entry_in_file(kept - 1)?;
            state.filed_end = if last.is_message() { last.end() } else { 0 };
        }
        Ok(state)
    }

    fn entry_at(&self, offset: i64, patience: Patience) -> Result<Entry, StoreError> {
        let file = {
            let state = self.state_with(patience)?;
            match usize::try_from(offset - state.in_files) {
                Ok(at) => return Ok(state.tail.get(at).copied().unwrap_or(Entry::BLANK)),
                Err(_) => self.file_of(offset, patience)?,
            }
        };
        self.read_entry(file, patience)
    }

    fn entry_in_file(&self, offset: i64) -> Result<Entry, StoreError> {
        self.read_entry(self.file_of(offset, Patience::Wait)?, Patience::Wait)
    }

    fn read_entry(
        &self,
        (file, at): (Arc<OpenFile>, u64),
        patience: Patience,
    ) -> Result<Entry, StoreError> {
        let mut bytes = [0; ENTRY as usize];
        self.read(&file, &mut bytes, at, patience)?;
        Ok(Entry::decode(&bytes).unwrap_or(Entry::BLANK))
    }

    fn read(
        &self,
        file: &OpenFile,
        bytes: &mut [u8],
        at: u64,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let read = match patience {
            Patience::Wait => file.read_at(bytes, at),
            Patience::Never => file.read_cached(bytes, at),
        };
        read.map(drop).map_err(|error| StoreError::file("read", self.directory())(error))
    }

    /// The first byte of the file that holds the entry at `offset`.
    fn base_of(&self, offset: i64) -> i64 {
        let byte = offset as u64 * ENTRY;
        (byte - byte % self.files.file_size) as i64
    }

    /// The file that holds the entry at `offset`, and where in it.
    fn file_of(&self, offset: i64, patience: Patience) -> Result<(Arc<OpenFile>, u64), StoreError> {
        let base = self.base_of(offset);
        let (key, within) = ((self.number, base), offset as u64 * ENTRY - base as u64);
        if patience == Patience::Never {
            let file = self.files.open.get(key).ok_or_else(|| self.not_in_memory())?;
            return Ok((file, within));
        }
        let open = || {
            let path = segment_files::path(&self.directory(), base);
            self.files.disk.open_file(&path, self.files.file_size)
        };
        let failed =
            |error| StoreError::file("open", segment_files::path(&self.directory(), base))(error);
        Ok((self.files.open.get_or_open(key, open).map_err(failed)?, within))
    }

    /// Makes all entries from `from` on zero, as if they had never been written.
    fn clear(&self, state: &mut State, from: i64) -> Result<(), StoreError> {
        let first = self.base_of(from);
        for (base, _) in self.list_files()? {
            if base >= first {
                let start = (from * ENTRY as i64 - base).max(0) as u64;
                let (file, _) = self.file_of(base / ENTRY as i64, Patience::Wait)?;
                let failed = StoreError::file("write", self.directory());
                file.clear(start..self.files.file_size).map_err(failed)?;
                state.unsynced.insert(base);
            }
        }
        Ok(())
    }

    fn list_files(&self) -> Result<Vec<(i64, DirEntry)>, StoreError> {
        let (setting, size) = ("mappedFileSizeConsumeQueue", self.files.file_size);
        let directory = self.directory();
        segment_files::list(&*self.files.disk, [directory.as_path()], size, setting)
    }

    /// The offset of the next message.
    pub fn end(&self) -> Result<i64, StoreError> {
        Ok(self.state()?.end())
    }

    /// The offset after the last message whose record ends at or before `log_offset`.
    pub(crate) fn end_within(
        &self,
        log_offset: i64,
        patience: Patience,
    ) -> Result<i64, StoreError> {
        Ok(self.state_with(patience)?.end_within(log_offset))
    }

    /// As [`min`](Self::min) and [`end_within`](Self::end_within), as a rule in one look.
    pub(crate) fn range(
        &self,
        log_start: i64,
        log_offset: i64,
        patience: Patience,
    ) -> Result<Range<i64>, StoreError> {
        let (known, end) = {
            let state = self.state_with(patience)?;
            ((state.min_for == log_start).then_some(state.min), state.end_within(log_offset))
        };
        let min = known.map_or_else(|| self.min(log_start, patience), Ok)?;
        Ok(min.min(end)..end)
    }

    /// The first offset whose record is still in a log that starts at `log_start`.
    pub(crate) fn min(&self, log_start: i64, patience: Patience) -> Result<i64, StoreError> {
        let (from, to) = {
            let state = self.state_with(patience)?;
            if state.min_for == log_start {
                return Ok(state.min);
            }
            (state.min, state.end())
        };
        let gone = |entry: &Entry| !entry.is_message() || entry.physical_offset < log_start;
        let min = search(from, to, |offset| self.entry_at(offset, patience), gone)?;
        let mut state = self.state_with(patience)?;
        if state.min_for < log_start {
            (state.min, state.min_for) = (min, log_start);
        }
        Ok(min)
    }

    /// Appends up to `count` entries from `offset` on to `out`.
    pub(crate) fn entries(
        &self,
        mut offset: i64,
        count: usize,
        patience: Patience,
        out: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let mut left = count;
        while left > 0 {
            let (file, at, part, written) = {
                let state = self.state_with(patience)?;
                left = left.min(usize::try_from(state.end() - offset).unwrap_or(0));
                if offset >= state.in_files {
                    let from = (offset - state.in_files).min(state.tail.len() as i64) as usize;
                    out.extend(state.tail.range(from..from + left));
                    return Ok(());
                }
                let (file, at) = self.file_of(offset, patience)?;
                let in_this_file = (self.files.file_size - at) / ENTRY;
                let written = in_this_file.min((state.in_files - offset) as u64);
                (file, at, left.min(written as usize), at + written * ENTRY)
            };
            // Without the lock: whoever appends must not wait for the disk on account of readers.
            let range = at..at + part as u64 * ENTRY;
            let take = |bytes: &[u8]| {
                out.extend(bytes.chunks_exact(ENTRY as usize).filter_map(Entry::decode));
            };
            let read = |bytes: &mut [u8]| self.read(&file, bytes, at, patience);
            file.ahead.read(range, written, read, take)?;
            offset += part as i64;
            left -= part;
        }
        Ok(())
    }

    /// The first offset in `min..end` whose message does not satisfy `before`, which must hold for
    /// a first part of them and for no more.
    pub(crate) fn partition(
        &self,
        min: i64,
        end: i64,
        before: impl Fn(&Entry) -> bool,
    ) -> Result<i64, StoreError> {
        search(min, end, |offset| self.entry_at(offset, Patience::Wait), before)
    }

    /// Adds the entry of a record found in the log during recovery, unless it is there already.
    pub(crate) fn restore(&self, queue_offset: i64, entry: Entry) -> Result<Restored, StoreError> {
        let mut state = self.state()?;
        if !std::mem::replace(&mut state.tail_cleared, true) {
            // Behind the entries that are trusted there may be some that reached the disk without
            // those before them.
            let end = state.end();
            self.clear(&mut state, end)?;
        }
        if queue_offset == 0 && state.end() > 0 && entry.physical_offset >= state.physical_end() {
            // Offsets begin again only when a topic is made anew after its deletion. Not every
            // broker leaves another trace of that.
            self.remove_files()?;
            *state = State { listed: state.listed, tail_cleared: true, ..State::empty() };
        }
        if entry.end() <= state.physical_end() || queue_offset < state.end() {
            if queue_offset >= state.in_files {
                return Ok(Restored::Present);
            }
            // Whoever wrote it was killed, perhaps before it was synced.
            return Ok(match state.unsynced.insert(self.base_of(queue_offset)) {
                true => Restored::Unsynced,
                false => Restored::Present,
            });
        }
        if state.end() == 0 {
            // The queue's first messages are gone with their log segments.
            state.in_files = queue_offset;
            state.min = queue_offset;
            state.starts_within_file = true;
        }
        // Messages that the log has lost between two others: whoever reads at their offsets gets the
        // next one twice, which is allowed. Other brokers pass over much more at a blank entry.
        while state.end() < queue_offset {
            state.tail.push_back(entry);
        }
        state.push(entry);
        Ok(Restored::Added)
    }

    /// Lets the queue go on at `end`, for messages that the log has lost behind the last one it has.
    pub(crate) fn extend_to(&self, end: i64) -> Result<(), StoreError> {
        let last = match self.end()? {
            0 => Entry::BLANK,
            after => self.entry_at(after - 1, Patience::Wait)?,
        };
        let mut state = self.state()?;
        if state.end() == 0 && end > 0 {
            state.in_files = end - 1;
            state.starts_within_file = true;
        }
        while state.end() < end {
            state.tail.push_back(last);
        }
        Ok(())
    }

    /// Writes entries to files whose records end at or before `log_offset`. Returns whether none
    /// is left in memory.
    pub(crate) fn write(&self, log_offset: i64) -> Result<bool, StoreError> {
        let mut bytes = Vec::new();
        loop {
            // Only this thread takes from the tail, so that the write can do without the lock.
            let mut state = self.state()?;
            if state.gone {
                return Ok(true);
            }
            let ready = state
                .tail
                .partition_point(|entry| !entry.is_message() || entry.end() <= log_offset);
            if ready == 0 {
                state.listed = !state.tail.is_empty();
                return Ok(!state.listed);
            }
            let first = state.in_files;
            if self.base_of(first) == first * ENTRY as i64 || state.starts_within_file {
                self.create_directory()?;
            }
            let (file, at) = self.file_of(first, Patience::Wait)?;
            let part = ready.min(AT_ONCE).min(((self.files.file_size - at) / ENTRY) as usize);
            // A queue that does not begin at a file's start gets that part filled with entries
            // that stand for no message, as recovery needs written entries to come first.
            let blanks = if state.starts_within_file { at / ENTRY } else { 0 };
            bytes.clear();
            bytes.reserve((part + blanks as usize) * ENTRY as usize);
            (0..blanks).for_each(|_| Entry::BLANK.encode(&mut bytes));
            state.tail.iter().take(part).for_each(|entry| entry.encode(&mut bytes));
            drop(state);
            self.files.open.written((self.number, self.base_of(first)));
            file.write_at(&bytes, at - blanks * ENTRY)
                .map_err(|error| StoreError::file("write", self.directory())(error))?;
            let mut state = self.state()?;
            state.filed(part);
            state.unsynced.insert(self.base_of(first));
            state.starts_within_file = false;
        }
    }

    /// Syncs what was written, and closes the files.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let unsynced = std::mem::take(&mut self.state()?.unsynced);
        for base in &unsynced {
            let (file, _) = self.file_of(base / ENTRY as i64, Patience::Wait)?;
            // Without the lock: syncing takes its time.
            file.sync().map_err(|error| StoreError::file("sync", self.directory())(error))?;
        }
        self.files.open.close(self.number, |base| unsynced.contains(&base));
        Ok(())
    }

    /// What was written is on disk: closes the files.
    pub(crate) fn synced(&self) -> Result<(), StoreError> {
        self.state()?.unsynced.clear();
        self.files.open.close(self.number, |_| true);
        Ok(())
    }

    /// Makes the directory into which entries are going to be written.
    fn create_directory(&self) -> Result<(), StoreError> {
        let directory = self.directory();
        self.files.disk.create_directory(&directory).map_err(StoreError::file("create", &directory))
    }

    /// Where the last entry's record ends; 0 without entries.
    pub(crate) fn physical_end(&self) -> Result<i64, StoreError> {
        Ok(self.state()?.physical_end())
    }

    /// The topic is deleted: whoever still has the queue finds it empty.
    pub(crate) fn retire(&self) {
        *self.growing.state.lock() = Some(State { gone: true, ..State::empty() });
        // Whoever stores just now finds it out once more, at the latest when the entry is to go in.
        self.set_next(None);
        self.files.open.close(self.number, |_| true);
    }

    /// Removes all files.
    pub(crate) fn remove_files(&self) -> Result<(), StoreError> {
        self.files.open.close(self.number, |_| true);
        let directory = self.directory();
        let removed = self.files.disk.remove_directory(&directory);
        removed.map_err(StoreError::file("remove", &directory))
    }

    /// Removes files all of whose records are gone from a log that starts at `log_start`.
    pub(crate) fn remove_expired(&self, log_start: i64) -> Result<(), StoreError> {
        let min = self.min(log_start, Patience::Wait)?;
        let files = self.list_files()?;
        let Some((_, before)) = files.split_last() else {
            return Ok(());
        };
        // Under the lock, since readers open files under it.
        let _state = self.state()?;
        for (base, entry) in before {
            if (base + self.files.file_size as i64) / ENTRY as i64 <= min {
                self.files.open.close(self.number, |open| open == *base);
                let removed = self.files.disk.remove(&entry.path);
                removed.map_err(StoreError::file("remove", &entry.path))?;
            }
        }
        Ok(())
    }
}

/// The first offset in `start..end` whose entry does not satisfy `holds`, which must hold for a
/// first part of them and for no more.
fn search(
    mut start: i64,
    mut end: i64,
    entry: impl Fn(i64) -> Result<Entry, StoreError>,
    holds: impl Fn(&Entry) -> bool,
) -> Result<i64, StoreError> {
    while start < end {
        let middle = start + (end - start) / 2;
        if holds(&entry(middle)?) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(start)
}
