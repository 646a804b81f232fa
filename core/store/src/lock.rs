//! The lock that keeps two brokers off one directory (store §5).
//!
//! Java takes a POSIX record lock on the first byte, so this does too. Such locks belong to the
//! process: within one process they do not exclude each other, so a list of the directories in use
//! does.

use crate::error::StoreError;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::num::NonZeroI32;
use std::path::{Path, PathBuf};

static IN_USE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// A directory that belongs to this store until this is dropped.
pub(crate) struct DirectoryLock {
    path: PathBuf,
    file: File,
}

impl DirectoryLock {
    /// Who holds the lock of a directory, if anybody does, without taking it: the process, or
    /// `None` inside when it cannot be told. Where the lock's file cannot be read, nobody is seen.
    pub(crate) fn holder_of(root: &Path) -> Option<Option<i32>> {
        let path = root.join("lock").canonicalize().ok()?;
        let mut in_use = IN_USE.lock();
        // The file must not be opened if it is ours, or becomes ours meanwhile: closing it again would release the
        // lock.
        if in_use.get_or_insert_default().contains(&path) {
            return Some(i32::try_from(std::process::id()).ok());
        }
        holder(&File::open(&path).ok()?)
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
            let pid = holder(&file).flatten();
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

/// The process that holds a lock on the file, `None` inside where it is not among those that this one can see.
fn holder(file: &File) -> Option<Option<i32>> {
    // The system's list of locks, `/proc/locks`, would tell, too, but keeps whoever reads it waiting for 15 ms.
    let lock = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).ok()??;
    Some(lock.pid.map(Pid::as_raw_nonzero).map(NonZeroI32::get))
}
