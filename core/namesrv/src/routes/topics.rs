//! What tools do to topics from the name server's side (protocol §6.5).

use super::{Queues, RouteTables};
use ferromq_model::perm;
use ferromq_protocol::body::QueueData;
use std::sync::Arc;

impl RouteTables {
    /// Removes a topic for every broker, or for those of one cluster. A broker that still has the
    /// topic brings it back with its next registration.
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let Some(entry) = self.topics.get(topic) else {
            return;
        };
        let of_cluster = |group: &Arc<str>| match cluster {
            None => true,
            Some(cluster) => self.clusters.get(cluster).is_some_and(|m| m.contains(group)),
        };
        let groups: Vec<Arc<str>> =
            entry.queues.keys().filter(|g| of_cluster(g)).cloned().collect();
        for group in groups {
            self.remove_queues(topic, &group);
        }
    }

    /// Writes a topic's queues, or nothing at all when one of the broker groups is unknown.
    pub fn register_topic(&mut self, topic: &str, queues: &[QueueData]) -> bool {
        let group = |data: &QueueData| {
            let (name, _) = self.groups.get_key_value(data.broker_name.as_str())?;
            Some((Arc::clone(name), Queues::of_data(data)))
        };
        let Some(known) = queues.iter().map(group).collect::<Option<Vec<_>>>() else {
            return false;
        };
        for (group, queues) in known {
            self.put_queues(topic, &group, queues);
        }
        true
    }

    /// Takes write permission from every topic of a broker group, until the group registers a
    /// changed table. The answer is how many topics there are.
    pub fn wipe_write_perm(&mut self, group: &str) -> i32 {
        self.change_perm(group, |bits| bits & !perm::WRITE)
    }

    /// Makes every topic of a broker group readable and writable, also those that were not before
    /// the wipe, as Apache's name server does. The answer is how many topics there are.
    pub fn add_write_perm(&mut self, group: &str) -> i32 {
        self.change_perm(group, |_| perm::READ_WRITE)
    }

    pub(super) fn change_perm(&mut self, group: &str, change: impl Fn(i32) -> i32) -> i32 {
        let Some(topics) = self.groups.get(group).map(|group| &group.topics) else {
            return 0;
        };
        let mut touched = 0;
        for topic in topics {
            let queues = self.topics.get_mut(topic).and_then(|t| t.queues.get_mut(group));
            if let Some(queues) = queues {
                queues.perm = change(queues.perm);
                touched += 1;
            }
        }
        touched
    }
}
