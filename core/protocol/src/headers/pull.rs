//! Pulling, querying and consumer progress (protocol §3.2 and §3.3).

crate::headers! {
    /// PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
    pub struct PullMessageRequest<'a> {
        /// The consumer's group.
        pub consumer_group: &'a str = "consumerGroup",
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// The first offset wanted.
        pub queue_offset: i64 = "queueOffset",
        /// At most so many messages.
        pub max_msg_nums: i32 = "maxMsgNums",
        /// Bits of `ferromq_model::flags::pull`.
        pub sys_flag: i32 = "sysFlag",
        /// The group's progress, stored when the commit bit is set.
        pub commit_offset: i64 = "commitOffset",
        /// How long to hold the request when nothing is there, in ms.
        pub suspend_timeout_millis: i64 = "suspendTimeoutMillis",
        /// The filter, used when the subscription bit is set.
        pub subscription: Option<&'a str> = "subscription",
        /// The subscription's version: the client's clock in ms when it was made.
        pub sub_version: i64 = "subVersion",
        /// `TAG` or `SQL92`; absent means `TAG`.
        pub expression_type: Option<&'a str> = "expressionType",
        /// At most so many bytes (5.x).
        pub max_msg_bytes: Option<i32> = "maxMsgBytes",
        /// Who asks (5.x): -1 a client, otherwise a proxy.
        pub request_source: Option<i32> = "requestSource",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// The answer to a pull; the body holds the messages.
    pub struct PullMessageResponse {
        /// The broker id to pull from next.
        pub suggest_which_broker_id: i64 = "suggestWhichBrokerId",
        /// The offset to pull from next.
        pub next_begin_offset: i64 = "nextBeginOffset",
        /// The queue's first offset.
        pub min_offset: i64 = "minOffset",
        /// The offset after the queue's last.
        pub max_offset: i64 = "maxOffset",
        /// To add to offsets of a static topic.
        pub offset_delta: Option<i64> = "offsetDelta",
        /// The topic's flags.
        pub topic_sys_flag: Option<i32> = "topicSysFlag",
        /// The group's flags.
        pub group_sys_flag: Option<i32> = "groupSysFlag",
        /// What forbids the pull: 1 broker, 2 group, 3 topic, 4 broadcasting, 5 subscription.
        pub forbidden_type: Option<i32> = "forbiddenType",
    }

    /// VIEW_MESSAGE_BY_ID (33); the body of the answer is one message.
    pub struct ViewMessageRequest<'a> {
        /// The topic (5.x).
        pub topic: Option<&'a str> = "topic",
        /// The physical offset in the commit log.
        pub offset: i64 = "offset",
    }

    /// QUERY_MESSAGE (12); the body of the answer holds the messages.
    pub struct QueryMessageRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The key, or a unique message id.
        pub key: &'a str = "key",
        /// At most so many.
        pub max_num: i32 = "maxNum",
        /// Stored at this time or later, in ms.
        pub begin_timestamp: i64 = "beginTimestamp",
        /// Stored at this time or earlier, in ms.
        pub end_timestamp: i64 = "endTimestamp",
        /// Whether the key is a unique message id.
        pub unique_key_query: Option<bool> = "_UNIQUE_KEY_QUERY",
    }

    /// The answer to QUERY_MESSAGE.
    pub struct QueryMessageResponse {
        /// When the index was last written, in ms.
        pub index_last_update_timestamp: i64 = "indexLastUpdateTimestamp",
        /// Up to which physical offset the index reaches.
        pub index_last_update_phyoffset: i64 = "indexLastUpdatePhyoffset",
    }

    /// SEARCH_OFFSET_BY_TIMESTAMP (29).
    pub struct SearchOffsetRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// The time, in ms.
        pub timestamp: i64 = "timestamp",
        /// `LOWER` (also when absent) or `UPPER`, in any case.
        pub boundary_type: Option<&'a str> = "boundaryType",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// GET_MAX_OFFSET (30), GET_MIN_OFFSET (31) and GET_EARLIEST_MSG_STORETIME (32).
    pub struct QueueRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// Whether only committed messages count (5.x); absent means true.
        pub committed: Option<bool> = "committed",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// An answer that is one offset.
    pub struct OffsetResponse {
        /// The offset.
        pub offset: i64 = "offset",
    }

    /// The answer to GET_EARLIEST_MSG_STORETIME.
    pub struct TimestampResponse {
        /// In ms since the epoch; -1 when there is none.
        pub timestamp: i64 = "timestamp",
    }

    /// QUERY_CONSUMER_OFFSET (14).
    pub struct QueryConsumerOffsetRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// Whether a young queue may answer 0 instead of "not found" (5.x); absent means true.
        pub set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// UPDATE_CONSUMER_OFFSET (15), sent one-way by clients.
    pub struct UpdateConsumerOffsetRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// The next offset to consume.
        pub commit_offset: i64 = "commitOffset",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }
}
