//! Client management, and what a broker asks of a client (protocol §3.3).

crate::headers! {
    /// UNREGISTER_CLIENT (35).
    pub struct UnregisterClientRequest<'a> {
        /// The client.
        pub client_id: &'a str = "clientID",
        /// The producer group that it leaves.
        pub producer_group: Option<&'a str> = "producerGroup",
        /// The consumer group that it leaves.
        pub consumer_group: Option<&'a str> = "consumerGroup",
    }

    /// What HEART_BEAT (34) answers.
    pub struct HeartbeatResponse {
        /// Whether heartbeats without subscriptions are understood.
        pub support_heartbeat_v2: Option<bool> = "IS_SUPPORT_HEART_BEAT_V2",
        /// Whether the next heartbeat must carry subscriptions again.
        pub sub_change: Option<bool> = "IS_SUB_CHANGE",
    }

    /// Requests about one consumer group: GET_CONSUMER_LIST_BY_GROUP (38), NOTIFY_CONSUMER_IDS_CHANGED (40), GET_CONSUMER_CONNECTION_LIST (203).
    pub struct ConsumerGroupRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
    }

    /// RESET_CONSUMER_CLIENT_OFFSET (220), broker to client.
    pub struct ResetOffsetRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The group.
        pub group: &'a str = "group",
        /// The time to go back to, in ms; -1 means the end.
        pub timestamp: i64 = "timestamp",
        /// Whether progress may also move forward.
        pub is_force: bool = "isForce" or false,
        /// One queue, or -1 for all.
        pub queue_id: Option<i32> = "queueId",
        /// The offset for that queue, or -1 to search by time.
        pub offset: Option<i64> = "offset",
    }

    /// GET_CONSUMER_STATUS_FROM_CLIENT (221), broker to client, and INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223).
    pub struct ConsumerStatusRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The group.
        pub group: &'a str = "group",
        /// One client, or all when absent.
        pub client_addr: Option<&'a str> = "clientAddr",
    }

    /// GET_CONSUMER_RUNNING_INFO (307), to the broker and passed on to the client.
    pub struct ConsumerRunningInfoRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
        /// The client.
        pub client_id: &'a str = "clientId",
        /// Whether thread stacks are wanted.
        pub jstack_enable: bool = "jstackEnable" or false,
    }

    /// CONSUME_MESSAGE_DIRECTLY (309), to the broker and passed on to the client with the message as body.
    pub struct ConsumeMessageDirectlyRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
        /// The client.
        pub client_id: Option<&'a str> = "clientId",
        /// The offset message id.
        pub msg_id: Option<&'a str> = "msgId",
        /// The broker that holds the message.
        pub broker_name: Option<&'a str> = "brokerName",
        /// The topic.
        pub topic: Option<&'a str> = "topic",
        /// The topic's flags.
        pub topic_sys_flag: Option<i32> = "topicSysFlag",
        /// The group's flags.
        pub group_sys_flag: Option<i32> = "groupSysFlag",
    }
}
