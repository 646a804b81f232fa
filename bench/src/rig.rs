//! The servers of a run: ours are started anew for each row, Apache's broker serves a whole repetition, because
//! a JVM needs its warm-up, and is frozen while others are measured.

use crate::interrupt;
use crate::load::{self, Load};
use crate::machine;
use crate::page_cache::PageCache;
use crate::results::Subject;
use crate::scale::Scale;
use crate::servers::{Jvm, Launcher, Running, Settings};
use ferromq_interop::{Problem, skip};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is needed to measure a row.
pub struct Rig {
    /// How long and how much.
    pub scale: Scale,
    /// The program `ferromq`.
    pub ferromq: PathBuf,
    /// Flags of Apache's servers.
    pub jvm: Jvm,
    /// Where data directories are made; on a disk.
    pub scratch: PathBuf,
    /// Reports of `ferromq bench`, as they came.
    pub samples: Vec<serde_json::Value>,
    /// What cost a row a part of its figures only.
    pub lost: Vec<Problem>,
    page_cache: Option<PageCache>,
    apache: Option<Apache>,
    _lock: Option<File>,
}

struct Apache {
    running: Running,
    warm: bool,
}

/// Least space on the disk with which a load is begun.
const ROOM: u64 = 6 << 30;

impl Rig {
    /// With the release build of `ferromq`, or the program that `FERROMQ_BIN` names.
    pub fn new(scale: Scale) -> Result<Rig, Problem> {
        let named = std::env::var_os("FERROMQ_BIN").map(PathBuf::from);
        let ferromq = named.unwrap_or_else(|| skip::target().join("release/ferromq"));
        if !ferromq.is_file() {
            let reason = format!("{} is not there; run `make bench`", ferromq.display());
            return Err(Problem::Missing { tool: "ferromq".to_owned(), reason });
        }
        let mut rig = Rig::with_program(scale, ferromq)?;
        rig.alone()?;
        Ok(rig)
    }

