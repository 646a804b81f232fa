//! The broker's settings. Names and meanings are those of RocketMQ's broker file; the settings of
//! the store are declared beside the store.

mod foreign;

pub use foreign::{NOT_SUPPORTED, WITHOUT_EFFECT};

use ferromq_model::config::{ConfigTable, SettingError};
use ferromq_model::config_table;
use std::net::{IpAddr, Ipv4Addr};

config_table! {
    /// What a broker can be told in its file, by environment, or while it runs.
    pub struct BrokerConfig {
        /// The broker group that this broker belongs to; empty means the host's name.
        broker_name: String = String::new(), "brokerName";
        /// The cluster that the broker group belongs to.
        broker_cluster_name: String = "DefaultCluster".to_string(), "brokerClusterName";
        /// 0 for the master of the group, above 0 for a slave.
        broker_id: i64 = 0, "brokerId", range(0..=i64::MAX);
        /// The address that clients are told to connect to; empty means the first address of this host that is not a loopback.
        broker_ip1: String = String::new(), "brokerIP1";
        /// The address that slaves are told to replicate from; empty means the same as `brokerIP1`.
        broker_ip2: String = String::new(), "brokerIP2";
        /// The port that clients connect to; 0 takes a free one.
        listen_port: i32 = 10911, "listenPort", range(0..=65535);
        /// The address that the broker listens on.
        bind_address: String = "0.0.0.0".to_string(), "bindAddress";
        /// The name servers, `host:port` joined by `;`; empty means the environment's `NAMESRV_ADDR`, or none.
        namesrv_addr: String = String::new(), "namesrvAddr";
        /// The installation's folder; empty means the environment's `ROCKETMQ_HOME`.
        rocketmq_home: String = String::new(), "rocketmqHome";
        /// The file that these settings were read from, and to which changes made at run time are written; set by the start-up.
        broker_config_path: String = String::new(), "brokerConfigPath";
        /// What clients may do with this broker: 2 write, 4 read, 6 both.
        broker_permission: i32 = 6, "brokerPermission", range(0..=7);
        /// Settings that a running broker refuses to change, joined by `;`.
        config_black_list: String = "configBlackList;brokerConfigPath".to_string(), "configBlackList";

        /// Whether a message to an unknown topic creates the topic.
        auto_create_topic_enable: bool = true, "autoCreateTopicEnable";
        /// The most queues that a topic created by a message gets.
        default_topic_queue_nums: i32 = 8, "defaultTopicQueueNums", range(1..=65535);
        /// Whether an unknown consumer group is created when it is first used.
        auto_create_subscription_group: bool = true, "autoCreateSubscriptionGroup";
        /// Whether groups named `CID_RMQ_SYS_...` are created even where others are not.
        enable_create_sys_group: bool = true, "enableCreateSysGroup";
        /// Whether the topic named like the cluster can be read and written.
        cluster_topic_enable: bool = true, "clusterTopicEnable";
        /// Whether the topic named like the broker can be read and written.
        broker_topic_enable: bool = true, "brokerTopicEnable";
        /// Whether the trace topic is created.
        trace_topic_enable: bool = false, "traceTopicEnable";
        /// The name of the trace topic.
        msg_trace_topic_name: String = ferromq_model::names::TRACE_TOPIC.to_string(), "msgTraceTopicName";
        /// Whether clients are told to trace.
        trace_on: bool = true, "traceOn";
        /// The region that clients are told.
        region_id: String = "DefaultRegion".to_string(), "regionId";
        /// Whether administrators are kept from changing system topics.
        validate_system_topic_when_update_topic: bool = true, "validateSystemTopicWhenUpdateTopic";
        /// Whether topics may have the message type MIXED.
        enable_mixed_message_type: bool = false, "enableMixedMessageType";
        /// Whether deleting a topic deletes the retry topics that pop consumers made of it.
        clear_retry_topic_when_delete_topic: bool = true, "clearRetryTopicWhenDeleteTopic";
        /// Whether a peer may ask for the tables of topics and groups in pages.
        enable_split_metadata: bool = true, "enableSplitMetadata";
        /// The most entries of one page.
        split_metadata_size: i32 = 2000, "splitMetadataSize", range(1..=100_000);
        /// Queues of the topic in which pop consumers' receipts are kept.
        revive_queue_num: i32 = 8, "reviveQueueNum", range(1..=1024);

        /// Whether a pull that finds nothing is held until a message arrives.
        long_polling_enable: bool = true, "longPollingEnable";
        /// How long a pull is held when `longPollingEnable` is off, in ms.
        short_polling_time_mills: i64 = 1000, "shortPollingTimeMills", range(1..=60_000);
        /// Whether consumers are told at once when the members of their group change.
        notify_consumer_ids_changed_enable: bool = true, "notifyConsumerIdsChangedEnable";
        /// How often changed consumer offsets are written to disk, in ms.
        flush_consumer_offset_interval: u64 = 5000, "flushConsumerOffsetInterval", range(100..=600_000);
        /// After how many commits the version of the consumer offsets advances.
        consumer_offset_update_version_step: i64 = 500, "consumerOffsetUpdateVersionStep", range(1..=1_000_000_000);
        /// After how many deliveries the version of the delay offsets advances.
        delay_offset_update_version_step: i64 = 200, "delayOffsetUpdateVersionStep", range(1..=1_000_000_000);
        /// After how long without a heartbeat a client counts as gone, in ms.
        channel_expired_timeout: i64 = 120_000, "channelExpiredTimeout", range(1000..=86_400_000);
        /// Whether consumers may filter by SQL92 expressions.
        enable_property_filter: bool = false, "enablePropertyFilter";
        /// Whether filters apply to retry topics as well.
        filter_support_retry: bool = false, "filterSupportRetry";
        /// Whether pulls with the code for lite consumers are accepted.
        lite_pull_message_enable: bool = true, "litePullMessageEnable";
        /// Whether pulls of consumers that are not push consumers are refused.
        reject_pull_consumer_enable: bool = false, "rejectPullConsumerEnable";
        /// Whether the broker itself resets consumer offsets; when off it asks the clients to.
        use_server_side_reset_offset: bool = true, "useServerSideResetOffset";
        /// Whether consumers may be sent to a slave.
        slave_read_enable: bool = false, "slaveReadEnable";
        /// Whether groups must keep to the subscription that their settings fix.
        use_static_subscription: bool = false, "useStaticSubscription";
        /// Whether replies of the request-reply calls are stored when they cannot be delivered.
        store_reply_message_enable: bool = true, "storeReplyMessageEnable";
        /// Whether the broker answers queue assignments.
        server_load_balancer_enable: bool = true, "serverLoadBalancerEnable";
        /// How groups without a mode of their own get messages: PULL or POP.
        default_message_request_mode: String = "PULL".to_string(), "defaultMessageRequestMode";
        /// How many clients share a queue by default in mode POP; -1 for all.
        default_pop_share_queue_num: i32 = -1, "defaultPopShareQueueNum", range(-1..=1_000_000);
        /// Whether producers are listed and can be asked about half messages.
        enable_register_producer: bool = true, "enableRegisterProducer";

        /// Sends are refused before this time, in ms since the epoch.
        start_accept_send_request_time_stamp: i64 = 0, "startAcceptSendRequestTimeStamp", range(0..=i64::MAX);
        /// Whether half messages of transactions are refused.
        reject_transaction_message: bool = false, "rejectTransactionMessage";
        /// After how long a half message is first asked about, in ms.
        transaction_time_out: i64 = 6000, "transactionTimeOut", range(1..=86_400_000);
        /// How often a half message is asked about before it is given up.
        transaction_check_max: i32 = 15, "transactionCheckMax", range(0..=1_000_000);
        /// How often half messages are looked through, in ms.
        transaction_check_interval: u64 = 30_000, "transactionCheckInterval", range(100..=86_400_000);
        /// Whether a delayed message may be taken back.
        recall_message_enable: bool = false, "recallMessageEnable";

        /// How often the broker shows itself to the name servers, in ms; kept within 10 to 60 s.
        register_name_server_period: u64 = 30_000, "registerNameServerPeriod", range(1..=86_400_000);
        /// How long a name server may take to answer, in ms.
        register_broker_timeout_mills: u64 = 24_000, "registerBrokerTimeoutMills", range(1..=600_000);
        /// Whether every period sends the whole table of topics, changed or not. RocketMQ's default is true; here an unchanged broker sends a short question instead, and the table when the name server lacks it.
        force_register: bool = false, "forceRegister";
        /// Whether the table of topics is sent compressed.
        compressed_register: bool = false, "compressedRegister";

        /// After how long without a word a connection is closed, in seconds.
        server_channel_max_idle_time_seconds: u64 = 120, "serverChannelMaxIdleTimeSeconds", range(1..=86_400);
        /// Whether statistics are kept for each queue.
        enable_detail_stat: bool = true, "enableDetailStat";
        /// Whether the statistics of a deleted topic or group are dropped.
        auto_delete_unused_stats: bool = true, "autoDeleteUnusedStats";
    }
}

