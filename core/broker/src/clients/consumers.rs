//! The consumer groups that are connected.

use super::{Client, Fingerprint};
use ferromq_net::Connection;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ConsumeFromWhere, ConsumeType, ConsumerConnection, ConsumerData, MessageModel, SubscriptionData,
};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::ConsumerGroupRequest;
use parking_lot::RwLock;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a heartbeat changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// A client or a subscription is new or gone.
    pub changed: bool,
    /// The subscriptions that were left out are not known: the client must send them.
    pub wants_subscriptions: bool,
}

/// A consumer group with its connected clients.
pub struct ConsumerGroup {
    name: String,
    members: RwLock<Members>,
}

struct Member {
    client: Client,
    /// The hash of the client's last full heartbeat; `None` when its subscriptions may no longer be
    /// those that the group has.
    fingerprint: Option<i32>,
}

#[derive(Default)]
struct Members {
    by_connection: HashMap<u64, Member>,
    subscriptions: HashMap<String, Arc<SubscriptionData>>,
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    notify: bool,
}

impl ConsumerGroup {
    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the group subscribes to of a topic.
    pub fn subscription(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.members.read().subscriptions.get(topic).cloned()
    }

    /// The topics that the group subscribes to.
    pub fn topics(&self) -> BTreeSet<String> {
        self.members.read().subscriptions.keys().cloned().collect()
    }

    /// Who of the group gets a message.
    pub fn message_model(&self) -> MessageModel {
        self.members.read().message_model
    }

    /// How the group gets its messages.
    pub fn consume_type(&self) -> ConsumeType {
        self.members.read().consume_type
    }

    /// The ids of the group's clients, each once.
    pub fn client_ids(&self) -> Vec<String> {
        let members = self.members.read();
        let ids: BTreeSet<&str> = members.clients().map(|client| &*client.id).collect();
        ids.into_iter().map(str::to_string).collect()
    }

    /// The group's clients, in the order of their ids.
    pub fn clients(&self) -> Vec<Client> {
        let mut clients: Vec<Client> = self.members.read().clients().cloned().collect();
        clients.sort_by(|a, b| a.id.cmp(&b.id));
        clients
    }

    /// The client with this id: of several connections the one heard of last.
    pub fn client(&self, id: &str) -> Option<Client> {
        let members = self.members.read();
        let clients = members.clients().filter(|client| &*client.id == id);
        clients.max_by_key(|client| client.last_seen).cloned()
    }

    /// As the tools show it.
    pub fn describe(&self) -> ConsumerConnection {
        let connection_set = self.clients().iter().map(Client::describe).collect();
        let members = self.members.read();
        let subscriptions = members.subscriptions.iter();
        ConsumerConnection {
            connection_set,
            consume_from_where: members.consume_from_where,
            consume_type: members.consume_type,
            message_model: members.message_model,
            subscription_table: subscriptions
                .map(|(topic, subscription)| (topic.clone(), SubscriptionData::clone(subscription)))
                .collect(),
        }
    }
}

impl Members {
    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.by_connection.values().map(|member| &member.client)
    }

    /// `true` when the connection is new in the group.
    fn put_client(&mut self, client: &Client) -> bool {
        match self.by_connection.get_mut(&client.connection.id()) {
            Some(known) => {
                known.client.clone_from(client);
                false
            }
            None => {
                let member = Member { client: client.clone(), fingerprint: None };
                self.by_connection.insert(client.connection.id(), member);
                true
            }
        }
    }

    /// Takes the subscriptions of a full heartbeat. When they change the group's, the other clients
    /// are to send theirs again before they leave them out. `true` when they do.
    fn put_full(
        &mut self,
        connection: u64,
        subscriptions: Vec<SubscriptionData>,
        hash: i32,
    ) -> bool {
        let changed = self.put_subscriptions(subscriptions);
        if changed {
            self.by_connection.values_mut().for_each(|member| member.fingerprint = None);
        }
        if let Some(member) = self.by_connection.get_mut(&connection) {
            member.fingerprint = Some(hash);
        }
        changed
    }

    fn knows(&self, connection: u64, hash: i32) -> bool {
        let member = self.by_connection.get(&connection);
        member.is_some_and(|member| member.fingerprint == Some(hash))
    }

    /// The last heartbeat decides for the whole group. `true` when a topic came or went; a newer
    /// subscription to the same topic only takes the place of the older.
    fn put_subscriptions(&mut self, subscriptions: Vec<SubscriptionData>) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| subscriptions.iter().any(|new| new.topic == *topic));
        let mut changed = self.subscriptions.len() != before;
        for subscription in subscriptions {
            match self.subscriptions.get_mut(&subscription.topic) {
                Some(known) if known.sub_version >= subscription.sub_version => {}
                Some(known) => *known = Arc::new(subscription),
                None => {
                    changed = true;
                    self.subscriptions.insert(subscription.topic.clone(), Arc::new(subscription));
                }
            }
        }
        changed
    }

    /// Whom to tell about a change: everyone, also who caused it.
    fn audience(&self) -> Vec<Arc<Connection>> {
        match self.notify && self.message_model != MessageModel::Broadcasting {
            true => self.clients().map(|c| c.connection.clone()).collect(),
            false => Vec::new(),
        }
    }
}

