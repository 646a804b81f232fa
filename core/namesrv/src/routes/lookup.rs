//! Routes, clusters and topic lists (protocol §6.4 and §6.5).

use super::{BrokerKey, Group, RouteTables, Topic};
use ferromq_model::{flags, perm};
use ferromq_protocol::body::{BrokerMemberGroup, ClusterInfo, TopicList, TopicRouteData};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Brokers look each other up under topics of this prefix and must see the true roles.
const MEMBER_TOPIC_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

impl RouteTables {
    /// Where a topic's queues are; `None` when no broker that is known has it. With
    /// `acting_master`, the slave with the smallest id stands in for a master that is missing.
    pub fn route(&self, topic: &str, acting_master: bool) -> Option<TopicRouteData> {
        let entry = self.topics.get(topic)?;
        let groups = entry.queues.keys().filter_map(|name| self.groups.get(name));
        let mut route = TopicRouteData {
            broker_datas: groups.map(|group| group.data.clone()).collect(),
            queue_datas: entry.queues.iter().map(|(name, queues)| queues.to_data(name)).collect(),
            topic_queue_mapping_by_broker: mappings(entry),
            ..TopicRouteData::default()
        };
        if route.broker_datas.is_empty() {
            return None;
        }
        for data in &route.broker_datas {
            for address in data.broker_addrs.values() {
                let key = BrokerKey { cluster: data.cluster.clone(), address: address.clone() };
                let servers = self.live.get(&key).map(|live| &live.filter_servers);
                if let Some(servers) = servers.filter(|servers| !servers.is_empty()) {
                    let address = address.clone();
                    route.filter_server_table.insert(address, servers.clone());
                }
            }
        }
        if acting_master && !topic.starts_with(MEMBER_TOPIC_PREFIX) {
            show_acting_masters(&mut route);
        }
        Some(route)
    }

    /// Every broker of every cluster.
    pub fn cluster_info(&self) -> ClusterInfo {
        let names = |members: &BTreeSet<Arc<str>>| members.iter().map(|n| n.to_string()).collect();
        ClusterInfo {
            broker_addr_table: self
                .groups
                .iter()
                .map(|(name, group)| (name.to_string(), group.data.clone()))
                .collect(),
            cluster_addr_table: self
                .clusters
                .iter()
                .map(|(cluster, members)| (cluster.clone(), names(members)))
                .collect(),
        }
    }

    /// The brokers of one group; without addresses when the group is unknown.
    pub fn member_group(&self, cluster: &str, name: &str) -> BrokerMemberGroup {
        let group = self.groups.get(name);
        BrokerMemberGroup {
            broker_addrs: group.map_or_else(Default::default, |g| g.data.broker_addrs.clone()),
            broker_name: name.to_string(),
            cluster: cluster.to_string(),
        }
    }

    /// Every topic.
    pub fn all_topics(&self) -> TopicList {
        list(self.topics.keys().map(|topic| topic.to_string()))
    }

    /// The topics of a cluster's brokers.
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let members = self.clusters.get(cluster).into_iter().flatten();
        let groups = members.filter_map(|name| self.groups.get(name));
        let topics: BTreeSet<&Arc<str>> = groups.flat_map(|group: &Group| &group.topics).collect();
        list(topics.into_iter().map(|topic| topic.to_string()))
    }

    /// The names that brokers and clusters reserve as topics, and a broker to ask for more.
    pub fn system_topics(&self) -> TopicList {
        let mut topic_list = Vec::new();
        for (cluster, members) in &self.clusters {
            topic_list.push(cluster.clone());
            topic_list.extend(members.iter().map(|name| name.to_string()));
        }
        let broker = self.groups.values().find_map(|group| group.data.any_address());
        TopicList { broker_addr: broker.map(str::to_string), topic_list }
    }

    /// The unit topics.
    pub fn unit_topics(&self) -> TopicList {
        self.topics_with(|bits| bits & flags::topic::UNIT != 0)
    }

    /// The topics that a group of a unit subscribes to.
    pub fn unit_subscribed_topics(&self) -> TopicList {
        self.topics_with(|bits| bits & flags::topic::UNIT_SUBSCRIPTION != 0)
    }

    /// The topics that a group of a unit subscribes to and that are no unit topics themselves.
    pub fn unit_subscribed_plain_topics(&self) -> TopicList {
        self.topics_with(|bits| {
            bits & (flags::topic::UNIT | flags::topic::UNIT_SUBSCRIPTION)
                == flags::topic::UNIT_SUBSCRIPTION
        })
    }

    fn topics_with(&self, wanted: impl Fn(i32) -> bool) -> TopicList {
        let first = |topic: &Topic| topic.queues.values().next().map_or(0, |queues| queues.flags);
        let topics = self.topics.iter().filter(|(_, topic)| wanted(first(topic)));
        list(topics.map(|(name, _)| name.to_string()))
    }
}

fn list(topics: impl Iterator<Item = String>) -> TopicList {
    TopicList { broker_addr: None, topic_list: topics.collect() }
}

fn mappings(topic: &Topic) -> Option<Value> {
    if topic.mappings.is_empty() {
        return None;
    }
    let pairs = topic.mappings.iter();
    Some(pairs.map(|(name, mapping)| (name.to_string(), mapping.clone())).collect())
}

fn show_acting_masters(route: &mut TopicRouteData) {
    for data in &mut route.broker_datas {
        let readonly = route
            .queue_datas
            .iter()
            .any(|queues| queues.broker_name == data.broker_name && !perm::writable(queues.perm));
        if !data.enable_acting_master || !readonly || data.broker_addrs.contains_key(&0) {
            continue;
        }
        if let Some((_, address)) = data.broker_addrs.pop_first() {
            data.broker_addrs.insert(0, address);
        }
    }
}

/// Leaves out brokers of other zones that have a master, with their queues (protocol §6.4).
pub(crate) fn keep_zone(route: &mut TopicRouteData, zone: &str) {
    let stays = |data: &ferromq_protocol::body::BrokerData| {
        let same = data.zone_name.as_deref().is_some_and(|z| z.eq_ignore_ascii_case(zone));
        // Where the master is down, slaves of other zones are still good for reading.
        same || data.master().is_none()
    };
    let (stay, leave): (Vec<_>, Vec<_>) =
        std::mem::take(&mut route.broker_datas).into_iter().partition(stays);
    route.broker_datas = stay;
    for data in leave {
        route.queue_datas.retain(|queues| queues.broker_name != data.broker_name);
        for address in data.broker_addrs.values() {
            route.filter_server_table.remove(address);
        }
    }
}
