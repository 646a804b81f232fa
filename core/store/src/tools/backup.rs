//! Copies a directory that a broker may be using.
//!
//! What points is copied before what it points at, and what is pointed at is copied further: the
//! checkpoint and the tables first, then the log up to the last whole record, then consume queue
//! entries whose records are in that log. What the entries lack, recovery makes anew in the copy, as
//! after a crash. So the copy holds everything that was acknowledged before it began, and is closed
//! like a directory whose broker was stopped.
//!
//! A run that is interrupted goes on where it was; a later run copies what has come since.

use super::directory::log_files;
use super::log_reader::{LogFile, LogItem, LogReader};
use super::{Directory, Progress};
use crate::checkpoint::Checkpoint;
use crate::commit_log::BLANK;
use crate::config::StoreConfig;
use crate::disk::RandomFile;
use crate::entry::{ENTRY, Entry};
use crate::error::StoreError;
use crate::examine::UNFINISHED_BACKUP;
use crate::index;
use crate::lock::DirectoryLock;
use crate::segment_files;
use crate::store::Store;
use ferromq_protocol::record::MAGIC_BLANK;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file by which a finished backup is known. It holds the end of its log.
const FINISHED: &str = "ferromq-backup";
/// After how many bytes it is noted how far the copy has come.
const NOTED_EVERY: i64 = 64 << 20;
/// How much is copied at once.
const PART: usize = 1 << 20;

/// Changes of topics that their table does not have yet; only our broker's tables have it.
pub(super) const TOPICS_JOURNAL: &str = "ferromq-topics.journal";

/// What a backup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How many bytes of the log this run copied.
    pub copied: u64,
    /// Where the copy's log begins, as a physical offset.
    pub log_start: i64,
    /// Where it ends.
    pub log_end: i64,
    /// How many consume queues it has.
    pub queues: usize,
}

/// Copies the directory at `source`, used by a broker or not, to `target`, which is empty or holds an
/// earlier backup of it.
///
/// Tables, log, queues and index are copied; not copied are timers, compaction and identities of
/// Apache's brokers, which do not go with a copy.
///
/// # Errors
/// When the target holds something else, was used by a broker since, or belongs to another log; when
/// the source is damaged, or has an index of a size that `settings` do not name; when a file cannot be read or written.
pub fn backup(
    source: &Path,
    settings: Option<StoreConfig>,
    target: &Path,
    progress: &Progress<'_>,
) -> Result<Backup, StoreError> {
    let directory = Directory::open(source, settings)?;
    knows_size_of_index(&directory)?;
    std::fs::create_dir_all(target).map_err(StoreError::file("create", target))?;
    let real = |path: &Path| path.canonicalize().map_err(StoreError::file("open", path));
    if real(source)? == real(target)? {
        return Err(refusal(target, "is what is to be copied", "name another directory"));
    }
    let copy = Copy { log: directory.log.clone(), directory, target: target.to_path_buf() };
    let from = copy.position()?;
    let lock = DirectoryLock::take(target)?;
    copy.note(from)?;
    // Whoever opens it from here on, though told not to, recovers what is there from its log.
    copy.replace("abort", b"")?;
    copy.remove(&Checkpoint::path(target))?;
    copy.remove(&target.join(FINISHED))?;
    let checkpoint = copy.checkpoint()?;
    copy.tables()?;
    let Copy { directory, .. } = &copy;
    let complete = directory.checkpoint.queues_complete;
    let (log_start, log_end, copied) = copy.copy_log(from, progress)?;
    copy.remove_segments(log_start, log_end)?;
    let queues = copy.queues(log_end.min(complete.unwrap_or(i64::MAX)))?;
    copy.small_file("ferromq-deleted-topics")?;
    if let Some(checkpoint) = checkpoint {
        copy.replace("checkpoint", &checkpoint)?;
    }
    copy.replace(FINISHED, format!("{log_end}\n").as_bytes())?;
    copy.remove(&target.join(UNFINISHED_BACKUP))?;
    drop(lock);
    copy.complete(log_start)?;
    copy.date_segments()?;
    progress(copied, copied);
    Ok(Backup { copied, log_start, log_end, queues })
}

