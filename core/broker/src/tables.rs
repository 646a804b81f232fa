//! Tables that live in memory and are kept in a JSON file (store §13.1).

use ferromq_protocol::fastjson;
use ferromq_store::{StoreError, tables};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

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
        TableFile { path, changes: AtomicU64::new(0), saved: Mutex::new(0), wake: Notify::new() }
    }

    /// Reads the table: the file; when it is missing, empty or broken, its backup; when neither
    /// exists, an empty table.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self) -> Result<T, StoreError> {
        let table = tables::load(&self.path, |text| fastjson::from_slice(text))?;
        Ok(table.unwrap_or_default())
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
    pub(crate) fn save<T: Serialize>(&self, table: impl FnOnce() -> T) -> Result<(), StoreError> {
        self.save_by(|path| tables::save(path, &fastjson::to_pretty(&table())))
    }

    /// As [`save`](Self::save), with `write` to write all changes made before it is called.
    pub(crate) fn save_by(
        &self,
        write: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let wanted = self.changes.load(Ordering::Acquire);
        let mut saved = self.saved.lock();
        if *saved >= wanted {
            return Ok(());
        }
        // Counted before the table is read: a change in between is written, and written again.
        let included = self.changes.load(Ordering::Acquire);
        write(&self.path)?;
        *saved = included;
        Ok(())
    }
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
        file.save(|| -> Numbers { unreachable!("no change since") }).unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::from([(1, 2)]));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(file.load::<Numbers>().unwrap(), Numbers::from([(1, 1)]));
    }
}
