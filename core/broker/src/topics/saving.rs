//! Keeping `topics.json`: whole while it is small, through the [journal](super::journal) when it is
//! not.

use super::journal::{Change, Journal};
use super::{TopicTable, table_of};
use crate::clock::now_ms;
use ferromq_protocol::body::TopicConfigTable;
use ferromq_protocol::fastjson;
use ferromq_store::{StoreError, tables};
use std::path::Path;

/// From so many bytes on, the table is not written whole for each change.
const LARGE: usize = 256 << 10;

/// What is on disk.
pub(super) struct Saving {
    journal: Journal,
    /// Whether the table has to be written whole next time: the journal cannot be gone on with.
    whole: bool,
    /// Whether the journal has something that the table does not have.
    journaled: bool,
    /// The size of the table, in bytes.
    size: usize,
}

impl Saving {
    /// Adds to a table, as it was read, what the journal has on top.
    pub(super) fn load(folder: &Path, table: &mut TopicConfigTable) -> Result<Self, StoreError> {
        let path = folder.join("topics.json");
        let journal = Journal::new(folder, table.data_version.clone());
        let replay = journal.replay().map_err(|source| StoreError::File {
            action: "read the journal of",
            path: path.clone(),
            source,
        })?;
        let journaled = !replay.changes.is_empty();
        let topics = &mut table.topic_config_table;
        for (version, change) in replay.changes {
            match change {
                Change::Put(topic) if replay.continues => {
                    topics.insert(topic.topic_name.clone(), (*topic).clone());
                }
                Change::Put(topic) => {
                    topics.entry(topic.topic_name.clone()).or_insert_with(|| (*topic).clone());
                }
                Change::Deleted(name) if replay.continues => drop(topics.remove(&name)),
                Change::Deleted(_) => {}
            }
            if replay.continues {
                table.data_version = version;
            }
        }
        if journaled && !replay.continues {
            table.data_version.advance(now_ms());
            tracing::warn!(
                "topics.json was written by another broker since; topics that it lacks were added"
            );
        }
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len() as usize);
        Ok(Saving { journal, whole: !replay.continues || !replay.whole, journaled, size })
    }

    /// Whether the table lacks something.
    pub(super) fn is_behind(&self) -> bool {
        self.journaled || self.whole
    }
}

impl TopicTable {
    /// Brings every change to disk, in the table or in the journal. Blocks.
    pub fn save(&self) -> Result<(), StoreError> {
        self.file.save_by(|path| {
            let mut saving = self.saving.lock();
            if saving.whole || saving.size < LARGE {
                return self.write_whole(&mut saving, path);
            }
            let changes = std::mem::take(&mut self.topics.write().unwritten);
            match saving.journal.append(&changes) {
                Ok(()) => {
                    saving.journaled = true;
                    Ok(())
                }
                Err(error) => {
                    tracing::warn!(%error, "the topics' journal cannot be written; topics.json is");
                    saving.whole = true;
                    self.write_whole(&mut saving, path)
                }
            }
        })
    }

    /// Brings every change to disk, and all that the journal has into the table. Blocks.
    pub fn save_whole(&self) -> Result<(), StoreError> {
        if self.is_journaled() {
            self.saving.lock().whole = true;
            self.file.changed();
        }
        self.save()
    }

    /// Whether there are changes that only the journal has.
    pub fn is_journaled(&self) -> bool {
        self.saving.lock().journaled
    }

    fn write_whole(&self, saving: &mut Saving, path: &Path) -> Result<(), StoreError> {
        saving.whole = true;
        let (topics, version) = {
            let mut topics = self.topics.write();
            // What is forgotten here is in what is written.
            topics.unwritten.clear();
            (topics.by_name.values().cloned().collect(), topics.version.clone())
        };
        let table = table_of(topics, version);
        let content = fastjson::to_pretty(&table);
        tables::save(path, &content)?;
        (saving.whole, saving.journaled, saving.size) = (false, false, content.len());
        if let Err(error) = saving.journal.restart(table.data_version) {
            // What it has is known to be in the table; but nothing may be written behind that.
            tracing::warn!(%error, "the topics' journal cannot be removed");
            saving.whole = true;
        }
        Ok(())
    }
}
