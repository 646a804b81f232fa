//! Consumers' progress: `config/consumerOffset.json`, and resets made by administrators.
//!
//! Progress is nested by topic and group, both found by text as it stands in the request: a commit
//! to a queue that is known takes no memory, and locks nothing that other topics or groups use.

use crate::clock::now_ms;
use crate::tables::TableFile;
use ferromq_protocol::body::{ConsumerOffsetTable, DataVersion};
use ferromq_store::StoreError;
use foldhash::HashMap;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Where a group stands in one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The next offset to consume, once one was committed.
    committed: Option<i64>,
    /// The next offset to pull, since this broker started.
    pulled: Option<i64>,
    /// The offset that an administrator ordered the next pull to continue from.
    reset: Option<i64>,
}

/// Where a group stands in the queues of a topic.
#[derive(Default)]
pub(crate) struct Progress {
    queues: Mutex<HashMap<i32, Position>>,
}

type ByGroup = HashMap<String, Arc<Progress>>;

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is the group's progress now.
    Stored,
    /// Nothing changed: an administrator has reset the queue, and the consumer has not pulled since.
    Reset,
}

/// The progress of every group in every queue.
pub struct ConsumerOffsets {
    topics: RwLock<HashMap<String, ByGroup>>,
    resets: AtomicUsize,
    commits: AtomicI64,
    version: Mutex<DataVersion>,
    version_step: i64,
    file: TableFile,
}

impl ConsumerOffsets {
    /// Reads `consumerOffset.json` in `folder`. The table's version advances every `version_step`
    /// commits.
    pub fn load(folder: &Path, version_step: i64) -> Result<Self, StoreError> {
        let file = TableFile::new(folder.join("consumerOffset.json"));
        let stored: ConsumerOffsetTable = file.load()?;
        let mut topics: HashMap<String, ByGroup> = HashMap::default();
        for (key, offsets) in stored.offset_table {
            let Some((topic, group)) = key.split_once('@') else {
                tracing::warn!(
                    key,
                    "an entry of consumerOffset.json is no topic@group; it is dropped"
                );
                continue;
            };
            let queues = offsets.into_iter().map(|(queue, offset)| {
                let position = Position { committed: Some(offset), ..Position::default() };
                (queue, position)
            });
            let progress = Progress { queues: Mutex::new(queues.collect()) };
            topics
                .entry(topic.to_string())
                .or_default()
                .insert(group.to_string(), Arc::new(progress));
        }
        Ok(ConsumerOffsets {
            topics: RwLock::new(topics),
            resets: AtomicUsize::new(0),
            commits: AtomicI64::new(0),
            version: Mutex::new(stored.data_version),
            version_step: version_step.max(1),
            file,
        })
    }

    fn find(&self, group: &str, topic: &str) -> Option<Arc<Progress>> {
        self.topics.read().get(topic)?.get(group).cloned()
    }

    /// A group's progress in a topic, made if need be; a caller that notes it often may keep it until topics or
    /// groups [change](crate::topics::TopicTable::changes).
    pub(crate) fn progress(&self, group: &str, topic: &str) -> Arc<Progress> {
        if let Some(progress) = self.find(group, topic) {
            return progress;
        }
        let mut topics = self.topics.write();
        let groups = topics.entry(topic.to_string()).or_default();
        groups.entry(group.to_string()).or_default().clone()
    }

    fn position(&self, group: &str, topic: &str, queue: i32) -> Option<Position> {
        let progress = self.find(group, topic)?;
        let queues = progress.queues.lock();
        queues.get(&queue).copied()
    }

    /// The next offset to consume; `None` when the group never committed one, or its commits were
    /// removed.
    pub fn query(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        let position = self.position(group, topic, queue)?;
        position.reset.or(position.committed)
    }

    /// The next offset to pull: what [`pulled`](Self::pulled) last told, else the progress.
    pub fn query_pulled(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        let position = self.position(group, topic, queue)?;
        position.pulled.or(position.committed)
    }

    /// Stores a group's progress, forwards or backwards.
    pub fn commit(&self, group: &str, topic: &str, queue: i32, offset: i64) -> Commit {
        let progress = self.progress(group, topic);
        let changed = {
            let mut queues = progress.queues.lock();
            let position = queues.entry(queue).or_default();
            if position.reset.is_some() {
                return Commit::Reset;
            }
            position.committed.replace(offset) != Some(offset)
        };
        if changed {
            self.note_commit();
        }
        Commit::Stored
    }