impl BrokerConfig {
    /// Fills what was left empty from the environment and the host.
    pub fn complete(mut self) -> Self {
        let from_environment = |value: &mut String, variable: &str| {
            if value.is_empty() {
                *value = std::env::var(variable).unwrap_or_default();
            }
        };
        from_environment(&mut self.namesrv_addr, "NAMESRV_ADDR");
        from_environment(&mut self.rocketmq_home, "ROCKETMQ_HOME");
        if self.broker_name.is_empty() {
            self.broker_name = host_name();
        }
        if self.broker_ip1.is_empty() {
            self.broker_ip1 = local_address().to_string();
        }
        if self.broker_ip2.is_empty() {
            self.broker_ip2 = self.broker_ip1.clone();
        }
        self
    }

    /// The name servers' addresses.
    pub fn name_servers(&self) -> Vec<String> {
        self.namesrv_addr
            .split(';')
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(str::to_string)
            .collect()
    }

    /// The address that clients are told; `port` is the one that is really listened on.
    pub fn client_address(&self, port: u16) -> String {
        join_host_port(&self.broker_ip1, port)
    }

    /// Whether a running broker may change `key`.
    pub fn may_change(&self, key: &str) -> bool {
        let fixed = ["brokerConfigPath", "rocketmqHome", "configBlackList"];
        !fixed.contains(&key) && !self.config_black_list.split(';').any(|name| name.trim() == key)
    }

