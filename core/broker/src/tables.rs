//! Tables that live in memory and are kept in a JSON file (store §13.1).

use ferromq_protocol::fastjson;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;
use tokio::sync::Notify;

/// A table file that could not be read or written.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}; check that the disk has room and that the broker owns the folder", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither the file nor its backup can be understood.
    #[error("neither {} nor its .bak can be read as a table: {source}; repair one of them or move both away", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: fastjson::BodyError,
    },
}

/// The file of one table, and how much of the table is in it.
///
/// Changes are counted. Whoever must not answer before the disk has a change calls
/// [`save`](TableFile::save); callers that come while a save runs share the next one.
#[derive(Debug)]
pub(crate) struct TableFile {
    path: PathBuf,
    changes: AtomicU64,
    saved: Mutex<u64>,
    wake: Notify,
}

impl TableFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        TableFile {
            path,
            changes: AtomicU64::new(0),
            saved: Mutex::new(0),
            wake: Notify::new(),
        }
    }

    /// Reads the table: the file; when it is missing, empty or broken, its backup; when neither
    /// exists, an empty table.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self) -> Result<T, TableError> {
        let mut broken = None;
        for path in [self.path.clone(), backup(&self.path)] {
            let text = match fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(TableError::Io {
                        action: "read",
                        path,
                        source,
                    });
                }
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            match fastjson::from_slice(&text) {
                Ok(table) => {
                    if let Some(source) = broken {
                        tracing::warn!(file = %self.path.display(), error = %source, "the table is broken; its backup is used");
                    }
                    return Ok(table);
                }
                Err(source) => broken = Some(source),
            }
        }
        match broken {
            // Starting empty would overwrite what a person may still be able to repair.
            Some(source) => Err(TableError::Damaged {
                path: self.path.clone(),
                source,
            }),
            None => Ok(T::default()),
        }
    }

    /// Notes that the table in memory has changed.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits for a change that is not saved.
    pub(crate) async fn until_changed(&self) {
        self.wake.notified().await;
    }

    /// Writes the table unless the file already has every change made before this call. Blocks on
    /// the disk.
    pub(crate) fn save<T: Serialize>(&self, table: impl FnOnce() -> T) -> Result<(), TableError> {
        let wanted = self.changes.load(Ordering::Acquire);
        let mut saved = self.saved.lock();
        if *saved >= wanted {
            return Ok(());
        }
        // Counted before the table is read: a change in between is written, and written again.
        let included = self.changes.load(Ordering::Acquire);
        replace(&self.path, &fastjson::to_pretty(&table())).map_err(|source| TableError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })?;
        *saved = included;
        Ok(())
    }
}

fn backup(path: &Path) -> PathBuf {
    with_suffix(path, ".bak")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Replaces a file so that after a crash at any moment either it or its backup is whole.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let fresh = with_suffix(path, ".tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    match fs::rename(path, backup(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::rename(&fresh, path)?,
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Numbers = BTreeMap<i32, i64>;

    #[test]
    fn saves_only_what_changed_and_keeps_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let file = TableFile::new(folder.path().join("config/numbers.json"));
        let path = folder.path().join("config/numbers.json");
        file.save(|| Numbers::from([(1, 1)])).unwrap();
        assert!(!path.exists(), "nothing had changed");
        file.changed();
        file.save(|| Numbers::from([(1, 1)])).unwrap();
        file.changed();
        file.save(|| Numbers::from([(1, 2)])).unwrap();
        file.save(|| -> Numbers { unreachable!("no change since") })
            .unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::from([(1, 2)]));
        fs::write(&path, "{").unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::from([(1, 1)]));
        fs::remove_file(&path).unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::from([(1, 1)]));
        fs::write(backup(&path), "").unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::new());
        fs::write(backup(&path), "nonsense").unwrap();
        assert!(matches!(
            file.load::<Numbers>(),
            Err(TableError::Damaged { .. })
        ));
    }
}
