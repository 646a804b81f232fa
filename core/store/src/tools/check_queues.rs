//! Compares consume queues with the log, in one pass over both.

use super::Directory;
use super::check::Report;
use super::check_tables::known_topics;
use super::finding::{Finding, Kind};
use crate::deleted::DeletedTopics;
use crate::entry::{ENTRY, Entry};
use crate::error::StoreError;
use crate::segment_files;
use ferromq_protocol::record::RecordView;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// How many entries are read at once: there may be many queues.
const READ_AHEAD: u64 = 64;

/// One queue, and how far it has been compared.
struct Cursor {
    path: PathBuf,
    /// The offsets that its files span.
    first: i64,
    limit: i64,
    /// The next entry that has not been compared.
    next: i64,
    /// The first entry whose record is still in the log: its offset and where that is.
    living: Option<(i64, i64)>,
    /// The record of the last entry, for those that stand in for lost ones.
    last: Option<Entry>,
    buffer: Vec<u8>,
    buffer_at: i64,
    /// Records at the end without entries, which the next start will make.
    pending: u64,
    damaged: bool,
    /// The offset after the last record.
    end: i64,
}

pub(super) struct QueueChecks<'a> {
    directory: &'a Directory,
    topics: HashMap<String, HashMap<i32, Cursor>>,
    file_size: u64,
    log_start: i64,
    recovered_from: i64,
    deleted: Option<DeletedTopics>,
    known: Option<BTreeSet<String>>,
    /// Records of queues that do not exist: how many, where the first is, and the next offset.
    without_queue: BTreeMap<(String, i32), (u64, i64, i64)>,
    former: u64,
    cut_off: i64,
}

impl<'a> QueueChecks<'a> {
    pub(super) fn open(
        directory: &'a Directory,
        recovered_from: i64,
        report: &mut Report<'_>,
    ) -> Result<Self, StoreError> {
        let deleted = DeletedTopics::load(directory.disk.clone(), &directory.root).ok();
        let mut checks = QueueChecks {
            directory,
            topics: HashMap::new(),
            file_size: directory.config.queue_file_size(),
            log_start: directory.log_start(),
            recovered_from,
            deleted,
            known: known_topics(directory),
            without_queue: BTreeMap::new(),
            former: 0,
            cut_off: i64::MAX,
        };
        for (path, topic, id) in directory.queues()? {
            if let Some(cursor) = checks.cursor(path, &topic, id, report)? {
                checks.topics.entry(topic).or_default().insert(id, cursor);
            }
        }
        Ok(checks)
    }

    /// Looks at a queue's files; `None` if it has none.
    fn cursor(
        &self,
        path: PathBuf,
        topic: &str,
        id: i32,
        report: &mut Report<'_>,
    ) -> Result<Option<Cursor>, StoreError> {
        let size = self.file_size;
        let mut damaged = false;
        let (mut first, mut limit) = (None, 0);
        let entries = self.directory.disk.list(&path).map_err(StoreError::file("list", &path))?;
        let count = entries.len();
        for (number, entry) in entries.into_iter().enumerate() {
            let base =
                entry.name.parse::<i64>().ok().filter(|_| segment_files::is_name(&entry.name));
            let grows = self.directory.is_incomplete() && number + 1 == count;
            let problem = match base {
                None => "is no consume queue file and does not belong there".to_string(),
                Some(_) if entry.is_directory => {
                    "is a directory where a file should be".to_string()
                }
                Some(_) if entry.length == 0 && grows => continue,
                Some(_) if entry.length != size => {
                    format!("has {} bytes instead of {size}", entry.length)
                }
                Some(base) if first.is_some() && base != limit => {
                    format!("the file before it, {limit:020}, is missing")
                }
                Some(base) => {
                    first.get_or_insert(base);
                    limit = base + size as i64;
                    continue;
                }
            };
            damaged = true;
            let finding = Finding::new(Kind::QueueFile, &entry.path, 0, problem);
            report.add(Finding { topic: Some(topic.to_string()), queue: Some(id), ..finding });
            match base {
                Some(base) if !entry.is_directory => {
                    first.get_or_insert(base);
                    limit = base + size as i64;
                }
                _ => report.check.ledger.foreign.push(entry.path),
            }
        }
        let Some(first) = first else {
            return Ok(None);
        };
        let (first, limit) = (first / ENTRY as i64, limit / ENTRY as i64);
        let mut cursor = Cursor {
            path,
            first,
            limit,
            next: first,
            living: None,
            last: None,
            buffer: Vec::new(),
            buffer_at: 0,
            pending: 0,
            damaged,
            end: 0,
        };
        self.find_living(&mut cursor);
        Ok(Some(cursor))
    }

