//! Index files: from the keys of a message to its record (store §4).
//!
//! A thread of its own follows the log and enters the keys, since every key touches pages all over
//! a large file. A query sees what has been entered; a clean stop leaves nothing to be entered.

use crate::config::StoreConfig;
use crate::disk::{DirEntry, Disk, Words};
use crate::error::StoreError;
use ferromq_model::flags::message;
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::RecordView;
use ferromq_protocol::tags::{java_string_hash, java_string_hash_after};
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::Arc;

/// Words of a file's header: four of 64 bits, two of 32.
pub(crate) const HEADER: usize = 10;
pub(crate) const BEGIN_TIME: usize = 0;
pub(crate) const END_TIME: usize = 2;
pub(crate) const BEGIN_OFFSET: usize = 4;
pub(crate) const END_OFFSET: usize = 6;
pub(crate) const SLOT_COUNT: usize = 8;
pub(crate) const NEXT_ENTRY: usize = 9;
/// Words of an entry: hash, offset (two), seconds, previous entry.
pub(crate) const ENTRY: usize = 5;

/// What a file begins with.
struct Header {
    begin_time: i64,
    end_time: i64,
    begin_offset: i64,
    end_offset: i64,
    slot_count: u32,
    /// The number of the next entry; the first is 1.
    next: u32,
}

fn halves(long: i64) -> [u32; 2] {
    [(long >> 32) as u32, long as u32]
}

impl Header {
    fn words(&self) -> [u32; HEADER] {
        let [a, b] = halves(self.begin_time);
        let [c, d] = halves(self.end_time);
        let [e, f] = halves(self.begin_offset);
        let [g, h] = halves(self.end_offset);
        [a, b, c, d, e, f, g, h, self.slot_count, self.next]
    }
}

struct IndexFile {
    path: PathBuf,
    words: Box<dyn Words>,
    slots: u32,
    entries: u32,
}

impl IndexFile {
    fn long(&self, at: usize) -> i64 {
        (i64::from(self.words.load(at)) << 32) | i64::from(self.words.load(at + 1))
    }

    fn header(&self) -> Header {
        Header {
            begin_time: self.long(BEGIN_TIME),
            end_time: self.long(END_TIME),
            begin_offset: self.long(BEGIN_OFFSET),
            end_offset: self.long(END_OFFSET),
            slot_count: self.words.load(SLOT_COUNT),
            next: self.next(),
        }
    }

    /// The number of the next entry; the first is 1.
    fn next(&self) -> u32 {
        self.words.load(NEXT_ENTRY).max(1)
    }

    fn is_full(&self) -> bool {
        self.next() >= self.entries
    }

    fn entry(&self, number: u32) -> usize {
        HEADER + self.slots as usize + number as usize * ENTRY
    }

    fn put(&self, header: &mut Header, hash: u32, offset: i64, timestamp: i64) {
        let slot = HEADER + (hash % self.slots) as usize;
        let number = header.next;
        let newest = self.words.load(slot);
        let previous = if newest > number { 0 } else { newest };
        let begin = header.begin_time;
        let seconds = if begin <= 0 { 0 } else { (timestamp - begin) / 1000 };
        let seconds = seconds.clamp(0, i64::from(i32::MAX)) as u32;
        let [high, low] = halves(offset);
        self.words.store_all(self.entry(number), &[hash, high, low, seconds, previous]);
        if number <= 1 {
            header.begin_offset = offset;
            header.begin_time = timestamp;
        }
        header.slot_count += u32::from(previous == 0);
        header.next = number + 1;
        header.end_offset = offset;
        header.end_time = timestamp;
        // The slot comes last: whoever reads it passes over what the header does not count yet, and
        // the older entries with it.
        self.words.store_all(0, &header.words());
        self.words.store(slot, number);
    }

    /// Adds offsets of entries with this hash from newest to oldest, until there are `max`.
    fn find(&self, hash: u32, max: usize, begin: i64, end: i64, found: &mut Vec<i64>) {
        let first = self.long(BEGIN_TIME);
        let mut number = self.words.load(HEADER + (hash % self.slots) as usize);
        while number > 0 && number < self.next() && found.len() < max {
            let entry = self.entry(number);
            let seconds = self.words.load(entry + 3) as i32;
            if seconds < 0 {
                return;
            }
            // Whole seconds only: an entry is up to a second younger than it says.
            let time = first + i64::from(seconds) * 1000;
            if self.words.load(entry) == hash && time + 999 >= begin && time <= end {
                found.push(self.long(entry + 1));
            }
            let previous = self.words.load(entry + 4);
            if previous >= number || time + 999 < begin {
                return;
            }
            number = previous;
        }
    }
}

