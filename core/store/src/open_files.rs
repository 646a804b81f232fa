//! The consume queue files that are open: however many queues there are, only as many as are in use
//! at the same time, and no more than a limit.
//!
//! A file that was written stays open until it is synced, if that can be: who opens it again may not be told
//! what could not be brought to the disk meanwhile.

use crate::disk::RandomFile;
use crate::read_ahead::ReadAhead;
use foldhash::HashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

/// The most files that are open at a time. Opening one anew takes microseconds.
pub(crate) const LIMIT: usize = 512;

/// A file: its queue's number among all queues, and its first byte.
pub(crate) type Key = (u64, i64);

/// An open file, with what has been read of it ahead.
pub(crate) struct OpenFile {
    file: Arc<dyn RandomFile>,
    pub(crate) ahead: ReadAhead,
}

impl Deref for OpenFile {
    type Target = dyn RandomFile;

    fn deref(&self) -> &Self::Target {
        &*self.file
    }
}

struct Open {
    file: Arc<OpenFile>,
    /// Whether it was used since somebody last looked for one to close.
    used: bool,
    /// Whether it was written since the last sync.
    unsynced: bool,
}

#[derive(Default)]
struct Files {
    open: HashMap<Key, Open>,
    /// The files in the order in which they are looked at.
    round: VecDeque<Key>,
    /// Whether a file was closed that was written since the last sync, because all were.
    closed_unsynced: bool,
}

#[derive(Default)]
pub(crate) struct OpenFiles {
    files: Mutex<Files>,
}

impl OpenFiles {
    /// The file, if it is open.
    pub(crate) fn get(&self, key: Key) -> Option<Arc<OpenFile>> {
        let mut files = self.files.lock();
        let open = files.open.get_mut(&key)?;
        open.used = true;
        Some(open.file.clone())
    }

    /// The file, opened with `open` if need be. Others are closed when there are too many.
    pub(crate) fn get_or_open(
        &self,
        key: Key,
        open: impl FnOnce() -> io::Result<Arc<dyn RandomFile>>,
    ) -> io::Result<Arc<OpenFile>> {
        if let Some(file) = self.get(key) {
            return Ok(file);
        }
        let file = Arc::new(OpenFile { file: open()?, ahead: ReadAhead::default() });
        let mut files = self.files.lock();
        if let Some(open) = files.open.get(&key) {
            // Somebody was quicker, and may have written to it.
            return Ok(open.file.clone());
        }
        while files.open.len() >= LIMIT {
            files.close_one();
        }
        files.open.insert(key, Open { file: file.clone(), used: true, unsynced: false });
        files.round.push_back(key);
        Ok(file)
    }

    /// A file is written, and has to be synced.
    pub(crate) fn written(&self, key: Key) {
        let mut files = self.files.lock();
        match files.open.get_mut(&key) {
            Some(open) => open.unsynced = true,
            // Somebody needed its place.
            None => files.closed_unsynced = true,
        }
    }

    /// Whether not all files that were written since the last sync are still open.
    pub(crate) fn closed_unsynced(&self) -> bool {
        self.files.lock().closed_unsynced
    }

    /// Has the system begin to bring to the disk what was written to files that are open.
    pub(crate) fn begin_sync(&self) {
        let unsynced: Vec<Arc<OpenFile>> = {
            let files = self.files.lock();
            let unsynced = files.open.values().filter(|open| open.unsynced);
            unsynced.map(|open| open.file.clone()).collect()
        };
        unsynced.iter().for_each(|file| file.begin_sync());
    }

    /// All that was written is on disk.
    pub(crate) fn synced(&self) {
        let mut files = self.files.lock();
        files.open.values_mut().for_each(|open| open.unsynced = false);
        files.closed_unsynced = false;
    }

    /// Closes files of a queue as soon as nobody uses them any more.
    pub(crate) fn close(&self, queue: u64, which: impl Fn(i64) -> bool) {
        let mut files = self.files.lock();
        let keep = |key: &Key| key.0 != queue || !which(key.1);
        files.open.retain(|key, _| keep(key));
        files.round.retain(keep);
    }

    /// Closes every file that was not used since the last call.
    pub(crate) fn close_idle(&self) {
        let mut files = self.files.lock();
        files.open.retain(|_, open| std::mem::take(&mut open.used) || open.unsynced);
        let Files { open, round, .. } = &mut *files;
        round.retain(|key| open.contains_key(key));
    }
}

impl Files {
    /// Closes the first file in the round that was not used lately; one that is not synced only if all are not.
    fn close_one(&mut self) {
        // The second time around none was used.
        for _ in 0..2 * self.round.len() {
            let Some(key) = self.round.pop_front() else { return };
            let Some(open) = self.open.get_mut(&key) else { continue };
            let kept = open.unsynced && !self.closed_unsynced;
            if !std::mem::take(&mut open.used) && !kept {
                self.open.remove(&key);
                return;
            }
            self.round.push_back(key);
        }
        self.closed_unsynced = true;
        if let Some(key) = self.round.pop_front() {
            self.open.remove(&key);
        }
    }
}
