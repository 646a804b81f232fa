//! Compares index files with the log.

use super::Directory;
use super::check::Report;
use super::finding::{Finding, Kind};
use super::log_reader::{Gap, LogReader};
use crate::checkpoint::Checkpoint;
use crate::commit_log::Step;
use crate::disk::RandomFile;
use crate::error::StoreError;
use crate::index::{
    self, BEGIN_OFFSET, BEGIN_TIME, END_OFFSET, END_TIME, HEADER, Keep, NEXT_ENTRY, SLOT_COUNT,
};
use crate::keys::{Keys, TopicHash, tag_key_of};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Words read at once.
const PART: usize = 1 << 16;

/// A file of big-endian words, read front to back.
struct WordReader {
    file: Arc<dyn RandomFile>,
    path: PathBuf,
}

impl WordReader {
    fn words(&self, at: usize, count: usize) -> Result<Vec<u32>, StoreError> {
        let mut bytes = vec![0; count * 4];
        let read = self.file.read_at(&mut bytes, at as u64 * 4);
        bytes.truncate(read.map_err(StoreError::file("read", &self.path))?);
        let words = bytes.chunks_exact(4);
        Ok(words.map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect())
    }
}

fn long(words: &[u32], at: usize) -> i64 {
    (i64::from(words[at]) << 32) | i64::from(words[at + 1])
}

pub(super) fn check(
    directory: &Directory,
    log_end: i64,
    report: &mut Report<'_>,
) -> Result<(), StoreError> {
    let folder = directory.root.join("index");
    let entries = directory.disk.list(&folder).map_err(StoreError::file("list", &folder))?;
    let expected = index::file_length(&directory.config);
    let keep = directory.is_incomplete().then(|| directory.checkpoint.index_to_keep());
    for entry in entries {
        let damage = |problem: String| Finding::new(Kind::Index, &entry.path, 0, problem);
        if entry.name.parse::<u64>().is_err() {
            report.add(Finding {
                kind: Kind::Note,
                ..damage("is no index file; it is passed over".into())
            });
            continue;
        }
        if entry.is_directory {
            report.add(damage("is a directory where a file should be".to_string()));
            report.check.ledger.index = true;
            continue;
        }
        if entry.length == 0 && directory.is_incomplete() {
            continue;
        }
        if entry.length != expected {
            let problem = format!(
                "has {} bytes instead of {expected}; if its broker has other maxHashSlotNum and \
                 maxIndexNum, give its settings",
                entry.length
            );
            report.add(damage(problem));
            report.check.ledger.index = true;
            continue;
        }
        let before = report.check.damage;
        if let Err(error) = check_file(directory, &entry.path, keep, log_end, report) {
            report.add(damage(error.to_string()));
        }
        report.check.ledger.index |= report.check.damage > before;
    }
    Ok(())
}