    /// Passes over entries whose records are gone with their segments.
    fn find_living(&self, cursor: &mut Cursor) {
        while let Some(entry) = self.entry(cursor, cursor.next) {
            if !entry.is_written() {
                return;
            }
            if entry.is_message() && entry.physical_offset >= self.log_start {
                cursor.living = Some((cursor.next, entry.physical_offset));
                return;
            }
            cursor.next += 1;
        }
    }

    fn read(&self, cursor: &mut Cursor, offset: i64) {
        let byte = offset as u64 * ENTRY;
        let (base, within) = (byte - byte % self.file_size, byte % self.file_size);
        let count = READ_AHEAD.min((self.file_size - within) / ENTRY);
        cursor.buffer.clear();
        cursor.buffer_at = offset;
        let path = segment_files::path(&cursor.path, base as i64);
        let mut bytes = vec![0; (count * ENTRY) as usize];
        if let Ok(file) = self.directory.disk.open_to_read(&path)
            && let Ok(read) = file.read_at(&mut bytes, within)
        {
            bytes.truncate(read);
            cursor.buffer = bytes;
        }
    }

    /// The entry at an offset; `None` where there is none to be read.
    fn entry(&self, cursor: &mut Cursor, offset: i64) -> Option<Entry> {
        if offset < cursor.first || offset >= cursor.limit {
            return None;
        }
        let at = |cursor: &Cursor| {
            let index = usize::try_from(offset - cursor.buffer_at).ok()?;
            Entry::decode(cursor.buffer.get(index * ENTRY as usize..)?)
        };
        let known = at(cursor);
        // One that was not there before may be there now, if a broker is at work.
        if known.is_none_or(|entry| !entry.is_written() && self.directory.holder().is_some()) {
            self.read(cursor, offset);
        }
        at(cursor)
    }

    fn place(&self, cursor: &Cursor, offset: i64) -> (PathBuf, u64) {
        let byte = offset.clamp(0, cursor.limit) as u64 * ENTRY;
        let base = byte - byte % self.file_size;
        (segment_files::path(&cursor.path, base as i64), byte % self.file_size)
    }

    /// Whether a record is of a topic's life before its deletion.
    fn is_deleted(&self, topic: &str, physical: i64) -> bool {
        self.deleted.as_ref().is_some_and(|deleted| deleted.covers(topic, physical))
    }

    /// The log ends here for the next start, whatever is behind.
    pub(super) fn cut_off(&mut self, offset: i64) {
        self.cut_off = self.cut_off.min(offset);
    }

    /// Compares a record with its entry, which should be `expected`.
    pub(super) fn record(
        &mut self,
        record: &RecordView<'_>,
        expected: Entry,
        report: &mut Report<'_>,
    ) {
        let (topic, id, offset) = (record.topic(), record.queue_id(), record.queue_offset());
        let physical = expected.physical_offset;
        if physical >= self.cut_off {
            return;
        }
        let deleted = self.is_deleted(topic, physical);
        self.former += u64::from(deleted);
        // Taken out, so that it can be read with the rest borrowed.
        let Some(mut cursor) = self.topics.get_mut(topic).and_then(|queues| queues.remove(&id))
        else {
            if deleted {
                return;
            }
            let place = (topic.to_string(), id);
            let missing = self.without_queue.entry(place).or_insert((0, physical, 0));
            missing.0 += 1;
            missing.2 = offset + 1;
            return;
        };
        match deleted {
            // Apache's brokers do not know of the deletion, and make entries anew after a crash.
            true if self.entry(&mut cursor, offset) == Some(expected) => {
                cursor.next = cursor.next.max(offset + 1);
                cursor.last = Some(expected);
                cursor.end = cursor.end.max(offset + 1);
            }
            true => {}
            false => self.compare(&mut cursor, record, expected, report),
        }
        if let Some(queues) = self.topics.get_mut(topic) {
            queues.insert(id, cursor);
        }
    }