    /// Two runs at a time would measure each other. What a run that was killed has left is removed.
    fn alone(&mut self) -> Result<(), Problem> {
        let failed = |source| Problem::File { path: self.scratch.clone(), source };
        let folder = File::open(&self.scratch).map_err(failed)?;
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Problem::Wrong("another `make bench` runs in this folder".to_owned()))?;
        for left in std::fs::read_dir(&self.scratch).map_err(failed)?.flatten() {
            std::fs::remove_dir_all(left.path()).map_err(failed)?;
        }
        self._lock = Some(folder);
        Ok(())
    }

    /// With this program.
    pub fn with_program(scale: Scale, ferromq: PathBuf) -> Result<Rig, Problem> {
        let scratch = skip::target().join("bench").join("data");
        std::fs::create_dir_all(&scratch)
            .map_err(|source| Problem::File { path: scratch.clone(), source })?;
        let scratch = scratch
            .canonicalize()
            .map_err(|source| Problem::File { path: scratch.clone(), source })?;
        let jvm = Jvm::here();
        let fills = scale.full_cache && machine::is_virtual();
        let page_cache = fills.then(|| PageCache::new(&scratch)).transpose()?;
        Ok(Rig {
            scale,
            ferromq,
            jvm,
            scratch,
            samples: Vec::new(),
            lost: Vec::new(),
            page_cache,
            apache: None,
            _lock: None,
        })
    }

    /// Whether the page cache is filled before each measurement.
    pub fn fills_cache(&self) -> bool {
        self.page_cache.is_some()
    }

    /// What starts servers.
    pub fn launcher(&self) -> Launcher<'_> {
        Launcher { ferromq: &self.ferromq, jvm: &self.jvm, scratch: &self.scratch }
    }

    /// Starts a server of one's own, warm if it runs on a JVM.
    pub fn own(&mut self, subject: Subject, settings: Settings<'_>) -> Result<Running, Problem> {
        let running = self.cold(subject, settings)?;
        self.warm(&running)?;
        Ok(running)
    }

    /// Starts a server of one's own.
    pub fn cold(&self, subject: Subject, settings: Settings<'_>) -> Result<Running, Problem> {
        self.enough_room()?;
        self.launcher().start(subject, settings)
    }

    /// Starts Apache's broker of this repetition if it does not run yet, and tells how long that took.
    pub fn start_apache(&mut self) -> Result<Duration, Problem> {
        if self.apache.is_none() {
            self.enough_room()?;
            let running = self.launcher().start(Subject::Apache, &[])?;
            running.freeze();
            self.apache = Some(Apache { running, warm: false });
        }
        let started = self.apache.as_ref().map(|apache| apache.running.started_in);
        started.ok_or_else(|| Problem::Wrong("Apache's broker is gone".to_owned()))
    }

    /// Measures a subject that has had its warm-up.
    pub fn with<T>(
        &mut self,
        subject: Subject,
        work: impl FnOnce(&mut Rig, &Running) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.serve(subject, true, work)
    }

    /// Measures a subject that has just been started if possible.
    pub fn with_cold<T>(
        &mut self,
        subject: Subject,
        work: impl FnOnce(&mut Rig, &Running) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.serve(subject, false, work)
    }

    fn serve<T>(
        &mut self,
        subject: Subject,
        warm: bool,
        work: impl FnOnce(&mut Rig, &Running) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if subject != Subject::Apache {
            self.enough_room()?;
            let running = self.launcher().start(subject, &[])?;
            self.written_back()?;
            return work(self, &running);
        }
        let mut apache = self.take_apache(warm)?;
        self.written_back()?;
        let result = work(self, &apache.running)?;
        apache.running.freeze();
        apache.warm |= warm;
        self.apache = Some(apache);
        Ok(result)
    }

    /// Apache's broker, not frozen. If what it is taken for fails, it is not given back, and the next row
    /// starts another.
    fn take_apache(&mut self, warm: bool) -> Result<Apache, Problem> {
        self.start_apache()?;
        let apache = self.apache.take();
        let mut apache =
            apache.ok_or_else(|| Problem::Wrong("Apache's broker is gone".to_owned()))?;
        apache.running.thaw()?;
        if warm && !apache.warm {
            self.warm(&apache.running)?;
            apache.warm = true;
        }
        Ok(apache)
    }

    /// Takes Apache's broker out of the repetition, warm, to be ended.
    pub fn last_of_apache(&mut self) -> Result<Running, Problem> {
        Ok(self.take_apache(true)?.running)
    }

    /// Ends what is left of a repetition.
    pub fn end_repetition(&mut self) {
        self.apache = None;
    }

    /// Lets a server on a JVM have load as it will be measured: single sends, batches, pulls, messages
    /// that are waited for. Then it rests.
    pub fn warm(&mut self, running: &Running) -> Result<(), Problem> {
        let quarter = self.scale.jvm_warm_up / 4;
        if quarter.is_zero() || running.subject != Subject::Apache {
            return Ok(());
        }
        let load = |kind| Load::new(kind, running).topic("Warm").duration(quarter);
        let sends = load("produce").warm_up(Duration::ZERO);
        load::run_whatever_fails(self, running, &sends)?;
        load::run_whatever_fails(self, running, &sends.clone().size(1024).with("batch", 8))?;
        load::run_whatever_fails(self, running, &load("consume"))?;
        load::run_whatever_fails(self, running, &load("e2e").warm_up(Duration::ZERO))?;
        running.rest()
    }

    /// Waits until the disk has what was written before and has forgotten what was deleted, so that nobody pays
    /// for the one before; and makes sure that nobody pays for a host that hands out memory.
    pub fn written_back(&mut self) -> Result<(), Problem> {
        interrupt::check()?;
        rustix::fs::sync();
        if let Some(cache) = &mut self.page_cache {
            cache.fill()?;
        }
        // Discards of deleted files go on for a moment after that.
        interrupt::rest(self.scale.settle)
    }

    /// How much log fits: a run with less space than it wants is a smaller run.
    pub fn log_bytes(&self) -> Result<u64, Problem> {
        // Queues and index go with the log, and something else may need the disk too.
        Ok(self.scale.log_bytes.min(free(&self.scratch)?.saturating_sub(ROOM) / 2))
    }

    fn enough_room(&self) -> Result<(), Problem> {
        let free = free(&self.scratch)?;
        if free >= ROOM {
            return Ok(());
        }
        Err(Problem::Wrong(format!(
            "{} has {} MiB free; loads need {} MiB",
            self.scratch.display(),
            free >> 20,
            ROOM >> 20
        )))
    }
}

/// Free bytes on the disk of a directory.
fn free(path: &Path) -> Result<u64, Problem> {
    let found = rustix::fs::statvfs(path)
        .map_err(|errno| Problem::File { path: path.to_owned(), source: errno.into() })?;
    Ok(found.f_bavail * found.f_frsize)
}
