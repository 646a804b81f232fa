//! What is known of a consume queue while it is used.

use crate::entry::Entry;
use crate::mapped::{LINE, want};
use std::collections::{BTreeSet, VecDeque};

/// The state of a queue that has been looked at. What appends look at comes first.
#[repr(C)]
pub(crate) struct State {
    /// Entries before this offset are in files.
    pub(super) in_files: i64,
    /// The entries after that.
    pub(super) tail: VecDeque<Entry>,
    /// Whether the queue is on the list of those to be written.
    pub(crate) listed: bool,
    /// Whether the topic is deleted: then there is nothing to read, and nothing may be written.
    pub(crate) gone: bool,
    /// Whether recovery has made room behind the entries that are trusted.
    pub(super) tail_cleared: bool,
    /// Whether the first file begins before the first entry, and that part is still unwritten.
    pub(super) starts_within_file: bool,
    /// The first offset whose record is still in the log, as of `min_for`.
    pub(super) min: i64,
    /// The start of the log for which `min` was found.
    pub(super) min_for: i64,
    /// Where the record of the last message in files ends.
    pub(super) filed_end: i64,
    /// The files written since the last sync, by their first bytes.
    pub(super) unsynced: BTreeSet<i64>,
}

impl State {
    pub(super) fn empty() -> Self {
        State {
            min: 0,
            min_for: i64::MIN,
            in_files: 0,
            tail: VecDeque::new(),
            filed_end: 0,
            listed: false,
            unsynced: BTreeSet::new(),
            tail_cleared: false,
            starts_within_file: false,
            gone: false,
        }
    }

    /// The offset of the next message.
    pub(crate) fn end(&self) -> i64 {
        self.in_files + self.tail.len() as i64
    }

    /// The offset after the last message whose record ends at or before `log_offset`.
    pub(super) fn end_within(&self, log_offset: i64) -> i64 {
        if self.tail.back().is_none_or(|last| last.end() <= log_offset) {
            return self.end();
        }
        self.in_files + self.tail.partition_point(|entry| entry.end() <= log_offset) as i64
    }

    /// Where the last message's record ends; 0 without messages.
    pub(super) fn physical_end(&self) -> i64 {
        let last = self.tail.iter().rev().find(|entry| entry.is_message());
        last.map_or(self.filed_end, Entry::end)
    }

    /// The first entries are in files now.
    pub(super) fn filed(&mut self, entries: usize) {
        if let Some(last) = self.tail.range(..entries).rev().find(|entry| entry.is_message()) {
            self.filed_end = last.end();
        }
        self.tail.drain(..entries);
        if self.tail.is_empty() {
            // An idle queue keeps no memory for entries.
            self.tail = VecDeque::new();
        }
        self.in_files += entries as i64;
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.tail.push_back(entry);
        if let Some(last) = self.tail.back() {
            // Where the next ones go: among hundreds of queues nothing else brings that before they come.
            want(std::ptr::from_ref(last).cast::<u8>().wrapping_add(LINE), 1);
        }
    }
}
