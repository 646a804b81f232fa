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
    let mut files = Vec::new();
    for directory in directories {
        let entries = disk.list(directory).map_err(StoreError::file("list", directory))?;
        files.extend(entries.into_iter().filter(|entry| !entry.is_directory));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
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
    Ok(segments)
}
