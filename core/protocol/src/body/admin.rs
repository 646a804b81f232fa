//! Statistics and queries for the tools (protocol §4.6 and §4.14).

use super::SubscriptionData;
use crate::fastjson::QueueMap;
use ferromq_model::MessageQueue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer to GET_CONSUME_STATS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages delivered a second.
    pub consume_tps: f64,
    /// Progress by queue.
    pub offset_table: QueueMap<OffsetWrapper>,
}

/// A group's progress in one queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetWrapper {
    /// The offset after the queue's last.
    pub broker_offset: i64,
    /// The next offset to consume.
    pub consumer_offset: i64,
    /// Store time of the last consumed message, in ms.
    pub last_timestamp: i64,
    /// The next offset to pull (5.x).
    pub pull_offset: i64,
}

/// The answer to GET_BROKER_CONSUME_STATS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    /// The broker.
    pub broker_addr: String,
    /// By group.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages not consumed.
    pub total_diff: i64,
    /// Messages pulled and not consumed.
    pub total_inflight_diff: i64,
}

/// The answer to GET_TOPIC_STATS_INFO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    /// By queue.
    pub offset_table: QueueMap<TopicOffset>,
    /// Messages stored a second (5.3.3+).
    pub topic_put_tps: f64,
}

/// The extent of one queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffset {
    /// Store time of the last message, in ms.
    pub last_update_timestamp: i64,
    /// The offset after the last.
    pub max_offset: i64,
    /// The first offset.
    pub min_offset: i64,
}

/// One window of a statistic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsWindow {
    /// The mean per call.
    pub avgpt: f64,
    /// The sum over the window.
    pub sum: i64,
    /// The rate per second.
    pub tps: f64,
}

/// The answer to VIEW_BROKER_STATS_DATA.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsData {
    /// The last day.
    pub stats_day: StatsWindow,
    /// The last hour.
    pub stats_hour: StatsWindow,
    /// The last minute.
    pub stats_minute: StatsWindow,
}

/// The answer to QUERY_CONSUME_TIME_SPAN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeTimeSpanBody {
    /// By queue.
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}

/// Times of one queue, in ms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueTimeSpan {
    /// Store time of the message consumed last.
    pub consume_time_stamp: i64,
    /// How old the first message not consumed is.
    pub delay_time: i64,
    /// Store time of the last message.
    pub max_time_stamp: i64,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Store time of the first message.
    pub min_time_stamp: i64,
}

/// The answer to QUERY_SUBSCRIPTION_BY_CONSUMER.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionQueryBody {
    /// The group.
    pub group: String,
    /// Its subscription, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    /// The topic.
    pub topic: String,
}

/// The answer to QUERY_CORRECTION_OFFSET.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorrectionOffsets {
    /// By queue.
    pub correction_offsets: BTreeMap<i32, i64>,
}

/// The answer to UPDATE_AND_GET_GROUP_FORBIDDEN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupForbidden {
    /// The group.
    pub group: String,
    /// Whether the group may read the topic.
    pub readable: bool,
    /// The topic.
    pub topic: String,
}

/// The answer to QUERY_CONSUME_QUEUE.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueBody {
    /// The group's filter, when a group was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<String>,
    /// The queue's last offset plus one.
    pub max_queue_index: i64,
    /// The queue's first offset.
    pub min_queue_index: i64,
    /// The entries.
    pub queue_data: Vec<ConsumeQueueEntry>,
    /// The group's subscription, when a group was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

/// One entry of a consume queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueEntry {
    /// Whether the group's filter lets it pass.
    pub eval: bool,
    /// Why the message could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// The physical offset in the commit log.
    pub physic_offset: i64,
    /// The record's length in bytes.
    pub physic_size: i32,
    /// The hash of the tags.
    pub tags_code: i64,
}
