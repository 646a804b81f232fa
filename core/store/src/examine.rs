//! Looks at a data directory before anything in it is changed, so that one which cannot be used is
//! left as it is.

use crate::commit_log::BLANK;
use crate::config::StoreConfig;
use crate::disk::{DirEntry, Disk};
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::log_paths::LogPaths;
use crate::segment_files;
use ferromq_protocol::record::{MAGIC_BLANK, MAGIC_V1, MAGIC_V2};
use std::path::Path;

/// The file that marks a backup which is not finished.
pub(crate) const UNFINISHED_BACKUP: &str = "ferromq-backup-unfinished";

/// Files by which directories of other programs are known, all of which have to be there.
const OTHERS: [(&[&str], &str); 5] = [
    (&["meta.properties"], "belongs to Apache Kafka"),
    (&["recovery-point-offset-checkpoint"], "belongs to Apache Kafka"),
    (&["CURRENT", "IDENTITY"], "is a RocksDB"),
    (&["jetstream"], "belongs to NATS"),
    (&["PG_VERSION"], "belongs to PostgreSQL"),
];
const ELSEWHERE: &str = "name another data directory";

/// Whether a store can be opened on the directory, as far as that can be told without reading all of
/// it.
pub(crate) fn examine(disk: &dyn Disk, config: &StoreConfig) -> Result<(), StoreError> {
    let root = config.root();
    let list = |path: &Path| disk.list(path).map_err(StoreError::file("list", path));
    let entries = list(&root)?;
    if let Some(pid) = DirectoryLock::holder_of(&root) {
        return Err(StoreError::Locked { path: root.join("lock"), pid });
    }
    for (names, what) in OTHERS {
        if names.iter().all(|name| find(&entries, name).is_some()) {
            let path = root.join(names[0]);
            return Err(StoreError::OtherFormat { path, what: what.into(), advice: ELSEWHERE });
        }
    }
    for name in ["commitlog", "consumequeue", "index", "config"] {
        if let Some(file) = find(&entries, name).filter(|entry| !entry.is_directory) {
            let (path, what) = (file.path.clone(), "is a file where a directory should be".into());
            return Err(StoreError::OtherFormat { path, what, advice: "move it away" });
        }
    }
    for name in ["checkpoint", "abort", "lock", "ferromq-deleted-topics"] {
        if let Some(directory) = find(&entries, name).filter(|entry| entry.is_directory) {
            let (path, what) =
                (directory.path.clone(), "is a directory where a file should be".into());
            return Err(StoreError::OtherFormat { path, what, advice: "move it away" });
        }
    }
    if let Some(marker) = find(&entries, UNFINISHED_BACKUP) {
        let (path, what) = (marker.path.clone(), "marks a backup that is not finished".into());
        let advice = "run `ferromq store backup` again, or remove the file to use what there is";
        return Err(StoreError::OtherFormat { path, what, advice });
    }
    let paths = LogPaths::named(config)?;
    let size = config.mapped_file_size_commit_log as u64;
    let setting = "mappedFileSizeCommitLog";
    let segments = segment_files::examine(disk, paths.all(), size, setting)?.files;
    if segments.is_empty()
        && let Some(raft) = entries.iter().find(|entry| entry.name.starts_with("dledger-"))
    {
        let (path, what) = (raft.path.clone(), "is a log of DLedger".into());
        let advice = "it cannot be read here; start a broker without enableDLegerCommitLog on \
                      another directory and let clients move over";
        return Err(StoreError::OtherFormat { path, what, advice });
    }
    // Every segment begins with a record. Of the newest two, one may be empty.
    let newest = segments.len().saturating_sub(2).max(1);
    for (at, (_, entry)) in segments.iter().enumerate() {
        if at == 0 || at >= newest {
            first_bytes(disk, &entry.path)?;
        }
    }
    let log = paths.all().next().filter(|_| segments.is_empty());
    examine_queues(disk, config, log)?;
    examine_index(disk, config)
}

fn find<'a>(entries: &'a [DirEntry], name: &str) -> Option<&'a DirEntry> {
    entries.iter().find(|entry| entry.name == name)
}

/// Refuses a segment that begins with something else than a record or nothing.
fn first_bytes(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    let mut start = [0; BLANK];
    let file = disk.open_to_read(path).map_err(StoreError::file("open", path))?;
    file.read_at(&mut start, 0).map_err(StoreError::file("read", path))?;
    let [.., a, b, c, d] = start;
    let what = match i32::from_be_bytes([a, b, c, d]) {
        MAGIC_V1 | MAGIC_V2 | MAGIC_BLANK => return Ok(()),
        _ if start == [0; BLANK] => return Ok(()),
        magic if magic & !0xFF == MAGIC_V1 & !0xFF => {
            let what = "begins with a record of a newer version";
            format!("{what} (magic {magic:#010X})")
        }
        magic => format!("is no commit log segment: it begins with {magic:#010X}"),
    };
    let advice = "`ferromq store check` tells more; if a newer broker wrote it, use that broker";
    Err(StoreError::OtherFormat { path: path.into(), what, advice })
}

/// Looks at one queue for all, as they have one size: there may be a hundred thousand.
fn examine_queues(
    disk: &dyn Disk,
    config: &StoreConfig,
    empty_log: Option<&Path>,
) -> Result<(), StoreError> {
    let queues = config.root().join("consumequeue");
    let list = |path: &Path| disk.list(path).map_err(StoreError::file("list", path));
    if disk.open_to_read(&queues.join("CURRENT")).is_ok() {
        let what = "holds consume queues in a RocksDB (storeType=defaultRocksDB)".to_string();
        let advice = "move it away, and the queues are made anew from the log";
        return Err(StoreError::OtherFormat { path: queues, what, advice });
    }
    let (setting, size) = ("mappedFileSizeConsumeQueue", config.queue_file_size());
    let has_files = |topic: &DirEntry| -> Result<bool, StoreError> {
        for queue in list(&topic.path)?.iter().filter(|queue| queue.is_directory) {
            let folder = [queue.path.as_path()];
            if !segment_files::examine(disk, folder, size, setting)?.files.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut looked = Ok(false);
    let mut look = |topic: &DirEntry| {
        if topic.is_directory {
            looked = has_files(topic);
        }
        !matches!(looked, Ok(false))
    };
    disk.any_entry(&queues, &mut look).map_err(StoreError::file("list", &queues))?;
    match (looked?, empty_log) {
        (true, Some(log)) => Err(StoreError::LogIsGone { log: log.into(), queues }),
        _ => Ok(()),
    }
}

fn examine_index(disk: &dyn Disk, config: &StoreConfig) -> Result<(), StoreError> {
    let directory = config.root().join("index");
    let entries = disk.list(&directory).map_err(StoreError::file("list", &directory))?;
    let expected = crate::index::file_length(config);
    for entry in entries {
        if entry.is_directory && entry.name.parse::<u64>().is_ok() {
            return Err(StoreError::NotAFile { path: entry.path });
        }
        crate::index::check_length(&entry, expected)?;
    }
    Ok(())
}
