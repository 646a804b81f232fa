//! Sending back messages that were not handled (protocol §8.7).

use super::core::Core;
use crate::config::{ClientConfig, ProducerConfig};
use crate::error::Error;
use crate::message::{Message, ReceivedMessage};
use crate::producer::Producer;
use ferromq_model::names;
use ferromq_protocol::Command;
use ferromq_protocol::body::MessageModel;
use ferromq_protocol::code::request as code;
use ferromq_protocol::headers::ConsumerSendMsgBackRequest;
use ferromq_protocol::properties::key;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The delay level of a first retry.
const FIRST_LEVEL: i32 = 3;

/// Takes a message that was not handled out of the application's hands; false when that failed and
/// it must be handled here again. Broadcast messages are skipped.
pub(crate) async fn give_back(
    core: &Arc<Core>,
    message: &mut ReceivedMessage,
    delay_level: i32,
) -> bool {
    let group = core.group();
    if core.model == MessageModel::Broadcasting {
        tracing::warn!(group, queue = %message.queue, offset = message.queue_offset,
            "a broadcast message was not handled; it is skipped");
        return true;
    }
    match send_back(core, message, delay_level).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(group, queue = %message.queue, %error, "a message cannot be sent back");
            message.reconsume_times += 1;
            false
        }
    }
}

/// Asks the broker to deliver a message again later, or to make it a dead letter; if the broker
/// cannot, sends it as a new message.
async fn send_back(
    core: &Arc<Core>,
    message: &ReceivedMessage,
    delay_level: i32,
) -> Result<(), Error> {
    let ask = async {
        let address = core.instance.master(&message.queue.broker_name)?;
        let header = ConsumerSendMsgBackRequest {
            offset: message.physical_offset,
            group: core.group(),
            delay_level,
            origin_msg_id: Some(&message.message_id),
            origin_topic: Some(&message.topic),
            unit_mode: Some(false),
            max_reconsume_times: Some(core.max_reconsume_times()),
            broker_name: Some(&message.queue.broker_name),
        };
        let request = Command::request_with(code::CONSUMER_SEND_MSG_BACK, &header);
        core.instance.ask(&address, request, TIMEOUT).await
    };
    match ask.await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(group = core.group(), %error, "the broker does not take a message back");
            send_to_retry_topic(core, message).await
        }
    }
}

/// Sends a message to the group's retry topic; the broker makes it a dead letter when it failed too
/// often.
pub(crate) async fn send_to_retry_topic(
    core: &Arc<Core>,
    message: &ReceivedMessage,
) -> Result<(), Error> {
    let times = message.reconsume_times;
    let mut again = Message::new(names::retry_topic(core.group()), message.body.clone());
    again.flag = message.flag;
    again.properties = message.properties.clone();
    let own = &mut again.properties;
    for name in
        [key::TRANSACTION_PREPARED, key::MIN_OFFSET, key::MAX_OFFSET, key::CONSUME_START_TIME]
    {
        own.remove(name);
    }
    if own.get(key::RETRY_TOPIC).is_none() {
        own.set(key::RETRY_TOPIC, message.topic.as_str());
    }
    if own.get(key::ORIGIN_MESSAGE_ID).is_none() {
        own.set(key::ORIGIN_MESSAGE_ID, message.message_id.as_str());
    }
    own.set(key::RECONSUME_TIME, (times + 1).to_string());
    own.set(key::MAX_RECONSUME_TIMES, core.max_reconsume_times().to_string());
    own.set(key::DELAY, (FIRST_LEVEL + times).to_string());
    let group = names::CLIENT_INNER_PRODUCER_GROUP.to_string();
    let config = ProducerConfig { group, ..ProducerConfig::default() };
    let client = ClientConfig::clone(&core.instance.config);
    let producer = Producer::start(client, config).await?;
    let sent = producer.send(again).await;
    producer.close().await;
    sent.map(drop)
}