    /// Sets one setting of a broker file. `Ok(false)` when it is known but has no effect here. The
    /// store's settings are unknown to this.
    pub fn set_known(&mut self, key: &str, value: &str) -> Result<bool, SettingError> {
        if WITHOUT_EFFECT.contains(&key) || NOT_SUPPORTED.contains(&key) {
            return Ok(false);
        }
        self.set(key, value).map(|()| true)
    }
}

pub(crate) fn join_host_port(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn host_name() -> String {
    let name = rustix::system::uname();
    match name.nodename().to_str() {
        Ok(name) if !name.is_empty() => name.to_string(),
        _ => "DEFAULT_BROKER".to_string(),
    }
}

/// The address that peers most likely reach: IPv4 before IPv6, no loopback or link-local address,
/// and 127.0.0.1 when the host has nothing else.
fn local_address() -> IpAddr {
    let usable = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    };
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .map(|interface| interface.ip())
        .filter(usable)
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_what_was_left_out() {
        let config = BrokerConfig::default().complete();
        assert!(!config.broker_name.is_empty() && !config.broker_ip1.is_empty());
        assert_eq!(config.broker_ip2, config.broker_ip1);
        let fixed = BrokerConfig { broker_ip1: "fd00::1".to_string(), ..BrokerConfig::default() };
        assert_eq!(fixed.complete().client_address(10911), "[fd00::1]:10911");
    }

    #[test]
    fn name_servers_are_split() {
        let config = BrokerConfig {
            namesrv_addr: " a:9876; b:9876;;".to_string(),
            ..BrokerConfig::default()
        };
        assert_eq!(config.name_servers(), ["a:9876", "b:9876"]);
    }

    #[test]
    fn settings_without_effect_are_known_and_typos_are_not() {
        let mut config = BrokerConfig::default();
        assert_eq!(config.set_known("sendMessageThreadPoolNums", "64"), Ok(false));
        assert_eq!(config.set_known("brokerPermission", "4"), Ok(true));
        assert_eq!(config.broker_permission, 4);
        assert!(config.set_known("brokerPermision", "4").is_err());
        let store = ferromq_store::StoreConfig::default();
        for key in WITHOUT_EFFECT.iter().chain(NOT_SUPPORTED) {
            let declared = config.get(key).or_else(|| store.get(key));
            assert!(declared.is_none(), "{key} is declared twice");
        }
    }

    #[test]
    fn some_settings_are_fixed() {
        let config = BrokerConfig {
            config_black_list: "configBlackList;listenPort".to_string(),
            ..BrokerConfig::default()
        };
        assert!(!config.may_change("listenPort") && !config.may_change("rocketmqHome"));
        assert!(config.may_change("brokerPermission"));
    }
}