/// The copy's index is made anew. Its files must be as large as the broker has them, and neither it nor
/// Apache's could tell by their content that they are not.
fn knows_size_of_index(directory: &Directory) -> Result<(), StoreError> {
    let folder = directory.root.join("index");
    let entries = directory.disk.list(&folder).map_err(StoreError::file("list", &folder))?;
    let expected = index::file_length(&directory.config);
    entries.iter().try_for_each(|entry| index::check_length(entry, expected))
}

fn refusal(path: &Path, what: impl Into<String>, advice: &'static str) -> StoreError {
    StoreError::OtherFormat { path: path.into(), what: what.into(), advice }
}

struct Copy {
    directory: Directory,
    log: Vec<LogFile>,
    target: PathBuf,
}

impl Copy {
    fn size(&self) -> i64 {
        self.directory.config.mapped_file_size_commit_log
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.target.join(name);
        self.directory.disk.replace(&path, content).map_err(StoreError::file("write", path))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.directory.disk.remove(path).map_err(StoreError::file("remove", path))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match self.directory.disk.read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file("read", path)(error)),
        }
    }

    /// Notes that the copy is not finished, and up to where its log is.
    fn note(&self, log_end: i64) -> Result<(), StoreError> {
        self.replace(UNFINISHED_BACKUP, format!("{log_end}\n").as_bytes())
    }

    fn segment(&self, offset: i64) -> PathBuf {
        segment_files::path(&self.target.join("commitlog"), offset - offset.rem_euclid(self.size()))
    }

    /// Where copying goes on: behind what is in the target.
    fn position(&self) -> Result<i64, StoreError> {
        let unfinished = self.read(&self.target.join(UNFINISHED_BACKUP))?;
        let finished = self.read(&self.target.join(FINISHED))?;
        let is_finished = unfinished.is_none();
        let Some(content) = unfinished.or(finished) else {
            let mut entries = self.directory.disk.list(&self.target).unwrap_or_default();
            entries.retain(|entry| entry.name != "lock" && entry.name != "lost+found");
            if !entries.is_empty() {
                let what = "is not empty, and no backup";
                return Err(refusal(&self.target, what, "name an empty directory"));
            }
            return Ok(self.directory.log_start());
        };
        let end: Option<i64> = String::from_utf8_lossy(&content).trim().parse().ok();
        let end = end.ok_or_else(|| {
            refusal(&self.target, "has a damaged note of its backup", "name an empty directory")
        })?;
        if is_finished && self.has_more(end)? {
            let what = "has been used by a broker since it was made";
            return Err(refusal(&self.target, what, "name an empty directory"));
        }
        if end < self.directory.log_start() {
            // The source has removed what would have to be between.
            return Ok(self.directory.log_start());
        }
        self.compare_before(end)?;
        Ok(end)
    }

    /// Whether there are records in the target behind what was copied.
    fn has_more(&self, end: i64) -> Result<bool, StoreError> {
        let path = self.segment(end);
        let Ok(file) = self.directory.disk.open_to_read(&path) else { return Ok(false) };
        let mut bytes = [0; BLANK];
        let read = file.read_at(&mut bytes, end.rem_euclid(self.size()) as u64);
        read.map_err(StoreError::file("read", path))?;
        Ok(bytes != [0; BLANK])
    }

    /// Whether both logs are the same before `end`.
    fn compare_before(&self, end: i64) -> Result<(), StoreError> {
        if end <= self.directory.log_start() {
            return Ok(());
        }
        let within = (end - 1).rem_euclid(self.size()) as u64 + 1;
        let length = within.min(PART as u64);
        let read = |path: &Path| {
            let mut bytes = vec![0; length as usize];
            let file = self.directory.disk.open_to_read(path);
            let read = file.and_then(|file| file.read_at(&mut bytes, within - length));
            read.map(|_| bytes).map_err(StoreError::file("read", path))
        };
        let reader = self.directory.reader();
        let same = match reader.file_at(end - 1) {
            Some(file) => read(&file.path)? == read(&self.segment(end - 1))?,
            None => false,
        };
        match same {
            true => Ok(()),
            false => Err(refusal(
                &self.target,
                "belongs to another log, or to one that has lost messages since",
                "name an empty directory",
            )),
        }
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&Checkpoint::path(&self.directory.root))
    }

    fn small_file(&self, name: &str) -> Result<(), StoreError> {
        match self.read(&self.directory.root.join(name))? {
            Some(content) => self.replace(name, &content),
            None => self.remove(&self.target.join(name)),
        }
    }

    /// Topics, groups, progress and whatever other tables there are.
    fn tables(&self) -> Result<(), StoreError> {
        let (disk, from) = (&self.directory.disk, self.directory.root.join("config"));
        let to = self.target.join("config");
        disk.create_directory(&to).map_err(StoreError::file("create", &to))?;
        for entry in disk.list(&from).map_err(StoreError::file("list", &from))? {
            let name = entry.name.strip_suffix(".bak").unwrap_or(&entry.name);
            // By name, so that the journal of topics comes before the table that takes it up.
            let wanted = name.ends_with(".json") || name == TOPICS_JOURNAL;
            if !entry.is_directory && wanted {
                self.small_file(&format!("config/{}", entry.name))?;
            }
        }
        Ok(())
    }

    /// Copies the log from `from` on to the last whole record there is. Returns where the copy
    /// begins and ends, and how much was copied.
    fn copy_log(
        &self,
        mut from: i64,
        progress: &Progress<'_>,
    ) -> Result<(i64, i64, u64), StoreError> {
        let folder = self.target.join("commitlog");
        let disk = &self.directory.disk;
        disk.create_directory(&folder).map_err(StoreError::file("create", folder))?;
        let (mut log, mut copied) = (self.log.clone(), 0);
        loop {
            let start = log.first().map_or(0, |first| first.base);
            let total = (self.directory.log_limit() - from.max(start)) as u64;
            let mut writer = Writer::new(self, from);
            let mut reader = LogReader::new(&**disk, &log, self.size());
            let walked = reader.walk(from, self.directory.holder().is_some(), |item| match item {
                LogItem::Record(record) => {
                    writer.record(record.physical_offset(), record.bytes())?;
                    progress(copied + writer.copied, total);
                    Ok(())
                }
                LogItem::Gap(gap) => Err(Stop::Gap(gap.range.start, gap.reason)),
            });
            match walked {
                Ok(end) => {
                    writer.finish(end.end)?;
                    return Ok((start, end.end, copied + writer.copied));
                }
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Gap(at, reason)) => {
                    copied += writer.copied;
                    // Retention may have been faster: then the copy begins where the log does now.
                    log = log_files(&**disk, &self.directory.config)?;
                    let begins = log.first().map_or(0, |first| first.base);
                    if begins <= at {
                        let reader = self.directory.reader();
                        let file = reader.file_at(at).map(|file| file.path.clone());
                        let what = format!("is damaged at log offset {at}: {reason}");
                        let advice =
                            "`ferromq store check` tells more, `ferromq store repair` mends it";
                        let path = file.unwrap_or_else(|| self.directory.root.clone());
                        return Err(refusal(&path, what, advice));
                    }
                    from = begins;
                }
            }
        }
    }

    /// Removes segments of the target outside the copy, and what else than zeros is behind its end.
    fn remove_segments(&self, start: i64, end: i64) -> Result<(), StoreError> {
        let folder = self.target.join("commitlog");
        let disk = &self.directory.disk;
        for entry in disk.list(&folder).map_err(StoreError::file("list", &folder))? {
            let base = entry.name.parse().unwrap_or(i64::MAX);
            if base + self.size() <= start || (base >= end && base > start) {
                self.remove(&entry.path)?;
            } else if (base..base + self.size()).contains(&end) {
                let file = disk.open_file(&entry.path, self.size() as u64);
                let file = file.map_err(StoreError::file("open", &entry.path))?;
                file.clear((end - base) as u64..self.size() as u64)
                    .map_err(StoreError::file("write", &entry.path))?;
            }
        }
        Ok(())
    }

    /// Copies queue entries whose records end at or before `log_end`. Returns how many queues there
    /// are.
    fn queues(&self, log_end: i64) -> Result<usize, StoreError> {
        let disk = &self.directory.disk;
        let queues = self.directory.queues()?;
        let mut known = BTreeSet::new();
        for (path, topic, id) in &queues {
            let to = self.target.join("consumequeue").join(topic).join(id.to_string());
            known.insert(to.clone());
            disk.create_directory(&to).map_err(StoreError::file("create", &to))?;
            let there = disk.list(&to).map_err(StoreError::file("list", &to))?;
            let there: BTreeMap<_, _> =
                there.into_iter().map(|entry| (entry.name, entry.modified)).collect();
            let mut files = BTreeSet::new();
            for entry in disk.list(path).map_err(StoreError::file("list", path))? {
                let copy = to.join(&entry.name);
                if !segment_files::is_name(&entry.name) || entry.length == 0 {
                    continue;
                }
                files.insert(entry.name.clone());
                if there.get(&entry.name) == Some(&entry.modified) {
                    continue; // Whole, and unchanged since.
                }
                match self.queue_file(&entry.path, &copy, entry.length, log_end) {
                    Ok(true) => set_time(&copy, entry.modified)?,
                    Ok(false) => {}
                    Err(StoreError::File { source, .. })
                        if source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        files.remove(&entry.name); // Expired, or its topic was deleted.
                    }
                    Err(error) => return Err(error),
                }
            }
            for entry in disk.list(&to).map_err(StoreError::file("list", &to))? {
                if !files.contains(&entry.name) {
                    self.remove(&entry.path)?;
                }
            }
        }
        self.forget_queues(&known)?;
        Ok(queues.len())
    }

    /// Copies one file; returns whether it was copied whole.
    fn queue_file(
        &self,
        from: &Path,
        to: &Path,
        length: u64,
        log_end: i64,
    ) -> Result<bool, StoreError> {
        let source =
            self.directory.disk.open_to_read(from).map_err(StoreError::file("open", from))?;
        let target =
            self.directory.disk.open_file(to, length).map_err(StoreError::file("open", to))?;
        let mut at = 0;
        let part = PART as u64 / ENTRY * ENTRY;
        let mut whole = true;
        while at < length {
            let mut bytes = vec![0; part.min(length - at) as usize];
            source.read_at(&mut bytes, at).map_err(StoreError::file("read", from))?;
            let entries = bytes.chunks_exact(ENTRY as usize);
            let wanted = |entry: &Entry| {
                entry.is_written() && (!entry.is_message() || entry.end() <= log_end)
            };
            let kept = entries
                .clone()
                .position(|bytes| !Entry::decode(bytes).is_some_and(|entry| wanted(&entry)));
            let end = kept.map_or(bytes.len(), |kept| kept * ENTRY as usize);
            let more = bytes.get(end..end + ENTRY as usize).and_then(Entry::decode);
            whole &= !more.is_some_and(|entry| entry.is_written());
            write_changes(&*target, &bytes[..end], at).map_err(StoreError::file("write", to))?;
            at += end as u64;
            if kept.is_some() {
                break;
            }
        }
        target.clear(at..length).map_err(StoreError::file("write", to))?;
        target.sync().map_err(StoreError::file("sync", to))?;
        Ok(whole)
    }

    /// Removes queues from the target that the source does not have.
    fn forget_queues(&self, known: &BTreeSet<PathBuf>) -> Result<(), StoreError> {
        let disk = &self.directory.disk;
        let folder = self.target.join("consumequeue");
        for topic in disk.list(&folder).map_err(StoreError::file("list", &folder))? {
            if !known.iter().any(|queue| queue.starts_with(&topic.path)) {
                let failed = StoreError::file("remove", &topic.path);
                disk.remove_directory(&topic.path).map_err(failed)?;
                continue;
            }
            for queue in disk.list(&topic.path).map_err(StoreError::file("list", &topic.path))? {
                if !known.contains(&queue.path) {
                    let failed = StoreError::file("remove", &queue.path);
                    disk.remove_directory(&queue.path).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// Recovers the copy as after a crash, which enters what is missing in queues and index, and
    /// closes it.
    fn complete(&self, log_start: i64) -> Result<(), StoreError> {
        let mut config = self.directory.config.clone();
        config.store_path_root_dir = self.target.to_string_lossy().into_owned();
        config.store_path_commit_log = String::new();
        config.read_only_commit_log_store_paths = String::new();
        let store = Store::open_by_hand(self.directory.disk.clone(), config)?;
        store.enter_keys();
        store.forget_keys_before(log_start)?;
        store.close();
        match store.refusal() {
            Some(reason) if reason != "it is closed" => {
                Err(refusal(&self.target, format!("cannot be completed: {reason}"), "try again"))
            }
            _ => Ok(()),
        }
    }

    /// Segments expire by the time they were last written.
    fn date_segments(&self) -> Result<(), StoreError> {
        for file in log_files(&*self.directory.disk, &self.directory.config)? {
            let (Ok(metadata), copy) = (file.path.metadata(), self.segment(file.base)) else {
                continue;
            };
            if let Ok(modified) = metadata.modified()
                && copy.exists()
            {
                set_time(&copy, modified)?;
            }
        }
        Ok(())
    }
}

/// Writes what differs from what is there.
fn write_changes(file: &dyn RandomFile, bytes: &[u8], at: u64) -> std::io::Result<()> {
    let mut there = vec![0; bytes.len()];
    match file.read_at(&mut there, at)? == bytes.len() && there == bytes {
        true => Ok(()),
        false => file.write_at(bytes, at),
    }
}

fn set_time(path: &Path, modified: std::time::SystemTime) -> Result<(), StoreError> {
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(modified)).map_err(StoreError::file("date", path))
}

/// Why the log was not read to its end.
enum Stop {
    Gap(i64, String),
    Error(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Error(error)
    }
}

/// Writes records to the target's segments, many at once.
struct Writer<'a> {
    copy: &'a Copy,
    file: Option<(PathBuf, Arc<dyn RandomFile>)>,
    part: Vec<u8>,
    part_at: i64,
    noted: i64,
    copied: u64,
}

impl<'a> Writer<'a> {
    fn new(copy: &'a Copy, from: i64) -> Self {
        Writer { copy, file: None, part: Vec::new(), part_at: from, noted: from, copied: 0 }
    }

    fn end(&self) -> i64 {
        self.part_at + self.part.len() as i64
    }

    fn record(&mut self, offset: i64, bytes: &[u8]) -> Result<(), StoreError> {
        if offset != self.end() {
            // The segment before ends here.
            let left = self.copy.size() - self.end().rem_euclid(self.copy.size());
            self.part.extend_from_slice(&(left as u32).to_be_bytes());
            self.part.extend_from_slice(&MAGIC_BLANK.to_be_bytes());
            self.flush()?;
            self.sync(offset)?;
            self.part_at = offset;
        }
        self.part.extend_from_slice(bytes);
        self.copied += bytes.len() as u64;
        if self.part.len() >= PART {
            self.flush()?;
        }
        if self.part_at - self.noted >= NOTED_EVERY {
            self.sync(self.part_at)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.part.is_empty() {
            return Ok(());
        }
        let path = self.copy.segment(self.part_at);
        if self.file.as_ref().is_none_or(|(open, _)| *open != path) {
            let disk = &self.copy.directory.disk;
            let file = disk.open_file(&path, self.copy.size() as u64);
            self.file = Some((path.clone(), file.map_err(StoreError::file("open", &path))?));
        }
        if let Some((path, file)) = &self.file {
            let within = self.part_at.rem_euclid(self.copy.size()) as u64;
            file.write_at(&self.part, within).map_err(StoreError::file("write", path))?;
        }
        self.part_at += self.part.len() as i64;
        self.part.clear();
        Ok(())
    }

    /// Syncs what was written and notes that the copy reaches up to `end`.
    fn sync(&mut self, end: i64) -> Result<(), StoreError> {
        if let Some((path, file)) = &self.file {
            file.sync().map_err(StoreError::file("sync", path))?;
        }
        self.noted = end;
        self.copy.note(end)
    }

    fn finish(&mut self, end: i64) -> Result<(), StoreError> {
        self.flush()?;
        self.sync(end)
    }
}
