//! Reads the log by calls, so that damage of the disk is an error and a broker may go on writing.

use crate::commit_log::{self, BLANK, Step};
use crate::disk::{Disk, RandomFile};
use crate::error::StoreError;
use crate::recovery;
use ferromq_protocol::record::{MAGIC_BLANK, MAGIC_V1, MIN_LENGTH, RecordView};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How much is read at once.
const WINDOW: usize = 1 << 20;
/// What claims to be longer is no record.
const LARGEST: usize = 64 << 20;

/// A segment.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) base: i64,
    pub(crate) path: PathBuf,
    /// Its size in bytes, which may not be what it should be.
    pub(crate) length: u64,
}

/// A part of the log in which there is no whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Physical offsets; what comes behind it is sound again.
    pub range: Range<i64>,
    /// How that shows.
    pub reason: String,
    /// Topic, queue and queue offset of the record there, if so much of it can be read.
    pub message: Option<(String, i32, i64)>,
}

/// What is in the log, one after the other.
pub enum LogItem<'a> {
    /// A whole record.
    Record(RecordView<'a>),
    /// None, though there are some behind it.
    Gap(Gap),
}

impl LogItem<'_> {
    /// Where it ends, as a physical offset.
    pub fn end(&self) -> i64 {
        match self {
            LogItem::Record(record) => record.physical_offset() + record.bytes().len() as i64,
            LogItem::Gap(gap) => gap.range.end,
        }
    }
}

/// How the log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Behind the last whole record, as a physical offset.
    pub end: i64,
    /// Why there is something else than nothing behind it.
    pub leftover: Option<String>,
}

pub(crate) struct LogReader<'a> {
    disk: &'a dyn Disk,
    files: &'a [LogFile],
    size: i64,
    open: Option<(i64, Arc<dyn RandomFile>)>,
    window: Vec<u8>,
    window_at: i64,
}