fn check_file(
    directory: &Directory,
    path: &Path,
    keep: Option<Keep>,
    log_end: i64,
    report: &mut Report<'_>,
) -> Result<(), StoreError> {
    let file = directory.disk.open_to_read(path).map_err(StoreError::file("open", path))?;
    let file = WordReader { file, path: path.to_path_buf() };
    let slots = directory.config.max_hash_slot_num as usize;
    let entries = directory.config.max_index_num as u32;
    let header = file.words(0, HEADER)?;
    let next = header[NEXT_ENTRY].max(1);
    let full = next >= entries;
    let kept = keep.is_none_or(|keep| match keep {
        Keep::Time(until) => long(&header, END_TIME) <= until,
        Keep::Offset(until) => full && long(&header, END_OFFSET) <= until,
    });
    if !kept {
        return Ok(()); // The next start makes it anew, or a broker is writing it.
    }
    let gaps = report.check.ledger.gaps.clone();
    let mut tell = |word: usize, problem: String| {
        report.add(Finding::new(Kind::Index, path, word as u64 * 4, problem));
    };
    if next > entries {
        tell(NEXT_ENTRY, format!("the header counts {next} entries of at most {entries}"));
        return Ok(());
    }
    // What each chain's newest entry should be, made up on the way.
    let mut newest = vec![0u32; slots];
    let mut reader = directory.reader();
    let (begin, start) = (long(&header, BEGIN_TIME), directory.log_start());
    let mut last = None;
    let mut number = 1;
    while number < next {
        let count = ((next - number) as usize).min(PART / index::ENTRY);
        let at = HEADER + slots + number as usize * index::ENTRY;
        let words = file.words(at, count * index::ENTRY)?;
        for (index, entry) in words.chunks_exact(index::ENTRY).enumerate() {
            let place = at + index * index::ENTRY;
            let (hash, offset, seconds, previous) = (entry[0], long(entry, 1), entry[3], entry[4]);
            let head = &mut newest[hash as usize % slots];
            if previous != *head {
                tell(place + 4, format!("entry {number} follows {previous} instead of {head}"));
            }
            *head = number;
            let time = match found(&mut reader, hash, offset, start..log_end, &gaps) {
                Ok(time) => time,
                Err(problem) => {
                    tell(place, format!("entry {number} {problem}"));
                    None
                }
            };
            if let Some(time) = time {
                let expected = ((time - begin) / 1000).clamp(0, i64::from(i32::MAX));
                if number > 1 && i64::from(seconds) != expected {
                    tell(
                        place + 3,
                        format!("entry {number} is dated {seconds} s instead of {expected} s"),
                    );
                }
                if number == 1 && (begin != time || long(&header, BEGIN_OFFSET) != offset) {
                    tell(BEGIN_TIME, "the header does not begin with the first entry".to_string());
                }
            }
            last = Some((offset, time));
            number += 1;
        }
        if words.is_empty() {
            break;
        }
    }
    if let Some((offset, time)) = last
        && (long(&header, END_OFFSET) != offset
            || time.is_some_and(|time| long(&header, END_TIME) != time))
    {
        tell(END_TIME, "the header does not end with the last entry".to_string());
    }
    let used = newest.iter().filter(|head| **head > 0).count() as u32;
    if header[SLOT_COUNT] != used {
        tell(
            SLOT_COUNT,
            format!("the header counts {} slots instead of {used}", header[SLOT_COUNT]),
        );
    }
    for (part, heads) in newest.chunks(PART).enumerate() {
        let at = HEADER + part * PART;
        for (index, (slot, head)) in file.words(at, heads.len())?.iter().zip(heads).enumerate() {
            if slot != head {
                tell(at + index, format!("the slot points at entry {slot} instead of {head}"));
            }
        }
    }
    report.check.index_entries += u64::from(number - 1);
    Ok(())
}

/// When (ms) the record was stored that an entry points at; `None` when it is gone with its segment.
fn found(
    reader: &mut LogReader<'_>,
    hash: u32,
    offset: i64,
    log: Range<i64>,
    gaps: &[Gap],
) -> Result<Option<i64>, String> {
    if (0..log.start).contains(&offset) {
        return Ok(None);
    }
    if !log.contains(&offset) {
        return Err(format!("points at {offset}, outside the log"));
    }
    let gap = gaps.get(gaps.partition_point(|gap| gap.range.end <= offset));
    if gap.is_some_and(|gap| gap.range.contains(&offset)) {
        return Err(format!("points at {offset}, where the record is damaged"));
    }
    match reader.look(offset) {
        Ok(Step::Record(record)) => {
            let topic = record.topic();
            let of_topic = TopicHash::of(topic.as_bytes());
            let has = |key: &[u8]| of_topic.key(key) == hash;
            let keys = Keys::of(record.properties_bytes());
            let of_tag = || tag_key_of(&record).is_some_and(|key| has(key.as_bytes()));
            match keys.unique().into_iter().chain(keys.others()).any(has) || of_tag() {
                true => Ok(Some(record.store_timestamp())),
                false => Err(format!("points at {offset}, whose record has no such key")),
            }
        }
        _ => Err(format!("points at {offset}, where no record is")),
    }
}

/// Whether a checkpoint can be read at all.
pub(super) fn is_checkpoint(directory: &Directory) -> Result<Checkpoint, StoreError> {
    Checkpoint::load(&*directory.disk, &directory.root)
}
