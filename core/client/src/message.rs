//! Messages as applications see them.

use bytes::Bytes;
use ferromq_model::MessageQueue;
use ferromq_protocol::compression::Compression;
use ferromq_protocol::properties::{Properties, key};
use ferromq_protocol::record::StoredMessage;
use std::net::SocketAddr;

/// A message to be sent.
///
/// ```
/// let message = ferromq_client::Message::new("Orders", "order 17").tag("created").key("17");
/// assert_eq!(message.properties.get("TAGS"), Some("created"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The body; any bytes.
    pub body: Bytes,
    /// A number that travels with the message untouched.
    pub flag: i32,
    /// Properties, those that RocketMQ defines among them.
    pub properties: Properties,
}

impl Message {
    /// A message without properties.
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Message { topic: topic.into(), body: body.into(), flag: 0, properties: Properties::new() }
    }

    /// Sets the tag, by which consumers filter.
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.with(key::TAGS, tag)
    }

    /// Adds a key, by which the message can be found later.
    pub fn key(mut self, key: &str) -> Self {
        let keys = match self.properties.get(key::KEYS) {
            Some(keys) => format!("{keys} {key}"),
            None => key.to_string(),
        };
        self.properties.set(key::KEYS, keys);
        self
    }

    /// Delays delivery: level 1 is a second, 18 two hours; see `messageDelayLevel` of the broker.
    pub fn delay_level(self, level: i32) -> Self {
        self.with(key::DELAY, level.to_string())
    }

    /// Sets a property of the application.
    pub fn property(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.with(name, value)
    }

    /// Sets the flag.
    pub fn flag(mut self, flag: i32) -> Self {
        self.flag = flag;
        self
    }

    fn with(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.properties.set(name, value);
        self
    }
}

/// How safe a message is that the broker has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStatus {
    /// As safe as the broker is configured to make it.
    Ok,
    /// Stored, but not known to be on disk.
    FlushDiskTimeout,
    /// Stored, but not known to be on a slave.
    FlushSlaveTimeout,
    /// Stored, but there is no slave.
    SlaveNotAvailable,
}

/// Where a message went.
#[derive(Clone, Debug, PartialEq)]
pub struct SendReceipt {
    /// How safe it is.
    pub status: SendStatus,
    /// The id that the producer gave it; of a batch those of its messages, joined by commas.
    pub message_id: String,
    /// The id that says where it is stored; of a batch those of its messages, joined by commas.
    pub offset_message_id: String,
    /// The queue.
    pub queue: MessageQueue,
    /// The offset in the queue; of a batch the first.
    pub queue_offset: i64,
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedMessage {
    /// The topic; of a retried message the one it was sent to first.
    pub topic: String,
    /// The body, expanded if it was compressed.
    pub body: Bytes,
    /// The number that the producer gave it.
    pub flag: i32,
    /// Its properties.
    pub properties: Properties,
    /// The queue that it was read from.
    pub queue: MessageQueue,
    /// The offset in that queue.
    pub queue_offset: i64,
    /// The id that the producer gave it, or else where it is stored.
    pub message_id: String,
    /// The id that says where it is stored.
    pub offset_message_id: String,
    /// When the producer sent it, in ms.
    pub born_timestamp: i64,
    /// Who sent it.
    pub born_host: SocketAddr,
    /// When the broker stored it, in ms.
    pub store_timestamp: i64,
    /// Which broker stored it.
    pub store_host: SocketAddr,
    /// How often it was handled without success.
    pub reconsume_times: i32,
    pub(crate) physical_offset: i64,
}

/// What compressed bodies may expand to.
const MAX_BODY: usize = 64 << 20;

impl ReceivedMessage {
    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.properties.get(key::TAGS)
    }

    /// The keys, separated by spaces.
    pub fn keys(&self) -> Option<&str> {
        self.properties.get(key::KEYS)
    }

    /// Makes an application's message of a stored one; `broker` is where it was read.
    pub(crate) fn new(stored: StoredMessage, broker: &str) -> Self {
        let body = match Compression::of_flags(stored.sys_flag) {
            Some(kind) => match kind.expand(&stored.body, MAX_BODY) {
                Ok(body) => body.into(),
                Err(error) => {
                    // Delivered as it is: whoever handles it can tell, and nothing is lost.
                    tracing::error!(topic = stored.topic, %error, "a body cannot be expanded");
                    stored.body.clone()
                }
            },
            None => stored.body.clone(),
        };
        let offset_message_id = stored.offset_id();
        let message_id = stored.properties.get(key::UNIQUE_KEY).unwrap_or(&offset_message_id);
        ReceivedMessage {
            message_id: message_id.to_string(),
            offset_message_id,
            queue: MessageQueue::new(stored.topic.as_str(), broker, stored.queue_id),
            topic: stored.topic,
            body,
            flag: stored.flag,
            properties: stored.properties,
            queue_offset: stored.queue_offset,
            born_timestamp: stored.born_timestamp,
            born_host: stored.born_host,
            store_timestamp: stored.store_timestamp,
            store_host: stored.store_host,
            reconsume_times: stored.reconsume_times,
            physical_offset: stored.physical_offset,
        }
    }
}
