//! Makes a damaged directory sound again, without a broker.
//!
//! Where the log has lost records, fillers take their places: records that no consumer sees, so that
//! everything behind them stays where it is. Queues and index files that do not fit are made anew from
//! the log. What is taken away is kept in a folder of its own beside the rest, where no broker looks.

use super::check::{Check, Ledger, check};
use super::finding::Finding;
use super::log_reader::{Gap, LogItem};
use super::{Directory, Progress};
use crate::checkpoint::Checkpoint;
use crate::commit_log::{BLANK, Step as Place};
use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::error::StoreError;
use crate::index::Index;
use crate::lock::DirectoryLock;
use crate::queues::Queues;
use crate::recovery::{self, TagsRule};
use crate::{segment_files, tables};
use ferromq_model::flags::message::TRANSACTION_ROLLBACK;
use ferromq_protocol::record::{self, MAGIC_BLANK, MIN_LENGTH, NewRecord};
use std::path::{Path, PathBuf};

/// The topic of records that stand where others were lost.
pub(crate) const FILLER_TOPIC: &str = "FERROMQ_LOST";
/// The longest filler: every broker reads records of this size.
const LONGEST_FILLER: i64 = 1 << 20;
/// How many records' entries are gathered before they are written.
const BATCH: usize = 100_000;

/// One thing that a repair does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file or directory.
    pub file: PathBuf,
    /// What is done with it.
    pub action: String,
}

/// What a repair came to.
#[derive(Clone, Debug)]
pub struct Repair {
    /// What it found.
    pub before: Check,
    /// What it did, or would do.
    pub steps: Vec<Step>,
    /// Where it put what it took away; `None` if nothing was done.
    pub kept: Option<PathBuf>,
    /// What a check found afterwards; `None` if nothing was done.
    pub after: Option<Check>,
}

/// Checks a directory and mends what is damaged; with `dry_run`, only says what it would do.
///
/// # Errors
/// [`StoreError::Locked`] when a broker holds the directory; else when a file cannot be written.
pub fn repair(
    root: &Path,
    settings: Option<StoreConfig>,
    dry_run: bool,
    progress: &Progress<'_>,
    found: &mut dyn FnMut(Finding),
) -> Result<Repair, StoreError> {
    let directory = Directory::open(root, settings.clone())?;
    if let Some(pid) = directory.holder() {
        return Err(StoreError::Locked { path: root.join("lock"), pid });
    }
    if dry_run {
        let before = check(&directory, progress, found)?;
        let steps = plan(&directory, &before.ledger);
        return Ok(Repair { before, steps, kept: None, after: None });
    }
    let _lock = DirectoryLock::take(root)?;
    let directory = Directory::open(root, settings.clone())?.held_by_us();
    let before = check(&directory, progress, found)?;
    let steps = plan(&directory, &before.ledger);
    if steps.is_empty() {
        return Ok(Repair { before, steps, kept: None, after: None });
    }
    let name = jiff::ZonedDateTime::now().strftime("ferromq-repaired-%Y%m%d-%H%M%S").to_string();
    let work = Work { kept: root.join(name), directory };
    work.run(&before)?;
    let after = Directory::open(root, settings)?.held_by_us();
    let after = check(&after, progress, &mut |_| {})?;
    Ok(Repair { before, steps, kept: Some(work.kept), after: Some(after) })
}

/// What has to be done, in words.
fn plan(directory: &Directory, ledger: &Ledger) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |file: &Path, action: String| steps.push(Step { file: file.into(), action });
    for path in &ledger.foreign {
        step(path, "move away: it does not belong there".to_string());
    }
    for (_, path) in &ledger.segments {
        step(path, "give it the size that segments have".to_string());
    }
    for Gap { range, .. } in &ledger.gaps {
        let (start, length) = (range.start, range.end - range.start);
        let action = format!("fill {length} bytes at log offset {start}, where records were lost");
        let reader = directory.reader();
        let file = reader.file_at(start).map(|file| file.path.clone());
        step(&file.unwrap_or_else(|| directory.root.join("commitlog")), action);
    }
    for path in &ledger.tables {
        let action = match sound_backup(directory, path, ledger) {
            Some(_) => "move away, and go on with its .bak",
            None => "move away",
        };
        step(path, action.to_string());
    }
    if ledger.checkpoint {
        let action = "move away: the next start does without".to_string();
        step(&Checkpoint::path(&directory.root), action);
    }
    for ((topic, id), end) in &ledger.queues {
        let path = queue_path(directory, topic, *id);
        step(&path, format!("make anew from the log, up to offset {end}"));
    }
    if ledger.index {
        step(&directory.root.join("index"), "make anew from the log".to_string());
    }
    steps
}

