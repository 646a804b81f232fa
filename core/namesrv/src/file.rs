//! Replacing a file so that a crash leaves either the old content or the new.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes `content` to `path`; what was there before is kept with `.bak` added to its name.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = beside(path, ".tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    if path.exists() {
        // A copy, not a rename: at no moment may the file itself be missing.
        fs::copy(path, beside(path, ".bak"))?;
    }
    fs::rename(&fresh, path)
}

/// Reads `path` with `parse`; if it is missing or damaged, its `.bak`. `None` when neither exists.
pub(crate) fn read_or_backup<T, E: From<io::Error>>(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, E> {
    let read = |path: &Path| match fs::read(path) {
        Ok(content) => parse(&content).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(E::from(error)),
    };
    match read(path) {
        Ok(Some(value)) => Ok(Some(value)),
        first => match read(&beside(path, ".bak")) {
            Ok(Some(value)) => Ok(Some(value)),
            _ => first,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &[u8]) -> io::Result<String> {
        String::from_utf8(content.to_vec()).map_err(io::Error::other)
    }

    #[test]
    fn keeps_the_previous_content_and_falls_back_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/down/file.json");
        assert_eq!(read_or_backup(&path, text).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_or_backup(&path, text).unwrap().as_deref(), Some("two"));
        fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert_eq!(read_or_backup(&path, text).unwrap().as_deref(), Some("one"));
        fs::remove_file(&path).unwrap();
        assert_eq!(read_or_backup(&path, text).unwrap().as_deref(), Some("one"));
    }

    #[test]
    fn damage_without_a_backup_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        fs::write(&path, [0xFF]).unwrap();
        assert!(read_or_backup(&path, text).is_err());
    }
}
