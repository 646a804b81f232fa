//! The checkpoint: up to when each kind of file is on disk (store §5).

use crate::disk::Disk;
use crate::error::StoreError;
use std::path::{Path, PathBuf};

const LENGTH: usize = 4096;
/// How far behind the checkpoint recovery starts, in ms: the clock may have stepped.
const MARGIN: i64 = 3000;

/// Store times (ms) and log positions up to which files are complete on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Store time of the last message synced to the commit log.
    pub(crate) log_timestamp: i64,
    /// Store time of the last message synced to its consume queue.
    pub(crate) queues_timestamp: i64,
    /// Store time of the last message in the last full index file.
    pub(crate) index_timestamp: i64,
    /// Kept for a slave; not used here.
    pub(crate) master_flushed_offset: i64,
    /// A record boundary at or before the end of the log; 0 when unknown.
    pub(crate) confirmed_offset: i64,
}

impl Checkpoint {
    pub(crate) fn path(root: &Path) -> PathBuf {
        root.join("checkpoint")
    }

    pub(crate) fn load(disk: &dyn Disk, root: &Path) -> Result<Self, StoreError> {
        let path = Checkpoint::path(root);
        let bytes = match disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::file("read", path)(error)),
        };
        let field = |index: usize| {
            let bytes = bytes.get(index * 8..index * 8 + 8).and_then(|b| b.try_into().ok());
            bytes.map_or(0, i64::from_be_bytes)
        };
        Ok(Checkpoint {
            log_timestamp: field(0),
            queues_timestamp: field(1),
            index_timestamp: field(2),
            master_flushed_offset: field(3),
            confirmed_offset: field(4),
        })
    }

    pub(crate) fn save(&self, disk: &dyn Disk, root: &Path) -> std::io::Result<()> {
        let mut bytes = Vec::with_capacity(LENGTH);
        for field in [
            self.log_timestamp,
            self.queues_timestamp,
            self.index_timestamp,
            self.master_flushed_offset,
            self.confirmed_offset,
        ] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        bytes.resize(LENGTH, 0);
        disk.replace(&Checkpoint::path(root), &bytes)
    }

    /// Messages stored up to this time are on disk in the log and in their queues.
    pub(crate) fn complete_until(&self) -> i64 {
        (self.log_timestamp.min(self.queues_timestamp) - MARGIN).max(0)
    }
}
