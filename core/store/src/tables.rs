//! Small table files, such as `topics.json`, with the state before in `.bak` (store §13.1).

use crate::disk::Disk;
use crate::error::StoreError;
use crate::os_disk::OsDisk;
use std::path::{Path, PathBuf};

/// The name under which the content before the last change is kept.
pub fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    PathBuf::from(name)
}

/// Replaces a table file and keeps what it was before. At every moment of a crash one of the two
/// files is whole. Blocks until the content is on disk.
pub fn save(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    save_on(&OsDisk, path, content)
}

/// As [`save`], on another disk.
///
/// # Errors
/// As [`save`].
pub fn save_on(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        disk.create_directory(directory).map_err(StoreError::file("create", directory))?;
    }
    let bak = backup(path);
    match disk.read(path) {
        Ok(before) if !before.is_empty() => {
            disk.replace(&bak, &before).map_err(StoreError::file("write", &bak))?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::file("read", path)(error)),
    }
    disk.replace(path, content).map_err(StoreError::file("write", path))
}

/// Reads a table file with `parse`; if it is missing, empty or damaged, its backup. `None` when
/// there is neither.
///
/// # Errors
/// When there is something, but neither file can be read: starting with an empty table would lose
/// what is still there to be repaired.
pub fn load<T, E: std::fmt::Display>(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, StoreError> {
    load_from(&OsDisk, path, parse)
}

/// As [`load`], from another disk.
///
/// # Errors
/// As [`load`].
pub fn load_from<T, E: std::fmt::Display>(
    disk: &dyn Disk,
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, StoreError> {
    let mut problem = None;
    for candidate in [path.to_path_buf(), backup(path)] {
        let reason = match disk.read(&candidate) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => error.to_string(),
            Ok(content) if content.is_empty() => "it is empty".to_string(),
            Ok(content) => match parse(&content) {
                Ok(table) => {
                    if let Some(reason) = &problem {
                        tracing::error!(file = %path.display(), reason, "damaged table file; its .bak is used");
                    }
                    return Ok(Some(table));
                }
                Err(error) => error.to_string(),
            },
        };
        problem.get_or_insert(reason);
    }
    match problem {
        None => Ok(None),
        Some(reason) => Err(StoreError::Table { path: path.to_path_buf(), reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &[u8]) -> Result<i64, std::num::ParseIntError> {
        String::from_utf8_lossy(content).parse()
    }

    #[test]
    fn a_damaged_table_falls_back_to_its_backup() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config/table.json");
        assert_eq!(load(&path, parse).unwrap(), None);
        save(&path, b"1").unwrap();
        save(&path, b"2").unwrap();
        assert_eq!(load(&path, parse).unwrap(), Some(2));
        for damage in [&b""[..], b"{\"half"] {
            std::fs::write(&path, damage).unwrap();
            assert_eq!(load(&path, parse).unwrap(), Some(1));
        }
        std::fs::write(backup(&path), "x").unwrap();
        let error = load(&path, parse).unwrap_err().to_string();
        assert!(error.contains("table.json"), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(backup(&path), "3").unwrap();
        assert_eq!(load(&path, parse).unwrap(), Some(3));
    }
}
