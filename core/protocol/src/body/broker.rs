//! Tables of a broker: groups, progress, key-value lists (protocol §4.7 and §4.9, store §13).

use super::DataVersion;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One consumer group's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupConfig {
    /// No legal keys so far (5.x).
    pub attributes: BTreeMap<String, String>,
    /// Which broker id to read from.
    pub broker_id: i64,
    /// Whether the group may broadcast.
    pub consume_broadcast_enable: bool,
    /// Whether the group may consume at all.
    pub consume_enable: bool,
    /// Informational.
    pub consume_from_min_enable: bool,
    /// Whether pop keeps the order (5.x).
    pub consume_message_orderly: bool,
    /// Used by the proxy, in minutes (5.x).
    pub consume_timeout_minute: i32,
    /// The group.
    pub group_name: String,
    /// When retries happen; used by pop and the proxy (5.x).
    pub group_retry_policy: Value,
    /// Flags told to consumers (5.x).
    pub group_sys_flag: i32,
    /// Whether consumers are told when the group's members change.
    pub notify_consumer_ids_changed_enable: bool,
    /// After so many failures a message is a dead letter.
    pub retry_max_times: i32,
    /// Queues of the retry topic; 0 or less turns retries off.
    pub retry_queue_nums: i32,
    /// A fixed subscription (5.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data_set: Option<Value>,
    /// Which broker id to read from when far behind.
    pub which_broker_when_consume_slowly: i64,
}

impl Default for SubscriptionGroupConfig {
    fn default() -> Self {
        SubscriptionGroupConfig {
            attributes: BTreeMap::new(),
            broker_id: 0,
            consume_broadcast_enable: true,
            consume_enable: true,
            consume_from_min_enable: true,
            consume_message_orderly: false,
            consume_timeout_minute: 15,
            group_name: String::new(),
            group_retry_policy: serde_json::json!({"type": "CUSTOMIZED"}),
            group_sys_flag: 0,
            notify_consumer_ids_changed_enable: true,
            retry_max_times: 16,
            retry_queue_nums: 1,
            subscription_data_set: None,
            which_broker_when_consume_slowly: 1,
        }
    }
}

impl SubscriptionGroupConfig {
    /// A group with the default settings.
    pub fn new(group: impl Into<String>) -> Self {
        SubscriptionGroupConfig { group_name: group.into(), ..Default::default() }
    }
}

/// A broker's consumer groups: `subscriptionGroup.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupTable {
    /// The table's version.
    pub data_version: DataVersion,
    /// What each group may not do with each topic, as bits (5.x).
    pub forbidden_table: BTreeMap<String, BTreeMap<String, i32>>,
    /// The groups by name.
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}

/// A body of UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupList {
    /// The groups.
    pub group_config_list: Vec<SubscriptionGroupConfig>,
}

/// Progress of every group: `consumerOffset.json`, and the answer to GET_ALL_CONSUMER_OFFSET.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetTable {
    /// The table's version.
    pub data_version: DataVersion,
    /// Next offset by queue, by `topic@group`.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// Progress of each delay level: `delayOffset.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsetTable {
    /// The table's version.
    pub data_version: DataVersion,
    /// Next offset by level, from 1.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Text pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KvTable {
    /// The pairs.
    #[serde(default)]
    pub table: BTreeMap<String, String>,
}

/// A name server's key-value configuration: `kvConfig.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KvConfigFile {
    /// Pairs by namespace.
    pub config_table: BTreeMap<String, BTreeMap<String, String>>,
}

/// A list of topics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    /// A broker to ask, where one is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// The topics.
    pub topic_list: Vec<String>,
}

/// A list of groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    /// The groups.
    pub group_list: Vec<String>,
}
