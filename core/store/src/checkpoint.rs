//! The checkpoint: up to when each kind of file is on disk (store §5).

use crate::disk::Disk;
use crate::error::StoreError;
use crate::index::Keep;
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
    /// Every record before this log offset is in its queue on disk. Our own, and more exact than the
    /// times; `None` when another broker has written the checkpoint since.
    pub(crate) queues_complete: Option<i64>,
    /// The log offset at which the last full index file ends; it goes with the field before.
    pub(crate) index_complete: i64,
    /// Where the last record begins, after a clean exit; it goes with the fields before.
    pub(crate) last_record: Option<i64>,
}

/// Where our own part begins, in words of 64 bits: Apache's brokers write only the first five.
const OWN: usize = 256;
/// What our own part begins with.
const MAGIC: i64 = i64::from_be_bytes(*b"FerroMQ1");

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
            queues_complete: {
                // The times are repeated there: they tell whether this is still the last word.
                let own = [field(OWN), field(OWN + 3), field(OWN + 4), field(OWN + 5)];
                (own == [MAGIC, field(0), field(1), field(2)]).then(|| field(OWN + 1))
            },
            index_complete: field(OWN + 2),
            // One more, so that zero says that it is unknown.
            last_record: Some(field(OWN + 6) - 1).filter(|offset| *offset >= 0),
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
        if let Some(offset) = self.queues_complete {
            let own = [MAGIC, offset, self.index_complete];
            let times = [self.log_timestamp, self.queues_timestamp, self.index_timestamp];
            let last = self.last_record.map_or(0, |offset| offset + 1);
            for (index, field) in own.into_iter().chain(times).chain([last]).enumerate() {
                let at = (OWN + index) * 8;
                bytes[at..at + 8].copy_from_slice(&field.to_be_bytes());
            }
        }
        disk.replace(&Checkpoint::path(root), &bytes)
    }

    /// Which index files are complete on disk.
    pub(crate) fn index_to_keep(&self) -> Keep {
        match self.queues_complete {
            Some(_) => Keep::Offset(self.index_complete),
            None => Keep::Time(self.index_timestamp),
        }
    }

    /// Messages stored up to this time are on disk in the log and in their queues.
    pub(crate) fn complete_until(&self) -> i64 {
        (self.log_timestamp.min(self.queues_timestamp) - MARGIN).max(0)
    }
}
