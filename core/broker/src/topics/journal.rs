//! Changes of the topics that `topics.json` does not have yet.
//!
//! A table is written whole, which with many topics takes long, and a topic must be on disk before
//! its first message is acknowledged. So from some size on a change goes to the journal first: one
//! line behind the others. The table follows a little later, and the journal begins anew. Apache's
//! brokers know nothing of the journal; whatever they make of the table since, topics of the journal
//! are not lost.

use ferromq_protocol::body::{DataVersion, TopicConfig};
use ferromq_protocol::fastjson;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happened to a topic.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(Arc<TopicConfig>),
    Deleted(String),
}

/// A change, and the table's version after it.
pub(super) type Versioned = (DataVersion, Change);

/// A line of the file: the version of the table that the journal goes on from, then changes.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    data_version: DataVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<TopicConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
}

/// What a journal says about a table.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Changes that the table does not have, in order.
    pub(super) changes: Vec<Versioned>,
    /// Whether the table is one that the journal goes on from. Otherwise another broker has written
    /// it since, and of the changes only those topics count that it does not have.
    pub(super) continues: bool,
    /// Whether the file can be written on.
    pub(super) whole: bool,
}

pub(super) struct Journal {
    path: PathBuf,
    /// The version of the table on disk.
    base: DataVersion,
    file: Option<File>,
}

impl Journal {
    pub(super) fn new(folder: &Path, base: DataVersion) -> Self {
        Journal { path: folder.join("ferromq-topics.journal"), base, file: None }
    }

    /// Reads the file. A line that a crash has cut off ends it.
    pub(super) fn replay(&self) -> io::Result<Replay> {
        let content = match std::fs::read(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut lines = content.split_inclusive(|byte| *byte == b'\n').peekable();
        let mut replay = Replay { continues: true, whole: true, ..Replay::default() };
        let mut first = true;
        while let Some(line) = lines.next_if(|line| line.ends_with(b"\n")) {
            let Ok(line) = fastjson::from_slice::<Line>(line) else {
                replay.whole = false;
                break;
            };
            let version = line.data_version;
            if first {
                replay.continues = version == self.base;
                first = false;
            }
            let change = match (line.topic, line.deleted) {
                (Some(topic), _) => Change::Put(Arc::new(topic)),
                (None, Some(name)) => Change::Deleted(name),
                (None, None) => continue,
            };
            let included = version == self.base;
            replay.changes.push((version, change));
            if included {
                // The table was written after this, and the journal not yet removed.
                replay.changes.clear();
                replay.continues = true;
            }
        }
        replay.whole &= lines.peek().is_none();
        Ok(replay)
    }

    /// Writes changes behind those that are there, to the disk.
    pub(super) fn append(&mut self, changes: &[Versioned]) -> io::Result<()> {
        let mut text = Vec::new();
        if self.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            if file.metadata()?.len() == 0 {
                push(&mut text, &Line { data_version: self.base.clone(), ..Line::default() });
            }
            self.file = Some(file);
        }
        for (version, change) in changes {
            let mut line = Line { data_version: version.clone(), ..Line::default() };
            match change {
                Change::Put(topic) => line.topic = Some(TopicConfig::clone(topic)),
                Change::Deleted(name) => line.deleted = Some(name.clone()),
            }
            push(&mut text, &line);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(&text)?;
        file.sync_all()?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The table is on disk with everything up to a version: the journal begins anew.
    pub(super) fn restart(&mut self, base: DataVersion) -> io::Result<()> {
        self.base = base;
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn push(text: &mut Vec<u8>, line: &Line) {
    text.extend_from_slice(&fastjson::to_vec(line));
    text.push(b'\n');
}
