//! A disk that makes no new segments for as long as a test wants.

use crate::testing::PATIENCE;
use ferromq_store::{DirEntry, Disk, OsDisk, RandomFile, Segment, Space, Words};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct State {
    slow: bool,
    segments: usize,
}

#[derive(Default)]
pub(crate) struct SlowDisk {
    state: Mutex<State>,
    changed: Condvar,
}

impl SlowDisk {
    /// From now on, whoever makes a segment waits, or does not.
    pub(crate) fn set_slow(&self, slow: bool) {
        self.state.lock().slow = slow;
        self.changed.notify_all();
    }

    pub(crate) fn wait_for_segments(&self, count: usize) {
        let mut state = self.state.lock();
        let few = |state: &mut State| state.segments < count;
        let waited = self.changed.wait_while_for(&mut state, few, PATIENCE);
        assert!(!waited.timed_out(), "{} segments", state.segments);
    }
}

impl Disk for SlowDisk {
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let mut state = self.state.lock();
        // Not for ever: a test that fails meanwhile must end too.
        self.changed.wait_while_for(&mut state, |state| state.slow, PATIENCE);
        state.segments += 1;
        self.changed.notify_all();
        OsDisk.create_segment(path, length)
    }
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        OsDisk.open_segment(path)
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