fn queue_path(directory: &Directory, topic: &str, id: i32) -> PathBuf {
    directory.root.join("consumequeue").join(topic).join(id.to_string())
}

/// The backup of a damaged table, if it is sound itself.
fn sound_backup(directory: &Directory, path: &Path, ledger: &Ledger) -> Option<Vec<u8>> {
    let bak = tables::backup(path);
    let is_sound = !ledger.tables.contains(&bak);
    directory.disk.read(&bak).ok().filter(|content| is_sound && !content.is_empty())
}

struct Work {
    directory: Directory,
    kept: PathBuf,
}

impl Work {
    fn run(&self, before: &Check) -> Result<(), StoreError> {
        let ledger = &before.ledger;
        self.create(&self.kept)?;
        for path in &ledger.foreign {
            self.keep(path)?;
        }
        self.resize_segments(ledger)?;
        for gap in &ledger.gaps {
            self.fill(gap)?;
        }
        for path in &ledger.tables {
            let content = sound_backup(&self.directory, path, ledger);
            self.keep(path)?;
            if let Some(content) = content {
                let disk = &self.directory.disk;
                disk.replace(path, &content).map_err(StoreError::file("write", path))?;
            }
        }
        if ledger.checkpoint {
            self.keep(&Checkpoint::path(&self.directory.root))?;
        }
        if !ledger.queues.is_empty() {
            self.make_queues(ledger)?;
        }
        if ledger.index {
            self.make_index(before.log_end)?;
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> Result<(), StoreError> {
        self.directory.disk.create_directory(path).map_err(StoreError::file("create", path))
    }

    /// Where something is kept: under its path in the directory.
    fn place_for(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let name = path.file_name().map_or(Path::new("file"), Path::new);
        let place = self.kept.join(path.strip_prefix(&self.directory.root).unwrap_or(name));
        if let Some(parent) = place.parent() {
            self.create(parent)?;
        }
        Ok(place)
    }

    /// Moves something away, if it is there.
    fn keep(&self, path: &Path) -> Result<(), StoreError> {
        let place = self.place_for(path)?;
        match self.directory.disk.rename(path, &place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            moved => moved.map_err(StoreError::file("move", path)),
        }
    }

    fn resize_segments(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let size = self.directory.config.mapped_file_size_commit_log as u64;
        for (_, path) in &ledger.segments {
            let length = self.directory.log.iter().find(|file| file.path == *path);
            if length.is_some_and(|file| file.length > size) {
                // What is behind the segment's end belongs to nobody.
                let place = self.place_for(path)?;
                std::fs::copy(path, place).map_err(StoreError::file("copy", path))?;
                let file = std::fs::File::options().write(true).open(path);
                let cut = file.and_then(|file| file.set_len(size).and_then(|()| file.sync_all()));
                cut.map_err(StoreError::file("cut", path))?;
                continue;
            }
            let file = self.directory.disk.open_file(path, size);
            let file = file.map_err(StoreError::file("open", path))?;
            file.sync().map_err(StoreError::file("sync", path))?;
        }
        Ok(())
    }

    /// Puts records that nobody sees where others were lost.
    fn fill(&self, gap: &Gap) -> Result<(), StoreError> {
        let size = self.directory.config.mapped_file_size_commit_log;
        let mut reader = self.directory.reader();
        let time = match reader.look(gap.range.end) {
            Ok(Place::Record(record)) => record.store_timestamp(),
            _ => jiff::Timestamp::now().as_millisecond(),
        };
        let mut at = gap.range.start;
        while at < gap.range.end {
            let base = at - at.rem_euclid(size);
            let end = gap.range.end.min(base + size);
            let folder = self.directory.log.iter().rev().find(|file| file.base <= base);
            let folder = folder.and_then(|file| file.path.parent());
            let folder = folder.unwrap_or(&self.directory.root);
            let known = reader.file_at(base).map(|file| file.path.clone());
            let path = known.unwrap_or_else(|| segment_files::path(folder, base));
            let file = self.directory.disk.open_file(&path, size as u64);
            let file = file.map_err(StoreError::file("open", &path))?;
            let mut lost = vec![0; (end - at) as usize];
            // What cannot be read cannot be kept either.
            if file.read_at(&mut lost, (at - base) as u64).is_ok_and(|read| read > 0) {
                let place = self.place_for(&path)?;
                let place = place.with_extension(format!("at-{}", at - base));
                let disk = &self.directory.disk;
                disk.replace(&place, &lost).map_err(StoreError::file("write", place))?;
            }
            let content = match end == base + size {
                true => blank(end - at),
                false => fillers(at, end, time).ok_or_else(|| StoreError::OtherFormat {
                    path: path.clone(),
                    what: format!("has {} bytes at {at} that no record fits into", end - at),
                    advice: "restore the segment from a backup",
                })?,
            };
            file.write_at(&content, (at - base) as u64)
                .and_then(|()| file.sync())
                .map_err(StoreError::file("write", &path))?;
            at = end;
        }
        Ok(())
    }

    /// Makes damaged queues anew from the log.
    fn make_queues(&self, ledger: &Ledger) -> Result<(), StoreError> {
        for (topic, id) in ledger.queues.keys() {
            self.keep(&queue_path(&self.directory, topic, *id))?;
        }
        let Directory { disk, config, root, .. } = &self.directory;
        let deleted = DeletedTopics::load(disk.clone(), root)?;
        let rule = TagsRule::new(config.delay_levels());
        // There is nothing in the files that could be doubted.
        let queues = Queues::new(disk.clone(), config, i64::MAX);
        let mut entered = 0;
        self.read_log(|record| {
            let place = (record.topic().to_string(), record.queue_id());
            if ledger.queues.contains_key(&place) {
                recovery::enter(record, &rule, &queues, &deleted)?;
                entered += 1;
            }
            if entered == BATCH {
                entered = 0;
                queues.write(i64::MAX)?;
            }
            Ok(())
        })?;
        for ((topic, id), end) in &ledger.queues {
            if let Some(queue) = queues.get(topic, *id) {
                queue.extend_to(*end)?;
                queues.list(&queue);
            }
        }
        queues.write(i64::MAX)?;
        queues.sync().map(drop)
    }

    /// Makes the index anew from the log.
    fn make_index(&self, log_end: i64) -> Result<(), StoreError> {
        let Directory { disk, config, root, .. } = &self.directory;
        self.keep(&root.join("index"))?;
        if !config.message_index_enable {
            return Ok(());
        }
        let index = Index::open(disk.clone(), config, None, log_end)?;
        let mut writer = index.writer();
        self.read_log(|record| writer.enter(record))?;
        writer.end_run();
        index.sync()
    }

    /// Visits every record up to the first place that is none.
    fn read_log(
        &self,
        mut visit: impl FnMut(&record::RecordView<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Listed anew: segments may have been added.
        let mut log = super::directory::log_files(&*self.directory.disk, &self.directory.config)?;
        log.retain(|file| file.length > 0);
        let size = self.directory.config.mapped_file_size_commit_log;
        let mut reader = super::log_reader::LogReader::new(&*self.directory.disk, &log, size);
        let start = self.directory.log_start();
        let walked = reader.walk(start, false, |item| match item {
            LogItem::Record(record) => visit(&record).map_err(Some),
            LogItem::Gap(_) => Err(None),
        });
        match walked {
            Ok(_) | Err(None) => Ok(()),
            Err(Some(error)) => Err(error),
        }
    }
}

/// The end of a segment that has nothing more.
fn blank(length: i64) -> Vec<u8> {
    let mut bytes = vec![0; BLANK];
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    bytes[4..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
    bytes
}

/// Records that fill the log from `at` to `end` and that no queue and no index knows; `None` if
/// there is too little room.
fn fillers(at: i64, end: i64, time: i64) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity((end - at) as usize);
    let nobody = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let mut place = at;
    while place < end {
        let left = end - place;
        // None must be left that is too small.
        let length = if left <= LONGEST_FILLER { left } else { (left / 2).min(LONGEST_FILLER) };
        let room = usize::try_from(length).ok()?.checked_sub(MIN_LENGTH)?;
        let topic = if room >= FILLER_TOPIC.len() { FILLER_TOPIC } else { "" };
        let body = vec![0; room - topic.len()];
        let start = bytes.len();
        let filler = NewRecord {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: TRANSACTION_ROLLBACK,
            born_timestamp: time,
            born_host: nobody,
            store_host: nobody,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties: "",
        };
        record::encode(&mut bytes, &filler);
        record::place(&mut bytes[start..], 0, place, time);
        place += length;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::record::records;

    #[test]
    fn fillers_fill_exactly() {
        for length in [91, 92, 102, 103, 104, 5000, 1 << 20, (1 << 20) + 1, 5_000_001] {
            let bytes = fillers(4096, 4096 + length, 7).unwrap();
            assert_eq!(bytes.len() as i64, length);
            let mut at = 4096;
            for record in records(&bytes) {
                let record = record.unwrap();
                record.verify().unwrap();
                assert_eq!(record.physical_offset(), at);
                assert_eq!(record.store_timestamp(), 7);
                at += record.bytes().len() as i64;
            }
            assert_eq!(at, 4096 + length);
        }
        assert_eq!(fillers(0, 90, 7), None);
    }
}
