//! The route tables: which brokers live, and which topics they have.
//!
//! Pure data, without clock, network or locks; times and connection numbers come in as parameters.
//! Besides Apache's tables (protocol §6.1) every broker keeps the names of its topics, so that
//! whatever concerns one broker costs that broker's topics and not those of the whole cluster.

mod lookup;
mod registration;
mod removal;
mod topics;

pub(crate) use lookup::keep_zone;
pub use registration::{Registered, Registration};

use ferromq_protocol::body::{BrokerData, DataVersion, QueueData, TopicConfig};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// After how much silence a broker counts as dead unless it asks for something else, in ms.
pub const DEFAULT_TIMEOUT: i64 = 120_000;

/// Who a broker says it is.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The broker group.
    pub name: &'a str,
    /// Where clients reach it.
    pub address: &'a str,
    /// 0 for the master.
    pub id: i64,
}

/// A broker by cluster and address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokerKey {
    /// The cluster.
    pub cluster: String,
    /// Where clients reach it.
    pub address: String,
}

impl From<Identity<'_>> for BrokerKey {
    fn from(identity: Identity<'_>) -> Self {
        BrokerKey { cluster: identity.cluster.to_string(), address: identity.address.to_string() }
    }
}

/// Tells the brokers of a group that its smallest id is another one now (protocol §6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinIdNotice {
    /// The smallest id.
    pub id: i64,
    /// Its address.
    pub address: String,
    /// The broker that left, if one did.
    pub offline: Option<String>,
    /// Where the newcomer is reached by its replicas, if one came.
    pub ha_address: Option<String>,
    /// Whom to tell.
    pub recipients: Vec<String>,
}

/// A topic's queues on one broker group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Queues {
    read: i32,
    write: i32,
    perm: i32,
    flags: i32,
}

impl Queues {
    fn of_topic(topic: &TopicConfig) -> Self {
        Queues {
            read: topic.read_queue_nums,
            write: topic.write_queue_nums,
            perm: topic.perm,
            flags: topic.topic_sys_flag,
        }
    }

    fn of_data(data: &QueueData) -> Self {
        Queues {
            read: data.read_queue_nums,
            write: data.write_queue_nums,
            perm: data.perm,
            flags: data.topic_sys_flag,
        }
    }

    fn to_data(self, broker_name: &str) -> QueueData {
        QueueData {
            broker_name: broker_name.to_string(),
            perm: self.perm,
            read_queue_nums: self.read,
            topic_sys_flag: self.flags,
            write_queue_nums: self.write,
        }
    }
}

/// A broker group.
#[derive(Clone, Debug)]
struct Group {
    data: BrokerData,
    topics: HashSet<Arc<str>>,
}

impl Group {
    fn min_id(&self) -> Option<(i64, &str)> {
        let (id, address) = self.data.broker_addrs.first_key_value()?;
        Some((*id, address))
    }
}

/// What is known of a live broker.
#[derive(Clone, Debug)]
struct Live {
    name: Arc<str>,
    last_heard: i64,
    timeout: i64,
    version: DataVersion,
    connection: u64,
    ha_address: String,
    filter_servers: Vec<String>,
    /// Of the last registration, while an equal one would change nothing.
    digest: Option<u64>,
}

/// A topic's queues and static mappings by broker group.
#[derive(Clone, Debug, Default)]
struct Topic {
    queues: BTreeMap<Arc<str>, Queues>,
    mappings: BTreeMap<Arc<str>, Value>,
}

/// The route tables.
#[derive(Debug, Default)]
pub struct RouteTables {
    topics: HashMap<Arc<str>, Topic>,
    groups: BTreeMap<Arc<str>, Group>,
    clusters: BTreeMap<String, BTreeSet<Arc<str>>>,
    live: HashMap<BrokerKey, Live>,
    connections: HashMap<u64, HashSet<BrokerKey>>,
}

impl RouteTables {
    /// Writes a topic's queues on a group and keeps the group's own list in step.
    fn put_queues(&mut self, topic: &str, group: &Arc<str>, queues: Queues) {
        let name = match self.topics.get_key_value(topic) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(topic),
        };
        if let Some(group) = self.groups.get_mut(group) {
            group.topics.insert(Arc::clone(&name));
        }
        let entry = self.topics.entry(name).or_default();
        entry.queues.insert(Arc::clone(group), queues);
    }

    /// Removes a topic's queues on a group; a topic without any queues vanishes.
    fn remove_queues(&mut self, topic: &str, group: &str) {
        if let Some(entry) = self.topics.get_mut(topic) {
            entry.queues.remove(group);
            entry.mappings.remove(group);
            if entry.queues.is_empty() {
                self.topics.remove(topic);
            }
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.topics.remove(topic);
        }
        self.forget_digests(group);
    }

    /// Makes the next registration of every broker of the group count in full: after a change of
    /// the group an unchanged registration may have to write what it did not have to before.
    fn forget_digests(&mut self, group: &str) {
        let Some(group) = self.groups.get(group) else {
            return;
        };
        for address in group.data.broker_addrs.values() {
            let key = BrokerKey { cluster: group.data.cluster.clone(), address: address.clone() };
            if let Some(live) = self.live.get_mut(&key) {
                live.digest = None;
            }
        }
    }

    /// Notes over which connection a broker is heard, which is the one whose end means its end.
    fn attach(&mut self, key: &BrokerKey, connection: u64) {
        let Some(live) = self.live.get_mut(key) else {
            return;
        };
        let before = std::mem::replace(&mut live.connection, connection);
        if before != connection {
            self.detach(key, before);
        }
        let keys = self.connections.entry(connection).or_default();
        if !keys.contains(key) {
            keys.insert(key.clone());
        }
    }

    fn detach(&mut self, key: &BrokerKey, connection: u64) {
        if let Some(keys) = self.connections.get_mut(&connection) {
            keys.remove(key);
            if keys.is_empty() {
                self.connections.remove(&connection);
            }
        }
    }

    /// Whether any broker is heard over this connection.
    pub fn uses(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod invariants;
