//! Queues: their extent, their locks and their entries.

use crate::answer::{Answer, Failure};
use crate::clock::now_ms;
use crate::inner::Inner;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ConsumeQueueBody, ConsumeQueueEntry, LockBatchRequest, LockBatchResponse,
};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    OffsetResponse, QueryConsumeQueueRequest, QueueRequest, SearchOffsetRequest, TimestampResponse,
};
use ferromq_store::Boundary;
use std::sync::Arc;

/// How many entries of a consume queue one request gets.
const MAX_ENTRIES: i32 = 10_000;

/// Whether the queue can exist: the store is not asked about others, lest a request makes it
/// remember them.
fn exists(broker: &Inner, topic: &str, queue: i32) -> bool {
    broker.topics.contains(topic) && queue >= 0
}

/// GET_MAX_OFFSET.
pub(super) fn max_offset(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueueRequest<'_> = request.header()?;
    let offset = match exists(broker, header.topic, header.queue_id) {
        true => broker.log().max_offset(header.topic, header.queue_id)?,
        false => 0,
    };
    Ok(request.success(&OffsetResponse { offset }))
}

/// GET_MIN_OFFSET.
pub(super) fn min_offset(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueueRequest<'_> = request.header()?;
    let offset = match exists(broker, header.topic, header.queue_id) {
        true => broker.log().min_offset(header.topic, header.queue_id)?,
        false => 0,
    };
    Ok(request.success(&OffsetResponse { offset }))
}

/// SEARCH_OFFSET_BY_TIMESTAMP.
pub(super) fn search(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: SearchOffsetRequest<'_> = request.header()?;
    let (topic, queue) = (header.topic, header.queue_id);
    let boundary = match header.boundary_type {
        Some(boundary) if boundary.eq_ignore_ascii_case("upper") => Boundary::Upper,
        _ => Boundary::Lower,
    };
    let offset = match exists(broker, topic, queue) {
        true => {
            let log = broker.log();
            log.offset_at(topic, queue, header.timestamp, boundary)?
        }
        false => 0,
    };
    Ok(request.success(&OffsetResponse { offset }))
}

/// GET_EARLIEST_MSG_STORETIME.
pub(super) fn earliest_time(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueueRequest<'_> = request.header()?;
    let (topic, queue) = (header.topic, header.queue_id);
    let log = broker.log();
    let earliest = match exists(broker, topic, queue) {
        true => log.store_time(topic, queue, log.min_offset(topic, queue)?)?,
        false => None,
    };
    Ok(request.success(&TimestampResponse { timestamp: earliest.unwrap_or(-1) }))
}

/// QUERY_CONSUME_QUEUE.
pub(super) fn entries(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueryConsumeQueueRequest<'_> = request.header()?;
    let (topic, queue, index) = (header.topic, header.queue_id, header.index);
    if !exists(broker, topic, queue) {
        return Err(Failure::system(format!("{queue}@{topic} is not exist!")));
    }
    let count = header.count.clamp(0, MAX_ENTRIES) as usize;
    let (min, max) =
        (broker.log().min_offset(topic, queue)?, broker.log().max_offset(topic, queue)?);
    if !(min..max).contains(&index) {
        let mut answer = request.response(response::SUCCESS);
        answer.remark = Some(format!("Index {index} of {queue}@{topic} is not exist!").into());
        return Ok(answer);
    }
    let subscription = header
        .consumer_group
        .and_then(|group| broker.clients.consumer_group(group))
        .and_then(|group| group.subscription(topic));
    let passes = |tags_code| {
        let subscription = subscription.as_deref();
        subscription.is_none_or(|subscription| subscription.may_match(tags_code))
    };
    let found = broker.log().entries(topic, queue, index, count)?;
    let body = ConsumeQueueBody {
        filter_data: None,
        max_queue_index: max,
        min_queue_index: min,
        queue_data: found
            .iter()
            .map(|entry| ConsumeQueueEntry {
                eval: passes(entry.tags_code),
                msg: None,
                physic_offset: entry.physical_offset,
                physic_size: entry.size,
                tags_code: entry.tags_code,
            })
            .collect(),
        subscription_data: subscription.as_deref().cloned(),
    };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// LOCK_BATCH_MQ.
pub(super) fn lock(broker: &Arc<Inner>, request: &Command) -> Answer {
    let wanted: LockBatchRequest = fastjson::from_slice(&request.body)?;
    let group = &wanted.consumer_group;
    let lock_ok_mq_set = broker.locks.lock(group, &wanted.client_id, wanted.mq_set, now_ms());
    let body = LockBatchResponse { lock_ok_mq_set };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// UNLOCK_BATCH_MQ.
pub(super) fn unlock(broker: &Arc<Inner>, request: &Command) -> Answer {
    let held: LockBatchRequest = fastjson::from_slice(&request.body)?;
    let group = &held.consumer_group;
    broker.locks.unlock(group, &held.client_id, &held.mq_set);
    Ok(request.response(response::SUCCESS))
}
