//! Settings of clients.

ferromq_model::config_table! {
    /// What producers, consumers and administration have in common. Times are in ms.
    pub struct ClientConfig {
        /// The name servers, joined by `;`; empty means the environment variable `NAMESRV_ADDR`.
        namesrv_addr: String = std::env::var("NAMESRV_ADDR").unwrap_or_default(), "namesrvAddr";
        /// Part of the client id; clients of one name share connections. `DEFAULT` means a name that no other process has.
        instance_name: String = "DEFAULT".to_string(), "instanceName";
        /// How often routes are fetched.
        poll_name_server_interval: u64 = 30_000, "pollNameServerInterval", range(10..=3_600_000);
        /// How often every broker hears that this client lives.
        heartbeat_broker_interval: u64 = 30_000, "heartbeatBrokerInterval", range(10..=100_000);
        /// How often consumers' progress is sent to the brokers.
        persist_consumer_offset_interval: u64 = 5000, "persistConsumerOffsetInterval", range(10..=3_600_000);
        /// How long requests other than sends and pulls may take.
        mq_client_api_timeout: u64 = 3000, "mqClientApiTimeout", range(1..=3_600_000);
        /// How long connecting may take.
        connect_timeout: u64 = 3000, "connectTimeoutMillis", range(1..=3_600_000);
    }
}

ferromq_model::config_table! {
    /// Settings of a producer. Times are in ms, sizes in bytes.
    pub struct ProducerConfig {
        /// The producer's group.
        group: String = "FERROMQ_PRODUCER".to_string(), "producerGroup";
        /// How long a send may take with all its attempts.
        send_msg_timeout: u64 = 3000, "sendMsgTimeout", range(1..=3_600_000);
        /// How many further brokers a send tries when one fails.
        retry_times_when_send_failed: i32 = 2, "retryTimesWhenSendFailed", range(0..=100);
        /// Whether a message that is stored but not yet flushed or replicated is sent to another broker too.
        retry_another_broker_when_not_store_ok: bool = false, "retryAnotherBrokerWhenNotStoreOK";
        /// Bodies of this size and more are compressed.
        compress_msg_body_over_howmuch: usize = 4096, "compressMsgBodyOverHowmuch";
        /// How hard bodies are compressed, 0 to 9.
        compress_level: i32 = 5, "compressLevel", range(0..=9);
        /// The largest body.
        max_message_size: usize = 4 << 20, "maxMessageSize", range(1..=16_000_000);
        /// How many queues a topic created by its first message gets at most.
        default_topic_queue_nums: i32 = 4, "defaultTopicQueueNums", range(1..=1024);
        /// Whether brokers that answered slowly are avoided for a while.
        send_latency_fault_enable: bool = false, "sendLatencyFaultEnable";
        /// How many messages may be on their way in the background before further ones wait.
        back_pressure_for_async_send_num: usize = 10_000, "backPressureForAsyncSendNum", range(1..=1_000_000);
        /// How many body bytes may be on their way in the background before further ones wait.
        back_pressure_for_async_send_size: usize = 100 << 20, "backPressureForAsyncSendSize", range(1..=1_073_741_824);
    }
}

ferromq_model::config_table! {
    /// Settings of a consumer. Times are in ms unless said otherwise.
    pub struct ConsumerConfig {
        /// The consumer's group.
        group: String = String::new(), "consumerGroup";
        /// `CLUSTERING`: each message goes to one of the group; `BROADCASTING`: to every one.
        message_model: String = "CLUSTERING".to_string(), "messageModel";
        /// Where a group without progress starts: `CONSUME_FROM_LAST_OFFSET`, `CONSUME_FROM_FIRST_OFFSET` or `CONSUME_FROM_TIMESTAMP`.
        consume_from_where: String = "CONSUME_FROM_LAST_OFFSET".to_string(), "consumeFromWhere";
        /// For `CONSUME_FROM_TIMESTAMP`, the time in ms since the epoch; 0 means half an hour ago.
        consume_timestamp: i64 = 0, "consumeTimestamp", range(0..=i64::MAX);
        /// How queues are shared: `AVG`, `AVG_BY_CIRCLE` or `CONSISTENT_HASH`.
        allocate_strategy: String = "AVG".to_string(), "allocateMessageQueueStrategy";
        /// How many messages are handled at once.
        consume_thread: usize = 20, "consumeThreadMax", range(1..=1000);
        /// How many messages the listener gets at once.
        consume_message_batch_max_size: usize = 1, "consumeMessageBatchMaxSize", range(1..=1024);
        /// How many messages one pull asks for.
        pull_batch_size: i32 = 32, "pullBatchSize", range(1..=1024);
        /// How long to wait between two pulls of a queue.
        pull_interval: u64 = 0, "pullInterval", range(0..=65_535);
        /// How many messages of a queue are held before pulling waits.
        pull_threshold_for_queue: usize = 1000, "pullThresholdForQueue", range(1..=65_535);
        /// How many MiB of bodies of a queue are held before pulling waits.
        pull_threshold_size_for_queue: usize = 100, "pullThresholdSizeForQueue", range(1..=1024);
        /// How far the held messages of a queue may span before pulling waits.
        consume_concurrently_max_span: i64 = 2000, "consumeConcurrentlyMaxSpan", range(1..=65_535);
        /// After how many failures a message is a dead letter; -1 means 16, or without end when in order.
        max_reconsume_times: i32 = -1, "maxReconsumeTimes", range(-1..=i32::MAX);
        /// After how many minutes a message whose handling does not end is sent back.
        consume_timeout: u64 = 15, "consumeTimeout", range(1..=10_080);
        /// How long a queue rests after a message in order failed.
        suspend_current_queue_time: u64 = 1000, "suspendCurrentQueueTimeMillis", range(10..=30_000);
        /// How often queues are shared anew without being told.
        rebalance_interval: u64 = 20_000, "rebalanceInterval", range(10..=3_600_000);
        /// How long closing waits for messages being handled.
        await_termination: u64 = 10_000, "awaitTerminationMillisWhenShutdown", range(0..=3_600_000);
        /// Where a broadcasting consumer keeps its progress; empty means `.rocketmq_offsets` in the home directory.
        local_offset_store_dir: String = String::new(), "localOffsetStoreDir";
        /// Whether a pull consumer commits what was polled by itself.
        auto_commit: bool = true, "autoCommit";
    }
}
