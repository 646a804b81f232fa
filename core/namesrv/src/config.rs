//! The name server's settings (broker document §8.2, NamesrvConfig).

use ferromq_model::config::{ConfigTable, SettingError};
use std::collections::BTreeMap;
use std::path::PathBuf;

ferromq_model::config_table! {
    /// The name server's settings, with RocketMQ's names and defaults.
    pub struct NamesrvConfig {
        /// Port that brokers and clients connect to; 0 picks a free one.
        listen_port: u16 = 9876, "listenPort";
        /// Address to listen on.
        bind_address: String = "0.0.0.0".to_string(), "bindAddress";
        /// Installation directory; kept for compatibility, nothing is read from it.
        rocketmq_home: String = std::env::var("ROCKETMQ_HOME").unwrap_or_default(), "rocketmqHome";
        /// File of the key-value configuration.
        kv_config_path: String = home("kvConfig.json"), "kvConfigPath";
        /// File that a change of settings at run time is written to.
        config_store_path: String = home("namesrv.properties"), "configStorePath";
        /// Name of the environment that a test cluster belongs to; kept for compatibility.
        product_env_name: String = "center".to_string(), "productEnvName";
        /// Whether this is a test cluster: routes are always written with bare numeric keys.
        cluster_test: bool = false, "clusterTest";
        /// Whether routes carry the configuration of strictly ordered topics.
        order_message_enable: bool = false, "orderMessageEnable";
        /// Whether brokers are told of strictly ordered topics when they register.
        return_order_topic_config_to_broker: bool = true, "returnOrderTopicConfigToBroker";
        /// Kept for compatibility: requests need no thread pool here.
        client_request_thread_pool_nums: i32 = 8, "clientRequestThreadPoolNums";
        /// Kept for compatibility: requests need no thread pool here.
        default_thread_pool_nums: i32 = 16, "defaultThreadPoolNums";
        /// Kept for compatibility: requests need no thread pool here.
        client_request_thread_pool_queue_capacity: i32 = 50000, "clientRequestThreadPoolQueueCapacity";
        /// Kept for compatibility: requests need no thread pool here.
        default_thread_pool_queue_capacity: i32 = 10000, "defaultThreadPoolQueueCapacity";
        /// How often silent brokers are looked for, in ms.
        scan_not_active_broker_interval: i64 = 5000, "scanNotActiveBrokerInterval", range(10..=3600000);
        /// Kept for compatibility: brokers that leave are removed at once.
        un_register_broker_queue_capacity: i32 = 3000, "unRegisterBrokerQueueCapacity";
        /// Whether a route shows the slave with the smallest id as master while there is none.
        support_acting_master: bool = false, "supportActingMaster";
        /// Whether anybody may list every topic (request 206).
        enable_all_topic_list: bool = true, "enableAllTopicList";
        /// Whether anybody may list the topics of a cluster or unit (requests 224, 311 to 313).
        enable_topic_list: bool = true, "enableTopicList";
        /// Whether brokers of a group are told when its smallest id changes.
        notify_min_broker_id_changed: bool = false, "notifyMinBrokerIdChanged";
        /// Kept for compatibility: there is no controller here.
        enable_controller_in_namesrv: bool = false, "enableControllerInNamesrv";
        /// Whether routes are refused for the first while, until brokers have registered.
        need_wait_for_service: bool = false, "needWaitForService";
        /// How long that while is, in seconds.
        wait_seconds_for_service: i32 = 45, "waitSecondsForService", range(0..=86400);
        /// Whether topics vanish that a broker's full registration no longer has.
        delete_topic_with_broker_registration: bool = false, "deleteTopicWithBrokerRegistration";
        /// Settings that cannot be changed at run time, joined by `;`.
        config_black_list: String = "configBlackList;configStorePath;kvConfigPath".to_string(), "configBlackList";
    }
}

/// A file of the name server's folder in the user's home.
fn home(file: &str) -> String {
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
    home.join("namesrv").join(file).to_string_lossy().into_owned()
}

/// Settings that are never changed at run time, whatever the black list says: where files are
/// is nothing for a remote request to decide.
const ALWAYS_REFUSED: [&str; 4] =
    ["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"];

impl NamesrvConfig {
    /// Whether a request may not change `key`.
    pub(crate) fn is_black_listed(&self, key: &str) -> bool {
        ALWAYS_REFUSED.contains(&key) || self.config_black_list.split(';').any(|k| k.trim() == key)
    }

    /// These settings with `changes`. Names that no setting has are left out, as Apache's name
    /// server does, since its file also holds settings of other groups.
    pub(crate) fn with(&self, changes: &BTreeMap<String, String>) -> Result<Self, SettingError> {
        let mut config = self.clone();
        for (key, value) in changes {
            match config.set(key, value) {
                Err(SettingError::Unknown { .. }) => {
                    tracing::warn!(key, "ignored a change of a setting that does not exist");
                }
                other => other?,
            }
        }
        Ok(config)
    }

    /// The settings as sorted lines `key=value`.
    pub(crate) fn lines(&self) -> String {
        let sorted: BTreeMap<_, _> = self.entries().into_iter().collect();
        sorted.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_apaches() {
        let config = NamesrvConfig::default();
        assert_eq!(config.get("listenPort").as_deref(), Some("9876"));
        assert_eq!(config.get("scanNotActiveBrokerInterval").as_deref(), Some("5000"));
        assert!(config.kv_config_path.ends_with("namesrv/kvConfig.json"));
        assert!(config.lines().starts_with("bindAddress=0.0.0.0\nclientRequest"));
    }

    #[test]
    fn changes_skip_unknown_names_and_refuse_bad_values() {
        let change = |key: &str, value: &str| {
            let changes = BTreeMap::from([(key.to_string(), value.to_string())]);
            NamesrvConfig::default().with(&changes)
        };
        assert!(change("orderMessageEnable", "true").unwrap().order_message_enable);
        assert_eq!(change("serverWorkerThreads", "8").unwrap(), NamesrvConfig::default());
        assert!(change("waitSecondsForService", "soon").is_err());
    }

    #[test]
    fn black_list() {
        let mut config = NamesrvConfig::default();
        assert!(config.is_black_listed("kvConfigPath"));
        assert!(config.is_black_listed("rocketmqHome"));
        assert!(!config.is_black_listed("orderMessageEnable"));
        config.config_black_list = "orderMessageEnable".to_string();
        assert!(config.is_black_listed("orderMessageEnable"));
        assert!(config.is_black_listed("configBlackList"));
    }
}
