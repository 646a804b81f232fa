//! What a check finds.

use std::fmt;
use std::path::PathBuf;

/// What kind of thing is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A segment is missing, has the wrong size, or does not belong there.
    Segment,
    /// A place of the log holds no whole record.
    Record,
    /// A record has no entry in its consume queue.
    MissingEntry,
    /// A consume queue entry points at something else than its record.
    Entry,
    /// A consume queue file is missing, has the wrong size, or does not belong there.
    QueueFile,
    /// An index file does not fit the log.
    Index,
    /// A table of topics, groups or progress cannot be read.
    Table,
    /// The checkpoint does not fit the log.
    Checkpoint,
    /// No damage: something that a look at the directory should mention.
    Note,
}

impl Kind {
    /// A short name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Segment => "segment",
            Kind::Record => "record",
            Kind::MissingEntry => "missingEntry",
            Kind::Entry => "entry",
            Kind::QueueFile => "queueFile",
            Kind::Index => "index",
            Kind::Table => "table",
            Kind::Checkpoint => "checkpoint",
            Kind::Note => "note",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// The file.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub position: u64,
    /// Where in the log, as a physical offset, if it concerns a place there.
    pub log_offset: Option<i64>,
    /// The topic, if it concerns one.
    pub topic: Option<String>,
    /// The queue of the topic.
    pub queue: Option<i32>,
    /// The offset in the queue.
    pub queue_offset: Option<i64>,
    /// What is wrong, in words.
    pub problem: String,
}

impl Finding {
    pub(crate) fn new(
        kind: Kind,
        file: impl Into<PathBuf>,
        position: u64,
        problem: impl Into<String>,
    ) -> Self {
        Finding {
            kind,
            file: file.into(),
            position,
            log_offset: None,
            topic: None,
            queue: None,
            queue_offset: None,
            problem: problem.into(),
        }
    }

    pub(crate) fn in_log(self, offset: i64) -> Self {
        Finding { log_offset: Some(offset), ..self }
    }

    pub(crate) fn of_message(self, topic: &str, queue: i32, offset: i64) -> Self {
        let queue_offset = Some(offset);
        Finding { topic: Some(topic.to_string()), queue: Some(queue), queue_offset, ..self }
    }

    /// Whether it is damage, and not only worth a mention.
    pub fn is_damage(&self) -> bool {
        self.kind != Kind::Note
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}", self.file.display(), self.position)?;
        if let Some(topic) = &self.topic {
            write!(f, ", topic {topic}")?;
        }
        if let (Some(queue), Some(offset)) = (self.queue, self.queue_offset) {
            write!(f, " queue {queue} offset {offset}")?;
        }
        if let Some(offset) = self.log_offset {
            write!(f, ", log offset {offset}")?;
        }
        write!(f, ": {}", self.problem)
    }
}
