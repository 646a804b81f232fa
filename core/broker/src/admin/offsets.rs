//! Consumers' progress.

use crate::answer::{Answer, Failure};
use crate::inner::Inner;
use crate::offsets::Commit;
use crate::topics::MAX_QUEUES;
use ferromq_protocol::Command;
use ferromq_protocol::body::CorrectionOffsets;
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    CloneGroupOffsetRequest, OffsetResponse, QueryConsumerOffsetRequest,
    QueryCorrectionOffsetRequest, UpdateConsumerOffsetRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// QUERY_CONSUMER_OFFSET. A group without progress starts a queue that is all in memory at its
/// beginning: it is young, and nothing in it was meant for others.
pub(super) fn query(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueryConsumerOffsetRequest<'_> = request.header()?;
    let (topic, queue) = (header.topic, header.queue_id);
    let stored = broker.offsets.query(header.consumer_group, topic, queue);
    if let Some(offset) = stored.filter(|offset| *offset >= 0) {
        return Ok(request.success(&OffsetResponse { offset }));
    }
    let not_found = |remark: &'static str| Failure::new(response::QUERY_NOT_FOUND, remark);
    if header.set_zero_if_not_found == Some(false) {
        return Err(not_found("Not found, do not set to zero, maybe this group boot first"));
    }
    let exists = broker.topics.contains(topic) && queue >= 0;
    let young = exists
        && broker.log().min_offset(topic, queue)? <= 0
        && broker.log().in_memory(topic, queue, 0)?;
    match young {
        true => Ok(request.success(&OffsetResponse { offset: 0 })),
        false => Err(not_found("Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")),
    }
}

/// UPDATE_CONSUMER_OFFSET.
pub(super) fn update(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: UpdateConsumerOffsetRequest<'_> = request.header()?;
    let (group, topic) = (header.consumer_group, header.topic);
    if !broker.groups.contains(group) {
        let code = response::SUBSCRIPTION_GROUP_NOT_EXIST;
        return Err(Failure::new(code, format!("Group {group} not exist!")));
    }
    if !broker.topics.contains(topic) {
        let remark = format!("Topic {topic} not exist!");
        return Err(Failure::new(response::TOPIC_NOT_EXIST, remark));
    }
    if !(0..MAX_QUEUES).contains(&header.queue_id) {
        let remark = format!("Topic {topic} has no queue {}", header.queue_id);
        return Err(Failure::parameter(remark));
    }
    let offsets = &broker.offsets;
    match offsets.commit(group, topic, header.queue_id, header.commit_offset) {
        Commit::Stored => Ok(request.response(response::SUCCESS)),
        Commit::Reset => Ok(request.failure(response::SUCCESS, "Offset has been previously reset")),
    }
}

/// GET_ALL_DELAY_OFFSET: how far each delay level has got; what a slave copies.
pub(super) fn all_delays(broker: &Arc<Inner>, request: &Command) -> Answer {
    Ok(request.success_body(fastjson::to_vec(&broker.delay.snapshot())))
}

/// GET_ALL_CONSUMER_OFFSET: what a slave copies.
pub(super) fn all(broker: &Arc<Inner>, request: &Command) -> Answer {
    let table = broker.offsets.snapshot();
    match table.offset_table.is_empty() {
        true => Err(Failure::system("No consumer offset in this broker")),
        false => Ok(request.success_body(fastjson::to_vec(&table))),
    }
}

/// QUERY_CORRECTION_OFFSET: how far, in each queue, every group has come; where that is beyond the
/// group compared with, the largest number there is. Nothing is changed.
pub(super) fn correction(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: QueryCorrectionOffsetRequest<'_> = request.header()?;
    let topic = header.topic;
    let left_out: BTreeSet<&str> = header.filter_groups.unwrap_or_default().split(',').collect();
    let mut slowest: BTreeMap<i32, i64> = BTreeMap::new();
    for group in broker.offsets.groups_of_topic(topic) {
        if left_out.contains(group.as_str()) {
            continue;
        }
        for (queue, offset) in broker.offsets.of_group_and_topic(&group, topic) {
            if offset >= broker.log().min_offset(topic, queue)? {
                let least = slowest.entry(queue).or_insert(offset);
                *least = offset.min(*least);
            }
        }
    }
    for (queue, compared) in broker.offsets.of_group_and_topic(header.compare_group, topic) {
        let least = slowest.entry(queue).or_insert(i64::MAX);
        if *least > compared {
            *least = i64::MAX;
        }
    }
    let body = CorrectionOffsets { correction_offsets: slowest };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// CLONE_GROUP_OFFSET.
pub(super) fn clone_group(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: CloneGroupOffsetRequest<'_> = request.header()?;
    let topics = match header.topic.filter(|topic| !topic.trim().is_empty()) {
        Some(topic) => BTreeSet::from([topic.to_string()]),
        None => broker.offsets.topics_of_group(header.src_group),
    };
    for topic in topics {
        broker.offsets.clone_group(header.src_group, header.dest_group, &topic);
    }
    broker.offsets.save()?;
    Ok(request.response(response::SUCCESS))
}
