//! What a message becomes on the wire.

use super::Inner;
use crate::error::Error;
use crate::message::Message;
use bytes::Bytes;
use ferromq_model::{MessageQueue, flags, names};
use ferromq_protocol::Command;
use ferromq_protocol::batch::{self, BatchEntry};
use ferromq_protocol::code::request as code;
use ferromq_protocol::compression::Compression;
use ferromq_protocol::headers::SendMessageRequestV2;
use ferromq_protocol::properties::{self, Properties, key};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is the same for all attempts.
pub(super) struct Prepared {
    pub(super) topic: String,
    flag: i32,
    sys_flag: i32,
    properties: String,
    pub(super) body: Bytes,
    pub(super) message_id: String,
    /// How many messages, when they are a batch.
    batch: Option<usize>,
    /// For messages to a retry topic: how often they failed, and how often they may.
    reconsumed: (i32, Option<i32>),
}

impl Prepared {
    /// How many messages these are.
    pub(super) fn count(&self) -> usize {
        self.batch.unwrap_or(1)
    }
}

impl Inner {
    pub(super) fn prepare(&self, message: Message) -> Result<Prepared, Error> {
        self.check(&message.topic, message.body.len())?;
        let mut own = message.properties;
        let (mut body, mut sys_flag) = (message.body, 0);
        if body.len() >= self.config.compress_msg_body_over_howmuch {
            let level = self.config.compress_level as u32;
            if let Ok(smaller) = Compression::Zlib.compress(&body, level) {
                body = smaller.into();
                sys_flag |= Compression::Zlib.flags();
            }
        }
        let mut reconsumed = (0, None);
        if message.topic.starts_with(names::RETRY_PREFIX) {
            let mut number = |name| own.remove(name).and_then(|text| text.parse().ok());
            reconsumed =
                (number(key::RECONSUME_TIME).unwrap_or(0), number(key::MAX_RECONSUME_TIMES));
        }
        let (message_id, properties) = self.identify(&own)?;
        Ok(Prepared {
            topic: message.topic,
            flag: message.flag,
            sys_flag,
            properties,
            body,
            message_id,
            batch: None,
            reconsumed,
        })
    }

    pub(super) fn prepare_batch(&self, messages: Vec<Message>) -> Result<Prepared, Error> {
        let topic = messages.first().map(|message| message.topic.clone()).unwrap_or_default();
        let refused = |reason: &str| Err(Error::InvalidArgument(format!("a batch {reason}")));
        let count = messages.len();
        let (mut body, mut ids) = (Vec::new(), Vec::with_capacity(count));
        for message in messages {
            if message.topic != topic {
                return refused("holds messages of one topic only");
            }
            if message.properties.get(key::DELAY).is_some() {
                return refused("cannot be delayed");
            }
            let (id, properties) = self.identify(&message.properties)?;
            ids.push(id);
            let properties = properties.as_bytes();
            let entry = BatchEntry { flag: message.flag, body: &message.body, properties };
            batch::push(&mut body, entry);
        }
        if topic.starts_with(names::RETRY_PREFIX) {
            return refused("cannot be sent to a retry topic");
        }
        self.check(&topic, body.len())?;
        // No id for the batch itself: a 4.9 broker would put it over the ids of its messages.
        let mut properties = String::new();
        properties::append(&mut properties, key::WAIT, "true");
        Ok(Prepared {
            topic,
            flag: 0,
            sys_flag: 0,
            properties,
            body: body.into(),
            message_id: ids.join(","),
            batch: Some(count),
            reconsumed: (0, None),
        })
    }

    fn check(&self, topic: &str, length: usize) -> Result<(), Error> {
        self.check_open()?;
        names::check_topic(topic)?;
        if names::is_send_forbidden(topic) {
            return Err(Error::InvalidArgument(format!(
                "sending to the system topic `{topic}` is forbidden"
            )));
        }
        let max = self.config.max_message_size;
        if length == 0 || length > max {
            return Err(Error::InvalidArgument(format!(
                "a body must have 1 to {max} bytes, this one has {length}"
            )));
        }
        Ok(())
    }

    /// The id of a message, and its property string: what the application has set, then what every
    /// message has.
    fn identify(&self, own: &Properties) -> Result<(String, String), Error> {
        let known = own.get(key::UNIQUE_KEY);
        let id = known.map_or_else(|| self.instance.ids.next(), str::to_string);
        let lengths = own.iter().map(|(name, value)| name.len() + value.len() + 2);
        let mut text = String::with_capacity(lengths.sum::<usize>() + id.len() + 20);
        for (name, value) in own.iter().filter(|(name, _)| *name != key::WAIT) {
            check_property(name, value)?;
            properties::append(&mut text, name, value);
        }
        if known.is_none() {
            properties::append(&mut text, key::UNIQUE_KEY, &id);
        }
        properties::append(&mut text, key::WAIT, "true");
        match text.len() > properties::MAX_LENGTH {
            true => Err(Error::InvalidArgument(format!(
                "the properties have {} bytes, at most {} fit a message",
                text.len(),
                properties::MAX_LENGTH
            ))),
            false => Ok((id, text)),
        }
    }

    /// The request of an attempt.
    pub(super) fn request<'a>(
        &'a self,
        prepared: &'a Prepared,
        queue: &'a MessageQueue,
    ) -> Command<SendMessageRequestV2<'a>> {
        let born = SystemTime::now().duration_since(UNIX_EPOCH);
        let header = SendMessageRequestV2 {
            producer_group: &self.config.group,
            topic: &prepared.topic,
            default_topic: names::DEFAULT_TOPIC,
            default_topic_queue_nums: self.config.default_topic_queue_nums,
            queue_id: queue.queue_id,
            sys_flag: prepared.sys_flag & !flags::message::TRANSACTION_MASK,
            born_timestamp: born.map_or(0, |since| since.as_millis() as i64),
            flag: prepared.flag,
            properties: Some(&prepared.properties),
            reconsume_times: Some(prepared.reconsumed.0),
            unit_mode: Some(false),
            max_reconsume_times: prepared.reconsumed.1,
            batch: Some(prepared.batch.is_some()),
            broker_name: Some(&queue.broker_name),
        };
        let code = match prepared.batch {
            Some(_) => code::SEND_BATCH_MESSAGE,
            None => code::SEND_MESSAGE_V2,
        };
        Command::request_of(code, header).with_body(prepared.body.clone())
    }
}

fn check_property(name: &str, value: &str) -> Result<(), Error> {
    let separates =
        |text: &str| text.contains(properties::NAME_END) || text.contains(properties::PAIR_END);
    match separates(name) || separates(value) {
        true => Err(Error::InvalidArgument(format!(
            "property `{name}` contains one of the characters U+0001 and U+0002, which separate properties"
        ))),
        false => Ok(()),
    }
}
