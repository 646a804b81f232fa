//! Registration and signs of life (protocol §6.2).

use super::{BrokerKey, DEFAULT_TIMEOUT, Group, Identity, Live, MinIdNotice, Queues, RouteTables};
use ferromq_model::perm;
use ferromq_protocol::body::{BrokerData, DataVersion, RegisterBrokerBody, TopicConfigTable};
use std::collections::HashSet;
use std::sync::Arc;

/// What a broker registers, apart from its body.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// The broker.
    pub identity: Identity<'a>,
    /// Where its replicas reach it.
    pub ha_address: &'a str,
    /// After how much silence it wants to count as dead, in ms.
    pub timeout: Option<i64>,
    /// Whether a slave may act as master; brokers before 5.0 do not say.
    pub acting_master: Option<bool>,
    /// The broker's zone.
    pub zone: Option<&'a str>,
    /// The connection that it came over.
    pub connection: u64,
    /// A digest of the body; equal bodies have equal digests.
    pub digest: u64,
}

/// How a registration was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It counts.
    Accepted {
        /// For a slave whose master lives: the master's address and where to replicate from.
        master: Option<(String, String)>,
        /// Whom to tell that the group's smallest id changed.
        notice: Option<MinIdNotice>,
    },
    /// Its id belongs to another address with a newer state; it was ignored.
    Outdated,
    /// The first registration of an id must have all topics, and this one had a single one.
    Incomplete,
}

impl RouteTables {
    /// Takes a registration that equals the broker's last one: a sign of life, whatever number of
    /// topics it lists. `None` when it must be read and [registered](RouteTables::register).
    pub fn register_unchanged(
        &mut self,
        registration: &Registration<'_>,
        now: i64,
    ) -> Option<Registered> {
        let identity = registration.identity;
        let key = BrokerKey::from(identity);
        let group = self.groups.get(identity.name)?;
        let same_group = group.data.cluster == identity.cluster
            && group.data.broker_addrs.get(&identity.id).map(String::as_str)
                == Some(identity.address)
            && group.data.enable_acting_master == registration.acting_master.unwrap_or(false)
            && group.data.zone_name.as_deref() == registration.zone;
        let live = self.live.get_mut(&key)?;
        if !same_group
            || live.digest != Some(registration.digest)
            || live.ha_address != registration.ha_address
        {
            return None;
        }
        live.last_heard = now;
        live.timeout = registration.timeout.unwrap_or(DEFAULT_TIMEOUT);
        self.attach(&key, registration.connection);
        Some(Registered::Accepted { master: self.master_of(identity), notice: None })
    }

    /// Takes a registration. With `prune`, topics vanish that a full registration does not have.
    pub fn register(
        &mut self,
        registration: &Registration<'_>,
        body: RegisterBrokerBody,
        prune: bool,
        now: i64,
    ) -> Registered {
        let identity = registration.identity;
        let key = BrokerKey::from(identity);
        let RegisterBrokerBody {
            filter_server_list: filter_servers,
            topic_config_serialize_wrapper: table,
        } = body;

        if self.is_outdated(identity, &table.data_version) {
            self.forget(&key);
            return Registered::Outdated;
        }
        let known = self.groups.get(identity.name);
        let id_known = known.is_some_and(|g| g.data.broker_addrs.contains_key(&identity.id));
        if !id_known && table.topic_config_table.len() == 1 {
            return Registered::Incomplete;
        }
        let smaller_id = known.and_then(Group::min_id).is_some_and(|(min, _)| identity.id < min);

        let name = self.enter_group(registration);
        let acting_master = registration.acting_master.unwrap_or(false);
        let prime =
            acting_master && self.groups[&name].min_id().map(|(id, _)| id) == Some(identity.id);
        if identity.id == 0 || prime {
            let stored = self.live.get(&key).map(|live| &live.version);
            let changed = !id_known || stored != Some(&table.data_version);
            let strip = if identity.id == 0 { 0 } else { perm::WRITE };
            // A single topic is an addition by a broker that has more; see `Registered::Incomplete`.
            if prune && table.topic_config_table.len() != 1 {
                self.prune(&name, &table);
            }
            self.write_topics(&name, &table, changed, strip);
        }

        let live = Live {
            name,
            last_heard: now,
            timeout: registration.timeout.unwrap_or(DEFAULT_TIMEOUT),
            version: table.data_version,
            connection: registration.connection,
            ha_address: registration.ha_address.to_string(),
            filter_servers,
            digest: Some(registration.digest),
        };
        if let Some(before) = self.live.insert(key.clone(), live)
            && before.connection != registration.connection
        {
            self.detach(&key, before.connection);
        }
        self.attach(&key, registration.connection);

        let ha_address = Some(registration.ha_address.to_string());
        Registered::Accepted {
            master: self.master_of(identity),
            notice: smaller_id
                .then(|| self.min_id_notice(identity.name, None, ha_address))
                .flatten(),
        }
    }

