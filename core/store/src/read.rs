//! Reading messages of a queue (store §9).

use crate::chunk::{Chunk, Held};
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::entry::{ENTRY, Entry};
use crate::error::StoreError;
use crate::queue::{Patience, Queue};
use ferromq_protocol::record::RecordView;
use smallvec::SmallVec;
use std::ops::Range;

/// How a read went; the names are those that pull responses carry as remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    /// There are messages.
    Found,
    /// There are messages, but none of those looked at passes the filter.
    NoMatchedMessage,
    /// The records have been removed from the log.
    MessageWasRemoving,
    /// The queue has no entries at this offset although it should.
    OffsetFoundNull,
    /// The offset is beyond the next message's.
    OffsetOverflowBadly,
    /// The offset is the next message's.
    OffsetOverflowOne,
    /// The offset is before the first message's.
    OffsetTooSmall,
    /// The queue never had a message.
    NoMessageInQueue,
}

impl ReadStatus {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            ReadStatus::Found => "FOUND",
            ReadStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            ReadStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            ReadStatus::OffsetFoundNull => "OFFSET_FOUND_NULL",
            ReadStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            ReadStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            ReadStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
            ReadStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        }
    }
}

/// Messages of a queue.
#[derive(Debug)]
pub struct ReadResult {
    /// How it went.
    pub status: ReadStatus,
    /// Where to go on.
    pub next_offset: i64,
    /// The queue's first offset.
    pub min_offset: i64,
    /// The offset after the last message that may be read.
    pub max_offset: i64,
    /// Records as slices of the mapped log; neighbours are one slice.
    pub chunks: Vec<Chunk>,
    /// How many records the slices hold.
    pub count: i32,
    /// How many bytes the slices hold.
    pub bytes: usize,
    /// Whether the messages lie so far back that a slave should serve them.
    pub far_behind: bool,
}

/// What bounds a read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// At most so many messages.
    pub max_messages: i32,
    /// At most so many bytes, but always one message.
    pub max_bytes: usize,
}

/// What the configuration says about reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferLimits {
    pub(crate) memory: (usize, i32),
    pub(crate) disk: (usize, i32),
    /// How many entries are looked through for those that pass, at least; and at most, however many messages
    /// are asked for: as many as a queue's file has.
    pub(crate) looked_through: (usize, usize),
    /// Records within so many bytes of the log's end count as in memory.
    pub(crate) in_memory: i64,
    /// Records within so many bytes of the log's end are there for certain: they have only just been
    /// written.
    pub(crate) recent: i64,
}

impl TransferLimits {
    pub(crate) fn new(config: &StoreConfig) -> Self {
        let memory = rustix::system::sysinfo();
        let memory = memory.totalram as i64 * i64::from(memory.mem_unit);
        TransferLimits {
            memory: (
                config.max_transfer_bytes_on_message_in_memory as usize,
                config.max_transfer_count_on_message_in_memory,
            ),
            disk: (
                config.max_transfer_bytes_on_message_in_disk as usize,
                config.max_transfer_count_on_message_in_disk,
            ),
            looked_through: (
                (config.max_filter_message_size as u64 / ENTRY) as usize,
                (config.queue_file_size() / ENTRY) as usize,
            ),
            in_memory: memory / 100 * config.access_message_in_memory_max_ratio,
            recent: config.mapped_file_size_commit_log.min(64 << 20),
        }
    }
}

/// Ranges of the log with no more than so many bytes between them are looked at together.
const NEAR: i64 = 64 << 10;

