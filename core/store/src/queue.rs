//! One consume queue: for each message of a topic's queue where its record is (store §3).
//!
//! New entries are kept in memory and written to the file in one go, about once a second and only
//! once their records are on disk. So the append path makes no system call for them, a file never
//! points beyond the log, and a crash loses entries that recovery makes anew from the log. A queue
//! never written has no file; one not used has none open.

use crate::disk::{DirEntry, Disk, RandomFile};
use crate::error::StoreError;
use crate::segment_files;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const ENTRY: u64 = 20;
/// The size that marks an entry which stands for no message.
const NO_MESSAGE: i32 = i32::MAX;

/// One entry of a consume queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the record is in the commit log.
    pub physical_offset: i64,
    /// The record's length in bytes.
    pub size: i32,
    /// The hash of the tags, or when to deliver a delayed message.
    pub tags_code: i64,
}

impl Entry {
    const BLANK: Entry = Entry { physical_offset: 0, size: NO_MESSAGE, tags_code: 0 };

    pub(crate) fn decode(bytes: &[u8]) -> Option<Entry> {
        let (physical, rest) = bytes.split_first_chunk::<8>()?;
        let (size, tags) = rest.split_first_chunk::<4>()?;
        Some(Entry {
            physical_offset: i64::from_be_bytes(*physical),
            size: i32::from_be_bytes(*size),
            tags_code: i64::from_be_bytes(*tags.first_chunk()?),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.physical_offset.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.tags_code.to_be_bytes());
    }

    /// Whether the entry has been written at all.
    pub(crate) fn is_written(&self) -> bool {
        self.physical_offset >= 0 && self.size > 0
    }

    /// Whether the entry stands for a message.
    pub fn is_message(&self) -> bool {
        self.is_written() && self.size != NO_MESSAGE
    }

    /// Where the record ends.
    pub fn end(&self) -> i64 {
        self.physical_offset + i64::from(self.size)
    }
}

/// The state of a queue that has been looked at.
pub(crate) struct State {
    /// The first offset whose record is still in the log, as of `min_for`.
    min: i64,
    /// The start of the log for which `min` was found.
    min_for: i64,
    /// Entries before this offset are in files.
    in_files: i64,
    /// The entries after that.
    tail: VecDeque<Entry>,
    /// Where the last entry's record ends.
    physical_end: i64,
    /// The file last used, by its first byte.
    open: Option<(i64, Arc<dyn RandomFile>)>,
    /// Whether the queue is on the list of those to be written.
    pub(crate) listed: bool,
    /// The files written since the last sync, by their first bytes.
    unsynced: BTreeSet<i64>,
    /// Whether recovery has made room behind the entries that are trusted.
    tail_cleared: bool,
    /// Whether the first file begins before the first entry, and that part is still unwritten.
    starts_within_file: bool,
}

impl State {
    /// The offset of the next message.
    pub(crate) fn end(&self) -> i64 {
        self.in_files + self.tail.len() as i64
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.physical_end = entry.end();
        self.tail.push_back(entry);
    }
}

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

/// One queue of a topic.
pub struct Queue {
    topic: Arc<str>,
    id: i32,
    directory: PathBuf,
    file_size: u64,
    /// Entries of records that end before this log offset are on disk as they were written. What is
    /// behind them may be anything that a crash has left.
    trusted: i64,
    disk: Arc<dyn Disk>,
    state: Mutex<Option<State>>,
}

impl Queue {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        topic: Arc<str>,
        id: i32,
        directory: PathBuf,
        file_size: u64,
        trusted: i64,
    ) -> Self {
        Queue { topic, id, directory, file_size, trusted, disk, state: Mutex::new(None) }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The queue's number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The state, found in the files when the queue is used for the first time.
    pub(crate) fn state(&self) -> Result<MappedMutexGuard<'_, State>, StoreError> {
        self.loaded(self.state.lock())
    }

