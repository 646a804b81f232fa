//! Who is connected: producers and consumers by group, as their heartbeats tell.
//!
//! A pull looks its subscription up here, so the group is found by text under a shared lock, and
//! everything about one group is behind that group's own lock. What a connection belongs to is kept
//! beside it, so that its end costs as much as it has groups and not as much as there are.

mod consumers;
mod producers;

pub use consumers::{ConsumerGroup, Registered};

use consumers::Consumers;
use ferromq_net::Connection;
use ferromq_protocol::Language;
use ferromq_protocol::body::{self, ConsumerData};
use parking_lot::Mutex;
use producers::Producers;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// One client on one connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it is reached.
    pub connection: Arc<Connection>,
    /// What it calls itself.
    pub id: Arc<str>,
    /// Its language.
    pub language: Language,
    /// Its protocol version.
    pub version: i32,
    /// When it was last heard of, in ms.
    pub last_seen: i64,
}

impl Client {
    /// As the tools show it.
    pub fn describe(&self) -> body::Connection {
        body::Connection {
            client_addr: self.connection.peer().to_string(),
            client_id: self.id.to_string(),
            language: self.language.name().unwrap_or("OTHER").to_string(),
            version: self.version,
        }
    }
}

/// The groups that a connection belongs to, in order; as a rule there is one.
#[derive(Default)]
struct Memberships {
    consumers: Vec<Box<str>>,
    producers: Vec<Box<str>>,
}

/// Every client that sends heartbeats.
#[derive(Default)]
pub struct Clients {
    consumers: Consumers,
    producers: Producers,
    memberships: Mutex<HashMap<u64, Memberships>>,
}

impl Clients {
    /// Nobody yet.
    pub fn new() -> Self {
        Clients::default()
    }

    /// Takes in what a heartbeat says about one consumer group. With `fingerprint`, the heartbeat may
    /// be one that leaves subscriptions out. `notify` tells whether the group's members hear of
    /// changes.
    pub fn register_consumer(
        &self,
        client: &Client,
        data: ConsumerData,
        fingerprint: Fingerprint,
        notify: bool,
    ) -> Registered {
        self.remember(client.connection.id(), |memberships| {
            remember(&mut memberships.consumers, &data.group_name)
        });
        self.consumers.register(client, data, fingerprint, notify)
    }

    /// Takes in a producer group of a heartbeat. `true` when the client is new in it.
    pub fn register_producer(&self, client: &Client, group: &str) -> bool {
        self.remember(client.connection.id(), |memberships| {
            remember(&mut memberships.producers, group)
        });
        self.producers.register(client, group)
    }

    fn remember(&self, connection: u64, add: impl FnOnce(&mut Memberships)) {
        add(self.memberships.lock().entry(connection).or_default());
    }

    /// A consumer group is left.
    pub fn unregister_consumer(&self, connection: &Connection, group: &str) {
        self.forget(connection.id(), |memberships| {
            forget(&mut memberships.consumers, group);
        });
        self.consumers.remove(connection.id(), group);
    }

    /// A producer group is left.
    pub fn unregister_producer(&self, connection: &Connection, group: &str) {
        self.forget(connection.id(), |memberships| {
            forget(&mut memberships.producers, group);
        });
        self.producers.remove(connection.id(), group);
    }

    fn forget(&self, connection: u64, remove: impl FnOnce(&mut Memberships)) {
        let mut all = self.memberships.lock();
        if let Some(memberships) = all.get_mut(&connection) {
            remove(memberships);
            if memberships.consumers.is_empty() && memberships.producers.is_empty() {
                all.remove(&connection);
            }
        }
    }

    /// The connection has ended: it leaves every group.
    pub fn closed(&self, connection: &Connection) {
        let Some(memberships) = self.memberships.lock().remove(&connection.id()) else {
            return;
        };
        for group in &memberships.consumers {
            self.consumers.remove(connection.id(), group);
        }
        for group in &memberships.producers {
            self.producers.remove(connection.id(), group);
        }
    }

    /// Removes the clients not heard of since `deadline` (ms) and ends their connections.
    pub fn drop_silent(&self, deadline: i64) {
        for (client, group) in self.consumers.silent_since(deadline) {
            tracing::info!(client = %client.id, peer = %client.connection.peer(), group, "consumer sent no heartbeat and is dropped");
            self.unregister_consumer(&client.connection, &group);
            client.connection.close();
        }
        for (client, group) in self.producers.silent_since(deadline) {
            tracing::info!(client = %client.id, peer = %client.connection.peer(), group, "producer sent no heartbeat and is dropped");
            self.unregister_producer(&client.connection, &group);
            client.connection.close();
        }
    }

    /// The consumer group, when one of its clients is connected.
    pub fn consumer_group(&self, group: &str) -> Option<Arc<ConsumerGroup>> {
        self.consumers.get(group)
    }

    /// The consumer groups that are connected.
    pub fn consumer_groups(&self) -> Vec<Arc<ConsumerGroup>> {
        self.consumers.all()
    }

    /// The connected consumer groups that subscribe to the topic.
    pub fn groups_subscribed_to(&self, topic: &str) -> BTreeSet<String> {
        let groups = self.consumers.all().into_iter();
        groups
            .filter(|group| group.subscription(topic).is_some())
            .map(|group| group.name().to_string())
            .collect()
    }

    /// The client of a consumer group with this id.
    pub fn consumer(&self, group: &str, id: &str) -> Option<Client> {
        self.consumer_group(group)?.client(id)
    }

    /// The clients of a producer group; `None` when nobody of it is connected.
    pub fn producers(&self, group: &str) -> Option<Vec<Client>> {
        self.producers.get(group)
    }

    /// The clients of every producer group.
    pub fn all_producers(&self) -> BTreeMap<String, Vec<Client>> {
        self.producers.all()
    }

    /// A connection of the producer group, another one each time.
    pub fn any_producer(&self, group: &str) -> Option<Arc<Connection>> {
        self.producers.any(group)
    }
}

/// Whether a heartbeat has the subscriptions, and the hash by which a broker knows them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingerprint {
    /// Subscriptions are in the heartbeat; the hash is 0 for clients that have none.
    Full(i32),
    /// Subscriptions are left out: they are those that hash to this.
    Brief(i32),
}

fn place(groups: &[Box<str>], group: &str) -> Result<usize, usize> {
    groups.binary_search_by(|known| (**known).cmp(group))
}

fn remember(groups: &mut Vec<Box<str>>, group: &str) {
    if let Err(place) = place(groups, group) {
        groups.reserve_exact(1);
        groups.insert(place, group.into());
    }
}

fn forget(groups: &mut Vec<Box<str>>, group: &str) {
    if let Ok(place) = place(groups, group) {
        groups.remove(place);
    }
}

#[cfg(test)]
mod tests;
