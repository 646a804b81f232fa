//! Whether log, consume queues, index and tables fit each other.

use super::check_queues::QueueChecks;
use super::finding::{Finding, Kind};
use super::log_reader::{Gap, LogItem};
use super::{Directory, Progress, check_index, check_tables};
use crate::error::StoreError;
use crate::recovery::TagsRule;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// How many records were read.
    pub records: u64,
    /// How many consume queue entries were compared with their records.
    pub entries: u64,
    /// How many index entries were compared with their records.
    pub index_entries: u64,
    /// Where the log ends, as a physical offset.
    pub log_end: i64,
    /// How much damage was found. Of one file, only the first findings are told one by one.
    pub damage: u64,
    /// What is to be mended.
    pub(crate) ledger: Ledger,
}

/// What a repair has to deal with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) gaps: Vec<Gap>,
    /// Segments of the wrong size or none.
    pub(crate) segments: Vec<(i64, PathBuf)>,
    /// Damaged queues, and the offset at which each has to go on.
    pub(crate) queues: BTreeMap<(String, i32), i64>,
    pub(crate) index: bool,
    pub(crate) tables: Vec<PathBuf>,
    pub(crate) checkpoint: bool,
    pub(crate) foreign: Vec<PathBuf>,
}

/// How many findings of one file are told.
const TOLD: u64 = 20;

/// Takes findings, counts them, and passes on the first ones of each file.
pub(crate) struct Report<'a> {
    sink: &'a mut dyn FnMut(Finding),
    by_file: HashMap<PathBuf, u64>,
    pub(crate) check: Check,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, finding: Finding) {
        if finding.is_damage() {
            self.check.damage += 1;
        }
        let count = self.by_file.entry(finding.file.clone()).or_default();
        *count += 1;
        if *count <= TOLD {
            (self.sink)(finding);
        }
    }

    /// Says of which files not everything was told.
    fn close(mut self) -> Check {
        let mut untold: Vec<_> = self.by_file.drain().filter(|(_, count)| *count > TOLD).collect();
        untold.sort();
        for (file, count) in untold {
            let problem = format!("and {} more findings of this file", count - TOLD);
            (self.sink)(Finding::new(Kind::Note, file, 0, problem));
        }
        self.check
    }
}

/// Reads every record, every consume queue entry, every index entry and every table, and passes what
/// does not fit to `found`. Changes nothing.
///
/// When a broker holds the directory, what it writes meanwhile is left out; after a crash, what the
/// next start will make anew. Both are no damage.
///
/// # Errors
/// When the directory cannot be listed. What cannot be read of a file is damage.
pub fn check(
    directory: &Directory,
    progress: &Progress<'_>,
    found: &mut dyn FnMut(Finding),
) -> Result<Check, StoreError> {
    let mut report = Report { sink: found, by_file: HashMap::new(), check: Check::default() };
    if let Some(holder) = directory.holder() {
        let process = holder.map_or(String::new(), |pid| format!(" (process {pid})"));
        let text =
            format!("a broker is using it{process}: what it writes meanwhile is not checked");
        report.add(Finding::new(Kind::Note, &directory.root, 0, text));
    } else if directory.is_incomplete() {
        let text = "its broker was not stopped cleanly: the next start completes what is missing";
        report.add(Finding::new(Kind::Note, &directory.root, 0, text));
    }
    check_tables::segments(directory, &mut report)?;
    check_tables::tables(directory, &mut report)?;
    let rule = TagsRule::new(directory.config.delay_levels());
    let recovered_from = directory.recovery_start()?;
    let mut queues = QueueChecks::open(directory, recovered_from, &mut report)?;
    let total = directory.log_bytes();
    let start = directory.log_start();
    let mut newest = i64::MIN;
    let mut reader = directory.reader();
    let files = directory.reader();
    let mut done = 0;
    let end = reader.walk(start, directory.holder().is_some(), |item| {
        let here = item.end() - start;
        if here >> 22 != done >> 22 {
            progress(here as u64, total);
        }
        done = here;
        match item {
            LogItem::Record(record) => {
                report.check.records += 1;
                newest = newest.max(record.store_timestamp());
                if let Some(entry) = rule.entry(&record) {
                    queues.record(&record, entry, &mut report);
                }
            }
            LogItem::Gap(gap) => {
                let (at, file) = (gap.range.start, files.file_at(gap.range.start));
                let file = file.map_or(directory.root.join("commitlog"), |file| file.path.clone());
                let position = at.rem_euclid(directory.config.mapped_file_size_commit_log) as u64;
                let length = gap.range.end - at;
                let problem = format!("no whole record in {length} bytes: {}", gap.reason);
                // What the next start cuts off, whatever is behind it, it will not miss.
                let kind = if at >= recovered_from { Kind::Note } else { Kind::Record };
                let mut finding = Finding::new(kind, file, position, problem).in_log(at);
                if let Some((topic, queue, offset)) = &gap.message {
                    finding = finding.of_message(topic, *queue, *offset);
                }
                report.add(finding);
                if kind == Kind::Record {
                    report.check.ledger.gaps.push(gap);
                } else {
                    queues.cut_off(at);
                }
            }
        }
        Ok::<(), StoreError>(())
    })?;
    report.check.log_end = end.end;
    if let Some(reason) = end.leftover.filter(|_| directory.holder().is_none()) {
        let file = files.file_at(end.end);
        let file = file.map_or(directory.root.join("commitlog"), |file| file.path.clone());
        let position = end.end.rem_euclid(directory.config.mapped_file_size_commit_log) as u64;
        let problem = format!(
            "something else than nothing follows the last record: {reason}; the next start removes it"
        );
        report.add(Finding::new(Kind::Note, file, position, problem).in_log(end.end));
    }
    queues.close(end.end, &mut report)?;
    check_index::check(directory, end.end, &mut report)?;
    check_tables::checkpoint(directory, newest, end.end, &mut report);
    progress(total, total);
    Ok(report.close())
}
