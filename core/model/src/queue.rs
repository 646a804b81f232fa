use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// One queue of a topic on one broker group.
///
/// Ordered by topic, then broker name, then queue id: the order in which every client of a group
/// sorts queues before it allocates them, so it must be the same everywhere (protocol §8.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageQueue {
    /// The topic.
    pub topic: String,
    /// The broker group that holds the queue.
    pub broker_name: String,
    /// The queue's number within the topic on that broker, from 0.
    pub queue_id: i32,
}

impl MessageQueue {
    /// A queue from its three parts.
    pub fn new(topic: impl Into<String>, broker_name: impl Into<String>, queue_id: i32) -> Self {
        MessageQueue { topic: topic.into(), broker_name: broker_name.into(), queue_id }
    }
}

/// Written in alphabetical order: peers cut this text apart by hand (protocol §1.12).
impl Serialize for MessageQueue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut queue = serializer.serialize_struct("MessageQueue", 3)?;
        queue.serialize_field("brokerName", &self.broker_name)?;
        queue.serialize_field("queueId", &self.queue_id)?;
        queue.serialize_field("topic", &self.topic)?;
        queue.end()
    }
}

impl fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.topic, self.broker_name, self.queue_id)
    }
}
