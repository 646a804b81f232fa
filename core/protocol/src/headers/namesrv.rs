//! Name server requests (protocol §3.5).

crate::headers! {
    /// GET_ROUTEINFO_BY_TOPIC (105).
    pub struct RouteRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// Whether the answer must be standard JSON whatever the client's version.
        pub accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
        /// The client's zone.
        pub zone_name: Option<&'a str> = "__ZONE_NAME",
        /// Whether only brokers of the client's zone are wanted.
        pub zone_mode: Option<bool> = "__ZONE_MODE",
    }

    /// REGISTER_BROKER (103).
    pub struct RegisterBrokerRequest<'a> {
        /// The broker group.
        pub broker_name: &'a str = "brokerName",
        /// Where clients reach it.
        pub broker_addr: &'a str = "brokerAddr",
        /// Its cluster.
        pub cluster_name: &'a str = "clusterName",
        /// Where slaves reach it.
        pub ha_server_addr: &'a str = "haServerAddr",
        /// 0 for the master.
        pub broker_id: i64 = "brokerId",
        /// After how much silence it counts as dead, in ms (5.x).
        pub heartbeat_timeout_millis: Option<i64> = "heartbeatTimeoutMillis",
        /// Whether a slave may act as master (5.x).
        pub enable_acting_master: Option<bool> = "enableActingMaster",
        /// Whether the body is compressed.
        pub compressed: bool = "compressed" or false,
        /// CRC32 of the body as sent, 31 bits; 0 is not checked.
        pub body_crc32: i32 = "bodyCrc32" or 0,
        /// The broker's zone.
        pub zone_name: Option<&'a str> = "__ZONE_NAME",
    }

    /// The answer to REGISTER_BROKER; the body lists strictly ordered topics.
    pub struct RegisterBrokerResponse<'a> {
        /// Where a slave replicates from.
        pub ha_server_addr: Option<&'a str> = "haServerAddr",
        /// The master of the group.
        pub master_addr: Option<&'a str> = "masterAddr",
    }

    /// UNREGISTER_BROKER (104) and QUERY_DATA_VERSION (322).
    pub struct BrokerIdentityRequest<'a> {
        /// The broker group.
        pub broker_name: &'a str = "brokerName",
        /// Where clients reach it.
        pub broker_addr: &'a str = "brokerAddr",
        /// Its cluster.
        pub cluster_name: &'a str = "clusterName",
        /// 0 for the master.
        pub broker_id: i64 = "brokerId",
    }

    /// The answer to QUERY_DATA_VERSION; the body is the version known, if any.
    pub struct QueryDataVersionResponse {
        /// Whether the name server knows another version than the broker's.
        pub changed: bool = "changed",
    }

    /// BROKER_HEARTBEAT (904).
    pub struct BrokerHeartbeatRequest<'a> {
        /// Its cluster.
        pub cluster_name: &'a str = "clusterName",
        /// Where clients reach it.
        pub broker_addr: &'a str = "brokerAddr",
        /// The broker group.
        pub broker_name: &'a str = "brokerName",
        /// 0 for the master.
        pub broker_id: Option<i64> = "brokerId",
        /// After how much silence it counts as dead, in ms.
        pub heartbeat_timeout_millis: Option<i64> = "heartbeatTimeoutMills",
    }

    /// GET_BROKER_MEMBER_GROUP (901).
    pub struct BrokerMemberGroupRequest<'a> {
        /// The cluster.
        pub cluster_name: &'a str = "clusterName",
        /// The broker group.
        pub broker_name: &'a str = "brokerName",
    }

    /// PUT_KV_CONFIG (100).
    pub struct PutKvConfigRequest<'a> {
        /// The namespace.
        pub namespace: &'a str = "namespace",
        /// The key.
        pub key: &'a str = "key",
        /// The value.
        pub value: &'a str = "value",
    }

    /// GET_KV_CONFIG (101) and DELETE_KV_CONFIG (102).
    pub struct KvConfigRequest<'a> {
        /// The namespace.
        pub namespace: &'a str = "namespace",
        /// The key.
        pub key: &'a str = "key",
    }

    /// The answer to GET_KV_CONFIG.
    pub struct KvConfigResponse<'a> {
        /// The value.
        pub value: Option<&'a str> = "value",
    }

    /// GET_KVLIST_BY_NAMESPACE (219).
    pub struct NamespaceRequest<'a> {
        /// The namespace.
        pub namespace: &'a str = "namespace",
    }

    /// WIPE_WRITE_PERM_OF_BROKER (205) and ADD_WRITE_PERM_OF_BROKER (327).
    pub struct BrokerNameRequest<'a> {
        /// The broker group.
        pub broker_name: &'a str = "brokerName",
    }

    /// The answer to WIPE_WRITE_PERM_OF_BROKER.
    pub struct WipeWritePermResponse {
        /// How many topics were touched.
        pub wipe_topic_count: i32 = "wipeTopicCount",
    }

    /// The answer to ADD_WRITE_PERM_OF_BROKER.
    pub struct AddWritePermResponse {
        /// How many topics were touched.
        pub add_topic_count: i32 = "addTopicCount",
    }

    /// DELETE_TOPIC_IN_NAMESRV (216).
    pub struct DeleteTopicInNamesrvRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// Only for brokers of this cluster.
        pub cluster_name: Option<&'a str> = "clusterName",
    }

    /// Requests about one topic: REGISTER_TOPIC_IN_NAMESRV (217), DELETE_TOPIC_IN_BROKER (215), GET_TOPIC_STATS_INFO (202), GET_TOPIC_CONFIG (351), QUERY_TOPIC_CONSUME_BY_WHO (300).
    pub struct TopicRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// Whether the mapping of a static topic is wanted as well.
        pub lo: Option<bool> = "lo",
    }

    /// GET_TOPICS_BY_CLUSTER (224).
    pub struct ClusterRequest<'a> {
        /// The cluster.
        pub cluster: &'a str = "cluster",
    }

    /// NOTIFY_MIN_BROKER_ID_CHANGE (905), from the name server to brokers, one-way.
    pub struct MinBrokerIdChange<'a> {
        /// The group's smallest id now.
        pub min_broker_id: Option<i64> = "minBrokerId",
        /// The broker group; name servers leave it out.
        pub broker_name: Option<&'a str> = "brokerName",
        /// The address of that broker.
        pub min_broker_addr: Option<&'a str> = "minBrokerAddr",
        /// The broker that left, if one did.
        pub offline_broker_addr: Option<&'a str> = "offlineBrokerAddr",
        /// Where to replicate from, if a broker came.
        pub ha_broker_addr: Option<&'a str> = "haBrokerAddr",
    }
}
