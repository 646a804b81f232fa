use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a data directory cannot be opened or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system gives no thread.
    #[error(
        "cannot start the thread {name}: {source}; look at the limits on processes and threads"
    )]
    Thread {
        /// The thread.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not let this process at a file.
    #[error("cannot {action} {}: it belongs to user {owner}, and this process runs as user {user}; change its owner, or run as that user", path.display())]
    NotPermitted {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Whose it is, by number.
        owner: u32,
        /// Who asks, by number.
        user: u32,
    },
    /// The directory holds something else than this store reads.
    #[error("{} {what}; {advice}", path.display())]
    OtherFormat {
        /// The file or directory that shows it.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// Another process uses the directory.
    #[error("{} is in use by another broker{}; stop it first, or use another directory", path.display(), match pid { Some(pid) => format!(" (process {pid})"), None => String::new() })]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock.
        pid: Option<i32>,
    },
    /// A segment has not the size that is configured.
    #[error("{} has {actual} bytes, but {setting} is {expected}; set it to the size the files were written with", path.display())]
    SegmentSize {
        /// The segment.
        path: PathBuf,
        /// The setting that gives the size.
        setting: &'static str,
        /// The configured size in bytes.
        expected: u64,
        /// The file's size in bytes.
        actual: u64,
    },
    /// A file that does not belong where it is.
    #[error("{} is no segment and does not belong there; move it away", path.display())]
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// There is no directory for new segments.
    #[error(
        "every directory of storePathCommitLog is in readOnlyCommitLogStorePaths; take out one for new segments"
    )]
    NoLogPath,
    /// A directory where a segment should be.
    #[error("{} is a directory where a segment should be; move it away, and restore the segment from a backup", path.display())]
    NotAFile {
        /// The directory.
        path: PathBuf,
    },
    /// The commit log has gone, but what points into it has not.
    #[error("{} has no segments, but there are consume queues for them: if its disk is not mounted, mount it; to begin anew without messages, move {} away", log.display(), queues.display())]
    LogIsGone {
        /// The commit log's directory.
        log: PathBuf,
        /// The consume queues' directory.
        queues: PathBuf,
    },
    /// A segment is missing between two others.
    #[error("{} is missing: the segments before and after it exist; restore it from a backup", path.display())]
    MissingSegment {
        /// The segment that should be there.
        path: PathBuf,
    },
    /// One segment is there twice.
    #[error("{} and {} are the same segment; move away the one that does not belong there", path.display(), other.display())]
    TwoSegments {
        /// One of them.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A table file and its backup are both damaged.
    #[error("neither {} nor its .bak can be read: {reason}; restore one of them from a backup, or move both away to begin without", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
}

impl StoreError {
    /// Whether it says that the disk has no room.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, StoreError::File { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }

    /// Whether it only says that one would have to wait for the disk.
    pub(crate) fn would_block(&self) -> bool {
        matches!(self, StoreError::File { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match (source.kind() == io::ErrorKind::PermissionDenied)
            .then(|| owner(&path))
            .flatten()
        {
            Some((path, owner, user)) => StoreError::NotPermitted { action, path, owner, user },
            None => StoreError::File { action, path, source },
        }
    }
}

/// Why a record that should be in the log cannot be had.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordFault {
    /// Its segment has been removed.
    #[error("the record at {offset} has been removed from the log")]
    Removed {
        /// Where it was, as a physical offset.
        offset: i64,
    },
    /// What is there is not what was stored.
    #[error("the record at {offset} is damaged, byte {position} of {}: {reason}", path.display())]
    Damaged {
        /// Where it is, as a physical offset.
        offset: i64,
        /// The segment.
        path: PathBuf,
        /// Where it is in the segment.
        position: u64,
        /// How that shows.
        reason: &'static str,
    },
}

/// The file, or else the directory that hides it, if somebody else owns it: with the owner and who
/// asks.
fn owner(path: &Path) -> Option<(PathBuf, u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    path.ancestors().find_map(|path| {
        let owner = path.metadata().ok()?.uid();
        (owner != user).then(|| (path.to_path_buf(), owner, user))
    })
}

/// Why a message was not stored. Nothing of it can be read, now or after a restart.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AppendError {
    /// The message is above a limit.
    #[error("the message has {length} bytes, at most {limit} can be stored")]
    TooLarge {
        /// The record's length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// No segment to write to could be made.
    #[error("no commit log segment could be created: {0}")]
    NoSegment(String),
    /// Others have held the log for so long that this message was not stored.
    #[error("the commit log was busy for {millis} ms; send again")]
    Busy {
        /// How long was waited, in ms.
        millis: u64,
    },
    /// The store accepts no messages.
    #[error("the store accepts no messages: {0}")]
    NotWritable(String),
}

/// What became of a wish to have messages on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOutcome {
    /// They are.
    Flushed,
    /// They may not be: the time is over.
    TimedOut,
    /// They may never be: the disk failed, and the store accepts no more messages.
    Failed,
}