/// The size of every index file, in bytes.
pub(crate) fn file_length(config: &StoreConfig) -> u64 {
    let (slots, entries) = (config.max_hash_slot_num as u64, config.max_index_num as u64);
    (HEADER as u64 + slots + entries * ENTRY as u64) * 4
}

/// Refuses a file of another size, unless it is empty or no index file.
pub(crate) fn check_length(entry: &DirEntry, expected: u64) -> Result<(), StoreError> {
    let ours = !entry.is_directory && entry.name.parse::<u64>().is_ok();
    if !ours || entry.length == 0 || entry.length == expected {
        return Ok(());
    }
    let (path, actual) = (entry.path.clone(), entry.length);
    let setting = "the size given by maxHashSlotNum and maxIndexNum";
    Err(StoreError::SegmentSize { path, setting, expected, actual })
}

/// The keys under which a record is found: its unique id and those that its sender gave it.
pub(crate) fn keys_of<'a>(record: &RecordView<'a>) -> impl Iterator<Item = &'a str> {
    let [unique, keys] = properties::find_each(record.properties(), [key::UNIQUE_KEY, key::KEYS]);
    let keys = keys.into_iter().flat_map(|keys| keys.split(' ').filter(|key| !key.is_empty()));
    unique.into_iter().chain(keys)
}

/// The key under which Apache's brokers from 5.4 on enter a record for its tag, too. Ours do not.
pub(crate) fn tag_key_of(record: &RecordView<'_>) -> Option<String> {
    record.property(key::TAGS).map(|tag| format!("T#{tag}"))
}

/// The hash of an index key: never negative.
pub(crate) fn hash_of(topic: &str, key: &str) -> u32 {
    key_hash(topic_hash(topic), key)
}

/// The hash of what all index keys of a topic begin with.
fn topic_hash(topic: &str) -> i32 {
    java_string_hash_after(java_string_hash(topic), "#")
}

fn key_hash(topic: i32, key: &str) -> u32 {
    java_string_hash_after(topic, key).checked_abs().unwrap_or(0) as u32
}

/// Which files were complete on disk at an unclean exit.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    /// Those that ended at this time (ms) or before.
    Time(i64),
    /// Full ones that ended at this log offset or before.
    Offset(i64),
}

impl Keep {
    fn includes(self, file: &IndexFile) -> bool {
        match self {
            Keep::Time(until) => file.long(END_TIME) <= until,
            Keep::Offset(until) => file.is_full() && file.long(END_OFFSET) <= until,
        }
    }
}

/// Where a file that was filled ends.
#[derive(Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) time: i64,
    pub(crate) offset: i64,
}

pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    slots: u32,
    entries: u32,
    files: RwLock<Vec<Arc<IndexFile>>>,
}

