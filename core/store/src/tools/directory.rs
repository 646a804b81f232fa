//! A data directory, looked at from outside.

use super::log_reader::{LogEnd, LogFile, LogItem, LogReader};
use crate::checkpoint::Checkpoint;
use crate::commit_log::Step;
use crate::config::StoreConfig;
use crate::disk::{DirEntry, Disk};
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::log_paths::LogPaths;
use crate::os_disk::OsDisk;
use crate::queues::Queues;
use crate::segment_files;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A data directory of this broker or Apache's, of which only files are read.
pub struct Directory {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) config: StoreConfig,
    pub(crate) root: PathBuf,
    pub(crate) log: Vec<LogFile>,
    holder: Option<Option<i32>>,
    unclean: bool,
    pub(crate) checkpoint: Checkpoint,
}

impl Directory {
    /// Finds what is at `root`. Without settings, sizes are taken from the files; those of index
    /// files are the usual ones then.
    ///
    /// # Errors
    /// When there is no commit log, or a directory cannot be listed.
    pub fn open(root: &Path, settings: Option<StoreConfig>) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let found = settings.is_none();
        let mut config = settings.unwrap_or_default();
        config.store_path_root_dir = root.to_string_lossy().into_owned();
        if found {
            find_sizes(&*disk, &mut config)?;
        }
        let log = log_files(&*disk, &config)?;
        if log.is_empty() {
            return Err(StoreError::OtherFormat {
                path: root.to_path_buf(),
                what: "holds no commit log".to_string(),
                advice: "name the directory that storePathRootDir names",
            });
        }
        let holder = DirectoryLock::holder_of(root);
        let entries = disk.list(root).map_err(StoreError::file("list", root))?;
        let unclean = entries.iter().any(|entry| entry.name == "abort");
        // One that cannot be read says nothing; the check of the tables says that it cannot.
        let checkpoint = Checkpoint::load(&*disk, root).unwrap_or_default();
        Ok(Directory { disk, config, root: root.to_path_buf(), log, holder, unclean, checkpoint })
    }

    /// The same, its lock being ours: nobody else is at work.
    pub(crate) fn held_by_us(self) -> Self {
        Directory { holder: None, ..self }
    }

    /// The settings it is read with, those found in it included.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Whether a broker holds it, and which process that is, if the system tells.
    pub fn holder(&self) -> Option<Option<i32>> {
        self.holder
    }

    /// Whether it is in motion, or what a crash left: the next start will complete it.
    pub fn is_incomplete(&self) -> bool {
        self.holder.is_some() || self.unclean
    }

    /// Where its log begins, as a physical offset.
    pub fn log_start(&self) -> i64 {
        self.log.first().map_or(0, |first| first.base)
    }

    /// The size of all segments, in bytes.
    pub fn log_bytes(&self) -> u64 {
        self.log.iter().map(|file| file.length).sum()
    }

    pub(crate) fn reader(&self) -> LogReader<'_> {
        LogReader::new(&*self.disk, &self.log, self.config.mapped_file_size_commit_log)
    }

    /// Visits every record and every damaged place from a segment's start on, in their order.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn read_log(
        &self,
        from: i64,
        mut visit: impl FnMut(LogItem<'_>) -> ControlFlow<()>,
    ) -> Result<LogEnd, StoreError> {
        let mut end = from;
        let mut reader = self.reader();
        let walked = reader.walk(from, self.holder.is_some(), |item| {
            end = item.end();
            match visit(item) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(None),
            }
        });
        match walked {
            Ok(end) => Ok(end),
            Err(None) => Ok(LogEnd { end, leftover: None }),
            Err(Some(error)) => Err(error),
        }
    }

    /// A segment before which nothing was stored at `time` (ms) or later: where to begin reading.
    pub fn segment_before(&self, time: i64) -> i64 {
        let mut reader = self.reader();
        let older = |base: i64| matches!(reader.look(base), Ok(Step::Record(record)) if record.store_timestamp() < time);
        let bases: Vec<i64> = self.log.iter().map(|file| file.base).collect();
        let newest = bases.into_iter().rev().find({
            let mut older = older;
            move |base| older(*base)
        });
        newest.unwrap_or(self.log_start())
    }

    /// From where on recovery enters records in queues again, so that entries may be missing;
    /// `i64::MAX` when there will be none.
    pub(crate) fn recovery_start(&self) -> Result<i64, StoreError> {
        if !self.is_incomplete() {
            return Ok(i64::MAX);
        }
        let (start, limit) = (self.log_start(), self.log_limit());
        if !Queues::exist(&*self.disk, &self.config)? {
            return Ok(start);
        }
        match self.checkpoint.queues_complete {
            Some(offset) if (start..=limit).contains(&offset) => Ok(offset),
            _ => Ok(self.segment_before(self.checkpoint.complete_until() + 1)),
        }
    }

    /// Where the last segment ends.
    pub(crate) fn log_limit(&self) -> i64 {
        self.log.last().map_or(0, |last| last.base + self.config.mapped_file_size_commit_log)
    }

    /// Every topic's queues: directory, topic, number.
    pub(crate) fn queues(&self) -> Result<Vec<(PathBuf, String, i32)>, StoreError> {
        let list = |path: &Path| self.disk.list(path).map_err(StoreError::file("list", path));
        let mut found = Vec::new();
        let directories = |entries: Vec<DirEntry>| entries.into_iter().filter(|e| e.is_directory);
        for topic in directories(list(&self.root.join("consumequeue"))?) {
            for queue in directories(list(&topic.path)?) {
                if let Ok(id) = queue.name.parse() {
                    found.push((queue.path, topic.name.clone(), id));
                }
            }
        }
        Ok(found)
    }
}

