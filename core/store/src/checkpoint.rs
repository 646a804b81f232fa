//! The checkpoint: up to when each kind of file is on disk (store §5).

use crate::disk::Disk;
use crate::error::StoreError;
use crate::index::{Filled, Keep};
use ferromq_protocol::record;
use std::path::{Path, PathBuf};

const LENGTH: usize = 4096;
/// How far behind the checkpoint recovery starts, in ms: the clock may have stepped.
const MARGIN: i64 = 3000;

/// Store times (ms) and log positions up to which files are complete on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The log offset at which the last full index file ends, -1 when there is none; it goes with the
    /// field before.
    pub(crate) index_complete: i64,
    /// Where the last record before `queues_complete` begins; it goes with the fields before.
    pub(crate) last_record: Option<i64>,
}

/// Where our own part begins, in words of 64 bits: Apache's brokers write only the first five.
const OWN: usize = 256;
/// What our own part begins with.
const MAGIC: i64 = i64::from_be_bytes(*b"FerroMQ2");

/// Our own part without its checksum: the magic, two offsets, the times again, the last record.
type Own = [i64; 7];

fn bytes_of(words: &[i64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn checksum(own: &Own) -> i64 {
    record::checksum(&bytes_of(own)).into()
}

impl Default for Checkpoint {
    /// Nothing is known to be on disk.
    fn default() -> Self {
        Checkpoint {
            log_timestamp: 0,
            queues_timestamp: 0,
            index_timestamp: 0,
            master_flushed_offset: 0,
            confirmed_offset: 0,
            queues_complete: None,
            index_complete: Filled::NONE.offset,
            last_record: None,
        }
    }
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
        let times = [field(0), field(1), field(2)];
        let own: Own = std::array::from_fn(|index| field(OWN + index));
        let [magic, queues_complete, index_complete, repeated @ .., last_record] = own;
        // The times tell whether this is still the last word.
        let counts =
            magic == MAGIC && repeated == times && field(OWN + own.len()) == checksum(&own);
        Ok(Checkpoint {
            log_timestamp: times[0],
            queues_timestamp: times[1],
            index_timestamp: times[2],
            master_flushed_offset: field(3),
            confirmed_offset: field(4),
            queues_complete: counts.then_some(queues_complete),
            index_complete: if counts { index_complete } else { Filled::NONE.offset },
            // One more, so that zero says that it is unknown.
            last_record: Some(last_record - 1).filter(|offset| *offset >= 0),
        })
    }

    pub(crate) fn save(&self, disk: &dyn Disk, root: &Path) -> std::io::Result<()> {
        let times = [self.log_timestamp, self.queues_timestamp, self.index_timestamp];
        let mut bytes = bytes_of(&times);
        bytes.extend(bytes_of(&[self.master_flushed_offset, self.confirmed_offset]));
        if let Some(offset) = self.queues_complete {
            let last = self.last_record.map_or(0, |offset| offset + 1);
            let own = [MAGIC, offset, self.index_complete, times[0], times[1], times[2], last];
            bytes.resize(OWN * 8, 0);
            bytes.extend(bytes_of(&own));
            bytes.extend(checksum(&own).to_be_bytes());
        }
        bytes.resize(LENGTH, 0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os_disk::OsDisk;

    #[test]
    fn our_part_counts_only_whole_and_beside_its_own_times() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let saved = Checkpoint {
            log_timestamp: 1_700_000_000_001,
            queues_timestamp: 1_700_000_000_002,
            index_timestamp: 1_700_000_000_003,
            master_flushed_offset: 0,
            confirmed_offset: 77,
            queues_complete: Some(5 << 30),
            index_complete: 4 << 30,
            last_record: Some(0),
        };
        saved.save(&OsDisk, root).expect("saved");
        let load = || Checkpoint::load(&OsDisk, root).expect("loaded");
        assert_eq!(load(), saved);
        let path = Checkpoint::path(root);
        let whole = std::fs::read(&path).expect("a file");
        assert_eq!(whole.len(), LENGTH);
        assert_eq!(whole[8..16], 1_700_000_000_002i64.to_be_bytes(), "where Apache's brokers look");
        // A changed time is what another broker leaves.
        for at in (0..24).chain(OWN * 8..OWN * 8 + 64) {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            std::fs::write(&path, changed).expect("written");
            assert_eq!(load().queues_complete, None, "byte {at}");
        }
        let other = Checkpoint { queues_complete: None, ..saved };
        other.save(&OsDisk, root).expect("saved");
        assert_eq!(load().queues_complete, None);
    }
}
