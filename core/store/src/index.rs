//! Index files: from the keys of a message to its record (store §4).
//!
//! A thread of its own follows the log and enters the keys, since every key touches pages all over
//! a large file. A query sees what has been entered; a clean stop leaves nothing to be entered.

use crate::config::StoreConfig;
use crate::disk::{DirEntry, Disk, Words};
use crate::error::StoreError;
use crate::keys::{Keys, NewKey, TopicHash};
use ferromq_model::flags::message;
use ferromq_protocol::record::RecordView;
use parking_lot::{Mutex, RwLock};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
    /// The number of the next entry. The header says so only after each run of records.
    next: AtomicU32,
}

impl IndexFile {
    fn new(path: PathBuf, words: Box<dyn Words>, slots: u32, entries: u32) -> Self {
        let next = AtomicU32::new(words.load(NEXT_ENTRY).max(1));
        IndexFile { path, words, slots, entries, next }
    }

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
        self.next.load(Ordering::Acquire)
    }

    fn is_full(&self) -> bool {
        self.next() >= self.entries
    }

    fn entry(&self, number: u32) -> usize {
        HEADER + self.slots as usize + number as usize * ENTRY
    }

    fn put(&self, header: &mut Header, new: &NewEntry) {
        let NewEntry { hash, slot, offset, timestamp } = *new;
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
        if number <= 1 {
            self.set_header(header);
        }
        // The slot comes last: whoever reads it passes over entries that do not count yet, and the
        // older ones with them.
        self.next.store(number + 1, Ordering::Release);
        self.words.store(slot, number);
    }

    fn set_header(&self, header: &Header) {
        self.words.store_all(0, &header.words());
    }

    /// Adds offsets of entries with this hash from newest to oldest, until there are `max`.
    fn find(&self, hash: u32, max: usize, begin: i64, end: i64, found: &mut Vec<i64>) {
        let first = self.long(BEGIN_TIME);
        let mut number = self.words.load(slot_of(hash, self.slots));
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

/// The word that holds the newest entry of a hash, in a file with so many slots.
fn slot_of(hash: u32, slots: u32) -> usize {
    HEADER + (hash % slots) as usize
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

impl Filled {
    /// No file is full.
    pub(crate) const NONE: Filled = Filled { time: 0, offset: -1 };
}

impl From<Filled> for (i64, i64) {
    fn from(Filled { time, offset }: Filled) -> Self {
        (time, offset)
    }
}

pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    slots: u32,
    entries: u32,
    files: RwLock<Vec<Arc<IndexFile>>>,
    /// Files without a name, which the system frees when they are dropped.
    removed: Mutex<Vec<IndexFile>>,
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
        let (mut files, mut removed) = (Vec::new(), Vec::new());
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
            let file = IndexFile::new(path, words, slots, entries);
            // Nor those that name records which the log has lost: others will be there.
            let ahead = file.next() > 1 && file.long(END_OFFSET) >= log_end;
            if keep.is_some_and(|keep| ahead || !keep.includes(&file)) {
                disk.remove(&file.path).map_err(StoreError::file("remove", &file.path))?;
                removed.push(file);
                continue;
            }
            files.push(Arc::new(file));
        }
        let (files, removed) = (RwLock::new(files), Mutex::new(removed));
        Ok(Index { disk, directory, slots, entries, files, removed })
    }

    /// Has the system free the files that were removed when it was opened. That takes tens of milliseconds
    /// where all of one was in memory, for which no start has to wait.
    pub(crate) fn free_removed(&self) {
        self.removed.lock().clear();
    }

    /// To enter keys, from one record to the next. There must be one at a time.
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer {
            index: self,
            last: self.files.read().last().cloned().map(Open::new),
            topic: Vec::new(),
            topic_hash: TopicHash::of(b""),
            gathered: Vec::with_capacity(TOGETHER),
            entered: 0,
            filled: None,
        }
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
        let file = IndexFile::new(path, words, self.slots, self.entries);
        let mut header = file.header();
        if let Some(last) = files.last().map(|last| last.header()) {
            (header.begin_time, header.begin_offset) = (last.end_time, last.end_offset);
            (header.end_time, header.end_offset) = (last.end_time, last.end_offset);
        }
        file.set_header(&header);
        let file = Arc::new(file);
        files.push(file.clone());
        Ok(Open::new(file))
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
        let hash = TopicHash::of(topic.as_bytes()).key(key.as_bytes());
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

    /// Where the last of the files ends that are on disk, after they were opened with `keep`.
    pub(crate) fn complete(&self, keep: Option<Keep>) -> Filled {
        let files = self.files.read();
        let by_time = matches!(keep, Some(Keep::Time(_)));
        let last = files.iter().rev().find(|file| file.is_full() || by_time);
        last.map_or(Filled::NONE, |last| Filled {
            time: last.long(END_TIME),
            offset: last.long(END_OFFSET),
        })
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

/// How much of an index file is made ready at once at most, in words, and what is not worth asking for.
const READY: Range<usize> = 1 << 10..64 << 10;

/// So many keys are entered together. Their slots lie all over the file, and hardly any is in a cache of the
/// processor: memory is asked for all of them before the first is waited for.
pub(crate) const TOGETHER: usize = 64;

/// A key that is to be entered.
struct NewEntry {
    hash: u32,
    slot: usize,
    offset: i64,
    timestamp: i64,
}

/// A file to which keys are added, with its header as it is.
struct Open {
    file: Arc<IndexFile>,
    header: Header,
    /// Its first word that was free when it was opened.
    from: usize,
    /// Up to which word its pages are made ready.
    ready: usize,
}

impl Open {
    fn new(file: Arc<IndexFile>) -> Self {
        let header = file.header();
        let from = file.entry(header.next);
        Open { file, header, from, ready: from }
    }

    /// How many more entries there is room for.
    fn room(&self) -> usize {
        self.file.entries.saturating_sub(self.header.next) as usize
    }

    /// Adds entries, at most as many as there is room for and as are entered together.
    fn put(&mut self, new: &[NewEntry]) {
        let start = self.file.entry(self.header.next);
        let end = start + new.len() * ENTRY;
        if end > self.ready {
            // As much again as came in one go: where little comes, little is written to disk for it.
            let ahead = (end - self.from).min(READY.end);
            self.ready = (end + ahead.max(READY.start)).min(self.file.words.count());
            if ahead >= READY.start {
                self.file.words.make_ready(start..self.ready);
            }
        }
        let mut slots = [0; TOGETHER];
        slots.iter_mut().zip(new).for_each(|(slot, new)| *slot = new.slot);
        self.file.words.touch(&slots[..new.len().min(TOGETHER)]);
        new.iter().for_each(|new| self.file.put(&mut self.header, new));
    }
}

/// Enters the keys of records in the order of the log.
pub(crate) struct Writer<'a> {
    index: &'a Index,
    last: Option<Open>,
    /// The topic of the last record, and the hash of what its keys begin with.
    topic: Vec<u8>,
    topic_hash: TopicHash,
    /// Keys that are not entered yet, but for so many of them.
    gathered: Vec<NewEntry>,
    entered: usize,
    filled: Option<Filled>,
}