impl Index {
    /// Opens the files that exist. After an unclean exit those that were not complete on disk are
    /// removed; recovery enters their messages again.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        config: &StoreConfig,
        keep: Option<Keep>,
        log_end: i64,
    ) -> Result<Self, StoreError> {
        let directory = config.root().join("index");
        let (slots, entries) = (config.max_hash_slot_num as u32, config.max_index_num as u32);
        let length = file_length(config);
        let mut files = Vec::new();
        for entry in disk.list(&directory).map_err(StoreError::file("list", &directory))? {
            let path = entry.path.clone();
            if entry.is_directory || entry.name.parse::<u64>().is_err() {
                continue;
            }
            if entry.length == 0 {
                // Whoever made it was killed before it grew.
                disk.remove(&path).map_err(StoreError::file("remove", &path))?;
                continue;
            }
            check_length(&entry, length)?;
            let words = disk.open_words(&path, length).map_err(StoreError::file("open", &path))?;
            let file = IndexFile { path, words, slots, entries };
            // Nor those that name records which the log has lost: others will be there.
            let ahead = file.next() > 1 && file.long(END_OFFSET) >= log_end;
            if keep.is_some_and(|keep| ahead || !keep.includes(&file)) {
                disk.remove(&file.path).map_err(StoreError::file("remove", &file.path))?;
                continue;
            }
            files.push(Arc::new(file));
        }
        Ok(Index { disk, directory, slots, entries, files: RwLock::new(files) })
    }

    /// To enter keys, from one record to the next. There must be one at a time.
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer { index: self, last: self.files.read().last().cloned().map(Open::new) }
    }

    /// A new file, whose header goes on where the last one ended.
    fn next_file(&self) -> Result<Open, StoreError> {
        let create = StoreError::file("create", &self.directory);
        self.disk.create_directory(&self.directory).map_err(create)?;
        let length =
            (HEADER as u64 + u64::from(self.slots) + u64::from(self.entries) * ENTRY as u64) * 4;
        let mut files = self.files.write();
        let mut name = time_name();
        // Two files in one millisecond must not get one name.
        while files.last().is_some_and(|last| last.path.ends_with(&name)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
            name = time_name();
        }
        let path = self.directory.join(name);
        let opened = self.disk.open_words(&path, length);
        let words = opened.map_err(StoreError::file("create", &path))?;
        let file = IndexFile { path, words, slots: self.slots, entries: self.entries };
        let mut header = file.header();
        if let Some(last) = files.last().map(|last| last.header()) {
            (header.begin_time, header.begin_offset) = (last.end_time, last.end_offset);
            (header.end_time, header.end_offset) = (last.end_time, last.end_offset);
        }
        file.words.store_all(0, &header.words());
        let file = Arc::new(file);
        files.push(file.clone());
        Ok(Open { file, header })
    }

    /// Offsets of messages that may have the key, at most `max`, newest file first.
    pub(crate) fn find(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin: i64,
        end: i64,
    ) -> Vec<i64> {
        let hash = hash_of(topic, key);
        let mut found = Vec::new();
        for file in self.files.read().iter().rev() {
            let (first, last) = (file.long(BEGIN_TIME), file.long(END_TIME));
            if first <= end && last >= begin {
                file.find(hash, max, begin, end, &mut found);
            }
            if first < begin || found.len() >= max {
                break;
            }
        }
        found
    }

    /// When and up to which physical offset keys were last entered.
    pub(crate) fn last_update(&self) -> (i64, i64) {
        self.files.read().last().map_or((0, 0), |last| (last.long(END_TIME), last.long(END_OFFSET)))
    }

    /// Removes files all of whose records are gone; the last stays.
    pub(crate) fn remove_expired(&self, log_start: i64) -> Result<(), StoreError> {
        let mut files = self.files.write();
        while files.len() > 1 && files[0].long(END_OFFSET) < log_start {
            let first = files.remove(0);
            self.disk.remove(&first.path).map_err(StoreError::file("remove", &first.path))?;
        }
        Ok(())
    }

    /// Writes everything to disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let files = self.files.read();
        match files.last() {
            Some(last) => last.words.sync().map_err(StoreError::file("sync", &last.path)),
            None => Ok(()),
        }
    }
}

/// A file to which keys are added, with its header as it is.
struct Open {
    file: Arc<IndexFile>,
    header: Header,
}

impl Open {
    fn new(file: Arc<IndexFile>) -> Self {
        Open { header: file.header(), file }
    }

    fn is_full(&self) -> bool {
        self.header.next >= self.file.entries
    }
}

/// Enters the keys of records in the order of the log.
pub(crate) struct Writer<'a> {
    index: &'a Index,
    last: Option<Open>,
}

impl Writer<'_> {
    /// Enters the keys of a record, unless it has been entered already. Returns the end of a file
    /// that this filled, and that is on disk now.
    pub(crate) fn enter(&mut self, record: &RecordView<'_>) -> Result<Option<Filled>, StoreError> {
        if record.transaction_type() == message::TRANSACTION_ROLLBACK {
            return Ok(None);
        }
        let offset = record.physical_offset();
        if let Some(Open { header, .. }) = &self.last
            && header.next > 1
            && offset < header.end_offset
        {
            return Ok(None);
        }
        let (topic, timestamp) = (topic_hash(record.topic()), record.store_timestamp());
        let mut filled = None;
        for key in keys_of(record) {
            if self.last.as_ref().is_none_or(Open::is_full) {
                filled = self.close()?.or(filled);
                self.last = Some(self.index.next_file()?);
            }
            if let Some(Open { file, header }) = &mut self.last {
                file.put(header, key_hash(topic, key), offset, timestamp);
            }
        }
        Ok(filled)
    }

    fn close(&self) -> Result<Option<Filled>, StoreError> {
        let Some(Open { file, header }) = &self.last else {
            return Ok(None);
        };
        file.words.sync().map_err(StoreError::file("sync", &file.path))?;
        Ok(Some(Filled { time: header.end_time, offset: header.end_offset }))
    }
}

/// The local time in 17 digits.
fn time_name() -> String {
    jiff::ZonedDateTime::now().strftime("%Y%m%d%H%M%S%3f").to_string()
}
