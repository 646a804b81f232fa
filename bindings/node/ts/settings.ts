// Made by settings.cjs from the table of the core: do not edit, run scripts/node.sh --update.

/** What all clients have in common. Times are in ms. */
export interface ClientSettings {
  /** The name servers, joined by `;`; empty means the environment variable `NAMESRV_ADDR`. */
  namesrvAddr: string;
  /** Part of the client id; clients of one name share connections. `DEFAULT` means a name that no other process has. (default `DEFAULT`) */
  instanceName: string;
  /** How often routes are fetched. (range 10..=3_600_000, default `30000`) */
  pollNameServerInterval: number;
  /** How often every broker hears that this client lives. (range 10..=100_000, default `30000`) */
  heartbeatBrokerInterval: number;
  /** How often consumers' progress is sent to the brokers. (range 10..=3_600_000, default `5000`) */
  persistConsumerOffsetInterval: number;
  /** How long requests other than sends and pulls may take. (range 1..=3_600_000, default `3000`) */
  mqClientApiTimeout: number;
  /** How long connecting may take. (range 1..=3_600_000, default `3000`) */
  connectTimeoutMillis: number;
}

/** Settings of producers. Times are in ms, sizes in bytes. */
export interface ProducerSettings {
  /** The producer's group. (default `FERROMQ_PRODUCER`) */
  producerGroup: string;
  /** How long a send may take with all its attempts. (range 1..=3_600_000, default `3000`) */
  sendMsgTimeout: number;
  /** How many further brokers a send tries when one fails. (range 0..=100, default `2`) */
  retryTimesWhenSendFailed: number;
  /** Whether a message that is stored but not yet flushed or replicated is sent to another broker too. (default `false`) */
  retryAnotherBrokerWhenNotStoreOK: boolean;
  /** Bodies of this size and more are compressed. (default `4096`) */
  compressMsgBodyOverHowmuch: number;
  /** How hard bodies are compressed, 0 to 9. (range 0..=9, default `5`) */
  compressLevel: number;
  /** The largest body. (range 1..=16_000_000, default `4194304`) */
  maxMessageSize: number;
  /** How many queues a topic created by its first message gets at most. (range 1..=1024, default `4`) */
  defaultTopicQueueNums: number;
  /** Whether brokers that answered slowly are avoided for a while. (default `false`) */
  sendLatencyFaultEnable: boolean;
  /** How many messages may be on their way in the background before further ones wait. (range 1..=1_000_000, default `10000`) */
  backPressureForAsyncSendNum: number;
  /** How many body bytes may be on their way in the background before further ones wait. (range 1..=1_073_741_824, default `104857600`) */
  backPressureForAsyncSendSize: number;
}

/** Settings of consumers. Times are in ms unless said otherwise. */
export interface ConsumerSettings {
  /** The consumer's group. */
  consumerGroup: string;
  /** `CLUSTERING`: each message goes to one of the group; `BROADCASTING`: to every one. (default `CLUSTERING`) */
  messageModel: string;
  /** Where a group without progress starts: `CONSUME_FROM_LAST_OFFSET`, `CONSUME_FROM_FIRST_OFFSET` or `CONSUME_FROM_TIMESTAMP`. (default `CONSUME_FROM_LAST_OFFSET`) */
  consumeFromWhere: string;
  /** For `CONSUME_FROM_TIMESTAMP`, the time in ms since the epoch; 0 means half an hour ago. (range 0..=i64::MAX, default `0`) */
  consumeTimestamp: number;
  /** How queues are shared: `AVG`, `AVG_BY_CIRCLE` or `CONSISTENT_HASH`. (default `AVG`) */
  allocateMessageQueueStrategy: string;
  /** How many messages are handled at once. (range 1..=1000, default `20`) */
  consumeThreadMax: number;
  /** How many messages the listener gets at once. (range 1..=1024, default `1`) */
  consumeMessageBatchMaxSize: number;
  /** How many messages one pull asks for. (range 1..=1024, default `32`) */
  pullBatchSize: number;
  /** How long to wait between two pulls of a queue. (range 0..=65_535, default `0`) */
  pullInterval: number;
  /** How many messages of a queue are held before pulling waits. (range 1..=65_535, default `1000`) */
  pullThresholdForQueue: number;
  /** How many MiB of bodies of a queue are held before pulling waits. (range 1..=1024, default `100`) */
  pullThresholdSizeForQueue: number;
  /** How far the held messages of a queue may span before pulling waits. (range 1..=65_535, default `2000`) */
  consumeConcurrentlyMaxSpan: number;
  /** After how many failures a message is a dead letter; -1 means 16, or without end when in order. (range -1..=i32::MAX, default `-1`) */
  maxReconsumeTimes: number;
  /** After how many minutes a message whose handling does not end is sent back. (range 1..=10_080, default `15`) */
  consumeTimeout: number;
  /** How long a queue rests after a message in order failed. (range 10..=30_000, default `1000`) */
  suspendCurrentQueueTimeMillis: number;
  /** How often queues are shared anew without being told. (range 10..=3_600_000, default `20000`) */
  rebalanceInterval: number;
  /** How long closing waits for messages being handled. (range 0..=3_600_000, default `10000`) */
  awaitTerminationMillisWhenShutdown: number;
  /** Where a broadcasting consumer keeps its progress; empty means `.rocketmq_offsets` in the home directory. */
  localOffsetStoreDir: string;
  /** Whether a pull consumer commits what was polled by itself. (default `true`) */
  autoCommit: boolean;
}

