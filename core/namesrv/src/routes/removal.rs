//! How brokers leave: by request, by silence, by the end of their connection (protocol §6.3).

use super::{BrokerKey, MinIdNotice, RouteTables};
use ferromq_model::perm;

impl RouteTables {
    /// Removes a broker: from the live ones, from its group under whatever id, and, when it was
    /// the group's last, the group with its topics.
    ///
    /// The answer is whom to tell that the group's smallest id changed.
    pub fn unregister(&mut self, key: &BrokerKey, group: &str) -> Option<MinIdNotice> {
        self.forget(key);
        self.forget_digests(group);
        let data = &mut self.groups.get_mut(group)?.data;
        let min_before = data.broker_addrs.first_key_value().map(|(id, _)| *id);
        data.broker_addrs.retain(|_, address| *address != key.address);
        let min_now = data.broker_addrs.first_key_value().map(|(id, _)| *id);
        if min_now.is_none() {
            self.remove_group(group);
            return None;
        }
        if !data.enable_acting_master {
            return None;
        }
        if !data.broker_addrs.contains_key(&0) {
            self.change_perm(group, |bits| bits & !perm::WRITE);
        }
        if min_before == min_now {
            return None;
        }
        self.min_id_notice(group, Some(key.address.clone()), None)
    }

    /// Removes the brokers that were heard over a connection which has ended.
    pub fn connection_closed(&mut self, connection: u64) -> (Vec<BrokerKey>, Vec<MinIdNotice>) {
        let keys = self.connections.remove(&connection).unwrap_or_default();
        self.remove_all(keys.into_iter().collect())
    }

    /// The brokers that have been silent for too long, with the connection of each.
    pub fn expired(&self, now: i64) -> Vec<(BrokerKey, u64)> {
        self.live
            .iter()
            .filter(|(_, live)| live.last_heard.saturating_add(live.timeout) < now)
            .map(|(key, live)| (key.clone(), live.connection))
            .collect()
    }

    /// Removes brokers that live.
    pub fn remove_all(&mut self, keys: Vec<BrokerKey>) -> (Vec<BrokerKey>, Vec<MinIdNotice>) {
        let mut notices = Vec::new();
        for key in &keys {
            if let Some(live) = self.live.get(key) {
                let group = live.name.clone();
                notices.extend(self.unregister(key, &group));
            }
        }
        (keys, notices)
    }

    /// Takes a broker off the live ones.
    pub(super) fn forget(&mut self, key: &BrokerKey) {
        if let Some(live) = self.live.remove(key) {
            self.detach(key, live.connection);
        }
    }

    fn remove_group(&mut self, name: &str) {
        let Some(group) = self.groups.remove(name) else {
            return;
        };
        for topic in &group.topics {
            self.remove_queues(topic, name);
        }
        // A group may have named another cluster in a later registration: look at all.
        self.clusters.retain(|_, members| {
            members.remove(name);
            !members.is_empty()
        });
    }
}