    /// As [`state`](Self::state), but gives up after a while: `None`.
    pub(crate) fn state_within(
        &self,
        patience: Duration,
    ) -> Result<Option<MappedMutexGuard<'_, State>>, StoreError> {
        self.state.try_lock_for(patience).map(|state| self.loaded(state)).transpose()
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
        let files = self.files()?;
        let (Some((first, _)), Some((last, _))) = (files.first(), files.last()) else {
            return Ok(State::empty());
        };
        let (start, limit) = (first / ENTRY as i64, (last + self.file_size as i64) / ENTRY as i64);
        let mut state = State { in_files: limit, min: start, ..State::empty() };
        // Trusted entries come first, and among them the physical offsets grow.
        let kept = self.search(&mut state, start, limit, |entry| {
            entry.is_written() && (!entry.is_message() || entry.end() <= self.trusted)
        })?;
        if kept < limit && self.entry_in_file(&mut state, kept)?.is_written() {
            tracing::warn!(topic = %self.topic, queue = self.id, offset = kept,
                "consume queue entries from here on are not to be trusted after a crash; removed");
            self.clear(&mut state, kept)?;
        }
        state.in_files = kept;
        if kept > start {
            let last = self.entry_in_file(&mut state, kept - 1)?;
            state.physical_end = if last.is_message() { last.end() } else { 0 };
        }
        Ok(state)
    }

    /// The first offset in `start..end` whose entry does not satisfy `holds`, which must hold for
    /// a first part of them and for no more.
    fn search(
        &self,
        state: &mut State,
        mut start: i64,
        mut end: i64,
        holds: impl Fn(&Entry) -> bool,
    ) -> Result<i64, StoreError> {
        while start < end {
            let middle = start + (end - start) / 2;
            if holds(&self.entry_at(state, middle)?) {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(start)
    }

    fn entry_at(&self, state: &mut State, offset: i64) -> Result<Entry, StoreError> {
        match usize::try_from(offset - state.in_files).ok().and_then(|at| state.tail.get(at)) {
            Some(entry) => Ok(*entry),
            None => self.entry_in_file(state, offset),
        }
    }

    fn entry_in_file(&self, state: &mut State, offset: i64) -> Result<Entry, StoreError> {
        let mut bytes = [0; ENTRY as usize];
        let (file, at) = self.file_of(state, offset)?;
        file.read_at(&mut bytes, at).map_err(StoreError::file("read", &self.directory))?;
        Ok(Entry::decode(&bytes).unwrap_or(Entry::BLANK))
    }

    /// The first byte of the file that holds the entry at `offset`.
    fn base_of(&self, offset: i64) -> i64 {
        let byte = offset as u64 * ENTRY;
        (byte - byte % self.file_size) as i64
    }

    /// The file that holds the entry at `offset`, and where in it.
    fn file_of(
        &self,
        state: &mut State,
        offset: i64,
    ) -> Result<(Arc<dyn RandomFile>, u64), StoreError> {
        let byte = offset as u64 * ENTRY;
        let (base, within) = (self.base_of(offset), byte % self.file_size);
        if let Some((_, file)) = state.open.as_ref().filter(|(open, _)| *open == base) {
            return Ok((file.clone(), within));
        }
        let path = segment_files::path(&self.directory, base);
        let file =
            self.disk.open_file(&path, self.file_size).map_err(StoreError::file("open", &path))?;
        state.open = Some((base, file.clone()));
        Ok((file, within))
    }

    /// Makes all entries from `from` on zero, as if they had never been written.
    fn clear(&self, state: &mut State, from: i64) -> Result<(), StoreError> {
        let first = self.base_of(from);
        for (base, _) in self.files()? {
            if base >= first {
                let start = (from * ENTRY as i64 - base).max(0) as u64;
                let (file, _) = self.file_of(state, base / ENTRY as i64)?;
                let failed = StoreError::file("write", &self.directory);
                file.clear(start..self.file_size).map_err(failed)?;
                state.unsynced.insert(base);
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<(i64, DirEntry)>, StoreError> {
        let setting = "mappedFileSizeConsumeQueue";
        let directory = [self.directory.as_path()];
        segment_files::list(&*self.disk, directory, self.file_size, setting)
    }

    /// The offset of the next message.
    pub fn end(&self) -> Result<i64, StoreError> {
        Ok(self.state()?.end())
    }

    /// The offset after the last message whose record ends at or before `log_offset`.
    pub(crate) fn end_within(&self, log_offset: i64) -> Result<i64, StoreError> {
        let state = self.state()?;
        let within = state.tail.partition_point(|entry| entry.end() <= log_offset);
        Ok(state.in_files + within as i64)
    }

    /// The first offset whose record is still in a log that starts at `log_start`.
    pub(crate) fn min(&self, log_start: i64) -> Result<i64, StoreError> {
        let mut state = self.state()?;
        if state.min_for != log_start {
            let (from, to) = (state.min, state.end());
            let gone = |entry: &Entry| !entry.is_message() || entry.physical_offset < log_start;
            state.min = self.search(&mut state, from, to, gone)?;
            state.min_for = log_start;
        }
        Ok(state.min)
    }

    /// Appends up to `count` entries from `offset` on to `out`.
    pub(crate) fn entries(
        &self,
        offset: i64,
        count: usize,
        out: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let mut state = self.state()?;
        let mut offset = offset;
        let mut left = count.min(usize::try_from(state.end() - offset).unwrap_or(0));
        while left > 0 && offset < state.in_files {
            let (file, at) = self.file_of(&mut state, offset)?;
            let in_this_file = ((self.file_size - at) / ENTRY) as usize;
            let part = left.min(in_this_file).min((state.in_files - offset) as usize);
            let mut bytes = vec![0; part * ENTRY as usize];
            file.read_at(&mut bytes, at).map_err(StoreError::file("read", &self.directory))?;
            out.extend(bytes.chunks_exact(ENTRY as usize).filter_map(Entry::decode));
            offset += part as i64;
            left -= part;
        }
        let from = (offset - state.in_files).max(0) as usize;
        out.extend(state.tail.iter().skip(from).take(left));
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
        let mut state = self.state()?;
        self.search(&mut state, min, end, before)
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
        if queue_offset == 0 && state.end() > 0 && entry.physical_offset >= state.physical_end {
            // Offsets begin again only when a topic is made anew after its deletion. Not every
            // broker leaves another trace of that.
            self.remove_files()?;
            *state = State { listed: state.listed, tail_cleared: true, ..State::empty() };
        }
        if entry.end() <= state.physical_end || queue_offset < state.end() {
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

    /// Writes entries to files whose records end at or before `log_offset`. Returns whether none
    /// is left in memory.
    pub(crate) fn write(&self, log_offset: i64) -> Result<bool, StoreError> {
        loop {
            // Only this thread takes from the tail, so that the write can do without the lock.
            let mut state = self.state()?;
            let ready = state
                .tail
                .partition_point(|entry| !entry.is_message() || entry.end() <= log_offset);
            if ready == 0 {
                state.listed = !state.tail.is_empty();
                return Ok(!state.listed);
            }
            let first = state.in_files;
            let (file, at) = self.file_of(&mut state, first)?;
            let part = ready.min(((self.file_size - at) / ENTRY) as usize);
            // A queue that does not begin at a file's start gets that part filled with entries
            // that stand for no message, as recovery needs written entries to come first.
            let blanks = if state.starts_within_file { at / ENTRY } else { 0 };
            let mut bytes = Vec::with_capacity((part + blanks as usize) * ENTRY as usize);
            (0..blanks).for_each(|_| Entry::BLANK.encode(&mut bytes));
            state.tail.iter().take(part).for_each(|entry| entry.encode(&mut bytes));
            drop(state);
            file.write_at(&bytes, at - blanks * ENTRY)
                .map_err(StoreError::file("write", &self.directory))?;
            let mut state = self.state()?;
            state.tail.drain(..part);
            state.in_files += part as i64;
            state.unsynced.insert(self.base_of(first));
            state.starts_within_file = false;
        }
    }

    /// Syncs what was written, and closes the file.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let mut files = Vec::new();
        {
            let mut state = self.state()?;
            for base in std::mem::take(&mut state.unsynced) {
                files.push(self.file_of(&mut state, base / ENTRY as i64)?.0);
            }
            state.open = None;
        }
        // Without the lock: syncing takes its time.
        let failed = |error| StoreError::file("sync", &self.directory)(error);
        files.iter().try_for_each(|file| file.sync().map_err(failed))
    }

    /// Makes the directory into which entries are going to be written.
    pub(crate) fn create_directory(&self) -> Result<(), StoreError> {
        self.disk
            .create_directory(&self.directory)
            .map_err(StoreError::file("create", &self.directory))
    }

    /// Where the last entry's record ends; 0 without entries.
    pub(crate) fn physical_end(&self) -> Result<i64, StoreError> {
        Ok(self.state()?.physical_end)
    }

    /// Removes all files.
    pub(crate) fn remove_files(&self) -> Result<(), StoreError> {
        let failed = StoreError::file("remove", &self.directory);
        self.disk.remove_directory(&self.directory).map_err(failed)
    }

    /// Removes files all of whose records are gone from a log that starts at `log_start`.
    pub(crate) fn remove_expired(&self, log_start: i64) -> Result<(), StoreError> {
        let min = self.min(log_start)?;
        let files = self.files()?;
        let Some(((last, _), before)) = files.split_last() else {
            return Ok(());
        };
        let mut state = self.state()?;
        for (base, entry) in before.iter().filter(|(base, _)| base < last) {
            if (base + self.file_size as i64) / ENTRY as i64 <= min {
                state.open = None;
                self.disk.remove(&entry.path).map_err(StoreError::file("remove", &entry.path))?;
            }
        }
        Ok(())
    }
}

impl State {
    fn empty() -> Self {
        State {
            min: 0,
            min_for: i64::MIN,
            in_files: 0,
            tail: VecDeque::new(),
            physical_end: 0,
            open: None,
            listed: false,
            unsynced: BTreeSet::new(),
            tail_cleared: false,
            starts_within_file: false,
        }
    }
}
