//! INVOKE_BROKER_TO_RESET_OFFSET: setting a group's progress to a time or an offset (broker §10.4).

use crate::answer::{Answer, Failure};
use crate::inner::Inner;
use ferromq_model::MessageQueue;
use ferromq_protocol::body::{ResetOffsetBody, TopicConfig};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson::{self, QueueMap};
use ferromq_protocol::headers::ResetOffsetRequest;
use ferromq_protocol::{Command, Language};
use ferromq_store::{Boundary, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Clients older than 3.0.7 cannot be told to reset.
const FIRST_THAT_RESETS: i32 = 24;

pub(super) fn reset(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ResetOffsetRequest<'_> = request.header()?;
    if broker.config.load().broker_id != 0 {
        return Err(Failure::system("Can not reset offset in slave broker"));
    }
    let topic = broker.topics.get(header.topic).ok_or_else(|| {
        let remark = format!("Topic {} does not exist", header.topic);
        Failure::new(response::TOPIC_NOT_EXIST, remark)
    })?;
    if broker.config.load().use_server_side_reset_offset {
        return here(broker, request, &header, &topic);
    }
    at_clients(broker, request, &header, &topic)
}

/// The offset that a time means in a queue.
fn offset_at(broker: &Inner, topic: &str, queue: i32, timestamp: i64) -> Result<i64, StoreError> {
    match timestamp < 0 {
        true => broker.log().max_offset(topic, queue),
        false => broker.log().offset_at(topic, queue, timestamp, Boundary::Lower),
    }
}

/// The broker resets: the next pull of each queue is told where to go on.
fn here(
    broker: &Inner,
    request: &Command,
    header: &ResetOffsetRequest<'_>,
    topic: &TopicConfig,
) -> Answer {
    let (name, group) = (header.topic, header.group);
    if !broker.groups.contains(group) {
        let code = response::SUBSCRIPTION_GROUP_NOT_EXIST;
        return Err(Failure::new(code, format!("Group {group} does not exist")));
    }
    let mut targets: BTreeMap<i32, i64> = BTreeMap::new();
    match header.queue_id.filter(|queue| *queue >= 0) {
        Some(queue) if queue >= topic.queue_count() => {}
        Some(queue) => {
            let offset = match header.offset.filter(|offset| *offset != -1) {
                Some(offset) => within(broker, name, queue, offset)?,
                None => offset_at(broker, name, queue, header.timestamp)?,
            };
            targets.insert(queue, offset);
        }
        None => {
            for queue in 0..topic.read_queue_nums {
                targets.insert(queue, offset_at(broker, name, queue, header.timestamp)?);
            }
        }
    }
    if targets.is_empty() {
        return Err(Failure::system("No queues to reset."));
    }
    for (queue, offset) in &targets {
        broker.offsets.assign_reset(group, name, *queue, *offset);
    }
    broker.offsets.save()?;
    tracing::info!(group, topic = name, ?targets, "progress reset by an administrator");
    let offset_table = offset_table(broker, name, &targets);
    let body = ResetOffsetBody { offset_table };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

fn within(broker: &Inner, topic: &str, queue: i32, offset: i64) -> Result<i64, Failure> {
    let (min, max) =
        (broker.log().min_offset(topic, queue)?, broker.log().max_offset(topic, queue)?);
    match (min..=max + 1).contains(&offset) {
        true => Ok(offset),
        false => Err(Failure::system(format!(
            "Target offset {offset} not in consume queue range [{min}-{max}]"
        ))),
    }
}

fn offset_table(broker: &Inner, topic: &str, targets: &BTreeMap<i32, i64>) -> QueueMap<i64> {
    let broker_name = &broker.config.load().broker_name;
    let queue =
        |(queue, offset): (&i32, &i64)| (MessageQueue::new(topic, &**broker_name, *queue), *offset);
    targets.iter().map(queue).collect()
}

/// The offsets as a list, which is what clients in C++ read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResetOffsetList {
    offset_table: Vec<ListedOffset>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedOffset {
    broker_name: String,
    offset: i64,
    queue_id: i32,
    topic: String,
}

/// The clients reset: each is told the offsets.
fn at_clients(
    broker: &Inner,
    request: &Command,
    header: &ResetOffsetRequest<'_>,
    topic: &TopicConfig,
) -> Answer {
    let (name, group) = (header.topic, header.group);
    let mut targets = BTreeMap::new();
    for queue in 0..topic.write_queue_nums {
        let stored = broker
            .offsets
            .query(group, name, queue)
            .ok_or_else(|| Failure::system(format!("THe consumer group <{group}> not exist")))?;
        let wanted = offset_at(broker, name, queue, header.timestamp)?.max(0);
        let target = match header.is_force || wanted < stored {
            true => wanted,
            false => stored,
        };
        targets.insert(queue, target);
    }
    let online = broker.clients.consumer_group(group);
    let clients = online.map(|group| group.clients()).unwrap_or_default();
    if clients.is_empty() {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {name} Timestamp: {}",
            header.timestamp
        );
        return Err(Failure::new(response::CONSUMER_NOT_ONLINE, remark));
    }
    if let Some(old) = clients.iter().find(|client| client.version < FIRST_THAT_RESETS) {
        return Err(Failure::system(format!(
            "the client does not support this feature. version={}",
            old.version
        )));
    }
    let table = offset_table(broker, name, &targets);
    let body = match request.language {
        Language::CPP => fastjson::to_vec(&ResetOffsetList {
            offset_table: table
                .0
                .iter()
                .map(|(queue, offset)| ListedOffset {
                    broker_name: queue.broker_name.clone(),
                    offset: *offset,
                    queue_id: queue.queue_id,
                    topic: queue.topic.clone(),
                })
                .collect(),
        }),
        _ => fastjson::to_vec(&ResetOffsetBody { offset_table: table.clone() }),
    };
    let told = ResetOffsetRequest {
        topic: name,
        group,
        timestamp: header.timestamp,
        is_force: header.is_force,
        queue_id: None,
        offset: None,
    };
    let body = bytes::Bytes::from(body);
    for client in clients {
        let order = Command::request_with(code::RESET_CONSUMER_CLIENT_OFFSET, &told);
        if let Err(error) = client.connection.send(order.with_body(body.clone())) {
            tracing::warn!(group, client = %client.id, %error, "cannot tell a client to reset its progress");
        }
    }
    let body = ResetOffsetBody { offset_table: table };
    Ok(request.success_body(fastjson::to_vec(&body)))
}
