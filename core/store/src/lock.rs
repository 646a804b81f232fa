//! The lock that keeps two brokers off one directory (store §5).
//!
//! Java takes a POSIX record lock on the first byte, so this does too. Such locks belong to the
//! process: within one process they do not exclude each other, so a list of the directories in use
//! does.

use crate::error::StoreError;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};
use std::collections::HashSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

static IN_USE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// A directory that belongs to this store until this is dropped.
pub(crate) struct DirectoryLock {
    path: PathBuf,
    file: File,
}

impl DirectoryLock {
    /// Who holds the lock of a directory, if anybody does, without touching it: the process, or
    /// `None` inside when it cannot be told. Where the system does not list its locks, nobody is
    /// seen.
    pub(crate) fn holder_of(root: &Path) -> Option<Option<i32>> {
        let path = root.join("lock").canonicalize().ok()?;
        // The file must not be opened if it is ours: closing it again would release the lock.
        if IN_USE.lock().get_or_insert_default().contains(&path) {
            return Some(i32::try_from(std::process::id()).ok());
        }
        holder(&path.metadata().ok()?).map(Some)
    }

    /// Takes the lock without waiting.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(StoreError::file("open", &path))?;
        let path = path.canonicalize().map_err(StoreError::file("open", &path))?;
        if !IN_USE.lock().get_or_insert_default().insert(path.clone()) {
            let pid = i32::try_from(std::process::id()).ok();
            return Err(StoreError::Locked { path, pid });
        }
        if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let pid = file.metadata().ok().and_then(|metadata| holder(&metadata));
            IN_USE.lock().get_or_insert_default().remove(&path);
            return Err(StoreError::Locked { path, pid });
        }
        let mut lock = DirectoryLock { path, file };
        let failed = StoreError::file("write", &lock.path);
        lock.file.write_all(b"lock").map_err(failed)?;
        Ok(lock)
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        IN_USE.lock().get_or_insert_default().remove(&self.path);
    }
}

/// The process that holds the lock, found in the system's list of locks.
fn holder(file: &Metadata) -> Option<i32> {
    use std::os::unix::fs::MetadataExt;
    // Device, in hexadecimal, and inode: other file systems have the same inodes.
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", file.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        if *words.get(5)? == place { words.get(4)?.parse().ok() } else { None }
    })
}