impl Writer<'_> {
    /// Enters the keys of a record, unless it has been entered already: soon, and at the latest when
    /// [`finish`](Self::finish) is called.
    pub(crate) fn enter(&mut self, record: &RecordView<'_>) -> Result<(), StoreError> {
        if record.transaction_type() == message::TRANSACTION_ROLLBACK {
            return Ok(());
        }
        let offset = record.physical_offset();
        if let Some(Open { header, .. }) = &self.last
            && header.next > 1
            && offset < header.end_offset
        {
            return Ok(());
        }
        if self.topic != record.topic_bytes() {
            self.topic.clear();
            self.topic.extend_from_slice(record.topic_bytes());
            self.topic_hash = TopicHash::of(&self.topic);
        }
        let timestamp = record.store_timestamp();
        Keys::of(record.properties_bytes())
            .each_hash(self.topic_hash, |hash| self.enter_key(&NewKey { hash, offset, timestamp }))
    }

    /// Enters a key, as soon as [`enter`](Self::enter) does.
    #[inline]
    pub(crate) fn enter_key(&mut self, key: &NewKey) -> Result<(), StoreError> {
        let NewKey { hash, offset, timestamp } = *key;
        let slot = slot_of(hash, self.index.slots);
        self.gathered.push(NewEntry { hash, slot, offset, timestamp });
        if self.gathered.len() >= TOGETHER { self.finish() } else { Ok(()) }
    }

    /// Enters what was gathered. After a failure, the rest is entered when it is called again.
    pub(crate) fn finish(&mut self) -> Result<(), StoreError> {
        while self.entered < self.gathered.len() {
            let room = match &self.last {
                Some(last) if last.room() > 0 => last.room(),
                _ => self.open_next()?.room().max(1),
            };
            let rest = &self.gathered[self.entered..];
            let part = &rest[..rest.len().min(room).min(TOGETHER)];
            if let Some(last) = &mut self.last {
                last.put(part);
            }
            self.entered += part.len();
        }
        self.gathered.clear();
        self.entered = 0;
        Ok(())
    }

    /// The first record that is not entered with all its keys, after a failure; `None` if all are that
    /// were given.
    pub(crate) fn first_left(&self) -> Option<i64> {
        self.gathered.get(self.entered).map(|new| new.offset)
    }

    /// Writes the last file to disk, if there is one, and goes on in a new one.
    fn open_next(&mut self) -> Result<&mut Open, StoreError> {
        self.end_run();
        if let Some(Open { file, header, .. }) = &self.last {
            file.words.sync().map_err(StoreError::file("sync", &file.path))?;
            self.filled = Some(Filled { time: header.end_time, offset: header.end_offset });
        }
        Ok(self.last.insert(self.index.next_file()?))
    }

    /// Has the last file's header say what was entered. Returns the end of the last file that was
    /// filled since, and that is on disk now.
    pub(crate) fn end_run(&mut self) -> Option<Filled> {
        if let Some(Open { file, header, .. }) = &self.last {
            file.set_header(header);
        }
        self.filled.take()
    }
}

/// The local time in 17 digits.
fn time_name() -> String {
    jiff::ZonedDateTime::now().strftime("%Y%m%d%H%M%S%3f").to_string()
}