/// Reads from `offset` on the messages that pass, up to the records that end at `visible`. With
/// [`Patience::Never`], what is not in memory is an error of the kind `WouldBlock`; otherwise all
/// that is read is in memory afterwards.
#[allow(clippy::too_many_arguments)]
pub(crate) fn read(
    log: &CommitLog,
    queue: &Queue,
    offset: i64,
    limits: ReadLimits,
    transfer: &TransferLimits,
    visible: i64,
    passes: impl Fn(&Entry) -> bool,
    patience: Patience,
) -> Result<ReadResult, StoreError> {
    let log_start = log.start();
    let Range { start: min_offset, end: max_offset } = queue.range(log_start, visible, patience)?;
    let mut result = ReadResult {
        status: ReadStatus::Found,
        next_offset: offset,
        min_offset,
        max_offset,
        chunks: Vec::new(),
        count: 0,
        bytes: 0,
        far_behind: false,
    };
    let edge = match offset {
        _ if max_offset == 0 => Some((ReadStatus::NoMessageInQueue, 0)),
        offset if offset < min_offset => Some((ReadStatus::OffsetTooSmall, min_offset)),
        offset if offset == max_offset => Some((ReadStatus::OffsetOverflowOne, offset)),
        offset if offset > max_offset => Some((ReadStatus::OffsetOverflowBadly, max_offset)),
        _ => None,
    };
    if let Some((status, next)) = edge {
        (result.status, result.next_offset) = (status, next);
        return Ok(result);
    }
    let most = limits.max_messages.min(transfer.memory.1.max(transfer.disk.1)).max(1);
    let (least_scan, most_scan) = transfer.looked_through;
    let scan = (limits.max_messages.max(0) as usize).min(most_scan).max(least_scan);
    // Most reads match everything; reading entries for a whole scan would waste their time.
    let mut step = (most as usize).min(scan);
    let (mut looked_at, mut entries) = (0, Vec::with_capacity(step));
    let within = |(bytes, count): (usize, i32)| {
        (bytes.min(limits.max_bytes), count.min(limits.max_messages))
    };
    let mut gather = Gather {
        memory: within(transfer.memory),
        disk: within(transfer.disk),
        in_memory_from: log.end() - transfer.in_memory,
        start: log_start,
        ..Gather::default()
    };
    'scan: while looked_at < scan && gather.count < most {
        entries.clear();
        let from = offset + looked_at as i64;
        let left = (scan - looked_at).min((max_offset - from) as usize).min(step);
        queue.entries(from, left, patience, &mut entries)?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            if entry.is_message() && passes(entry) && !gather.take(entry) {
                break 'scan;
            }
            looked_at += 1;
        }
        step = scan;
    }
    let (ranges, mut removed) = (gather.ranges(), gather.removed);
    (result.count, result.bytes, result.far_behind) =
        (gather.count, gather.bytes, gather.far_behind);
    if !bring_into_memory(log, &ranges, log.end() - transfer.recent, patience) {
        return Err(queue.not_in_memory());
    }
    result.chunks.reserve_exact(ranges.len());
    let mut held: Option<Held> = None;
    for (start, length) in ranges {
        let of_held = held.as_ref().and_then(|held| held.slice(start, length));
        let records = of_held.or_else(|| {
            held = log.held(start);
            held.as_ref()?.slice(start, length)
        });
        match records {
            Some(records) => result.chunks.push(records),
            // Removed since it was counted: better nothing than a gap that nobody notices.
            None => (removed, result.count, result.bytes) = (true, 0, 0),
        }
    }
    if result.count == 0 {
        result.chunks.clear();
    }
    result.next_offset = offset + looked_at as i64;
    result.status = match result.count {
        0 if removed => ReadStatus::MessageWasRemoving,
        0 if looked_at == 0 => ReadStatus::OffsetFoundNull,
        0 => ReadStatus::NoMatchedMessage,
        _ => ReadStatus::Found,
    };
    Ok(result)
}

/// Makes sure that ranges of the log, in order, are in memory; without patience it says whether they
/// are. What is at `recent` or behind it costs nothing.
fn bring_into_memory(
    log: &CommitLog,
    ranges: &[(i64, usize)],
    recent: i64,
    patience: Patience,
) -> bool {
    let mut old = ranges.iter().take_while(|(start, _)| *start < recent).peekable();
    while let Some((start, length)) = old.next() {
        let mut end = start + *length as i64;
        while let Some((next, length)) = old.next_if(|(next, length)| {
            *next <= end + NEAR && log.in_one_segment(*start, next + *length as i64)
        }) {
            end = next + *length as i64;
        }
        let length = (end - start) as usize;
        match patience {
            Patience::Wait => log.fetch(*start, length),
            Patience::Never if !log.is_cached(*start, length) => return false,
            Patience::Never => {}
        }
    }
    true
}

/// The records of a read, as far as there is room for them.
#[derive(Default)]
struct Gather {
    /// The most bytes and messages as long as they are in memory, and otherwise.
    memory: (usize, i32),
    disk: (usize, i32),
    /// From here on records count as in memory.
    in_memory_from: i64,
    /// Where the log begins.
    start: i64,
    /// Where records begin that follow each other in the log, and how many bytes were taken before them.
    runs: SmallVec<[(i64, usize); 4]>,
    /// Where the last of them ends.
    end: i64,
    count: i32,
    bytes: usize,
    far_behind: bool,
    removed: bool,
}

impl Gather {
    /// Adds an entry's record; `false` when there is no room for it.
    #[inline(always)]
    fn take(&mut self, entry: &Entry) -> bool {
        let size = entry.size as usize;
        let far_behind = entry.physical_offset < self.in_memory_from;
        let (bytes, count) = if far_behind { self.disk } else { self.memory };
        if self.count > 0 && (self.bytes + size > bytes || self.count >= count) {
            return false;
        }
        if entry.physical_offset < self.start {
            self.removed = true;
            return true;
        }
        self.far_behind = far_behind;
        // Records that follow each other in the log are one slice. They are in one segment then,
        // since every segment ends with bytes that are no record.
        if self.count == 0 || entry.physical_offset != self.end {
            self.runs.push((entry.physical_offset, self.bytes));
        }
        self.end = entry.end();
        self.count += 1;
        self.bytes += size;
        true
    }

    /// The ranges of the log that were taken, as starts and lengths.
    fn ranges(&self) -> SmallVec<[(i64, usize); 4]> {
        let ends = self.runs.iter().skip(1).map(|(_, before)| *before).chain([self.bytes]);
        self.runs.iter().zip(ends).map(|((start, before), end)| (*start, end - before)).collect()
    }
}

/// The store time of an entry's record in ms; `None` when the record is gone.
pub(crate) fn store_time(log: &CommitLog, entry: &Entry) -> Option<i64> {
    let bytes = log.bytes(entry.physical_offset, usize::try_from(entry.size).ok()?)?;
    RecordView::parse(&bytes).ok().map(|record| record.store_timestamp())
}