/** Settings of brokers, for the embedded server. */
export interface BrokerSettings {
  /** The broker group that this broker belongs to; empty means the host's name. (default `embedded`) */
  brokerName: string;
  /** The cluster that the broker group belongs to. (default `DefaultCluster`) */
  brokerClusterName: string;
  /** 0 for the master of the group, above 0 for a slave. (range 0..=i64::MAX, default `0`) */
  brokerId: number;
  /** The address that clients are told to connect to; empty means the first address of this host that is not a loopback. (default `127.0.0.1`) */
  brokerIP1: string;
  /** The address that slaves are told to replicate from; empty means the same as `brokerIP1`. */
  brokerIP2: string;
  /** The port that clients connect to; 0 takes a free one. (range 0..=65535, default `0`) */
  listenPort: number;
  /** The address that the broker listens on. (default `127.0.0.1`) */
  bindAddress: string;
  /** The name servers, `host:port` joined by `;`; empty means the environment's `NAMESRV_ADDR`, or none. */
  namesrvAddr: string;
  /** The installation's folder; empty means the environment's `ROCKETMQ_HOME`. */
  rocketmqHome: string;
  /** The file that these settings were read from, and to which changes made at run time are written; set by the start-up. */
  brokerConfigPath: string;
  /** What clients may do with this broker: 2 write, 4 read, 6 both. (range 0..=7, default `6`) */
  brokerPermission: number;
  /** Settings that a running broker refuses to change, joined by `;`. (default `configBlackList;brokerConfigPath`) */
  configBlackList: string;
  /** Whether a message to an unknown topic creates the topic. (default `true`) */
  autoCreateTopicEnable: boolean;
  /** The most queues that a topic created by a message gets. (range 1..=65535, default `8`) */
  defaultTopicQueueNums: number;
  /** Whether an unknown consumer group is created when it is first used. (default `true`) */
  autoCreateSubscriptionGroup: boolean;
  /** Whether groups named `CID_RMQ_SYS_...` are created even where others are not. (default `true`) */
  enableCreateSysGroup: boolean;
  /** Whether the topic named like the cluster can be read and written. (default `true`) */
  clusterTopicEnable: boolean;
  /** Whether the topic named like the broker can be read and written. (default `true`) */
  brokerTopicEnable: boolean;
  /** Whether the trace topic is created. (default `false`) */
  traceTopicEnable: boolean;
  /** The name of the trace topic. (default `RMQ_SYS_TRACE_TOPIC`) */
  msgTraceTopicName: string;
  /** Whether clients are told to trace. (default `true`) */
  traceOn: boolean;
  /** The region that clients are told. (default `DefaultRegion`) */
  regionId: string;
  /** Whether administrators are kept from changing system topics. (default `true`) */
  validateSystemTopicWhenUpdateTopic: boolean;
  /** Whether topics may have the message type MIXED. (default `false`) */
  enableMixedMessageType: boolean;
  /** Whether deleting a topic deletes the retry topics that pop consumers made of it. (default `true`) */
  clearRetryTopicWhenDeleteTopic: boolean;
  /** Whether a peer may ask for the tables of topics and groups in pages. (default `true`) */
  enableSplitMetadata: boolean;
  /** The most entries of one page. (range 1..=100_000, default `2000`) */
  splitMetadataSize: number;
  /** Queues of the topic in which pop consumers' receipts are kept. (range 1..=1024, default `8`) */
  reviveQueueNum: number;
  /** Whether a pull that finds nothing is held until a message arrives. (default `true`) */
  longPollingEnable: boolean;
  /** How long a pull is held when `longPollingEnable` is off, in ms. (range 1..=60_000, default `1000`) */
  shortPollingTimeMills: number;
  /** Whether consumers are told at once when the members of their group change. (default `true`) */
  notifyConsumerIdsChangedEnable: boolean;
  /** How often changed consumer offsets are written to disk, in ms. (range 100..=600_000, default `5000`) */
  flushConsumerOffsetInterval: number;
  /** After how many commits the version of the consumer offsets advances. (range 1..=1_000_000_000, default `500`) */
  consumerOffsetUpdateVersionStep: number;
  /** After how many deliveries the version of the delay offsets advances. (range 1..=1_000_000_000, default `200`) */
  delayOffsetUpdateVersionStep: number;
  /** After how long without a heartbeat a client counts as gone, in ms. (range 1000..=86_400_000, default `120000`) */
  channelExpiredTimeout: number;
  /** Whether consumers may filter by SQL92 expressions. (default `false`) */
  enablePropertyFilter: boolean;
  /** Whether filters apply to retry topics as well. (default `false`) */
  filterSupportRetry: boolean;
  /** Whether pulls with the code for lite consumers are accepted. (default `true`) */
  litePullMessageEnable: boolean;
  /** Whether pulls of consumers that are not push consumers are refused. (default `false`) */
  rejectPullConsumerEnable: boolean;
  /** Whether the broker itself resets consumer offsets; when off it asks the clients to. (default `true`) */
  useServerSideResetOffset: boolean;
  /** Whether consumers may be sent to a slave. (default `false`) */
  slaveReadEnable: boolean;
  /** Whether groups must keep to the subscription that their settings fix. (default `false`) */
  useStaticSubscription: boolean;
  /** Whether replies of the request-reply calls are stored when they cannot be delivered. (default `true`) */
  storeReplyMessageEnable: boolean;
  /** Whether the broker answers queue assignments. (default `true`) */
  serverLoadBalancerEnable: boolean;
  /** How groups without a mode of their own get messages: PULL or POP. (default `PULL`) */
  defaultMessageRequestMode: string;
  /** How many clients share a queue by default in mode POP; -1 for all. (range -1..=1_000_000, default `-1`) */
  defaultPopShareQueueNum: number;
  /** Whether producers are listed and can be asked about half messages. (default `true`) */
  enableRegisterProducer: boolean;
  /** Sends are refused before this time, in ms since the epoch. (range 0..=i64::MAX, default `0`) */
  startAcceptSendRequestTimeStamp: number;
  /** Whether half messages of transactions are refused. (default `false`) */
  rejectTransactionMessage: boolean;
  /** After how long a half message is first asked about, in ms. (range 1..=86_400_000, default `6000`) */
  transactionTimeOut: number;
  /** How often a half message is asked about before it is given up. (range 0..=1_000_000, default `15`) */
  transactionCheckMax: number;
  /** How often half messages are looked through, in ms. (range 100..=86_400_000, default `30000`) */
  transactionCheckInterval: number;
  /** Whether a delayed message may be taken back. (default `false`) */
  recallMessageEnable: boolean;
  /** How often the broker shows itself to the name servers, in ms; kept within 10 to 60 s. (range 1..=86_400_000, default `30000`) */
  registerNameServerPeriod: number;
  /** How long a name server may take to answer, in ms. (range 1..=600_000, default `24000`) */
  registerBrokerTimeoutMills: number;
  /** Whether every period sends the whole table of topics, changed or not. RocketMQ's default is true; here an unchanged broker sends a short question instead, and the table when the name server lacks it. (default `false`) */
  forceRegister: boolean;
  /** Whether the table of topics is sent compressed. (default `false`) */
  compressedRegister: boolean;
  /** After how long without a word a connection is closed, in seconds. (range 1..=86_400, default `120`) */
  serverChannelMaxIdleTimeSeconds: number;
  /** Whether statistics are kept for each queue. (default `true`) */
  enableDetailStat: boolean;
  /** Whether the statistics of a deleted topic or group are dropped. (default `true`) */
  autoDeleteUnusedStats: boolean;
}

