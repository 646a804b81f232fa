//! How far producers and consumers are.

use crate::answer::{Answer, Failure};
use crate::clock::now_ms;
use crate::inner::Inner;
use ferromq_model::MessageQueue;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ConsumeStats, ConsumeStatsList, ConsumeTimeSpanBody, OffsetWrapper, QueueTimeSpan, TopicConfig,
    TopicOffset, TopicStatsTable,
};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    BrokerConsumeStatsRequest, ConsumeStatsRequest, GroupTopicRequest, TopicRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn known_topic(broker: &Inner, topic: &str) -> Result<Arc<TopicConfig>, Failure> {
    broker.topics.get(topic).ok_or_else(|| {
        let remark = format!("topic[{topic}] not exist");
        Failure::new(response::TOPIC_NOT_EXIST, remark)
    })
}

fn queue_of(broker: &Inner, topic: &str, queue: i32) -> MessageQueue {
    MessageQueue::new(topic, &*broker.config.load().broker_name, queue)
}

/// GET_TOPIC_STATS_INFO.
pub(super) fn of_topic(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: TopicRequest<'_> = request.header()?;
    let topic = known_topic(broker, header.topic)?;
    let mut body = TopicStatsTable {
        topic_put_tps: broker.stats.put_tps(header.topic, now_ms()),
        ..TopicStatsTable::default()
    };
    for queue in 0..topic.queue_count() {
        let extent = extent(broker, header.topic, queue)?;
        let queue = queue_of(broker, header.topic, queue);
        body.offset_table.0.insert(queue, extent);
    }
    Ok(request.success_body(fastjson::to_vec(&body)))
}

fn extent(broker: &Inner, topic: &str, queue: i32) -> Result<TopicOffset, Failure> {
    let log = broker.log();
    let max_offset = log.max_offset(topic, queue)?.max(0);
    let last = log.store_time(topic, queue, max_offset - 1)?;
    Ok(TopicOffset {
        last_update_timestamp: last.unwrap_or(0),
        max_offset,
        min_offset: log.min_offset(topic, queue)?.max(0),
    })
}

/// Whether the group has progress in a topic that it no longer subscribes to. Of a group that is
/// offline nobody knows.
fn abandoned(broker: &Inner, group: &str, topic: &str) -> bool {
    let online = broker.clients.consumer_group(group);
    online.is_some_and(|group| !group.topics().is_empty() && group.subscription(topic).is_none())
}

fn progress(
    broker: &Inner,
    group: &str,
    topic: &str,
    queue: i32,
) -> Result<OffsetWrapper, Failure> {
    let committed = broker.offsets.query(group, topic, queue);
    let pulled = broker.offsets.query_pulled(group, topic, queue);
    let consumer_offset = committed.unwrap_or(0).max(0);
    let last = broker.log().store_time(topic, queue, consumer_offset - 1)?;
    Ok(OffsetWrapper {
        broker_offset: broker.log().max_offset(topic, queue)?.max(0),
        consumer_offset,
        last_timestamp: last.unwrap_or(0),
        pull_offset: pulled.unwrap_or(0).max(0),
    })
}

/// GET_CONSUME_STATS.
pub(super) fn of_group(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ConsumeStatsRequest<'_> = request.header()?;
    let group = header.consumer_group;
    let named = |text: Option<&str>| -> BTreeSet<String> {
        let names = text.unwrap_or_default().split(';').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_string).collect()
    };
    let listed = named(header.topic_list);
    let topics = match (listed.is_empty(), header.topic.map(str::trim)) {
        (false, _) => listed.clone(),
        (true, Some(topic)) if !topic.is_empty() => BTreeSet::from([topic.to_string()]),
        _ => broker.offsets.topics_of_group(group),
    };
    let now = now_ms();
    let mut stats = ConsumeStats::default();
    for name in &topics {
        let Some(topic) = broker.topics.get(name) else {
            continue;
        };
        if listed.is_empty() && abandoned(broker, group, name) {
            continue;
        }
        for queue in 0..topic.read_queue_nums {
            let progress = progress(broker, group, name, queue)?;
            let queue = queue_of(broker, name, queue);
            stats.offset_table.0.insert(queue, progress);
        }
        stats.consume_tps += broker.stats.get_tps(group, name, now);
    }
    Ok(request.success_body(fastjson::to_vec(&stats)))
}

/// GET_BROKER_CONSUME_STATS.
pub(super) fn of_broker(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: BrokerConsumeStatsRequest = request.header()?;
    let now = now_ms();
    let mut body =
        ConsumeStatsList { broker_addr: broker.address(), ..ConsumeStatsList::default() };
    for (group, topics) in broker.offsets.topics_by_group() {
        if !broker.groups.contains(&group) {
            continue;
        }
        let mut of_group = Vec::new();
        for name in topics {
            let Some(topic) = broker.topics.get(&name) else {
                continue;
            };
            if (header.is_order && !topic.order) || abandoned(broker, &group, &name) {
                continue;
            }
            let mut stats = ConsumeStats {
                consume_tps: broker.stats.get_tps(&group, &name, now),
                ..ConsumeStats::default()
            };
            for queue in 0..topic.write_queue_nums {
                let progress = progress(broker, &group, &name, queue)?;
                body.total_diff += progress.broker_offset - progress.consumer_offset;
                body.total_inflight_diff += progress.pull_offset - progress.consumer_offset;
                let queue = queue_of(broker, &name, queue);
                stats.offset_table.0.insert(queue, progress);
            }
            if !stats.offset_table.0.is_empty() {
                of_group.push(stats);
            }
        }
        if !of_group.is_empty() {
            body.consume_stats_list.push(BTreeMap::from([(group, of_group)]));
        }
    }
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// QUERY_CONSUME_TIME_SPAN.
pub(super) fn time_span(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: GroupTopicRequest<'_> = request.header()?;
    let name = header.topic.unwrap_or_default();
    let topic = known_topic(broker, name)?;
    let mut body = ConsumeTimeSpanBody::default();
    for queue in 0..topic.write_queue_nums {
        let span = span(broker, header.group, name, queue)?;
        body.consume_time_span_set.push(span);
    }
    Ok(request.success_body(fastjson::to_vec(&body)))
}

fn span(broker: &Inner, group: &str, topic: &str, queue: i32) -> Result<QueueTimeSpan, Failure> {
    let log = broker.log();
    let time = |offset| log.store_time(topic, queue, offset);
    let max = log.max_offset(topic, queue)?;
    let first = time(log.min_offset(topic, queue)?)?.unwrap_or(-1);
    let consumed = broker.offsets.query(group, topic, queue).unwrap_or(0);
    let waiting = match consumed < max {
        true => time(consumed)?,
        false => None,
    };
    Ok(QueueTimeSpan {
        consume_time_stamp: time(consumed - 1)?.unwrap_or(first),
        delay_time: waiting.map_or(0, |stored| (now_ms() - stored).max(0)),
        max_time_stamp: time(max - 1)?.unwrap_or(-1),
        message_queue: queue_of(broker, topic, queue),
        min_time_stamp: first,
    })
}