    /// Notes that the group pulled a queue up to `next`; for the tools' in-flight figures.
    pub fn pulled(&self, group: &str, topic: &str, queue: i32, next: i64) {
        self.progress(group, topic).pulled(queue, next);
    }

    fn note_commit(&self) {
        if (self.commits.fetch_add(1, Ordering::Relaxed) + 1) % self.version_step == 0 {
            self.version.lock().advance(now_ms());
        }
        self.file.changed();
    }

    /// Orders the next pull of the queue to continue from `offset`, whatever the consumer asks or
    /// commits until then.
    pub fn assign_reset(&self, group: &str, topic: &str, queue: i32, offset: i64) {
        let progress = self.progress(group, topic);
        {
            let mut queues = progress.queues.lock();
            let position = queues.entry(queue).or_default();
            position.committed = Some(offset);
            position.pulled = Some(offset);
            if position.reset.replace(offset).is_none() {
                self.resets.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.note_commit();
    }

    /// The offset that an administrator ordered this pull to continue from; the order is done with.
    pub fn take_reset(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        // Resets are rare and pulls are not: without any, nothing is looked up.
        if self.resets.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let progress = self.find(group, topic)?;
        let reset = progress.queues.lock().get_mut(&queue)?.reset.take()?;
        self.resets.fetch_sub(1, Ordering::Relaxed);
        Some(reset)
    }

    /// A group's progress in a topic, by queue.
    pub fn of_group_and_topic(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.find(group, topic).map(|progress| progress.committed()).unwrap_or_default()
    }

    /// The topics in which the group has progress.
    pub fn topics_of_group(&self, group: &str) -> BTreeSet<String> {
        let topics = self.topics.read();
        let with_group = topics.iter().filter(|(_, groups)| groups.contains_key(group));
        with_group.map(|(topic, _)| topic.clone()).collect()
    }

    /// The topics in which each group has progress.
    pub fn topics_by_group(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut by_group: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (topic, groups) in self.topics.read().iter() {
            for group in groups.keys() {
                let topics = by_group.entry(group.clone()).or_default();
                topics.insert(topic.clone());
            }
        }
        by_group
    }

    /// The groups that have progress in the topic.
    pub fn groups_of_topic(&self, topic: &str) -> BTreeSet<String> {
        let topics = self.topics.read();
        let groups = topics.get(topic).into_iter().flat_map(HashMap::keys);
        groups.cloned().collect()
    }

    /// Gives `to` the progress of `from` in a topic. `false` when `from` has none.
    pub fn clone_group(&self, from: &str, to: &str, topic: &str) -> bool {
        let offsets = self.of_group_and_topic(from, topic);
        for (queue, offset) in &offsets {
            self.commit(to, topic, *queue, *offset);
        }
        !offsets.is_empty()
    }

    /// Forgets the progress of every group in a topic.
    pub fn remove_topic(&self, topic: &str) {
        let removed = self.topics.write().remove(topic);
        let removed = removed.into_iter().flat_map(HashMap::into_values);
        self.forget(removed.collect());
    }

    /// Forgets a group's progress in every topic.
    pub fn remove_group(&self, group: &str) {
        let mut removed = Vec::new();
        self.topics.write().retain(|_, groups| {
            removed.extend(groups.remove(group));
            !groups.is_empty()
        });
        self.forget(removed);
    }

    fn forget(&self, removed: Vec<Arc<Progress>>) {
        if removed.is_empty() {
            return;
        }
        for progress in removed {
            let resets = std::mem::take(&mut *progress.queues.lock())
                .into_values()
                .filter(|position| position.reset.is_some())
                .count();
            self.resets.fetch_sub(resets, Ordering::Relaxed);
        }
        self.version.lock().advance(now_ms());
        self.file.changed();
    }

    /// The whole table.
    pub fn snapshot(&self) -> ConsumerOffsetTable {
        let all: Vec<(String, Arc<Progress>)> = {
            let topics = self.topics.read();
            let keyed = topics.iter().flat_map(|(topic, groups)| {
                let key = move |(group, progress): (&String, &Arc<Progress>)| {
                    (format!("{topic}@{group}"), progress.clone())
                };
                groups.iter().map(key)
            });
            keyed.collect()
        };
        let offset_table = all
            .into_iter()
            .map(|(key, progress)| (key, progress.committed()))
            .filter(|(_, offsets)| !offsets.is_empty())
            .collect();
        ConsumerOffsetTable { data_version: self.version.lock().clone(), offset_table }
    }

    /// Writes changes to disk, if there are any. Blocks.
    pub fn save(&self) -> Result<(), StoreError> {
        self.file.save(|| self.snapshot())
    }
}

impl Progress {
    /// As [`ConsumerOffsets::pulled`].
    pub(crate) fn pulled(&self, queue: i32, next: i64) {
        self.queues.lock().entry(queue).or_default().pulled = Some(next);
    }

    fn committed(&self) -> BTreeMap<i32, i64> {
        let queues = self.queues.lock();
        let committed = queues.iter();
        committed.filter_map(|(queue, position)| Some((*queue, position.committed?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn offsets(folder: &Path) -> ConsumerOffsets {
        ConsumerOffsets::load(folder, 500).unwrap()
    }

    #[test]
    fn reads_both_forms_of_the_file_and_writes_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"dataVersion":{"counter":9,"stateVersion":0,"timestamp":1700000000000},"groupTopicMap":{"G1":["Demo"]},"offsetTable":{"%RETRY%G1@G1":{0:3},"Demo@G1":{0:12,"1":7}}}"#;
        fs::write(folder.path().join("consumerOffset.json"), text).unwrap();
        let table = offsets(folder.path());
        assert_eq!(table.query("G1", "Demo", 0), Some(12));
        assert_eq!(table.query("G1", "Demo", 1), Some(7));
        assert_eq!(table.query("G1", "Demo", 2), None);
        assert_eq!(table.topics_of_group("G1").len(), 2);
        assert_eq!(table.commit("G2", "Demo", 3, 5), Commit::Stored);
        table.save().unwrap();
        let written = fs::read_to_string(folder.path().join("consumerOffset.json")).unwrap();
        assert!(written.contains("{\n\t\t\t0:12,\n\t\t\t1:7\n\t\t}"), "{written}");
        assert_eq!(offsets(folder.path()).snapshot(), table.snapshot());
    }

    #[test]
    fn an_unchanged_table_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let table = offsets(folder.path());
        let path = folder.path().join("consumerOffset.json");
        table.pulled("G", "T", 0, 7);
        table.save().unwrap();
        assert!(!path.exists(), "pulls are only remembered");
        table.commit("G", "T", 0, 7);
        table.save().unwrap();
        fs::remove_file(&path).unwrap();
        table.commit("G", "T", 0, 7);
        table.save().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn progress_may_go_back_and_the_version_advances_in_steps() {
        let folder = tempfile::tempdir().unwrap();
        let table = ConsumerOffsets::load(folder.path(), 2).unwrap();
        for offset in [5, 3, 9, 1] {
            table.commit("G", "T", 0, offset);
        }
        assert_eq!(table.query("G", "T", 0), Some(1));
        assert_eq!(table.snapshot().data_version.counter, 2);
    }

    #[test]
    fn a_reset_outlives_commits_until_the_next_pull() {
        let folder = tempfile::tempdir().unwrap();
        let table = offsets(folder.path());
        table.commit("G", "T", 0, 100);
        assert_eq!(table.take_reset("G", "T", 0), None);
        table.assign_reset("G", "T", 0, 40);
        assert_eq!(table.commit("G", "T", 0, 101), Commit::Reset);
        assert_eq!(table.commit("G", "T", 1, 8), Commit::Stored);
        assert_eq!(table.query("G", "T", 0), Some(40));
        assert_eq!(table.take_reset("G", "T", 0), Some(40));
        assert_eq!(table.take_reset("G", "T", 0), None);
        assert_eq!(table.commit("G", "T", 0, 41), Commit::Stored);
        table.assign_reset("G", "T", 0, 1);
        table.assign_reset("G", "T", 0, 2);
        table.remove_group("G");
        assert_eq!(table.resets.load(Ordering::Relaxed), 0);
        assert_eq!(table.query("G", "T", 0), None);
    }

    #[test]
    fn clones_and_removes() {
        let folder = tempfile::tempdir().unwrap();
        let table = offsets(folder.path());
        table.commit("G", "T", 0, 1);
        table.commit("G", "T", 1, 2);
        table.commit("G", "U", 0, 3);
        assert!(table.clone_group("G", "H", "T"));
        assert!(!table.clone_group("G", "H", "V"));
        assert_eq!(table.of_group_and_topic("H", "T"), BTreeMap::from([(0, 1), (1, 2)]));
        assert_eq!(table.groups_of_topic("T").len(), 2);
        assert_eq!(table.topics_by_group()["G"], table.topics_of_group("G"));
        table.remove_topic("T");
        assert_eq!(table.query("H", "T", 0), None);
        assert_eq!(table.query("G", "U", 0), Some(3));
        table.remove_group("G");
        assert!(table.snapshot().offset_table.is_empty());
    }
}
