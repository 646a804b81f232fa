//! Looks at the files around log, queues and index.

use super::Directory;
use super::backup::TOPICS_JOURNAL;
use super::check::Report;
use super::check_index::is_checkpoint;
use super::finding::{Finding, Kind};
use crate::checkpoint::Checkpoint;
use crate::deleted::DeletedTopics;
use crate::error::StoreError;
use crate::log_paths::LogPaths;
use crate::segment_files;
use ferromq_protocol::fastjson;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};

/// Segments of the wrong size, missing ones, and what does not belong beside them.
pub(super) fn segments(directory: &Directory, report: &mut Report<'_>) -> Result<(), StoreError> {
    let size = directory.config.mapped_file_size_commit_log;
    for folder in LogPaths::named(&directory.config)?.all() {
        let entries = directory.disk.list(folder).map_err(StoreError::file("list", folder))?;
        for entry in entries {
            let problem = match segment_files::is_name(&entry.name) {
                true if entry.is_directory => "is a directory where a segment should be",
                true => continue,
                false if entry.is_directory => continue,
                false => "is no segment and does not belong there",
            };
            report.add(Finding::new(Kind::Segment, &entry.path, 0, problem));
            report.check.ledger.foreign.push(entry.path);
        }
    }
    let last = directory.log.len() - 1;
    let mut next = directory.log_start();
    for (number, file) in directory.log.iter().enumerate() {
        // A broker that makes a segment has not given it its size yet.
        let grows = number == last && file.length == 0 && directory.is_incomplete();
        if file.length != size as u64 && !grows {
            let problem = format!("has {} bytes instead of {size}", file.length);
            report.add(Finding::new(Kind::Segment, &file.path, 0, problem).in_log(file.base));
            report.check.ledger.segments.push((file.base, file.path.clone()));
        }
        while next < file.base {
            let path = file.path.with_file_name(format!("{next:020}"));
            let problem = "is missing: segments before and after it exist";
            report.add(Finding::new(Kind::Segment, &path, 0, problem).in_log(next));
            report.check.ledger.segments.push((next, path));
            next += size;
        }
        next = file.base + size;
    }
    Ok(())
}

/// The tables in `config`, and the note of deleted topics.
pub(super) fn tables(directory: &Directory, report: &mut Report<'_>) -> Result<(), StoreError> {
    let folder = directory.root.join("config");
    let entries = directory.disk.list(&folder).map_err(StoreError::file("list", &folder))?;
    for entry in entries {
        let name = entry.name.strip_suffix(".bak").unwrap_or(&entry.name);
        if !name.ends_with(".json") {
            continue;
        }
        let read = directory.disk.read(&entry.path);
        let problem = match read {
            Err(error) => error.to_string(),
            Ok(content) if content.is_empty() => "it is empty".to_string(),
            Ok(content) => match fastjson::from_slice::<IgnoredAny>(&content) {
                Ok(_) => continue,
                Err(error) => error.to_string(),
            },
        };
        let problem = format!("the table cannot be read: {problem}");
        report.add(Finding::new(Kind::Table, &entry.path, 0, problem));
        report.check.ledger.tables.push(entry.path);
    }
    if let Err(error) = DeletedTopics::load(directory.disk.clone(), &directory.root) {
        let path = directory.root.join("ferromq-deleted-topics");
        report.add(Finding::new(Kind::Table, &path, 0, error.to_string()));
        report.check.ledger.tables.push(path);
    }
    Ok(())
}

/// The topics that the table knows; `None` without a table, or if there are more than it has.
pub(super) fn known_topics(directory: &Directory) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Table {
        topic_config_table: BTreeMap<String, IgnoredAny>,
    }
    let folder = directory.root.join("config");
    if folder.join(TOPICS_JOURNAL).exists() {
        return None;
    }
    let content = directory.disk.read(&folder.join("topics.json")).ok()?;
    let table: Table = fastjson::from_slice(&content).ok()?;
    Some(table.topic_config_table.into_keys().collect())
}

/// Times and offsets of the checkpoint: too late ones would let recovery leave records out. A broker
/// adds this to the time of a record.
const MARGIN: i64 = 3000;

pub(super) fn checkpoint(
    directory: &Directory,
    newest: i64,
    log_end: i64,
    report: &mut Report<'_>,
) {
    if directory.holder().is_some() {
        return;
    }
    let path = Checkpoint::path(&directory.root);
    let checkpoint = match is_checkpoint(directory) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            report.check.ledger.checkpoint = true;
            return report.add(Finding::new(Kind::Checkpoint, path, 0, error.to_string()));
        }
    };
    let Checkpoint { log_timestamp, queues_timestamp, index_timestamp, .. } = checkpoint;
    let latest = if newest == i64::MIN { 0 } else { newest.saturating_add(MARGIN) };
    let times = [log_timestamp, queues_timestamp, index_timestamp];
    let mut problems = Vec::new();
    for (number, time) in times.into_iter().enumerate() {
        if time < 0 || (time > latest && newest != i64::MIN) {
            let problem = format!("its time {time} is after the last record's, {newest}");
            problems.push((number * 8, problem));
        }
    }
    let offset = checkpoint.queues_complete.unwrap_or(0);
    if !directory.is_incomplete() && !(0..=log_end).contains(&offset) {
        problems.push((2048, format!("its log offset {offset} is behind the log's end {log_end}")));
    }
    report.check.ledger.checkpoint |= !problems.is_empty();
    for (position, problem) in problems {
        report.add(Finding::new(Kind::Checkpoint, &path, position as u64, problem));
    }
}
