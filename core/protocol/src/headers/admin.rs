//! Administration (protocol §3.7).

crate::headers! {
    /// UPDATE_AND_CREATE_TOPIC (17).
    pub struct CreateTopicRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// `TBW102`.
        pub default_topic: Option<&'a str> = "defaultTopic",
        /// Queues that consumers read.
        pub read_queue_nums: i32 = "readQueueNums",
        /// Queues that producers choose from.
        pub write_queue_nums: i32 = "writeQueueNums",
        /// Bits of `ferromq_model::perm`.
        pub perm: i32 = "perm",
        /// `SINGLE_TAG` or `MULTI_TAG`.
        pub topic_filter_type: Option<&'a str> = "topicFilterType",
        /// Bits of `ferromq_model::flags::topic`.
        pub topic_sys_flag: Option<i32> = "topicSysFlag",
        /// Whether the topic is strictly ordered.
        pub order: bool = "order" or false,
        /// Changes of attributes: `+key=value,-key` (5.x).
        pub attributes: Option<&'a str> = "attributes",
    }

    /// GET_ALL_TOPIC_CONFIG (21) with paging (after 5.3.3).
    pub struct AllTopicConfigRequest<'a> {
        /// The first topic wanted.
        pub topic_seq: Option<i32> = "topicSeq",
        /// The version that the pages before were of.
        pub data_version: Option<&'a str> = "dataVersion",
        /// At most so many.
        pub max_topic_num: Option<i32> = "maxTopicNum",
    }

    /// The answer to GET_ALL_TOPIC_CONFIG.
    pub struct AllTopicConfigResponse {
        /// How many topics there are.
        pub total_topic_num: Option<i32> = "totalTopicNum",
    }

    /// GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201) with paging (after 5.3.3).
    pub struct AllGroupConfigRequest<'a> {
        /// The first group wanted.
        pub group_seq: Option<i32> = "groupSeq",
        /// The version that the pages before were of.
        pub data_version: Option<&'a str> = "dataVersion",
        /// At most so many.
        pub max_group_num: Option<i32> = "maxGroupNum",
    }

    /// The answer to GET_ALL_SUBSCRIPTIONGROUP_CONFIG.
    pub struct AllGroupConfigResponse {
        /// How many groups there are.
        pub total_group_num: Option<i32> = "totalGroupNum",
    }

    /// Requests about one group: GET_SUBSCRIPTIONGROUP_CONFIG (352), QUERY_TOPICS_BY_CONSUMER (343).
    pub struct GroupRequest<'a> {
        /// The group.
        pub group: &'a str = "group",
    }

    /// DELETE_SUBSCRIPTIONGROUP (207).
    pub struct DeleteGroupRequest<'a> {
        /// The group.
        pub group_name: &'a str = "groupName",
        /// Whether its progress goes too.
        pub clean_offset: Option<bool> = "cleanOffset",
        /// The same in 4.9.
        pub remove_offset: Option<bool> = "removeOffset",
    }

    /// GET_PRODUCER_CONNECTION_LIST (204).
    pub struct ProducerGroupRequest<'a> {
        /// The group.
        pub producer_group: &'a str = "producerGroup",
    }

    /// GET_CONSUME_STATS (208).
    pub struct ConsumeStatsRequest<'a> {
        /// The group.
        pub consumer_group: &'a str = "consumerGroup",
        /// One topic; absent or blank for all.
        pub topic: Option<&'a str> = "topic",
        /// Several topics, joined by `;` (5.3.2+).
        pub topic_list: Option<&'a str> = "topicList",
    }

    /// GET_BROKER_CONSUME_STATS (317).
    pub struct BrokerConsumeStatsRequest {
        /// Whether only groups that consume in order are wanted.
        pub is_order: bool = "isOrder" or false,
    }

    /// Requests about a group's relation to a topic: QUERY_CONSUME_TIME_SPAN (303), QUERY_SUBSCRIPTION_BY_CONSUMER (345).
    pub struct GroupTopicRequest<'a> {
        /// The group.
        pub group: &'a str = "group",
        /// The topic.
        pub topic: Option<&'a str> = "topic",
    }

    /// UPDATE_AND_GET_GROUP_FORBIDDEN (353).
    pub struct GroupForbiddenRequest<'a> {
        /// The group.
        pub group: &'a str = "group",
        /// The topic.
        pub topic: &'a str = "topic",
        /// Whether the group may read it; absent only asks.
        pub readable: Option<bool> = "readable",
    }

    /// QUERY_CORRECTION_OFFSET (308).
    pub struct QueryCorrectionOffsetRequest<'a> {
        /// Groups to look at, joined by commas.
        pub filter_groups: Option<&'a str> = "filterGroups",
        /// The group to compare with.
        pub compare_group: &'a str = "compareGroup",
        /// The topic.
        pub topic: &'a str = "topic",
    }

    /// CLONE_GROUP_OFFSET (314).
    pub struct CloneGroupOffsetRequest<'a> {
        /// Whose progress is copied.
        pub src_group: &'a str = "srcGroup",
        /// Who gets it.
        pub dest_group: &'a str = "destGroup",
        /// One topic; absent or blank for all.
        pub topic: Option<&'a str> = "topic",
        /// Whether the group may be offline.
        pub offline: Option<bool> = "offline",
    }

    /// VIEW_BROKER_STATS_DATA (315).
    pub struct BrokerStatsRequest<'a> {
        /// Such as `TOPIC_PUT_NUMS`.
        pub stats_name: &'a str = "statsName",
        /// Such as a topic.
        pub stats_key: &'a str = "statsKey",
    }

    /// QUERY_CONSUME_QUEUE (321).
    pub struct QueryConsumeQueueRequest<'a> {
        /// The topic.
        pub topic: &'a str = "topic",
        /// The queue.
        pub queue_id: i32 = "queueId",
        /// The first entry wanted.
        pub index: i64 = "index",
        /// How many.
        pub count: i32 = "count",
        /// Whose filter is tried, if any.
        pub consumer_group: Option<&'a str> = "consumerGroup",
    }

    /// What GET_BROKER_CONFIG (26) answers; the body is the properties text.
    pub struct BrokerConfigResponse<'a> {
        /// The configuration's data version, as JSON.
        pub version: &'a str = "version",
    }
}
