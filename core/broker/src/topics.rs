//! The broker's topics: `config/topics.json`, their creation on use, and what name servers have to
//! be told about them.

mod attributes;
mod journal;
mod saving;

pub use attributes::AttributeError;

use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::tables::TableFile;
use crate::topics::journal::{Change, Versioned};
use crate::topics::saving::Saving;
use ferromq_model::{names, perm};
use ferromq_protocol::body::{DataVersion, TopicConfig, TopicConfigTable};
use ferromq_store::StoreError;
use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The most queues that a topic may have on one broker: each costs files and memory.
pub const MAX_QUEUES: i32 = 65_536;

/// Why a topic was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// An attribute is wrong.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
}

/// What the name servers have not been told yet.
#[derive(Clone, Debug, Default)]
pub struct Announcements {
    /// Topics that are new or changed.
    pub topics: Vec<Arc<TopicConfig>>,
    /// Whether they must get the whole table, because something changed that a list of topics
    /// cannot tell: a deletion, or the broker's own permission.
    pub everything: bool,
    /// The version of the table that these changes made. A name server that knows a version takes it
    /// that nothing has changed, so no later one may be told with them.
    pub version: DataVersion,
}

impl Announcements {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && !self.everything
    }

    /// Adds what came later.
    pub(crate) fn merge(&mut self, later: &Announcements) {
        let replaced = |topic: &Arc<TopicConfig>| {
            let mut names = later.topics.iter().map(|later| &later.topic_name);
            names.any(|name| *name == topic.topic_name)
        };
        self.topics.retain(|topic| !replaced(topic));
        self.topics.extend(later.topics.iter().cloned());
        self.everything |= later.everything;
        self.version = later.version.clone();
    }

    /// The topics, as a table.
    pub(crate) fn table(&self) -> TopicConfigTable {
        table_of(self.topics.clone(), self.version.clone())
    }
}

/// What is to be announced.
#[derive(Default)]
struct Pending {
    topics: BTreeSet<String>,
    everything: bool,
    /// The number of the last change.
    last: u64,
}

struct Topics {
    by_name: HashMap<String, Arc<TopicConfig>, RandomState>,
    version: DataVersion,
    /// What is on no disk yet.
    unwritten: Vec<Versioned>,
    /// What no name server was told yet.
    pending: Pending,
}

/// How often something has changed. It lies apart from what changes oftener.
#[derive(Default)]
#[repr(align(128))]
struct Changes(AtomicU64);

/// The topics. Readers take a short shared lock and no memory; nothing here waits for the disk
/// except [`save`](TopicTable::save).
pub struct TopicTable {
    topics: RwLock<Topics>,
    system: HashSet<String>,
    file: TableFile,
    saving: Mutex<Saving>,
    announce: Notify,
    /// The number of the last change that each name server was told; empty while nobody tells them.
    told: Mutex<Vec<u64>>,
    more_told: Condvar,
    changes: Changes,
    /// Topics that messages created and the file does not have yet, and how many.
    unsaved: Mutex<HashSet<String>>,
    unsaved_count: AtomicUsize,
}

impl TopicTable {
    /// Reads `topics.json` in `folder` and adds the topics that every broker has.
    pub fn load(
        folder: &Path,
        config: &BrokerConfig,
        delay_levels: i32,
    ) -> Result<Self, StoreError> {
        let file = TableFile::new(folder.join("topics.json"));
        let mut stored: TopicConfigTable = file.load()?;
        let saving = Saving::load(folder, &mut stored)?;
        let own = own_topics(config, delay_levels);
        let table = TopicTable {
            topics: RwLock::new(Topics {
                by_name: stored
                    .topic_config_table
                    .into_iter()
                    .map(|(name, topic)| (name, Arc::new(topic)))
                    .collect(),
                version: stored.data_version,
                unwritten: Vec::new(),
                pending: Pending::default(),
            }),
            system: own.iter().map(|topic| topic.topic_name.clone()).collect(),
            file,
            saving: Mutex::new(saving),
            announce: Notify::new(),
            told: Mutex::default(),
            more_told: Condvar::new(),
            changes: Changes::default(),
            unsaved: Mutex::default(),
            unsaved_count: AtomicUsize::new(0),
        };
        for topic in own {
            // The file wins: an administrator may have changed a topic that the broker made. Only
            // the delay topic must have a queue for each level.
            match table.get(&topic.topic_name) {
                Some(stored) if stored.write_queue_nums >= topic.write_queue_nums => {}
                Some(_) if topic.topic_name != names::SCHEDULE_TOPIC => {}
                _ => table.put(topic),
            }
        }
        if table.saving.lock().is_behind() {
            table.file.changed();
        }
        // The first registration carries the whole table anyway.
        table.topics.write().pending = Pending::default();
        Ok(table)
    }

