//! The key-value configuration: namespaces of text pairs, written to a file on every change.

use crate::file;
use ferromq_model::names::ORDER_TOPIC_NAMESPACE;
use ferromq_protocol::body::KvConfigFile;
use ferromq_protocol::fastjson::{self, BodyError};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Why the key-value configuration could not be read or written.
#[derive(Debug, Error)]
pub enum KvError {
    /// The file cannot be read or written.
    #[error("the file of the key-value configuration {} cannot be {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the key-value configuration {} is damaged ({source}); repair or remove it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BodyError,
    },
}

enum ReadError {
    File(io::Error),
    Damaged(BodyError),
}

impl From<io::Error> for ReadError {
    fn from(source: io::Error) -> Self {
        ReadError::File(source)
    }
}

type Pairs = BTreeMap<String, String>;

/// The key-value configuration.
#[derive(Debug)]
pub struct KvConfig {
    path: PathBuf,
    /// Held by writers over change and file, so that the file ends with the last change.
    writing: Mutex<()>,
    table: RwLock<BTreeMap<String, Arc<Pairs>>>,
}

impl KvConfig {
    /// Reads the file at `path`; without one the configuration is empty.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KvError> {
        let path = path.into();
        let parse =
            |text: &[u8]| fastjson::from_slice::<KvConfigFile>(text).map_err(ReadError::Damaged);
        let stored = match file::read_or_backup(&path, parse) {
            Ok(stored) => stored.unwrap_or_default(),
            Err(ReadError::Damaged(source)) => return Err(KvError::Damaged { path, source }),
            Err(ReadError::File(source)) => {
                return Err(KvError::File { path, action: "read", source });
            }
        };
        let table = stored
            .config_table
            .into_iter()
            .map(|(namespace, pairs)| (namespace, Arc::new(pairs)))
            .collect();
        Ok(KvConfig { path, writing: Mutex::new(()), table: RwLock::new(table) })
    }

    /// The value of a key.
    pub fn value(&self, namespace: &str, key: &str) -> Option<String> {
        self.table.read().get(namespace)?.get(key).cloned()
    }

    /// Every pair of a namespace.
    pub fn namespace(&self, namespace: &str) -> Option<Arc<Pairs>> {
        self.table.read().get(namespace).cloned()
    }

    /// The configuration of strictly ordered topics, if there is any.
    pub fn ordered_topics(&self) -> Option<Arc<Pairs>> {
        self.namespace(ORDER_TOPIC_NAMESPACE).filter(|pairs| !pairs.is_empty())
    }

    /// Sets a pair and writes the file; nothing changes when the file cannot be written.
    pub fn put(&self, namespace: &str, key: &str, value: &str) -> Result<(), KvError> {
        self.change(namespace, |pairs| {
            pairs.insert(key.to_string(), value.to_string());
        })
    }

    /// Removes a pair and writes the file; nothing changes when the file cannot be written.
    pub fn delete(&self, namespace: &str, key: &str) -> Result<(), KvError> {
        if self.value(namespace, key).is_none() {
            return Ok(());
        }
        self.change(namespace, |pairs| {
            pairs.remove(key);
        })
    }

    fn change(&self, namespace: &str, change: impl FnOnce(&mut Pairs)) -> Result<(), KvError> {
        let _writing = self.writing.lock();
        let mut table = self.table.read().clone();
        change(Arc::make_mut(table.entry(namespace.to_string()).or_default()));
        let content = KvConfigFile {
            config_table: table
                .iter()
                .map(|(name, pairs)| (name.clone(), Pairs::clone(pairs)))
                .collect(),
        };
        file::replace(&self.path, &fastjson::to_vec(&content)).map_err(|source| KvError::File {
            path: self.path.clone(),
            action: "written",
            source,
        })?;
        *self.table.write() = table;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_a_restart_in_apaches_layout() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        let kv = KvConfig::open(&path).unwrap();
        kv.put(ORDER_TOPIC_NAMESPACE, "T", "a:4;b:4").unwrap();
        kv.put("n", "k", "v").unwrap();
        kv.delete("n", "k").unwrap();
        kv.delete("n", "k").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"configTable":{"ORDER_TOPIC_CONFIG":{"T":"a:4;b:4"},"n":{}}}"#
        );
        let again = KvConfig::open(&path).unwrap();
        assert_eq!(again.value(ORDER_TOPIC_NAMESPACE, "T").as_deref(), Some("a:4;b:4"));
        assert_eq!(again.value("n", "k"), None);
        assert_eq!(again.ordered_topics().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_file_falls_back_to_the_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kvConfig.json");
        let kv = KvConfig::open(&path).unwrap();
        kv.put("n", "k", "old").unwrap();
        kv.put("n", "k", "new").unwrap();
        std::fs::write(&path, b"{\"configTable\":{\"n").unwrap();
        assert_eq!(KvConfig::open(&path).unwrap().value("n", "k").as_deref(), Some("old"));
        std::fs::remove_file(folder.path().join("kvConfig.json.bak")).unwrap();
        let error = KvConfig::open(&path).unwrap_err().to_string();
        assert!(error.contains("kvConfig.json is damaged"), "{error}");
    }

    #[test]
    fn a_change_that_cannot_be_written_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, b"").unwrap();
        let kv = KvConfig {
            path: blocked.join("kvConfig.json"),
            writing: Mutex::new(()),
            table: RwLock::default(),
        };
        let error = kv.put("n", "k", "v").unwrap_err().to_string();
        assert!(error.contains("cannot be written"), "{error}");
        assert_eq!(kv.value("n", "k"), None);
    }
}
