//! Where a topic's queues are, as producers and consumers need it (protocol §7.2).

use ferromq_model::{MessageQueue, names, perm};
use ferromq_protocol::body::{BrokerData, TopicRouteData};

/// The route of one topic.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) data: TopicRouteData,
    /// Queues to send to, by broker name and queue id.
    pub(crate) writable: Vec<MessageQueue>,
    /// Queues to read, by broker name and queue id.
    pub(crate) readable: Vec<MessageQueue>,
}

impl Route {
    pub(crate) fn new(topic: &str, mut data: TopicRouteData) -> Self {
        data.queue_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        let has_master = |name: &str| {
            let broker = data.broker_datas.iter().find(|broker| broker.broker_name == name);
            broker.is_some_and(|broker| broker.master().is_some())
        };
        let queues = |name: &str, count: i32| {
            let name = name.to_string();
            (0..count).map(move |id| MessageQueue::new(topic, name.clone(), id))
        };
        let mut writable: Vec<_> = data
            .queue_datas
            .iter()
            .filter(|queue| perm::writable(queue.perm) && has_master(&queue.broker_name))
            .flat_map(|queue| queues(&queue.broker_name, queue.write_queue_nums))
            .collect();
        if let Some(ordered) = data.order_topic_conf.as_deref().filter(|conf| !conf.is_empty()) {
            writable = ordered_queues(topic, ordered);
        }
        let readable = data
            .queue_datas
            .iter()
            .filter(|queue| perm::readable(queue.perm))
            .flat_map(|queue| queues(&queue.broker_name, queue.read_queue_nums))
            .collect();
        Route { writable, readable, data }
    }

    /// The route of a topic that does not exist yet, made from the default topic's.
    pub(crate) fn from_default(topic: &str, mut data: TopicRouteData, queues: i32) -> Self {
        for queue in &mut data.queue_datas {
            let count = queues.min(queue.read_queue_nums);
            (queue.read_queue_nums, queue.write_queue_nums) = (count, count);
        }
        Route::new(topic, data)
    }

    pub(crate) fn brokers(&self) -> &[BrokerData] {
        &self.data.broker_datas
    }

    /// An address of any broker that has the topic.
    pub(crate) fn any_broker(&self, pick: usize) -> Option<&str> {
        let brokers = self.brokers();
        let broker = brokers.get(pick % brokers.len().max(1))?;
        broker.master().or_else(|| broker.any_address())
    }
}

/// The queues of a strictly ordered topic: `brokerA:4;brokerB:4`.
fn ordered_queues(topic: &str, conf: &str) -> Vec<MessageQueue> {
    let parts = conf.split(';').filter_map(|part| part.split_once(':'));
    parts
        .flat_map(|(broker, count)| {
            (0..count.trim().parse().unwrap_or(0))
                .map(move |id| MessageQueue::new(topic, broker.trim(), id))
        })
        .collect()
}

/// Whether a topic's missing route may be made from the default topic's.
pub(crate) fn may_be_created(topic: &str) -> bool {
    !topic.starts_with(names::RETRY_PREFIX) && !topic.starts_with(names::DLQ_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::body::QueueData;

    fn data() -> TopicRouteData {
        let queue = |name: &str, perm| QueueData {
            broker_name: name.into(),
            perm,
            read_queue_nums: 8,
            write_queue_nums: 2,
            ..QueueData::default()
        };
        let broker = |name: &str, id| BrokerData {
            broker_name: name.into(),
            broker_addrs: [(id, format!("{name}:1"))].into(),
            ..BrokerData::default()
        };
        TopicRouteData {
            queue_datas: vec![queue("b", 6), queue("a", 6), queue("c", 4), queue("d", 6)],
            broker_datas: vec![broker("a", 0), broker("b", 0), broker("c", 0), broker("d", 1)],
            ..TopicRouteData::default()
        }
    }

    #[test]
    fn only_queues_with_a_master_are_written() {
        let route = Route::new("T", data());
        let names: Vec<_> =
            route.writable.iter().map(|q| (q.broker_name.as_str(), q.queue_id)).collect();
        assert_eq!(names, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
        assert_eq!(route.readable.len(), 32);
    }

    #[test]
    fn new_and_ordered_topics() {
        assert_eq!(Route::from_default("T", data(), 4).writable.len(), 8);
        let ordered = TopicRouteData { order_topic_conf: Some("b:2;a:1".into()), ..data() };
        let route = Route::new("T", ordered);
        assert_eq!(route.writable[0], MessageQueue::new("T", "b", 0));
        assert_eq!(route.writable.len(), 3);
    }
}