/// Tells clients that their group has changed, so that they share the queues anew.
fn notify(group: &str, audience: Vec<Arc<Connection>>) {
    let header = ConsumerGroupRequest { consumer_group: group };
    for connection in audience {
        let note = Command::request_with(request::NOTIFY_CONSUMER_IDS_CHANGED, &header);
        if let Err(error) = connection.send(note) {
            // A client that misses the note looks by itself every 20 s.
            tracing::debug!(group, peer = %connection.peer(), %error, "cannot tell of a changed group");
        }
    }
}

#[derive(Default)]
pub(super) struct Consumers {
    groups: RwLock<HashMap<String, Arc<ConsumerGroup>>>,
}

impl Consumers {
    pub(super) fn get(&self, group: &str) -> Option<Arc<ConsumerGroup>> {
        self.groups.read().get(group).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<ConsumerGroup>> {
        self.groups.read().values().cloned().collect()
    }

    pub(super) fn register(
        &self,
        client: &Client,
        data: ConsumerData,
        fingerprint: Fingerprint,
        notify_members: bool,
    ) -> Registered {
        let name = data.group_name.clone();
        let update = |group: &ConsumerGroup| {
            let mut members = group.members.write();
            let connection = client.connection.id();
            members.consume_type = data.consume_type;
            members.message_model = data.message_model;
            members.consume_from_where = data.consume_from_where;
            members.notify = notify_members;
            let mut registered =
                Registered { changed: members.put_client(client), wants_subscriptions: false };
            match fingerprint {
                Fingerprint::Full(hash) => {
                    let subscriptions = data.subscription_data_set;
                    registered.changed |= members.put_full(connection, subscriptions, hash);
                }
                Fingerprint::Brief(hash) => {
                    registered.wants_subscriptions = !members.knows(connection, hash);
                }
            }
            let audience = match registered.changed {
                true => members.audience(),
                false => Vec::new(),
            };
            (registered, audience)
        };
        // The map stays locked while a member is added, so that nobody takes the group for empty
        // and removes it in between.
        let groups = self.groups.read();
        let (registered, audience) = match groups.get(&name) {
            Some(group) => update(group),
            None => {
                drop(groups);
                let mut groups = self.groups.write();
                let group = groups.entry(name.clone()).or_insert_with(|| {
                    Arc::new(ConsumerGroup { name: name.clone(), members: RwLock::default() })
                });
                update(group)
            }
        };
        notify(&name, audience);
        registered
    }

    pub(super) fn remove(&self, connection: u64, name: &str) {
        let audience = {
            let mut groups = self.groups.write();
            let Some(group) = groups.get(name) else {
                return;
            };
            let mut members = group.members.write();
            if members.by_connection.remove(&connection).is_none() {
                return;
            }
            let audience = members.audience();
            let empty = members.by_connection.is_empty();
            drop(members);
            if empty {
                groups.remove(name);
            }
            audience
        };
        notify(name, audience);
    }

    pub(super) fn silent_since(&self, deadline: i64) -> Vec<(Client, String)> {
        let mut silent = Vec::new();
        for group in self.all() {
            let members = group.members.read();
            let clients = members.clients();
            silent.extend(
                clients
                    .filter(|client| client.last_seen < deadline)
                    .map(|client| (client.clone(), group.name.clone())),
            );
        }
        silent
    }
}
