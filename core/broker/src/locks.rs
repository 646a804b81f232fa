//! Locks on queues, by which consumers that keep the order make sure that each queue has one reader
//! (broker §11.4).

use ferromq_model::MessageQueue;
use parking_lot::Mutex;
use std::collections::HashMap;

/// How long a lock lasts that its owner does not renew, in ms.
pub const EXPIRY: i64 = 60_000;

struct Lock {
    owner: String,
    renewed: i64,
}

/// The locks of every group. Times are passed in, in ms.
#[derive(Default)]
pub struct QueueLocks {
    groups: Mutex<HashMap<String, HashMap<MessageQueue, Lock>>>,
}

impl QueueLocks {
    /// No locks.
    pub fn new() -> Self {
        QueueLocks::default()
    }

    /// Locks or renews as many of the queues as the client can have, and returns those.
    pub fn lock(
        &self,
        group: &str,
        client: &str,
        queues: Vec<MessageQueue>,
        now: i64,
    ) -> Vec<MessageQueue> {
        let mut groups = self.groups.lock();
        let locks = groups.entry(group.to_string()).or_default();
        let mut granted = queues;
        granted.retain(|queue| match locks.get_mut(queue) {
            Some(lock) if lock.owner == client => {
                lock.renewed = now;
                true
            }
            Some(lock) if !expired(lock, now) => false,
            _ => {
                let lock = Lock { owner: client.to_string(), renewed: now };
                locks.insert(queue.clone(), lock);
                true
            }
        });
        if locks.is_empty() {
            groups.remove(group);
        }
        granted
    }

    /// Releases those of the queues that the client has.
    pub fn unlock(&self, group: &str, client: &str, queues: &[MessageQueue]) {
        let mut groups = self.groups.lock();
        let Some(locks) = groups.get_mut(group) else {
            return;
        };
        for queue in queues {
            if locks.get(queue).is_some_and(|lock| lock.owner == client) {
                locks.remove(queue);
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Whether the group has a lock that lasts, and so consumes in order.
    pub fn any(&self, group: &str, now: i64) -> bool {
        let groups = self.groups.lock();
        let locks = groups.get(group).into_iter().flat_map(HashMap::values);
        locks.into_iter().any(|lock| !expired(lock, now))
    }

    /// Forgets the group's locks.
    pub fn remove_group(&self, group: &str) {
        self.groups.lock().remove(group);
    }
}

fn expired(lock: &Lock, now: i64) -> bool {
    now - lock.renewed > EXPIRY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(ids: &[i32]) -> Vec<MessageQueue> {
        let queue = |id: &i32| MessageQueue::new("T", "broker-a", *id);
        ids.iter().map(queue).collect()
    }

    #[test]
    fn a_queue_has_one_owner_until_the_lock_expires() {
        let locks = QueueLocks::new();
        assert_eq!(locks.lock("G", "a", queues(&[0, 1]), 0), queues(&[0, 1]));
        assert_eq!(locks.lock("G", "b", queues(&[1, 2]), 1), queues(&[2]));
        assert_eq!(locks.lock("H", "b", queues(&[1]), 1), queues(&[1]), "another group");
        assert_eq!(locks.lock("G", "a", queues(&[1]), 50_000), queues(&[1]), "renewed");
        assert_eq!(locks.lock("G", "b", queues(&[0, 1]), 60_000), queues(&[]));
        assert_eq!(locks.lock("G", "b", queues(&[0, 1]), 60_001), queues(&[0]));
        assert_eq!(locks.lock("G", "b", queues(&[1]), 110_001), queues(&[1]));
    }

    #[test]
    fn only_the_owner_unlocks() {
        let locks = QueueLocks::new();
        locks.lock("G", "a", queues(&[0]), 0);
        locks.unlock("G", "b", &queues(&[0]));
        assert_eq!(locks.lock("G", "b", queues(&[0]), 1), queues(&[]));
        assert!(locks.any("G", 60_000) && !locks.any("G", 60_001));
        locks.unlock("G", "a", &queues(&[0]));
        assert!(!locks.any("G", 1) && locks.groups.lock().is_empty());
        assert_eq!(locks.lock("G", "b", queues(&[0]), 1), queues(&[0]));
    }
}