    /// The topic's settings.
    pub fn get(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        self.topics.read().by_name.get(topic).cloned()
    }

    /// A number that is another one after a topic was created, changed or deleted, or a group was changed or
    /// deleted: until then, what was found out about topics and their readers remains so.
    pub fn changes(&self) -> u64 {
        self.changes.0.load(Ordering::Acquire)
    }

    fn count_change(&self) {
        self.changes.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Queues of deleted topics were removed: a topic of the same name has others.
    pub(crate) fn queues_removed(&self) {
        self.count_change();
    }

    /// Groups were changed, or removed with all that was kept for them.
    pub(crate) fn groups_changed(&self) {
        self.count_change();
    }

    /// Whether the topic exists.
    pub fn contains(&self, topic: &str) -> bool {
        self.topics.read().by_name.contains_key(topic)
    }

    /// How many topics there are.
    pub fn count(&self) -> usize {
        self.topics.read().by_name.len()
    }

    /// The names of all topics, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.topics.read().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The topics that belong to the broker itself.
    pub fn system_topics(&self) -> Vec<String> {
        let mut names: Vec<String> = self.system.iter().cloned().collect();
        names.extend(
            [names::TRACE_TOPIC, names::CHECKPOINT_TOPIC]
                .into_iter()
                .filter(|name| !self.system.contains(*name))
                .map(str::to_string),
        );
        names.sort_unstable();
        names
    }

    /// Whether users may neither create nor delete the topic.
    pub fn is_system(&self, topic: &str) -> bool {
        names::is_system_topic(topic) || self.system.contains(topic)
    }

    /// The version of the table.
    pub fn version(&self) -> DataVersion {
        self.topics.read().version.clone()
    }

    /// The whole table.
    pub fn snapshot(&self) -> TopicConfigTable {
        // Only pointers are copied under the lock; the texts are copied after it.
        let (all, version) = {
            let topics = self.topics.read();
            (topics.by_name.values().cloned().collect(), topics.version.clone())
        };
        table_of(all, version)
    }

    /// The topic, created like `default_topic` when a message names it first. `None` when it may not
    /// be created so: there is no such default topic, or it does not let others inherit.
    pub fn get_or_create(
        &self,
        config: &BrokerConfig,
        topic: &str,
        default_topic: &str,
        queues: i32,
        sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        if let Some(existing) = self.get(topic) {
            return Some(existing);
        }
        let mut topics = self.topics.write();
        if let Some(existing) = topics.by_name.get(topic) {
            return Some(existing.clone());
        }
        let default = topics.by_name.get(default_topic)?;
        let forbidden = default_topic == names::DEFAULT_TOPIC && !config.auto_create_topic_enable;
        if forbidden || !perm::inheritable(default.perm) {
            return None;
        }
        let queues = queues.min(default.write_queue_nums).max(0);
        let created = TopicConfig {
            perm: default.perm & !perm::INHERIT,
            topic_filter_type: default.topic_filter_type.clone(),
            topic_sys_flag: sys_flag,
            ..TopicConfig::new(topic, queues)
        };
        let created = topics.insert(created);
        drop(topics);
        tracing::info!(topic, queues, default_topic, "topic created by its first message");
        self.note_changed();
        Some(created)
    }

    /// A retry or dead letter topic, created when it is missing. A different `order` is adopted.
    pub fn get_or_create_for_group(
        &self,
        topic: &str,
        queues: i32,
        perm: i32,
        order: bool,
        sys_flag: i32,
    ) -> Arc<TopicConfig> {
        if let Some(existing) = self.get(topic)
            && existing.order == order
        {
            return existing;
        }
        let mut topics = self.topics.write();
        let wanted = match topics.by_name.get(topic) {
            Some(existing) if existing.order == order => return existing.clone(),
            Some(existing) => TopicConfig { order, ..TopicConfig::clone(existing) },
            None => TopicConfig {
                perm,
                order,
                topic_sys_flag: sys_flag,
                ..TopicConfig::new(topic, queues)
            },
        };
        let created = topics.insert(wanted);
        drop(topics);
        self.note_changed();
        created
    }

    /// Creates or replaces a topic. The attributes of `wanted` are ignored; `changes` are applied to
    /// those that the topic has: `+key=value` adds or alters, `-key` removes. `Ok(false)` when the
    /// topic already is what is wanted.
    pub fn upsert(
        &self,
        mut wanted: TopicConfig,
        changes: &BTreeMap<String, String>,
    ) -> Result<bool, TopicError> {
        let mut topics = self.topics.write();
        let existing = topics.by_name.get(&wanted.topic_name);
        wanted.attributes = attributes::alter(existing.map(|topic| &topic.attributes), changes)?;
        if existing.is_some_and(|existing| **existing == wanted) {
            return Ok(false);
        }
        topics.insert(wanted);
        drop(topics);
        self.note_changed();
        Ok(true)
    }

    /// Parses the `attributes` field of a request into the changes that [`upsert`](Self::upsert)
    /// takes.
    pub fn attribute_changes(text: &str) -> Result<BTreeMap<String, String>, TopicError> {
        Ok(attributes::parse(text)?)
    }

    /// Stores a topic exactly as given.
    pub fn put(&self, topic: TopicConfig) {
        self.topics.write().insert(topic);
        self.note_changed();
    }

    /// Forgets a topic. `false` when there was none.
    pub fn delete(&self, topic: &str) -> bool {
        let mut topics = self.topics.write();
        let existed = topics.by_name.remove(topic).is_some();
        if existed {
            topics.changed(Change::Deleted(topic.to_string()));
        }
        drop(topics);
        if existed {
            self.note_changed();
        }
        existed
    }

    /// Adopts the name server's list of strictly ordered topics: those in it are, others are not.
    pub fn set_ordered(&self, ordered: &BTreeMap<String, String>) {
        let differing: Vec<TopicConfig> = self
            .topics
            .read()
            .by_name
            .values()
            .filter(|topic| topic.order != ordered.contains_key(&topic.topic_name))
            .map(|topic| TopicConfig { order: !topic.order, ..TopicConfig::clone(topic) })
            .collect();
        differing.into_iter().for_each(|topic| self.put(topic));
    }

    fn note_changed(&self) {
        self.count_change();
        self.file.changed();
        self.announce.notify_one();
    }

    /// Makes the next announcement carry the whole table, as of a new version.
    pub fn announce_everything(&self) {
        let mut topics = self.topics.write();
        topics.version.advance(now_ms());
        topics.pending.everything = true;
        topics.pending.last += 1;
        drop(topics);
        // The version is in the file, too: name servers would take an older one for news after the next start.
        self.file.changed();
        self.announce.notify_one();
    }

    /// What changed since the last call; for the one task that registers the broker.
    pub fn take_announcements(&self) -> Announcements {
        self.take_numbered_announcements().0
    }

    /// What changed since the last call, and the number to report it under as
    /// [`announced`](Self::announced).
    pub(crate) fn take_numbered_announcements(&self) -> (Announcements, u64) {
        let mut topics = self.topics.write();
        let names = std::mem::take(&mut topics.pending.topics);
        let announcements = Announcements {
            topics: names.iter().filter_map(|name| topics.by_name.get(name).cloned()).collect(),
            everything: std::mem::take(&mut topics.pending.everything),
            version: topics.version.clone(),
        };
        (announcements, topics.pending.last)
    }

    /// From now on, someone tells so many name servers of changes.
    pub(crate) fn expect_announcer(&self, name_servers: usize) {
        let last = self.topics.read().pending.last;
        *self.told.lock() = vec![last; name_servers];
    }

    /// One name server was told of every change up to `number`, or cannot be told.
    pub(crate) fn announced(&self, name_server: usize, number: u64) {
        if let Some(told) = self.told.lock().get_mut(name_server) {
            *told = number.max(*told);
        }
        self.more_told.notify_all();
    }

    /// Waits until every name server that can be told has been told of the changes made so far, and
    /// returns whether that came about. Blocks.
    pub(crate) fn wait_announced(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let wanted = self.topics.read().pending.last;
        let mut told = self.told.lock();
        while told.iter().any(|told| *told < wanted) {
            if self.more_told.wait_until(&mut told, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// Waits until there may be something to announce.
    pub async fn until_announcement(&self) {
        self.announce.notified().await;
    }

    /// Waits for a change that is not on disk.
    pub async fn until_changed(&self) {
        self.file.until_changed().await;
    }

    /// A message is about to create the topic: until [`saved`](Self::saved), nobody may
    /// acknowledge messages in it.
    pub(crate) fn expect_save(&self, topic: &str) {
        let mut unsaved = self.unsaved.lock();
        unsaved.insert(topic.to_string());
        self.unsaved_count.store(unsaved.len(), Ordering::Release);
    }

    /// The topic is on disk, or was not created.
    pub(crate) fn saved(&self, topic: &str) {
        let mut unsaved = self.unsaved.lock();
        unsaved.remove(topic);
        self.unsaved_count.store(unsaved.len(), Ordering::Release);
    }

    /// Whether the topic was created by a message and is not on disk yet.
    pub(crate) fn is_unsaved(&self, topic: &str) -> bool {
        self.unsaved_count.load(Ordering::Acquire) > 0 && self.unsaved.lock().contains(topic)
    }
}

impl Topics {
    fn insert(&mut self, topic: TopicConfig) -> Arc<TopicConfig> {
        let topic = Arc::new(topic);
        self.by_name.insert(topic.topic_name.clone(), topic.clone());
        self.changed(Change::Put(topic.clone()));
        topic
    }

    fn changed(&mut self, change: Change) {
        self.version.advance(now_ms());
        self.pending.last += 1;
        match &change {
            Change::Put(topic) => _ = self.pending.topics.insert(topic.topic_name.clone()),
            Change::Deleted(_) => self.pending.everything = true,
        }
        self.unwritten.push((self.version.clone(), change));
    }
}

fn table_of(topics: Vec<Arc<TopicConfig>>, data_version: DataVersion) -> TopicConfigTable {
    let by_name = |topic: Arc<TopicConfig>| (topic.topic_name.clone(), TopicConfig::clone(&topic));
    TopicConfigTable {
        data_version,
        topic_config_table: topics.into_iter().map(by_name).collect(),
        ..TopicConfigTable::default()
    }
}

/// The topics that exist on every broker (broker §1.6).
fn own_topics(config: &BrokerConfig, delay_levels: i32) -> Vec<TopicConfig> {
    let inheriting = perm::READ_WRITE | perm::INHERIT;
    let open = |enabled: bool| if enabled { inheriting } else { perm::INHERIT };
    let topic = |name: &str, queues, perm| TopicConfig { perm, ..TopicConfig::new(name, queues) };
    let ordinary = |name: &str, queues| topic(name, queues, perm::READ_WRITE);
    let cluster = &config.broker_cluster_name;
    let broker = &config.broker_name;
    let mut topics = vec![
        ordinary(names::SELF_TEST_TOPIC, 1),
        ordinary(names::BENCHMARK_TOPIC, 1024),
        topic(cluster, 16, open(config.cluster_topic_enable)),
        topic(broker, 1, open(config.broker_topic_enable)),
        ordinary(names::OFFSET_MOVED_EVENT, 1),
        ordinary(names::SCHEDULE_TOPIC, delay_levels),
        ordinary(&format!("{cluster}_REPLY_TOPIC"), 1),
        ordinary(&format!("rmq_sys_REVIVE_LOG_{cluster}"), config.revive_queue_num),
        topic(&format!("rmq_sys_SYNC_BROKER_MEMBER_{broker}"), 1, perm::INHERIT),
        ordinary(names::TRANS_HALF_TOPIC, 1),
        ordinary(names::TRANS_OP_HALF_TOPIC, 1),
        ordinary(names::TIMER_TOPIC, 1),
    ];
    if config.auto_create_topic_enable {
        let queues = config.default_topic_queue_nums;
        topics.push(topic(names::DEFAULT_TOPIC, queues, inheriting));
    }
    if config.trace_topic_enable {
        topics.push(ordinary(&config.msg_trace_topic_name, 1));
    }
    topics
}

#[cfg(test)]
mod tests;