/// The segments in order, whatever their sizes; what is no segment is left out.
pub(crate) fn log_files(disk: &dyn Disk, config: &StoreConfig) -> Result<Vec<LogFile>, StoreError> {
    let mut files = Vec::new();
    for directory in LogPaths::named(config)?.all() {
        let entries = disk.list(directory).map_err(StoreError::file("list", directory))?;
        files.extend(entries.into_iter().filter(is_segment).filter_map(|entry| {
            let base = entry.name.parse().ok()?;
            Some(LogFile { base, path: entry.path, length: entry.length })
        }));
    }
    files.sort_by_key(|file| file.base);
    Ok(files)
}

fn is_segment(entry: &DirEntry) -> bool {
    !entry.is_directory && segment_files::is_name(&entry.name)
}

/// Sets the sizes of segments and queue files to those of the files that are there.
fn find_sizes(disk: &dyn Disk, config: &mut StoreConfig) -> Result<(), StoreError> {
    let files = log_files(disk, config)?;
    let extents = files.iter().map(|file| (file.base, file.length));
    if let Some(size) = size_of(extents) {
        config.mapped_file_size_commit_log = size as i64;
    }
    let list = |path: &Path| disk.list(path).map_err(StoreError::file("list", path));
    let mut size = None;
    // Some, since the first may be the damaged one; not all, since there may be a hundred thousand.
    for topic in list(&config.root().join("consumequeue"))?.iter().take(100) {
        for queue in list(&topic.path)?.iter().filter(|_| topic.is_directory).take(10) {
            let entries = list(&queue.path)?;
            let files = entries.iter().filter(|entry| is_segment(entry));
            let extents = files.filter_map(|file| Some((file.name.parse().ok()?, file.length)));
            size = size_of(extents).max(size);
        }
    }
    if let Some(size) = size {
        config.mapped_file_size_consume_queue = size as i64;
    }
    Ok(())
}

/// The size of files that follow each other: the distance of their names, or else the longest.
fn size_of(files: impl Iterator<Item = (i64, u64)> + Clone) -> Option<u64> {
    let distances = files.clone().zip(files.clone().skip(1)).map(|(a, b)| (b.0 - a.0) as u64);
    let longest = || files.map(|(_, length)| length).max();
    distances.min().or_else(longest).filter(|size| *size > 0)
}
