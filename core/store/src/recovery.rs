//! What happens when a data directory is opened (store §6).
//!
//! After a clean exit every record has been entered in its queue and in the index; only the end of
//! the log is to be found. Otherwise the log is read from where the checkpoint says that everything
//! was on disk, and every record on the way is entered again where it is missing. The first bytes
//! that are no record end the log.

use crate::checkpoint::Checkpoint;
use crate::commit_log::{CommitLog, Step};
use crate::deleted::DeletedTopics;
use crate::entry::Entry;
use crate::error::StoreError;
use crate::new_records::TagsCode;
use crate::queue::Restored;
use crate::queues::Queues;
use ferromq_model::flags::message;
use ferromq_model::names;
use ferromq_protocol::properties::key;
use ferromq_protocol::record::RecordView;
use ferromq_protocol::tags;
use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;

/// How tags codes are made from stored records.
pub(crate) struct TagsRule {
    delays: Vec<Duration>,
}

impl TagsRule {
    pub(crate) fn new(delays: Vec<Duration>) -> Self {
        TagsRule { delays }
    }

    /// The delay of a level; levels beyond the last count as the last.
    pub(crate) fn delay_ms(&self, level: i32) -> i64 {
        let index = (level.max(1) as usize - 1).min(self.delays.len().saturating_sub(1));
        self.delays.get(index).map_or(1000, |delay| delay.as_millis() as i64)
    }

    fn of(&self, record: &RecordView<'_>) -> TagsCode {
        if record.topic() == names::SCHEDULE_TOPIC {
            let level = record.property(key::DELAY).and_then(|level| level.parse().ok());
            if let Some(level) = level.filter(|level: &i32| *level > 0) {
                return TagsCode::DeliverAfter(self.delay_ms(level));
            }
        }
        TagsCode::Hash(tags::tags_code(record.property(key::TAGS)))
    }

    /// The queue entry of a record; `None` for those that no consumer sees.
    pub(crate) fn entry(&self, record: &RecordView<'_>) -> Option<Entry> {
        match record.transaction_type() {
            message::TRANSACTION_PREPARED | message::TRANSACTION_ROLLBACK => None,
            _ => Some(Entry {
                physical_offset: record.physical_offset(),
                size: record.bytes().len() as i32,
                tags_code: self.of(record).at(record.store_timestamp()),
            }),
        }
    }
}

/// Finds the last record and the end of the log after a clean exit. The checkpoint tells where the
/// last record was; whoever has written since wrote behind it. Without that, or when there is no such
/// record, the last segment is read.
pub(crate) fn find_end(log: &CommitLog, checkpoint: &Checkpoint, verify: bool) -> LogEnd {
    let known = checkpoint.queues_complete.and(checkpoint.last_record);
    let from = |offset: i64| {
        let mut last = None;
        let Ok(end) = walk(log, offset, verify, |record| {
            last = Some(record.physical_offset());
            Ok::<(), Infallible>(())
        });
        LogEnd { last, end }
    };
    if let Some(found) = known.map(from).filter(|found| found.last.is_some()) {
        return found;
    }
    let mut found = LogEnd::default();
    for segment in log.segments().iter().rev() {
        found = from(segment.base);
        // An empty last segment was made ahead of its first message: the end is before it, unless all
        // that was there has expired.
        if found.end > segment.base {
            break;
        }
    }
    found
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogEnd {
    /// Where its last record begins, if that was met.
    pub(crate) last: Option<i64>,
    /// Where the next record goes.
    pub(crate) end: i64,
}

/// Whether this is the log that a checkpoint of ours is about: its last record of then is there, and
/// ends where all queues were on disk. What is behind that may be anything.
pub(crate) fn is_about(checkpoint: &Checkpoint, log: &CommitLog) -> bool {
    let Checkpoint { queues_complete: Some(offset), last_record, .. } = *checkpoint else {
        return false;
    };
    // Expired with its segment, or unknown.
    let last = last_record.filter(|last| *last >= log.start());
    (log.start()..=log.end()).contains(&offset)
        && last.is_none_or(|last| log.goes_on_at(last, offset))
}

/// From where on the log may not have been entered.
pub(crate) fn start(log: &CommitLog, checkpoint: &Checkpoint, verify: bool) -> i64 {
    let complete = checkpoint.complete_until();
    let covered = |base: i64| {
        log.visit(base, verify, |step| match step {
            Step::Record(record) => {
                let stored = record.store_timestamp();
                stored > 0 && stored <= complete
            }
            _ => false,
        })
    };
    checkpoint.queues_complete.unwrap_or_else(|| {
        let segments = log.segments();
        let newest = segments.iter().rev().find(|segment| covered(segment.base));
        newest.or(segments.first()).map_or(0, |segment| segment.base)
    })
}

/// What a disk writes whole.
const SECTOR: usize = 512;

/// Whether a sector with a part of the properties never reached the disk. The checksum covers the body
/// alone, and the lengths what is before it; but properties hold no zeros, and where nothing was
/// written there are only such.
pub(crate) fn is_torn(record: &RecordView<'_>, start: usize) -> bool {
    let bytes = record.bytes();
    let properties = bytes.len() - record.properties().len();
    let mut at = properties;
    while at < bytes.len() {
        let sector_end = ((start + at) / SECTOR + 1) * SECTOR - start;
        let part = &bytes[at..sector_end.min(bytes.len())];
        if part.iter().all(|byte| *byte == 0) {
            return true;
        }
        at += part.len();
    }
    false
}

/// How much of the log is brought into memory at once: the further it is read, the more.
const FETCH: Range<i64> = 64 << 10..4 << 20;

/// Visits the records from `offset` on and returns where they end.
pub(crate) fn walk<E>(
    log: &CommitLog,
    mut offset: i64,
    verify: bool,
    mut visit: impl FnMut(&RecordView<'_>) -> Result<(), E>,
) -> Result<i64, E> {
    let mut fetch = FETCH.start;
    loop {
        let fetched = log.fetch_ahead(offset, fetch);
        fetch = (fetch * 2).min(FETCH.end);
        let (next, end) = log.visit_run(offset..fetched, verify, |record| {
            if verify && is_torn(record, log.within_segment(record.physical_offset())) {
                return Ok(Some("a record of which a part did not reach the disk"));
            }
            visit(record).map(|()| None)
        })?;
        offset = next;
        if let Some(reason) = end {
            tracing::info!(offset, reason, "end of the commit log found");
            return Ok(offset);
        }
    }
}

/// Enters one record in its queue, unless its topic was deleted since.
pub(crate) fn enter(
    record: &RecordView<'_>,
    rule: &TagsRule,
    queues: &Queues,
    deleted: &DeletedTopics,
) -> Result<(), StoreError> {
    if !deleted.covers(record.topic(), record.physical_offset())
        && let Some(entry) = rule.entry(record)
        && let Some(queue) = queues.get(record.topic(), record.queue_id())
    {
        match queue.restore(record.queue_offset(), entry)? {
            Restored::Added => {
                let mut state = queue.state()?;
                if !std::mem::replace(&mut state.listed, true) {
                    queues.list(&queue);
                }
            }
            Restored::Unsynced => queues.list_unsynced(&queue),
            Restored::Present => {}
        }
    }
    Ok(())
}
