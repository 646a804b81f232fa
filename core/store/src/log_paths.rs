//! The directories of the commit log: usually one, but its segments may be spread over several, each
//! on a disk of its own (store §1.2).

use crate::config::StoreConfig;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::segment_files;
use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct LogPaths {
    /// Where segments are looked for.
    all: Vec<PathBuf>,
    /// Where new segments may go, in the order of the names, by which every broker places them.
    writable: Vec<PathBuf>,
    /// Those of them in whose file systems new segments would make things worse.
    full: ArcSwap<Vec<PathBuf>>,
}

impl LogPaths {
    /// The directories that `config` names. Those that can be written to are created if need be.
    pub(crate) fn open(disk: &dyn Disk, config: &StoreConfig) -> Result<Self, StoreError> {
        let paths = LogPaths::named(config)?;
        for directory in &paths.writable {
            disk.create_directory(directory).map_err(StoreError::file("create", directory))?;
        }
        Ok(paths)
    }

    /// The directories that `config` names, whether or not they are there.
    pub(crate) fn named(config: &StoreConfig) -> Result<Self, StoreError> {
        let read_only = config.read_only_log_directories();
        let mut all = config.commit_log_directories();
        all.extend_from_slice(&read_only);
        // As text: paths compare by their components.
        all.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
        all.dedup();
        let mut writable = all.clone();
        writable.retain(|path| !read_only.contains(path));
        if writable.is_empty() {
            return Err(StoreError::NoLogPath);
        }
        Ok(LogPaths { all, writable, full: ArcSwap::default() })
    }

    /// Where segments are looked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(PathBuf::as_path)
    }

    /// Where new segments may go.
    pub(crate) fn writable(&self) -> &[PathBuf] {
        &self.writable
    }

    /// From now on no new segments go to these, unless there is nowhere else.
    pub(crate) fn set_full(&self, full: Vec<PathBuf>) {
        if self.writable.len() > 1 && **self.full.load() != full {
            tracing::warn!(?full, of = ?self.writable, "commit log directories that count as full");
            self.full.store(Arc::new(full));
        }
    }

    /// The file for the new segment at `base`: segments take turns through the directories with room.
    pub(crate) fn place(&self, base: i64, size: u64) -> PathBuf {
        let full = self.full.load();
        let with_room = |path: &&PathBuf| !full.contains(path);
        let mut places: Vec<&PathBuf> = self.writable.iter().filter(with_room).collect();
        if places.is_empty() {
            places = self.writable.iter().collect();
        }
        let turn = (base as u64 / size) as usize % places.len();
        segment_files::path(places[turn], base)
    }
}
