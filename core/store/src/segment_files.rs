//! Names and sizes of segment files (store §1.1).

use crate::disk::{DirEntry, Disk};
use crate::error::StoreError;
use std::path::{Path, PathBuf};

/// The file whose first byte is at `offset`.
pub(crate) fn path(directory: &Path, offset: i64) -> PathBuf {
    directory.join(name(offset))
}

fn name(offset: i64) -> String {
    format!("{offset:020}")
}

/// The segments of the directories in order, with their first offsets. Subdirectories are skipped; an
/// empty last file, left by a crash between its creation and its growth, is removed.
pub(crate) fn list<'a>(
    disk: &dyn Disk,
    directories: impl IntoIterator<Item = &'a Path>,
    size: u64,
    setting: &'static str,
) -> Result<Vec<(i64, DirEntry)>, StoreError> {
    let Segments { files, empty } = examine(disk, directories, size, setting)?;
    if let Some(empty) = empty {
        disk.remove(&empty.path).map_err(StoreError::file("remove", &empty.path))?;
    }
    Ok(files)
}

/// What segments there are.
pub(crate) struct Segments {
    /// In order, with their first offsets.
    pub(crate) files: Vec<(i64, DirEntry)>,
    /// The last file, if it is empty.
    pub(crate) empty: Option<DirEntry>,
}

/// As [`list`], but changes nothing.
pub(crate) fn examine<'a>(
    disk: &dyn Disk,
    directories: impl IntoIterator<Item = &'a Path>,
    size: u64,
    setting: &'static str,
) -> Result<Segments, StoreError> {
    let mut files = Vec::new();
    for directory in directories {
        files.extend(disk.list(directory).map_err(StoreError::file("list", directory))?);
    }
    if let Some(entry) = files.iter().find(|entry| entry.is_directory && is_name(&entry.name)) {
        // Passing over it, as Apache's broker does, would lose what is behind it.
        return Err(StoreError::NotAFile { path: entry.path.clone() });
    }
    files.retain(|entry| !entry.is_directory);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let empty = files.pop_if(|last| last.length == 0 && is_name(&last.name));
    let mut segments: Vec<(i64, DirEntry)> = Vec::with_capacity(files.len());
    for entry in files {
        let Some(offset) = entry.name.parse::<i64>().ok().filter(|_| is_name(&entry.name)) else {
            return Err(StoreError::ForeignFile { path: entry.path });
        };
        if entry.length != size {
            let (path, actual) = (entry.path, entry.length);
            return Err(StoreError::SegmentSize { path, setting, expected: size, actual });
        }
        if let Some((before, last)) = segments.last() {
            let next = before + size as i64;
            if offset == *before {
                let (path, other) = (entry.path, last.path.clone());
                return Err(StoreError::TwoSegments { path, other });
            }
            if offset != next {
                return Err(StoreError::MissingSegment {
                    path: last.path.with_file_name(name(next)),
                });
            }
        }
        segments.push((offset, entry));
    }
    Ok(Segments { files: segments, empty })
}

/// Whether a file of this name is a segment.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())
}
