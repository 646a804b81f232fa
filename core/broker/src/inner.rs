//! What all parts of a broker share.

use crate::clients::Clients;
use crate::config::BrokerConfig;
use crate::groups::GroupTable;
use crate::locks::QueueLocks;
use crate::log::Log;
use crate::offsets::ConsumerOffsets;
use crate::stats::Stats;
use crate::topics::TopicTable;
use arc_swap::ArcSwap;
use ferromq_net::Connections;
use ferromq_protocol::body::DataVersion;
use ferromq_store::Store;
use parking_lot::Mutex;
use std::sync::Arc;

/// One broker.
pub(crate) struct Inner {
    /// The settings as of now.
    pub(crate) config: ArcSwap<BrokerConfig>,
    /// Tells states of the settings apart; locked over a change of them and of their file.
    pub(crate) config_version: Mutex<DataVersion>,
    pub(crate) store: Arc<Store>,
    pub(crate) topics: TopicTable,
    pub(crate) groups: GroupTable,
    pub(crate) offsets: ConsumerOffsets,
    pub(crate) clients: Clients,
    pub(crate) locks: QueueLocks,
    pub(crate) stats: Stats,
    /// Connections to name servers.
    pub(crate) name_servers: Connections,
    /// The port that is listened on.
    pub(crate) port: u16,
    /// When the broker started, in ms.
    pub(crate) started: i64,
}

impl Inner {
    /// The stored messages by topic and queue.
    pub(crate) fn log(&self) -> Log<'_> {
        Log(&self.store)
    }

    /// The address that clients are told.
    pub(crate) fn address(&self) -> String {
        self.config.load().client_address(self.port)
    }

    /// The address that slaves are told.
    pub(crate) fn replication_address(&self) -> String {
        let config = self.config.load();
        crate::config::join_host_port(&config.broker_ip2, self.port.wrapping_add(1))
    }
}
