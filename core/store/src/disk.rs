//! The seam between the store and the operating system: everything that is written goes through
//! [`Disk`], so that tests can put a disk there that fails, fills up or loses what was not synced.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A file or directory in a listing.
#[derive(Clone, Debug)]
pub struct DirEntry {
    /// Its whole path.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Its size in bytes.
    pub length: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// How much a file system holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is taken.
    pub used: u64,
    /// What can still be taken; less than the rest where some is kept for the system.
    pub available: u64,
}

impl Space {
    /// The used part, from 0 to 1, rounded up to a whole percent as the reference does.
    pub fn used_ratio(&self) -> f64 {
        match self.used + self.available {
            0 => 0.0,
            all => (100.0 * self.used as f64 / all as f64).ceil() / 100.0,
        }
    }
}

/// Where the store's files are.
pub trait Disk: Send + Sync + 'static {
    /// Creates a log segment of `length` zero bytes whose space is reserved: writing to it later
    /// cannot fail for lack of space. The file and its directory entry are synced.
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>>;

    /// Opens a log segment for reading; all of it counts as published. It is
    /// [truncated](Segment::truncate) before anything is written to it.
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>>;

    /// Opens a file of words of 32 bits, creating it with `length` zero bytes if need be.
    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>>;

    /// Opens a file for reading and writing at any place, creating it with `length` zero bytes if
    /// need be. Its space is not reserved.
    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>>;

    /// Opens a file that is there for reading alone.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn RandomFile>> {
        crate::os_disk::open_to_read(path)
    }

    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Replaces a small file: either the old or the new content survives a crash.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Renames a file over another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it; one that is not there is no error.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and those above it.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory by name; none when it does not exist.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Whether `found` says yes to any entry of a directory, which is not read further then. They come
    /// in no particular order; there are none when it does not exist.
    fn any_entry(&self, path: &Path, found: &mut dyn FnMut(&DirEntry) -> bool) -> io::Result<bool> {
        Ok(self.list(path)?.iter().any(found))
    }

    /// How much the file system at `path` holds.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// The file system at `path`, to sync all its files at once; `None` where the system cannot, or
    /// would not say what it could not write.
    fn file_system(&self, _path: &Path) -> io::Result<Option<Box<dyn FileSystem>>> {
        Ok(None)
    }

    /// The clock by which files are dated, and messages with them.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A file system as a whole.
pub trait FileSystem: Send + Sync {
    /// Returns when everything is on disk that was written to any of its files. An error when anything
    /// could not be written since this was opened.
    fn sync(&self) -> io::Result<()>;
}

/// A file of fixed size that is written once, front to back. What is published never changes, and
/// can be read by anyone at any time.
pub trait Segment: Send + Sync {
    /// Its size in bytes.
    fn length(&self) -> usize;

    /// Up to where it is published.
    fn published(&self) -> usize;

    /// Writes beyond what is published, and publishes everything before `end`.
    ///
    /// # Panics
    /// When the place is published already, or goes beyond `end`, or that is outside the file.
    fn append(&self, at: usize, bytes: &[u8], end: usize);

    /// Makes ready a range that will be written soon, so that a write there does not wait for the system to
    /// find pages. What is not published of it is zero before and after; where the system cannot, nothing
    /// is done. `often_synced` says that little is written between two syncs: then those are to be quick.
    fn make_ready(&self, _range: Range<usize>, _often_synced: bool) {}

    /// A published range.
    ///
    /// # Panics
    /// When the range is not published.
    fn slice(&self, range: Range<usize>) -> &[u8];

    /// The file itself, for whoever passes published ranges on without looking at them.
    fn file(&self) -> Option<&Arc<File>> {
        None
    }

    /// Returns when everything published before `end` is on disk.
    fn sync(&self, end: usize) -> io::Result<()>;

    /// Reserves space behind all of it. On some file systems even reading what was never written takes
    /// space.
    fn reserve(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether a published range is in memory, so that reading it does not wait for the disk.
    fn is_cached(&self, _range: Range<usize>) -> bool {
        true
    }

    /// As [`is_cached`](Self::is_cached), of a range that was in memory before, all of it. What was taken back
    /// since, and is being brought again, may count as if it were there already.
    fn is_still_cached(&self, range: Range<usize>) -> bool {
        self.is_cached(range)
    }

    /// Brings a published range into memory. Waits for the disk.
    fn fetch(&self, _range: Range<usize>) {}

    /// Takes back what is published from `end` on and makes it zero, for good: what a crash left
    /// there must not be taken for messages later. Space for what is written then is reserved.
    fn truncate(&mut self, end: usize) -> io::Result<()>;
}

/// A file of big-endian words of 32 bits that may be read and written anywhere at any time.
pub trait Words: Send + Sync {
    /// The number of words.
    fn count(&self) -> usize;

    /// One word.
    fn load(&self, index: usize) -> u32;

    /// Changes one word.
    fn store(&self, index: usize, value: u32);

    /// Makes ready the pages of a range that will be written soon, so that a write there does not wait for
    /// the system to find them. Changes nothing in the file; where the system cannot, it does nothing.
    fn make_ready(&self, _range: Range<usize>) {}

    /// Looks at words that will be used soon, so that memory is waited for once and not for each of them.
    /// Changes nothing.
    fn touch(&self, _indexes: &[usize]) {}

    /// Changes words that follow each other, one after the other.
    fn store_all(&self, index: usize, values: &[u32]) {
        for (index, value) in (index..).zip(values) {
            self.store(index, *value);
        }
    }

    /// Returns when everything is on disk.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is read and written by calls.
pub trait RandomFile: Send + Sync {
    /// Reads at a place; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Where after `at` the next bytes are that were ever written, as far as that is known: between
    /// there are only zeros. `None` when nothing more follows.
    fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        Ok(Some(at))
    }

    /// As [`read_at`](Self::read_at), but what is not in memory is an error of the kind
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    fn read_cached(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(buffer, at)
    }

    /// Writes at a place, whole.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Has the system begin to bring to the disk what was written, so that a sync has less to wait for.
    fn begin_sync(&self) {}

    /// Makes a range zero. What was never written costs nothing.
    fn clear(&self, range: Range<u64>) -> io::Result<()>;

    /// Returns when everything is on disk.
    fn sync(&self) -> io::Result<()>;
}
