//! The real disk.

use crate::disk::{DirEntry, Disk, FileSystem, RandomFile, Segment, Space, Words};
use crate::mapped::{MappedSegment, MappedWords, begin_to_write};
use rustix::fs::{FallocateFlags, OFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Gives the file its size with space behind every byte. The size comes first: a process killed here
/// leaves a file that is empty or of its full size, and whoever opens it reserves the space again.
pub(crate) fn reserve(file: &File, length: u64) -> io::Result<()> {
    let present = file.metadata()?.len();
    if present < length {
        file.set_len(length)?;
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => {
            // Such file systems get zeros written; slow, but a full disk is still an error here.
            write_zeros(file, present..length)
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the system no longer note when the file was read last, which it would consider at each read. Whoever
/// does not own the file may not ask for that.
pub(crate) fn forget_access_times(file: &File) {
    let flags = rustix::fs::fcntl_getfl(file);
    let _ = flags.and_then(|flags| rustix::fs::fcntl_setfl(file, flags | OFlags::NOATIME));
}

pub(crate) fn open_to_read(path: &Path) -> io::Result<Arc<dyn RandomFile>> {
    let file = File::open(path)?;
    // A directory can be opened, but not read.
    match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(Arc::new(OsFile(file))),
    }
}

/// Where at `at` or behind it the file may hold something else than zeros.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NXIO) => Ok(None),
        // A file system that does not know.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

/// The parts of a range in which the file may hold something else than zeros.
pub(crate) fn written_parts(file: &File, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let mut parts = Vec::new();
    let mut at = range.start;
    while let Some(start) = next_data(file, at)?.filter(|start| *start < range.end) {
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(range.end);
        at = end.clamp(start + 1, range.end);
        parts.push(start..at);
        if at == range.end {
            break;
        }
    }
    Ok(parts)
}

fn write_zeros(file: &File, range: Range<u64>) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let part = zeros.len().min((range.end - at) as usize);
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Disk for OsDisk {
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let file = options().create_new(true).open(path)?;
        let made = reserve(&file, length)
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_parent(path))
            .and_then(|()| MappedSegment::new(file, 0));
        match made {
            Ok(segment) => Ok(Box::new(segment)),
            Err(error) => {
                // A file of the wrong size would keep the store from opening.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let file = options().open(path)?;
        let length = file.metadata()?.len();
        Ok(Box::new(MappedSegment::new(file, length as usize)?))
    }

    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>> {
        let file = options().create(true).truncate(false).open(path)?;
        reserve(&file, length)?;
        Ok(Box::new(MappedWords::new(&file)?))
    }

    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>> {
        let file = options().create(true).truncate(false).open(path)?;
        if file.metadata()?.len() < length {
            file.set_len(length)?;
        }
        Ok(Arc::new(OsFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_parent(to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        absent_is_fine(fs::remove_file(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(path))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut list = Vec::new();
        self.any_entry(path, &mut |entry| {
            list.push(entry.clone());
            false
        })?;
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    fn any_entry(&self, path: &Path, found: &mut dyn FnMut(&DirEntry) -> bool) -> io::Result<bool> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if found(&DirEntry {
                path: entry.path(),
                name: entry.file_name().to_string_lossy().into_owned(),
                is_directory: metadata.is_dir(),
                length: metadata.len(),
                modified: metadata.modified()?,
            }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn file_system(&self, path: &Path) -> io::Result<Option<Box<dyn FileSystem>>> {
        match syncfs_reports_errors() {
            true => Ok(Some(Box::new(OsFileSystem(File::open(path)?)))),
            false => Ok(None),
        }
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            total: stat.f_blocks * stat.f_frsize,
            used: stat.f_blocks.saturating_sub(stat.f_bfree) * stat.f_frsize,
            available: stat.f_bavail * stat.f_frsize,
        })
    }
}

/// Whether the kernel is 5.8 or later: before, syncing a file system said nothing of failures.
fn syncfs_reports_errors() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

/// Any file on the file system. What went wrong before it was opened is not its business.
struct OsFileSystem(File);

impl FileSystem for OsFileSystem {
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// Whether a failure says no more than that the system does not read without waiting: it does not know how, for
/// this file, or does not let this process ask, as filters of system calls say.
fn cannot_tell(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM)
}

struct OsFile(File);

impl RandomFile for OsFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], at + read as u64) {
                Ok(0) => break,
                Ok(length) => read += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn next_data(&self, at: u64) -> io::Result<Option<u64>> {
        next_data(&self.0, at)
    }

    fn read_cached(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut parts = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.0, &mut parts, at, ReadWriteFlags::NOWAIT) {
            // Where the system cannot tell, a short look at the file is the lesser evil.
            Err(errno) if cannot_tell(errno) => self.read_at(buffer, at),
            Ok(read) if read < buffer.len() => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other?),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn clear(&self, range: Range<u64>) -> io::Result<()> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.0, hole, range.start, length) {
            Err(Errno::OPNOTSUPP) => write_zeros(&self.0, range),
            other => Ok(other?),
        }
    }

    fn begin_sync(&self) {
        begin_to_write(&self.0, 0..0);
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_does_not_read_without_waiting_is_no_failure_of_the_disk() {
        assert!([Errno::OPNOTSUPP, Errno::NOSYS, Errno::PERM].into_iter().all(cannot_tell));
        assert!(![Errno::IO, Errno::AGAIN, Errno::BADF].into_iter().any(cannot_tell));
    }
}
