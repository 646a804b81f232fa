//! The lock that keeps two brokers off one directory (store §5).
//!
//! Java takes a POSIX record lock on the first byte, so this does too. Such locks belong to the
//! process: within one process they do not exclude each other, so a table of the directories in use
//! does. And they are gone as soon as the process closes any handle of the file, so none of one that is in
//! that table is opened.

use crate::error::StoreError;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroI32;
use std::path::{Path, PathBuf};

/// The locked files by their paths, opened and closed under this lock alone.
static IN_USE: Mutex<BTreeMap<PathBuf, File>> = Mutex::new(BTreeMap::new());

/// A directory that belongs to this store until this is dropped.
pub(crate) struct DirectoryLock {
    path: PathBuf,
}

impl DirectoryLock {
    /// Who holds the lock of a directory, if anybody does, without taking it: the process, or
    /// `None` inside when it cannot be told. Where the lock's file cannot be read, nobody is seen.
    pub(crate) fn holder_of(root: &Path) -> Option<Option<i32>> {
        let path = place_of(root).ok()?;
        let in_use = IN_USE.lock();
        if in_use.contains_key(&path) {
            return Some(i32::try_from(std::process::id()).ok());
        }
        let file = File::open(&path).ok()?;
        holder(&file)
    }

    /// Takes the lock without waiting.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        let path = place_of(root).map_err(StoreError::file("open", root))?;
        let mut in_use = IN_USE.lock();
        if in_use.contains_key(&path) {
            let pid = i32::try_from(std::process::id()).ok();
            return Err(StoreError::Locked { path, pid });
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(StoreError::file("open", &path))?;
        if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let pid = holder(&file).flatten();
            return Err(StoreError::Locked { path, pid });
        }
        file.write_all(b"lock").map_err(StoreError::file("write", &path))?;
        in_use.insert(path.clone(), file);
        Ok(DirectoryLock { path })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        IN_USE.lock().remove(&self.path);
    }
}

/// The file that is locked for a directory.
fn place_of(root: &Path) -> io::Result<PathBuf> {
    root.canonicalize().map(|root| root.join("lock"))
}

/// The process that holds a lock on the file, `None` inside where it is not among those that this one can see.
fn holder(file: &File) -> Option<Option<i32>> {
    // The system's list of locks, `/proc/locks`, would tell, too, but keeps whoever reads it waiting for 15 ms.
    let lock = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).ok()??;
    Some(lock.pid.map(Pid::as_raw_nonzero).map(NonZeroI32::get))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn who_is_refused_within_a_process_leaves_the_lock_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let held = DirectoryLock::take(directory.path()).unwrap();
        let inode = format!(":{} ", held.path.metadata().unwrap().ino());
        // While other processes take locks, what is read of the list may lack some.
        let is_locked =
            || (0..1000).any(|_| std::fs::read_to_string("/proc/locks").unwrap().contains(&inode));
        assert!(is_locked());
        let refused = DirectoryLock::take(directory.path()).map(drop);
        assert!(matches!(refused, Err(StoreError::Locked { pid: Some(_), .. })));
        assert!(is_locked());
        drop(held);
        assert!(DirectoryLock::holder_of(directory.path()).is_none());
        DirectoryLock::take(directory.path()).unwrap();
    }
}
