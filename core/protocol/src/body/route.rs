//! Routes and clusters (protocol §4.1 and §4.2).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a topic's queues are: the answer to GET_ROUTEINFO_BY_TOPIC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    /// The brokers that have queues of the topic.
    pub broker_datas: Vec<BrokerData>,
    /// Obsolete; always present.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// For strictly ordered topics, `brokerA:4;brokerB:4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    /// The queues on each broker.
    pub queue_datas: Vec<QueueData>,
    /// The mapping of a static topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_by_broker: Option<Value>,
}

/// A topic's queues on one broker group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    /// The broker group.
    pub broker_name: String,
    /// Bits of `ferromq_model::perm`.
    pub perm: i32,
    /// Queues that consumers read.
    pub read_queue_nums: i32,
    /// Bits of `ferromq_model::flags::topic`; spelled `topicSynFlag` up to 4.8.
    #[serde(alias = "topicSynFlag")]
    pub topic_sys_flag: i32,
    /// Queues that producers choose from.
    pub write_queue_nums: i32,
}

/// The addresses of one broker group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// Address of each broker id; 0 is the master.
    pub broker_addrs: BTreeMap<i64, String>,
    /// The broker group.
    pub broker_name: String,
    /// The cluster.
    pub cluster: String,
    /// Whether a slave may act as master (5.x).
    pub enable_acting_master: bool,
    /// The brokers' zone (5.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<String>,
}

impl BrokerData {
    /// The address to send to: the master's.
    pub fn master(&self) -> Option<&str> {
        self.broker_addrs.get(&0).map(String::as_str)
    }

    /// The master's address, or any.
    pub fn any_address(&self) -> Option<&str> {
        self.broker_addrs.values().next().map(String::as_str)
    }
}

/// Every broker of every cluster: the answer to GET_BROKER_CLUSTER_INFO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// The broker groups by name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// The broker groups of each cluster.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// The brokers of one group: what GET_BROKER_MEMBER_GROUP answers about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerMemberGroup {
    /// Address of each broker id.
    pub broker_addrs: BTreeMap<i64, String>,
    /// The broker group.
    pub broker_name: String,
    /// The cluster.
    pub cluster: String,
}

/// The answer to GET_BROKER_MEMBER_GROUP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerMemberGroupBody {
    /// The group.
    pub broker_member_group: BrokerMemberGroup,
}
