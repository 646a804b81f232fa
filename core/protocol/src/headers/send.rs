//! Sending (protocol §3.1).

crate::headers! {
    /// SEND_MESSAGE (10), and SEND_REPLY_MESSAGE (324): one message under full names.
    pub struct SendMessageRequest<'a> {
        /// The producer's group.
        pub producer_group: &'a str = "producerGroup",
        /// The topic.
        pub topic: &'a str = "topic",
        /// The topic to create this one from when it does not exist: `TBW102`.
        pub default_topic: &'a str = "defaultTopic",
        /// How many queues a topic created on the way shall have.
        pub default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        /// The chosen queue; negative lets the broker choose.
        pub queue_id: i32 = "queueId",
        /// Message flags: compression, transaction.
        pub sys_flag: i32 = "sysFlag",
        /// When the producer sent it, in ms since the epoch.
        pub born_timestamp: i64 = "bornTimestamp",
        /// The user's flag, opaque.
        pub flag: i32 = "flag",
        /// The property string.
        pub properties: Option<&'a str> = "properties",
        /// How often the message was consumed without success.
        pub reconsume_times: Option<i32> = "reconsumeTimes",
        /// Unit mode.
        pub unit_mode: Option<bool> = "unitMode",
        /// After how many failures a retry message becomes a dead letter.
        pub max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        /// Whether the body is a batch.
        pub batch: Option<bool> = "batch",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320) and SEND_REPLY_MESSAGE_V2 (325): the same under one-letter names.
    pub struct SendMessageRequestV2<'a> {
        /// The producer's group.
        pub producer_group: &'a str = "a",
        /// The topic.
        pub topic: &'a str = "b",
        /// The topic to create this one from when it does not exist: `TBW102`.
        pub default_topic: &'a str = "c",
        /// How many queues a topic created on the way shall have.
        pub default_topic_queue_nums: i32 = "d",
        /// The chosen queue; negative lets the broker choose.
        pub queue_id: i32 = "e",
        /// Message flags: compression, transaction.
        pub sys_flag: i32 = "f",
        /// When the producer sent it, in ms since the epoch.
        pub born_timestamp: i64 = "g",
        /// The user's flag, opaque.
        pub flag: i32 = "h",
        /// The property string.
        pub properties: Option<&'a str> = "i",
        /// How often the message was consumed without success.
        pub reconsume_times: Option<i32> = "j",
        /// Unit mode.
        pub unit_mode: Option<bool> = "k",
        /// After how many failures a retry message becomes a dead letter.
        pub max_reconsume_times: Option<i32> = "l",
        /// Whether the body is a batch.
        pub batch: Option<bool> = "m",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "n",
    }

    /// The answer to a send. Codes 0, 10, 11 and 12 carry it whole.
    pub struct SendMessageResponse<'a> {
        /// The offset message id; for a batch those of its messages, joined by commas.
        pub msg_id: &'a str = "msgId",
        /// The queue it went to.
        pub queue_id: i32 = "queueId",
        /// Its offset there; for a batch the first.
        pub queue_offset: i64 = "queueOffset",
        /// The message's unique key.
        pub transaction_id: Option<&'a str> = "transactionId",
        /// The unique id of an inner batch.
        pub batch_uniq_id: Option<&'a str> = "batchUniqId",
        /// With which a delayed message can be recalled.
        pub recall_handle: Option<&'a str> = "recallHandle",
    }

    /// CONSUMER_SEND_MSG_BACK (36): a consumer could not handle a message and wants it again later.
    pub struct ConsumerSendMsgBackRequest<'a> {
        /// The message's physical offset in the commit log.
        pub offset: i64 = "offset",
        /// The consumer's group.
        pub group: &'a str = "group",
        /// 0 lets the broker choose, positive is a delay level, negative wants the dead letter topic.
        pub delay_level: i32 = "delayLevel",
        /// The message's id at its first delivery.
        pub origin_msg_id: Option<&'a str> = "originMsgId",
        /// The message's topic at its first delivery.
        pub origin_topic: Option<&'a str> = "originTopic",
        /// Unit mode.
        pub unit_mode: Option<bool> = "unitMode",
        /// After how many failures the message becomes a dead letter.
        pub max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        /// The broker meant (5.0+).
        pub broker_name: Option<&'a str> = "bname",
    }

    /// END_TRANSACTION (37).
    pub struct EndTransactionRequest<'a> {
        /// The real topic (5.0+).
        pub topic: Option<&'a str> = "topic",
        /// The producer's group.
        pub producer_group: &'a str = "producerGroup",
        /// The half message's queue offset.
        pub tran_state_table_offset: i64 = "tranStateTableOffset",
        /// The half message's physical offset.
        pub commit_log_offset: i64 = "commitLogOffset",
        /// 8 commit, 12 rollback, 0 unknown.
        pub commit_or_rollback: i32 = "commitOrRollback",
        /// Whether this answers a check.
        pub from_transaction_check: bool = "fromTransactionCheck" or false,
        /// The message's unique key.
        pub msg_id: &'a str = "msgId",
        /// The message's unique key.
        pub transaction_id: Option<&'a str> = "transactionId",
    }
}

impl<'a> From<SendMessageRequestV2<'a>> for SendMessageRequest<'a> {
    fn from(v2: SendMessageRequestV2<'a>) -> Self {
        SendMessageRequest {
            producer_group: v2.producer_group,
            topic: v2.topic,
            default_topic: v2.default_topic,
            default_topic_queue_nums: v2.default_topic_queue_nums,
            queue_id: v2.queue_id,
            sys_flag: v2.sys_flag,
            born_timestamp: v2.born_timestamp,
            flag: v2.flag,
            properties: v2.properties,
            reconsume_times: v2.reconsume_times,
            unit_mode: v2.unit_mode,
            max_reconsume_times: v2.max_reconsume_times,
            batch: v2.batch,
            broker_name: v2.broker_name,
        }
    }
}
