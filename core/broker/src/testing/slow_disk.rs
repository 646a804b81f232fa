//! A disk that makes no new segments, reads no old ones, or syncs none, for as long as a test wants.

use crate::testing::PATIENCE;
use ferromq_store::{DirEntry, Disk, OsDisk, RandomFile, Segment, Space, Words};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct State {
    slow: bool,
    segments: usize,
    cold: bool,
    fetches: usize,
    most_fetches: usize,
    holds_syncs: bool,
    syncing: usize,
    syncs: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct SlowDisk {
    shared: Arc<Shared>,
}

impl SlowDisk {
    /// From now on, whoever makes a segment waits, or does not.
    pub(crate) fn set_slow(&self, slow: bool) {
        self.shared.state.lock().slow = slow;
        self.shared.changed.notify_all();
    }

    /// From now on, nothing of any segment is in memory and whoever reads it waits, or all is.
    pub(crate) fn set_cold(&self, cold: bool) {
        self.shared.state.lock().cold = cold;
        self.shared.changed.notify_all();
    }

    /// Whether it still is: not when somebody has waited for a segment longer than anything may take.
    pub(crate) fn is_slow(&self) -> bool {
        self.shared.state.lock().slow
    }

    pub(crate) fn wait_for_segments(&self, count: usize) {
        self.wait_while(|state| state.segments < count);
    }

    /// Waits until so many wait for the disk at the same time. Returns to the runtime's other tasks in
    /// between, for a test that has only one thread.
    pub(crate) async fn until_fetches(&self, count: usize) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.shared.state.lock().fetches < count {
            assert!(tokio::time::Instant::now() < end, "not so many wait for the disk");
            tokio::task::yield_now().await;
        }
    }

    /// The most that have waited for the disk at the same time.
    pub(crate) fn most_fetches(&self) -> usize {
        self.shared.state.lock().most_fetches
    }

    /// From now on, whoever syncs a segment waits, or does not.
    pub(crate) fn hold_syncs(&self, hold: bool) {
        self.shared.state.lock().holds_syncs = hold;
        self.shared.changed.notify_all();
    }

    /// How many syncs of segments have begun.
    pub(crate) fn syncs(&self) -> usize {
        self.shared.state.lock().syncs
    }

    /// Waits until somebody waits for a sync. Returns to the runtime's other tasks in between.
    pub(crate) async fn until_syncing(&self) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.shared.state.lock().syncing == 0 {
            assert!(tokio::time::Instant::now() < end, "nobody syncs");
            tokio::task::yield_now().await;
        }
    }

    fn wait_while(&self, condition: impl Fn(&mut State) -> bool) {
        let mut state = self.shared.state.lock();
        let waited = self.shared.changed.wait_while_for(&mut state, condition, PATIENCE);
        assert!(!waited.timed_out(), "{} segments", state.segments);
    }

    fn slow(&self, real: Box<dyn Segment>) -> Box<dyn Segment> {
        Box::new(SlowSegment { real, shared: self.shared.clone() })
    }
}

struct SlowSegment {
    real: Box<dyn Segment>,
    shared: Arc<Shared>,
}

impl Segment for SlowSegment {
    fn length(&self) -> usize {
        self.real.length()
    }
    fn published(&self) -> usize {
        self.real.published()
    }
    fn append(&self, at: usize, bytes: &[u8], end: usize) {
        self.real.append(at, bytes, end);
    }
    fn make_ready(&self, range: Range<usize>, often_synced: bool) {
        self.real.make_ready(range, often_synced);
    }
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.real.slice(range)
    }
    fn sync(&self, end: usize) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.syncs += 1;
        state.syncing += 1;
        self.shared.changed.wait_while_for(&mut state, |state| state.holds_syncs, PATIENCE);
        state.syncing -= 1;
        drop(state);
        self.real.sync(end)
    }
    fn is_cached(&self, range: Range<usize>) -> bool {
        !self.shared.state.lock().cold && self.real.is_cached(range)
    }
    fn fetch(&self, range: Range<usize>) {
        let mut state = self.shared.state.lock();
        state.fetches += 1;
        state.most_fetches = state.most_fetches.max(state.fetches);
        self.shared.changed.wait_while_for(&mut state, |state| state.cold, PATIENCE);
        state.fetches -= 1;
        drop(state);
        self.real.fetch(range);
    }
    fn reserve(&self) -> io::Result<()> {
        self.real.reserve()
    }
    fn truncate(&mut self, end: usize) -> io::Result<()> {
        self.real.truncate(end)
    }
}

impl Disk for SlowDisk {
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let mut state = self.shared.state.lock();
        // Not for ever: a test that fails meanwhile must end too.
        if self.shared.changed.wait_while_for(&mut state, |state| state.slow, PATIENCE).timed_out()
        {
            state.slow = false;
        }
        state.segments += 1;
        self.shared.changed.notify_all();
        drop(state);
        Ok(self.slow(OsDisk.create_segment(path, length)?))
    }
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        Ok(self.slow(OsDisk.open_segment(path)?))
    }
    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>> {
        OsDisk.open_words(path, length)
    }
    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>> {
        OsDisk.open_file(path, length)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(path)
    }
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        OsDisk.replace(path, content)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_directory(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        OsDisk.space(path)
    }
}
