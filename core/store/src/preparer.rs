//! Makes the next commit log segment, and the next pages of the present one, before they are needed, so
//! that an append never waits for the file system or for memory.

use crate::config::StoreConfig;
use crate::disk::{Disk, Segment};
use crate::error::StoreError;
use crate::log_paths::LogPaths;
use crate::work::Work;
use parking_lot::{Condvar, Mutex};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an append waits for a segment.
const PATIENCE: Duration = Duration::from_secs(5);

/// A new segment.
pub(crate) struct NewSegment {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn Segment>,
}

/// Pages of a segment that are to be made ready.
struct Pages {
    file: Arc<dyn Segment>,
    range: Range<usize>,
}

/// A segment, or why there is none.
type Made = Result<NewSegment, String>;

#[derive(Default)]
struct State {
    pages: Option<Pages>,
    wanted: Option<i64>,
    making: Option<i64>,
    ready: Option<Ready>,
    /// How many segments it has begun to make.
    attempts: u64,
    stopped: bool,
}

/// What has become of a segment that was asked for.
struct Ready {
    base: i64,
    made: Made,
    attempt: u64,
}

impl State {
    /// Wants the segment at `base`, unless it is there or being made. Returns whether that is news.
    fn want(&mut self, base: i64) -> bool {
        let there = self.ready.as_ref().is_some_and(|r| r.base == base && r.made.is_ok());
        let coming = self.making == Some(base) || self.wanted == Some(base);
        if !there && !coming {
            self.wanted = Some(base);
        }
        !there && !coming
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct Preparer {
    disk: Arc<dyn Disk>,
    paths: Arc<LogPaths>,
    size: u64,
    often_synced: bool,
    work: Work,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Preparer {
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        paths: Arc<LogPaths>,
        config: &StoreConfig,
        work: Work,
    ) -> Result<Self, StoreError> {
        let size = config.mapped_file_size_commit_log as u64;
        let often_synced = config.sync_flush();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let run = {
            let (disk, paths, shared) = (disk.clone(), paths.clone(), shared.clone());
            move || prepare(&*disk, &paths, size, often_synced, &shared)
        };
        let thread = work.start("ferromq-segments", run)?;
        let thread = Mutex::new(thread);
        Ok(Preparer { disk, paths, size, often_synced, work, shared, thread })
    }

    /// Asks for the segment at `base`, without waiting.
    pub(crate) fn ask(&self, base: i64) {
        if self.work == Work::ByHand {
            return;
        }
        if self.shared.state.lock().want(base) {
            self.shared.changed.notify_all();
        }
    }

    /// Asks for pages to be made ready, without waiting. Those asked for before and not begun with are
    /// forgotten: by now they are written.
    pub(crate) fn make_ready(&self, file: Arc<dyn Segment>, range: Range<usize>) {
        if self.work == Work::ByHand {
            return file.make_ready(range, self.often_synced);
        }
        self.shared.state.lock().pages = Some(Pages { file, range });
        self.shared.changed.notify_all();
    }

    /// Whether the segment at `base` can be taken without waiting; asks for it if not.
    pub(crate) fn is_ready(&self, base: i64) -> bool {
        if self.work == Work::ByHand {
            return true;
        }
        self.ask(base);
        self.shared.state.lock().ready.as_ref().is_some_and(|ready| ready.base == base)
    }

    /// The segment at `base`, waiting for it if it is not ready.
    pub(crate) fn take(&self, base: i64) -> Result<NewSegment, String> {
        if self.work == Work::ByHand {
            return make(&*self.disk, &self.paths, self.size, base);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock();
        let before = state.attempts;
        loop {
            match state.ready.take_if(|ready| ready.base == base) {
                Some(Ready { made: Ok(new), .. }) => return Ok(new),
                Some(Ready { made, attempt, .. }) if attempt > before => return made,
                // An attempt that failed before anybody needed it says nothing: there may be room by now.
                Some(_) | None => {
                    if state.want(base) {
                        self.shared.changed.notify_all();
                    }
                }
            }
            if state.stopped {
                return Err("the store is closed".to_string());
            }
            if self.shared.changed.wait_until(&mut state, deadline).timed_out() {
                return Err(format!("the disk took longer than {} s", PATIENCE.as_secs()));
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
        if let Some(Ready { made: Ok(NewSegment { path, .. }), .. }) =
            self.shared.state.lock().ready.take()
            && let Err(error) = self.disk.remove(&path)
        {
            tracing::warn!(%error, file = %path.display(), "cannot remove an unused segment");
        }
    }
}

/// What the thread does next.
enum Task {
    MakeReady(Pages),
    Make(i64),
}

fn prepare(disk: &dyn Disk, paths: &LogPaths, size: u64, often_synced: bool, shared: &Shared) {
    while let Some(task) = next_task(shared) {
        match task {
            Task::MakeReady(Pages { file, range }) => file.make_ready(range, often_synced),
            Task::Make(base) => {
                let made = make(disk, paths, size, base);
                let mut state = shared.state.lock();
                state.making = None;
                state.ready = Some(Ready { base, made, attempt: state.attempts });
                drop(state);
                shared.changed.notify_all();
            }
        }
    }
}

/// Waits for something to do; `None` when that is over. Pages come first: they are quickly made, and
/// wanted sooner.
fn next_task(shared: &Shared) -> Option<Task> {
    let mut state = shared.state.lock();
    while !state.stopped {
        if let Some(pages) = state.pages.take() {
            return Some(Task::MakeReady(pages));
        }
        if let Some(base) = state.wanted.take() {
            state.making = Some(base);
            state.attempts += 1;
            return Some(Task::Make(base));
        }
        shared.changed.wait(&mut state);
    }
    None
}

fn make(disk: &dyn Disk, paths: &LogPaths, size: u64, base: i64) -> Made {
    let path = paths.place(base, size);
    match disk.create_segment(&path, size) {
        Ok(file) => Ok(NewSegment { path, file }),
        Err(error) => {
            tracing::error!(%error, file = %path.display(), "cannot create a commit log segment");
            Err(format!("cannot create {}: {error}", path.display()))
        }
    }
}