impl<'a> LogReader<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, files: &'a [LogFile], size: i64) -> Self {
        LogReader { disk, files, size, open: None, window: Vec::new(), window_at: 0 }
    }

    fn base_of(&self, offset: i64) -> i64 {
        offset - offset.rem_euclid(self.size)
    }

    /// The segment that holds `offset`, if it exists.
    pub(crate) fn file_at(&self, offset: i64) -> Option<&'a LogFile> {
        let base = self.base_of(offset);
        let index = self.files.binary_search_by_key(&base, |file| file.base).ok()?;
        self.files.get(index)
    }

    fn open(&mut self, offset: i64) -> Result<Option<Arc<dyn RandomFile>>, StoreError> {
        let base = self.base_of(offset);
        if let Some((_, file)) = self.open.as_ref().filter(|(open, _)| *open == base) {
            return Ok(Some(file.clone()));
        }
        let Some(LogFile { path, .. }) = self.file_at(offset) else { return Ok(None) };
        let file = self.disk.open_to_read(path).map_err(StoreError::file("open", path))?;
        self.open = Some((base, file.clone()));
        Ok(Some(file))
    }

    /// Makes at least `length` bytes at `offset` readable, or those that its segment has.
    fn hold(&mut self, offset: i64, length: usize) -> Result<(), StoreError> {
        if self.held(offset).len() >= length {
            return Ok(());
        }
        let left = (self.base_of(offset) + self.size - offset) as usize;
        let Some(file) = self.open(offset)? else {
            self.window.clear();
            return Ok(());
        };
        self.window.resize(length.max(WINDOW).min(left), 0);
        self.window_at = offset;
        let within = (offset - self.base_of(offset)) as u64;
        let read = file.read_at(&mut self.window, within).map_err(|error| {
            let path = self.file_at(offset).map(|file| file.path.clone()).unwrap_or_default();
            StoreError::file("read", path)(error)
        });
        self.window.truncate(*read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    /// What has been read from `offset` on.
    fn held(&self, offset: i64) -> &[u8] {
        let at = usize::try_from(offset - self.window_at).ok();
        at.and_then(|at| self.window.get(at..)).unwrap_or_default()
    }

    /// What is at `offset`. Checksums are left to whoever asks.
    pub(crate) fn look(&mut self, offset: i64) -> Result<Step<'_>, StoreError> {
        let segment_end = self.base_of(offset) + self.size;
        let left = (segment_end - offset) as usize;
        self.hold(offset, MIN_LENGTH.min(left))?;
        if let Some(total) = self.held(offset).first_chunk::<4>() {
            let total = u32::from_be_bytes(*total) as usize;
            if total <= LARGEST.min(left) {
                self.hold(offset, total)?;
            }
        }
        Ok(commit_log::step(self.held(offset), offset, segment_end, false))
    }

    /// What is wrong with what is at `offset`; nothing, if it is a whole record or the end of a
    /// segment.
    fn fault_at(&mut self, offset: i64) -> Result<Option<String>, StoreError> {
        let within = offset.rem_euclid(self.size) as usize;
        let left = (self.size - within as i64) as u32;
        self.look(offset)?;
        let fills_up = self.held(offset).starts_with(&left.to_be_bytes());
        Ok(match self.look(offset)? {
            Step::Record(record) => match record.verify() {
                Err(error) => Some(error.to_string()),
                Ok(()) if recovery::is_torn(&record, within) => {
                    Some("a part of the properties never reached the disk".to_string())
                }
                Ok(()) if text_is_broken(&record) => {
                    Some("topic or properties are not UTF-8".to_string())
                }
                Ok(()) => None,
            },
            Step::Blank(_) if fills_up => None,
            Step::Blank(_) => Some("the filler's length is not what is left".to_string()),
            Step::End(reason) => Some(reason.to_string()),
        })
    }

    fn message_at(&mut self, offset: i64) -> Option<(String, i32, i64)> {
        match self.look(offset) {
            Ok(Step::Record(record)) => {
                Some((record.topic().to_string(), record.queue_id(), record.queue_offset()))
            }
            _ => None,
        }
    }

    /// Visits what is in the log from `offset` on, the beginning of a record or a segment. With
    /// `moving`, somebody else may be writing at its end.
    pub(crate) fn walk<E: From<StoreError>>(
        &mut self,
        mut offset: i64,
        moving: bool,
        mut visit: impl FnMut(LogItem<'_>) -> Result<(), E>,
    ) -> Result<LogEnd, E> {
        let mut newest = i64::MIN;
        loop {
            let fault = match self.fault_at(offset) {
                Ok(None) => {
                    match self.look(offset)? {
                        Step::Record(record) => {
                            newest = record.store_timestamp();
                            let next = offset + record.bytes().len() as i64;
                            visit(LogItem::Record(record))?;
                            offset = next;
                        }
                        Step::Blank(next) => {
                            if self.file_at(next).is_none() && !self.is_followed(next) {
                                return Ok(LogEnd { end: offset, leftover: None });
                            }
                            offset = next;
                        }
                        Step::End(_) => {}
                    }
                    continue;
                }
                Ok(Some(fault)) => fault,
                // A segment that retention removed since; and what cannot be read is damage.
                Err(error) => error.to_string(),
            };
            let Some(sound) = self.next_sound(offset, newest) else {
                let leftover = self.leftover(offset)?;
                return Ok(LogEnd { end: offset, leftover: leftover.then_some(fault) });
            };
            if moving {
                // Written while it was looked at?
                self.window.clear();
                if let Ok(None) = self.fault_at(offset) {
                    continue;
                }
            }
            let message = self.message_at(offset);
            visit(LogItem::Gap(Gap { range: offset..sound, reason: fault, message }))?;
            offset = sound;
        }
    }

    fn is_followed(&self, offset: i64) -> bool {
        self.files.last().is_some_and(|last| last.base >= offset)
    }

    /// The next place behind `offset` that holds what belongs there; not what an earlier life of
    /// the log left in its last segment, which is older than what was read last.
    fn next_sound(&mut self, offset: i64, newest: i64) -> Option<i64> {
        let limit = self.files.last()?.base + self.size;
        if let Ok(Step::Record(record)) = self.look(offset) {
            let next = offset + record.bytes().len() as i64;
            if self.is_sound(next, newest) {
                return Some(next);
            }
        }
        let mut at = offset + 1;
        while at < limit {
            let end = self.base_of(at) + self.size;
            if let Some(found) = self.sound_in(at, end, newest) {
                return Some(found);
            }
            at = end;
            if at < limit && self.is_sound(at, newest) {
                return Some(at);
            }
        }
        None
    }

    fn is_sound(&mut self, offset: i64, newest: i64) -> bool {
        if !matches!(self.fault_at(offset), Ok(None)) {
            return false;
        }
        let last = self.files.last().map_or(0, |last| last.base);
        match self.look(offset) {
            Ok(Step::Record(record)) => offset < last || record.store_timestamp() >= newest,
            Ok(Step::Blank(_)) => offset < last,
            _ => false,
        }
    }

    /// The first sound place of a part of one segment, by the magic that each has in it.
    fn sound_in(&mut self, mut at: i64, end: i64, newest: i64) -> Option<i64> {
        const MAGIC: usize = 4;
        while at < end {
            if self.hold(at, (1 << 16).min((end - at) as usize)).is_err() {
                return None;
            }
            let held = self.held(at);
            if held.len() < BLANK {
                return None;
            }
            if held.iter().all(|byte| *byte == 0) {
                at = self.next_data(at + held.len() as i64, end)?;
                continue;
            }
            let places: Vec<i64> = held
                .windows(4)
                .enumerate()
                .skip(MAGIC)
                .filter(|(_, bytes)| {
                    let magic = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    magic & !0xFF == MAGIC_V1 & !0xFF || magic == MAGIC_BLANK
                })
                .map(|(index, _)| at + (index - MAGIC) as i64)
                .collect();
            // The last bytes may be the first of a magic.
            let next = at + (held.len() - BLANK + 1) as i64;
            if let Some(found) = places.into_iter().find(|place| self.is_sound(*place, newest)) {
                return Some(found);
            }
            at = next;
        }
        None
    }

    /// Where behind `at`, in the same segment, something was ever written.
    fn next_data(&mut self, at: i64, end: i64) -> Option<i64> {
        if at >= end {
            return None;
        }
        let base = self.base_of(at);
        let file = self.open(at).ok()??;
        let next = file.next_data((at - base) as u64).ok()??;
        // A magic may begin before the first byte that is not zero.
        Some((base + next as i64 - BLANK as i64).max(at)).filter(|next| *next < end)
    }

    /// Whether anything but zeros follows in the segment of `offset`.
    fn leftover(&mut self, offset: i64) -> Result<bool, StoreError> {
        let end = self.base_of(offset) + self.size;
        let mut at = offset;
        while at < end {
            self.hold(at, (1 << 16).min((end - at) as usize))?;
            let held = self.held(at);
            if held.iter().any(|byte| *byte != 0) {
                return Ok(true);
            }
            let read = held.len() as i64;
            if read == 0 {
                return Ok(false);
            }
            match self.next_data(at + read, end) {
                Some(next) => at = next,
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}

fn text_is_broken(record: &RecordView<'_>) -> bool {
    let bytes = record.bytes();
    let topic = record.topic().is_empty() && !is_filler(record);
    // An empty string stands for what is no text.
    let properties = record.properties().is_empty() && bytes[bytes.len() - 2..] != [0, 0];
    topic || properties
}

/// Whether a record stands where others were lost; see the repair.
pub(crate) fn is_filler(record: &RecordView<'_>) -> bool {
    record.transaction_type() == ferromq_model::flags::message::TRANSACTION_ROLLBACK
        && (record.topic() == super::repair::FILLER_TOPIC || record.topic().is_empty())
}
