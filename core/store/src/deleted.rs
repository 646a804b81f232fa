//! Which topics were deleted, and where the log ended then.
//!
//! Deleting a topic removes its queues, but its records stay in the log until their segments go.
//! Recovery after a crash reads them again and must know that they are nobody's any more: or else a
//! topic made anew under the same name would get messages of its former life. The file is our own;
//! Apache's broker does not look at it.

use crate::disk::Disk;
use crate::error::StoreError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct DeletedTopics {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    log_ends: Mutex<BTreeMap<String, i64>>,
}

impl DeletedTopics {
    pub(crate) fn load(disk: Arc<dyn Disk>, root: &std::path::Path) -> Result<Self, StoreError> {
        let path = root.join("ferromq-deleted-topics");
        let content = match disk.read(&path) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(StoreError::file("read", path)(error)),
        };
        let mut log_ends = BTreeMap::new();
        for line in content.lines() {
            let entry =
                line.split_once(' ').and_then(|(end, topic)| Some((end.parse().ok()?, topic)));
            let Some((end, topic)) = entry else {
                let reason = format!("`{line}` is not a log offset and a topic");
                return Err(StoreError::Table { path, reason });
            };
            log_ends.insert(topic.to_string(), end);
        }
        Ok(DeletedTopics { disk, path, log_ends: Mutex::new(log_ends) })
    }

    /// Notes that a topic is deleted, on disk before this returns. Topics whose records are all gone
    /// from a log that starts at `log_start` are forgotten.
    pub(crate) fn note(&self, topic: &str, log_start: i64, log_end: i64) -> Result<(), StoreError> {
        let mut log_ends = self.log_ends.lock();
        let mut noted = log_ends.clone();
        noted.retain(|_, end| *end > log_start);
        noted.insert(topic.to_string(), log_end);
        self.save(&noted)?;
        *log_ends = noted;
        Ok(())
    }

    /// Whether a topic was deleted when the log was longer than this.
    pub(crate) fn any_behind(&self, offset: i64) -> bool {
        self.log_ends.lock().values().any(|end| *end > offset)
    }

    /// A crash has taken the log back to `log_end`: what comes after that is of another life.
    pub(crate) fn log_ends_at(&self, log_end: i64) -> Result<(), StoreError> {
        let mut log_ends = self.log_ends.lock();
        if log_ends.values().all(|end| *end <= log_end) {
            return Ok(());
        }
        let mut limited = log_ends.clone();
        limited.values_mut().for_each(|end| *end = log_end.min(*end));
        self.save(&limited)?;
        *log_ends = limited;
        Ok(())
    }

    fn save(&self, log_ends: &BTreeMap<String, i64>) -> Result<(), StoreError> {
        let mut content = String::new();
        for (topic, end) in log_ends {
            // Writing to a string cannot fail.
            let _ = writeln!(content, "{end} {topic}");
        }
        let failed = StoreError::file("write", &self.path);
        self.disk.replace(&self.path, content.as_bytes()).map_err(failed)
    }

    /// Every deleted topic, and where the log ended then.
    pub(crate) fn all(&self) -> Vec<(String, i64)> {
        self.log_ends.lock().iter().map(|(topic, end)| (topic.clone(), *end)).collect()
    }

    /// Whether a record was stored before its topic was last deleted.
    pub(crate) fn covers(&self, topic: &str, physical_offset: i64) -> bool {
        self.log_ends.lock().get(topic).is_some_and(|end| physical_offset < *end)
    }
}