    fn compare(
        &mut self,
        cursor: &mut Cursor,
        record: &RecordView<'_>,
        expected: Entry,
        report: &mut Report<'_>,
    ) {
        let (topic, id, offset) = (record.topic(), record.queue_id(), record.queue_offset());
        let physical = expected.physical_offset;
        if let Some((first, from)) = cursor.living
            && offset >= first
            && physical < from
        {
            // The topic was deleted since, and made anew: offsets have begun again.
            self.former += 1;
            return;
        }
        report.check.entries += 1;
        cursor.end = cursor.end.max(offset + 1);
        if physical >= self.recovered_from {
            // Recovery believes nothing from here on; only a broker at work does.
            let entry = self.entry(cursor, offset).filter(Entry::is_message);
            if entry == Some(expected) || (entry.is_some() && self.directory.holder().is_none()) {
                cursor.next = cursor.next.max(offset + 1);
                cursor.last = Some(expected);
                return;
            }
            if entry.is_none() {
                cursor.pending += 1;
                return;
            }
        }
        let mut tell = |cursor: &mut Cursor, kind, at: i64, problem: String| {
            let (file, position) = self.place(cursor, at);
            let finding = Finding::new(kind, file, position, problem);
            report.add(finding.in_log(physical).of_message(topic, id, at));
            cursor.damaged = true;
        };
        if offset < cursor.limit {
            while cursor.next < offset {
                let at = cursor.next;
                let entry = self.entry(cursor, at);
                cursor.next += 1;
                match entry {
                    Some(entry) if entry.is_message() => {
                        let same = |other: Entry| {
                            (other.physical_offset, other.size)
                                == (entry.physical_offset, entry.size)
                        };
                        let stands_in = same(expected) || cursor.last.is_some_and(same);
                        if !stands_in && entry.physical_offset >= self.log_start {
                            let where_to = entry.physical_offset;
                            let problem = format!(
                                "the entry points at {where_to}, where no record of this offset is"
                            );
                            tell(cursor, Kind::Entry, at, problem);
                        }
                    }
                    Some(entry) if entry.is_written() && cursor.last.is_none() => {}
                    _ => {
                        tell(
                            cursor,
                            Kind::Entry,
                            at,
                            "there is no entry, though others follow".to_string(),
                        );
                    }
                }
            }
        }
        match self.entry(cursor, offset) {
            Some(entry) if entry == expected => {
                cursor.next = cursor.next.max(offset + 1);
                cursor.last = Some(expected);
            }
            Some(entry) if entry.is_message() => {
                let problem = format!(
                    "the entry is {}, size {}, tags code {} instead of {physical}, {}, {}",
                    entry.physical_offset,
                    entry.size,
                    entry.tags_code,
                    expected.size,
                    expected.tags_code
                );
                tell(cursor, Kind::Entry, offset, problem);
                cursor.next = cursor.next.max(offset + 1);
                cursor.last = Some(expected);
            }
            _ => {
                let problem = "the record has no entry".to_string();
                tell(cursor, Kind::MissingEntry, offset, problem);
            }
        }
    }

    /// Looks at what is left behind the last records, and at records without queues.
    pub(super) fn close(mut self, log_end: i64, report: &mut Report<'_>) -> Result<(), StoreError> {
        let mut topics: Vec<_> = std::mem::take(&mut self.topics).into_iter().collect();
        topics.sort_by(|a, b| a.0.cmp(&b.0));
        let mut pending = 0;
        for (topic, queues) in topics {
            for (id, mut cursor) in queues {
                self.rest(&topic, id, &mut cursor, log_end, report);
                pending += cursor.pending;
                if cursor.damaged {
                    let end = cursor.end.max(cursor.next);
                    report.check.ledger.queues.insert((topic.clone(), id), end);
                }
            }
        }
        let queues = self.directory.root.join("consumequeue");
        if pending > 0 {
            let problem = format!("{pending} records at the end have no entries yet");
            report.add(Finding::new(Kind::Note, &queues, 0, problem));
        }
        self.missing_queues(&queues, report);
        if self.former > 0 {
            let problem = format!("the log still has {} records of deleted topics", self.former);
            report.add(Finding::new(Kind::Note, &queues, 0, problem));
        }
        Ok(())
    }

