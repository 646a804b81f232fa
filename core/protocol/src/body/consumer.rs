//! Bodies between brokers and consumers: locks, offsets, running information (protocol §4.5, §4.11
//! to §4.13).

use super::SubscriptionData;
use crate::fastjson::QueueMap;
use ferromq_model::MessageQueue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The answer to GET_CONSUMER_LIST_BY_GROUP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerIdList {
    /// The clients of the group.
    pub consumer_id_list: Vec<String>,
}

/// A body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchRequest {
    /// Who locks.
    pub client_id: String,
    /// For which group.
    pub consumer_group: String,
    /// Which queues.
    pub mq_set: Vec<MessageQueue>,
    /// Whether other replicas need not be asked (5.x).
    pub only_this_broker: bool,
}

/// The answer to LOCK_BATCH_MQ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LockBatchResponse {
    /// The queues that the client now holds.
    #[serde(rename = "lockOKMQSet", default)]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

/// Offsets to reset to, in the form for every client but the C++ one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBody {
    /// The new offset of each queue.
    pub offset_table: QueueMap<i64>,
}

/// The answer to GET_CONSUMER_STATUS_FROM_CLIENT and INVOKE_BROKER_TO_GET_CONSUMER_STATUS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerStatusBody {
    /// Filled by brokers: offsets by client.
    pub consumer_table: BTreeMap<String, QueueMap<i64>>,
    /// Filled by clients: offsets by queue.
    pub message_queue_table: QueueMap<i64>,
}

/// How a client is doing with one queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessQueueInfo {
    /// Messages held.
    pub cached_msg_count: i32,
    /// The largest offset held.
    pub cached_msg_max_offset: i64,
    /// The smallest offset held.
    pub cached_msg_min_offset: i64,
    /// Body bytes held, in MiB.
    #[serde(rename = "cachedMsgSizeInMiB")]
    pub cached_msg_size_in_mib: i32,
    /// The committed offset.
    pub commit_offset: i64,
    /// Whether the queue was taken away. The spelling is the protocol's.
    pub droped: bool,
    /// When a message was last handled, in ms.
    pub last_consume_timestamp: i64,
    /// When the queue was last locked, in ms.
    pub last_lock_timestamp: i64,
    /// When the queue was last pulled, in ms.
    pub last_pull_timestamp: i64,
    /// Whether this client holds the lock.
    pub locked: bool,
    /// Messages being handled in order.
    pub transaction_msg_count: i32,
    /// Their largest offset.
    pub transaction_msg_max_offset: i64,
    /// Their smallest offset.
    pub transaction_msg_min_offset: i64,
    /// Failed attempts to unlock.
    pub try_unlock_times: i64,
}

/// How a client is doing with one topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatus {
    /// Failures in the last hour.
    pub consume_failed_msgs: i64,
    /// Failures a second.
    #[serde(rename = "consumeFailedTPS")]
    pub consume_failed_tps: f64,
    /// Successes a second.
    #[serde(rename = "consumeOKTPS")]
    pub consume_ok_tps: f64,
    /// Mean handling time in ms.
    #[serde(rename = "consumeRT")]
    pub consume_rt: f64,
    /// Mean pull time in ms.
    #[serde(rename = "pullRT")]
    pub pull_rt: f64,
    /// Messages pulled a second.
    #[serde(rename = "pullTPS")]
    pub pull_tps: f64,
}

/// The answer to GET_CONSUMER_RUNNING_INFO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    /// Thread stacks, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jstack: Option<String>,
    /// State of popped queues (5.x).
    pub mq_pop_table: QueueMap<Value>,
    /// State of pulled queues.
    pub mq_table: QueueMap<ProcessQueueInfo>,
    /// Settings of the consumer.
    pub properties: BTreeMap<String, String>,
    /// Figures by topic.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// What it subscribes to.
    pub subscription_set: Vec<SubscriptionData>,
    /// Whatever the application adds.
    pub user_consumer_info: BTreeMap<String, String>,
}

/// The answer to CONSUME_MESSAGE_DIRECTLY.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeMessageDirectlyResult {
    /// Whether the consumer commits by itself.
    pub auto_commit: bool,
    /// `CR_SUCCESS`, `CR_LATER`, `CR_ROLLBACK`, `CR_COMMIT`, `CR_THROW_EXCEPTION` or `CR_RETURN_NULL`.
    pub consume_result: String,
    /// Whether the consumer keeps the order.
    pub order: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// How long it took, in ms.
    pub spent_time_mills: i64,
}