    /// A sign of life; it costs the same whatever the broker has.
    pub fn heard(&mut self, identity: Identity<'_>, connection: u64, now: i64) {
        let key = BrokerKey::from(identity);
        if let Some(live) = self.live.get_mut(&key) {
            live.last_heard = now;
            self.attach(&key, connection);
        }
    }

    /// The version of a live broker's topics, and whether the routes have them as the broker sent
    /// them. They have not after a topic was deleted here, or when a member of the group has come
    /// or gone since; then even the same registration changes something.
    pub fn version(&self, identity: Identity<'_>) -> Option<(DataVersion, bool)> {
        let live = self.live.get(&BrokerKey::from(identity))?;
        Some((live.version.clone(), live.digest.is_some()))
    }

    /// Whether the id is held by another live address whose state is newer.
    fn is_outdated(&self, identity: Identity<'_>, version: &DataVersion) -> bool {
        let holder = self
            .groups
            .get(identity.name)
            .and_then(|group| group.data.broker_addrs.get(&identity.id));
        let Some(holder) = holder.filter(|address| *address != identity.address) else {
            return false;
        };
        let key = BrokerKey { cluster: identity.cluster.to_string(), address: holder.clone() };
        self.live.get(&key).is_some_and(|live| live.version.state_version > version.state_version)
    }

    /// Makes the broker a member of its group and cluster, under this id only.
    fn enter_group(&mut self, registration: &Registration<'_>) -> Arc<str> {
        let identity = registration.identity;
        let name = match self.groups.get_key_value(identity.name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(identity.name),
        };
        let cluster = self.clusters.entry(identity.cluster.to_string());
        cluster.or_default().insert(Arc::clone(&name));

        let group = self.groups.entry(Arc::clone(&name)).or_insert_with(|| Group {
            data: BrokerData {
                broker_name: identity.name.to_string(),
                cluster: identity.cluster.to_string(),
                ..BrokerData::default()
            },
            topics: HashSet::new(),
        });
        let data = &mut group.data;
        let members = data.broker_addrs.clone();
        data.enable_acting_master = registration.acting_master.unwrap_or(false);
        data.zone_name = registration.zone.map(str::to_string);
        data.broker_addrs.retain(|id, address| address != identity.address || *id == identity.id);
        data.broker_addrs.insert(identity.id, identity.address.to_string());
        if data.broker_addrs != members {
            self.forget_digests(identity.name);
        }
        name
    }

    fn write_topics(&mut self, name: &Arc<str>, table: &TopicConfigTable, all: bool, strip: i32) {
        for (topic, config) in &table.topic_config_table {
            let unknown = || {
                let entry = self.topics.get(topic.as_str());
                entry.is_none_or(|entry| !entry.queues.contains_key(name))
            };
            if all || unknown() {
                let mut queues = Queues::of_topic(config);
                queues.perm &= !strip;
                self.put_queues(topic, name, queues);
            }
        }
        if !all {
            return;
        }
        for (topic, mapping) in table.topic_queue_mapping_info_map.iter().flatten() {
            if let Some(entry) = self.topics.get_mut(topic.as_str()) {
                let group = mapping["bname"].as_str().map_or_else(|| Arc::clone(name), Arc::from);
                entry.mappings.insert(group, mapping.clone());
            }
        }
    }

    /// Removes the group's topics that the table does not have.
    fn prune(&mut self, name: &Arc<str>, table: &TopicConfigTable) {
        let topics = self.groups[name].topics.iter();
        let gone: Vec<Arc<str>> = topics
            .filter(|topic| !table.topic_config_table.contains_key(&***topic))
            .cloned()
            .collect();
        for topic in gone {
            self.remove_queues(&topic, name);
        }
    }

    /// For a slave: its live master's address, and where to replicate from.
    fn master_of(&self, identity: Identity<'_>) -> Option<(String, String)> {
        if identity.id == 0 {
            return None;
        }
        let address = self.groups.get(identity.name)?.data.master()?.to_string();
        let key = BrokerKey { cluster: identity.cluster.to_string(), address };
        let live = self.live.get(&key)?;
        Some((key.address, live.ha_address.clone()))
    }

    pub(super) fn min_id_notice(
        &self,
        group: &str,
        offline: Option<String>,
        ha_address: Option<String>,
    ) -> Option<MinIdNotice> {
        let members = &self.groups.get(group)?.data.broker_addrs;
        let (id, address) = members.first_key_value()?;
        // The newcomer knows its own id; after a loss, everybody who is left must know.
        let skip = if offline.is_some() || members.len() == 1 { 0 } else { 1 };
        Some(MinIdNotice {
            id: *id,
            address: address.clone(),
            offline,
            ha_address,
            recipients: members.values().skip(skip).cloned().collect(),
        })
    }
}