/** Settings of stores, for the embedded server. */
export interface StoreSettings {
  /** The data directory; empty means `store` in the user's home directory. */
  storePathRootDir: string;
  /** The commit log's directory, or several joined by `,` in which segments are made in turn; empty means `commitlog` in the data directory. */
  storePathCommitLog: string;
  /** Directories of commit log segments that are read but get no new ones, joined by `,`. */
  readOnlyCommitLogStorePaths: string;
  /** Size of a commit log segment; existing segments must have it too. (range 65_536..=4_294_967_296, default `33554432`) */
  mappedFileSizeCommitLog: number;
  /** Size of a consume queue file, rounded up to a multiple of 20; existing files must have it too. (range 20..=1_073_741_824, default `20000`) */
  mappedFileSizeConsumeQueue: number;
  /** When an acknowledged message is on disk: `SYNC_FLUSH` before, `ASYNC_FLUSH` soon after. (default `ASYNC_FLUSH`) */
  flushDiskType: string;
  /** How often an asynchronous flush happens. (range 1..=60_000, default `500`) */
  flushIntervalCommitLog: number;
  /** How many dirty pages of 4096 an asynchronous flush waits for. (range 0..=1_000_000, default `4`) */
  flushCommitLogLeastPages: number;
  /** After how long an asynchronous flush waits for no more pages. (range 1..=600_000, default `10000`) */
  flushCommitLogThoroughInterval: number;
  /** How often consume queue entries are written to their files. (range 1..=60_000, default `1000`) */
  flushIntervalConsumeQueue: number;
  /** How often consume queue files are synced and the checkpoint is written. (range 1..=600_000, default `60000`) */
  flushConsumeQueueThoroughInterval: number;
  /** How long a synchronous flush may take before the send is answered FLUSH_DISK_TIMEOUT. (range 1..=600_000, default `5000`) */
  syncFlushTimeout: number;
  /** The largest message body. (range 10..=16_000_000, default `4194304`) */
  maxMessageSize: number;
  /** Whether recovery checks the bodies' checksums. (default `true`) */
  checkCRCOnRecover: boolean;
  /** Whether a pull checks the bodies' checksums and leaves out what is damaged. RocketMQ's brokers have no such setting. Whatever is delivered later, retried or looked up by key is always checked. (default `false`) */
  checkCRCOnRead: boolean;
  /** Whether messages can be found by key and unique id. (default `true`) */
  messageIndexEnable: boolean;
  /** Hash slots of an index file; existing files must have them too. (range 1..=100_000_000, default `10000`) */
  maxHashSlotNum: number;
  /** Entries of an index file; existing files must have them too. (range 2..=400_000_000, default `40000`) */
  maxIndexNum: number;
  /** The most messages that a query by key answers. (range 1..=10_000, default `64`) */
  maxMsgsNumBatch: number;
  /** How many messages a query by unique id answers. (range 1..=10_000, default `32`) */
  defaultQueryMaxNum: number;
  /** How many bytes one pull answers from memory. (range 1..=134_217_728, default `262144`) */
  maxTransferBytesOnMessageInMemory: number;
  /** How many messages one pull answers from memory. (range 1..=100_000, default `32`) */
  maxTransferCountOnMessageInMemory: number;
  /** How many bytes one pull answers from disk. (range 1..=134_217_728, default `65536`) */
  maxTransferBytesOnMessageInDisk: number;
  /** How many messages one pull answers from disk. (range 1..=100_000, default `8`) */
  maxTransferCountOnMessageInDisk: number;
  /** Messages within so many percent of the machine's memory of the log's end count as in memory. (range 0..=100, default `40`) */
  accessMessageInMemoryMaxRatio: number;
  /** How many bytes of consume queue entries one pull looks through for matching tags. (range 20..=100_000_000, default `16000`) */
  maxFilterMessageSize: number;
  /** The delay of each level. (default `1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h`) */
  messageDelayLevel: string;
  /** How often the progress of delay levels is saved. (range 100..=600_000, default `10000`) */
  flushDelayOffsetInterval: number;
  /** How many hours messages are kept. (range 0..=1_000_000, default `72`) */
  fileReservedTime: number;
  /** The local hours in which expired messages are deleted, joined by `;`. (default `04`) */
  deleteWhen: string;
  /** Above this percentage of the disk in use, expired messages are deleted at any hour. (range 10..=99, default `75`) */
  diskMaxUsedSpaceRatio: number;
  /** Above this percentage, messages are deleted whatever their age. (range 30..=99, default `85`) */
  diskSpaceCleanForciblyRatio: number;
  /** Above this percentage, sends are refused. (range 35..=100, default `90`) */
  diskSpaceWarningLevelRatio: number;
  /** Whether messages that have not expired may be deleted to make room. (default `true`) */
  cleanFileForciblyEnable: boolean;
  /** How often expired messages are looked for. (range 10..=600_000, default `10000`) */
  cleanResourceInterval: number;
  /** How many segments are deleted at once. (range 1..=1000, default `10`) */
  deleteFileBatchMax: number;
  /** `ASYNC_MASTER`, `SYNC_MASTER` or `SLAVE`. (default `ASYNC_MASTER`) */
  brokerRole: string;
}
