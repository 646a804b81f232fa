//! The real disk with a clock and a fill level of the test's own, which counts what is asked of it and
//! lets files go only when it may.

use ferromq_store::*;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

#[derive(Default)]
pub struct Watch {
    /// Calls that name a file or directory.
    pub calls: AtomicUsize,
    /// Looks into segments.
    pub looks: AtomicUsize,
    /// How often it was asked whether a range of a segment is in memory, and whether it still is.
    pub asked: AtomicUsize,
    pub asked_still: AtomicUsize,
    /// Writes to segments.
    pub writes: AtomicUsize,
    /// Which pages of segments were made ready, and whether for frequent syncs.
    pub ready: Mutex<Vec<(PathBuf, Range<usize>, bool)>>,
    pub used_percent: AtomicUsize,
    /// How much later than now it is, in seconds.
    pub later: AtomicUsize,
    pub removal_fails: AtomicBool,
    /// Held while no file may be removed.
    pub removal: Mutex<()>,
    pub removals: AtomicUsize,
    /// Files, neither segments nor words, that the system was asked to begin to sync, and then to sync.
    pub begun: AtomicUsize,
    pub file_syncs: AtomicUsize,
    /// How many had begun when the first was waited for.
    pub begun_before: AtomicUsize,
    pub file_system_syncs: AtomicUsize,
    /// Syncing the whole file system fails so.
    pub file_system_fails: Mutex<Option<io::ErrorKind>>,
}

#[derive(Default)]
pub struct WatchedDisk(pub Arc<Watch>);

impl WatchedDisk {
    fn called(&self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
    }
    fn watched(&self, real: Box<dyn Segment>, path: &Path) -> Box<dyn Segment> {
        Box::new(WatchedSegment(real, self.0.clone(), path.to_owned()))
    }
}

struct WatchedSegment(Box<dyn Segment>, Arc<Watch>, PathBuf);

impl Segment for WatchedSegment {
    fn length(&self) -> usize {
        self.0.length()
    }
    fn published(&self) -> usize {
        self.0.published()
    }
    fn append(&self, at: usize, bytes: &[u8], end: usize) {
        self.1.writes.fetch_add(1, Ordering::SeqCst);
        self.0.append(at, bytes, end);
    }
    fn make_ready(&self, range: Range<usize>, often_synced: bool) {
        self.0.make_ready(range.clone(), often_synced);
        self.1.ready.lock().unwrap().push((self.2.clone(), range, often_synced));
    }
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.1.looks.fetch_add(1, Ordering::SeqCst);
        self.0.slice(range)
    }
    fn sync(&self, end: usize) -> io::Result<()> {
        self.0.sync(end)
    }
    fn is_cached(&self, range: Range<usize>) -> bool {
        self.1.asked.fetch_add(1, Ordering::SeqCst);
        self.0.is_cached(range)
    }
    fn is_still_cached(&self, range: Range<usize>) -> bool {
        self.1.asked_still.fetch_add(1, Ordering::SeqCst);
        self.0.is_still_cached(range)
    }
    fn fetch(&self, range: Range<usize>) {
        self.0.fetch(range);
    }
    fn reserve(&self) -> io::Result<()> {
        self.0.reserve()
    }
    fn truncate(&mut self, end: usize) -> io::Result<()> {
        self.0.truncate(end)
    }
}

struct WatchedFile(Arc<dyn RandomFile>, Arc<Watch>);

impl RandomFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(buffer, at)
    }
    fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        self.0.next_data(at)
    }
    fn read_cached(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_cached(buffer, at)
    }
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }
    fn clear(&self, range: Range<u64>) -> io::Result<()> {
        self.0.clear(range)
    }
    fn begin_sync(&self) {
        self.1.begun.fetch_add(1, Ordering::SeqCst);
        self.0.begin_sync();
    }
    fn sync(&self) -> io::Result<()> {
        if self.1.file_syncs.fetch_add(1, Ordering::SeqCst) == 0 {
            self.1.begun_before.store(self.1.begun.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        self.0.sync()
    }
}

struct WatchedFileSystem(Box<dyn FileSystem>, Arc<Watch>);

impl FileSystem for WatchedFileSystem {
    fn sync(&self) -> io::Result<()> {
        self.1.file_system_syncs.fetch_add(1, Ordering::SeqCst);
        match *self.1.file_system_fails.lock().unwrap() {
            Some(kind) => Err(kind.into()),
            None => self.0.sync(),
        }
    }
}

impl Disk for WatchedDisk {
    fn file_system(&self, path: &Path) -> io::Result<Option<Box<dyn FileSystem>>> {
        let real = OsDisk.file_system(path)?;
        let watched =
            |real| Box::new(WatchedFileSystem(real, self.0.clone())) as Box<dyn FileSystem>;
        Ok(real.map(watched))
    }
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        self.called();
        Ok(self.watched(OsDisk.create_segment(path, length)?, path))
    }
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        self.called();
        Ok(self.watched(OsDisk.open_segment(path)?, path))
    }
    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>> {
        self.called();
        OsDisk.open_words(path, length)
    }
    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>> {
        self.called();
        Ok(Arc::new(WatchedFile(OsDisk.open_file(path, length)?, self.0.clone())))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.called();
        OsDisk.read(path)
    }
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.called();
        OsDisk.replace(path, content)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.called();
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.called();
        if self.0.removal_fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.0.removals.fetch_add(1, Ordering::SeqCst);
        drop(self.0.removal.lock());
        OsDisk.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.called();
        OsDisk.remove_directory(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.called();
        OsDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = OsDisk.list(path)?;
        self.0.calls.fetch_add(1 + entries.len(), Ordering::SeqCst);
        Ok(entries)
    }
    fn any_entry(&self, path: &Path, found: &mut dyn FnMut(&DirEntry) -> bool) -> io::Result<bool> {
        self.called();
        OsDisk.any_entry(path, &mut |entry| {
            self.called();
            found(entry)
        })
    }
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn RandomFile>> {
        self.called();
        OsDisk.open_to_read(path)
    }
    fn space(&self, _path: &Path) -> io::Result<Space> {
        let used = self.0.used_percent.load(Ordering::SeqCst) as u64;
        Ok(Space { total: 100, used, available: 100 - used })
    }
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.later.load(Ordering::SeqCst) as u64)
    }
}
