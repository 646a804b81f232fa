//! Names and sizes of segment files (store §1.1).

use crate::disk::{DirEntry, Disk};
use crate::error::StoreError;
use std::path::{Path, PathBuf};

/// The file whose first byte is at `offset`.
pub(crate) fn path(directory: &Path, offset: i64) -> PathBuf {
    directory.join(format!("{offset:020}"))
}

/// The segments of a directory in order, with their first offsets. Subdirectories are skipped; an
/// empty last file, left by a crash between its creation and its growth, is removed.
pub(crate) fn list(
    disk: &dyn Disk,
    directory: &Path,
    size: u64,
    setting: &'static str,
) -> Result<Vec<(i64, DirEntry)>, StoreError> {
    let entries = disk.list(directory).map_err(StoreError::file("list", directory))?;
    let mut files: Vec<_> = entries.into_iter().filter(|entry| !entry.is_directory).collect();
    if let Some(empty) = files.pop_if(|last| last.length == 0) {
        disk.remove(&empty.path).map_err(StoreError::file("remove", &empty.path))?;
    }
    let mut segments: Vec<(i64, DirEntry)> = Vec::with_capacity(files.len());
    for entry in files {
        let Ok(offset) = entry.name.parse::<i64>() else {
            return Err(StoreError::ForeignFile { path: entry.path });
        };
        if entry.length != size {
            let (path, actual) = (entry.path, entry.length);
            return Err(StoreError::SegmentSize { path, setting, expected: size, actual });
        }
        if let Some((before, _)) =
            segments.last().filter(|(before, _)| before + size as i64 != offset)
        {
            return Err(StoreError::MissingSegment { path: path(directory, before + size as i64) });
        }
        segments.push((offset, entry));
    }
    Ok(segments)
}