    /// Records without a queue: of a deleted topic, if a table says that it is gone.
    fn missing_queues(&mut self, queues: &std::path::Path, report: &mut Report<'_>) {
        for ((topic, id), (count, physical, end)) in std::mem::take(&mut self.without_queue) {
            if self.known.as_ref().is_some_and(|known| !known.contains(&topic)) {
                self.former += count;
                continue;
            }
            let path = queues.join(&topic).join(id.to_string());
            if physical >= self.recovered_from {
                let problem = format!("{count} records have no queue yet");
                report.add(Finding::new(Kind::Note, path, 0, problem));
                continue;
            }
            let problem = format!(
                "the queue is missing, and the log has {count} records of it; if the topic was \
                 deleted and made anew by Apache's broker, this is no damage"
            );
            let finding = Finding::new(Kind::MissingEntry, path, 0, problem).in_log(physical);
            report.add(finding.of_message(&topic, id, 0));
            report.check.ledger.queues.insert((topic, id), end);
        }
    }

    /// The entries behind the last record's.
    fn rest(
        &self,
        topic: &str,
        id: i32,
        cursor: &mut Cursor,
        log_end: i64,
        report: &mut Report<'_>,
    ) {
        let ends = log_end.min(self.cut_off).min(self.recovered_from);
        while let Some(entry) = self.entry(cursor, cursor.next).filter(Entry::is_written) {
            let at = cursor.next;
            cursor.next += 1;
            let stands_in = cursor.last.is_some_and(|last| {
                last.physical_offset == entry.physical_offset && last.size == entry.size
            });
            if stands_in || !entry.is_message() || entry.physical_offset < self.log_start {
                continue;
            }
            if self.directory.is_incomplete() && self.is_deleted(topic, entry.physical_offset) {
                continue; // A crash has brought the queue back; the next start removes it.
            }
            // A broker may be ahead of what was read of its log, and a crash may have been.
            let ahead = entry.end() > ends;
            if ahead && self.directory.is_incomplete() {
                cursor.next = at;
                return;
            }
            let (file, position) = self.place(cursor, at);
            let problem = format!(
                "the entry points at {}, where no record of this offset is",
                entry.physical_offset
            );
            let finding = Finding::new(Kind::Entry, file, position, problem);
            report.add(finding.in_log(entry.physical_offset).of_message(topic, id, at));
            cursor.damaged = true;
        }
        if self.directory.is_incomplete() {
            return;
        }
        if let Some(at) = self.written_behind(cursor) {
            let (file, position) = self.place(cursor, at);
            let finding = Finding::new(
                Kind::Entry,
                file,
                position,
                "something is written behind the last entry",
            );
            report.add(finding.of_message(topic, id, at));
            cursor.damaged = true;
        }
    }

    /// The first entry behind the end that is not zero.
    fn written_behind(&self, cursor: &Cursor) -> Option<i64> {
        let mut byte = cursor.next as u64 * ENTRY;
        let limit = cursor.limit as u64 * ENTRY;
        while byte < limit {
            let within = byte % self.file_size;
            let base = byte - within;
            let file = segment_files::path(&cursor.path, base as i64);
            let file = self.directory.disk.open_to_read(&file).ok()?;
            byte = base + self.file_size;
            let mut at = within;
            while let Some(data) = file.next_data(at).ok()?.filter(|data| *data < self.file_size) {
                let mut bytes = vec![0; (self.file_size - data).min(1 << 16) as usize];
                let read = file.read_at(&mut bytes, data).ok()?;
                if let Some(index) = bytes[..read].iter().position(|byte| *byte != 0) {
                    return Some(((base + data + index as u64) / ENTRY) as i64);
                }
                if read == 0 {
                    break;
                }
                at = data + read as u64;
            }
        }
        None
    }
}
