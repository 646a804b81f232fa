//! What all parts of a broker share.

use crate::at_hand;
use crate::clients::Clients;
use crate::clock::now_ms;
use crate::cold_reads::ColdReads;
use crate::config::BrokerConfig;
use crate::delay::DelayProgress;
use crate::groups::GroupTable;
use crate::locks::QueueLocks;
use crate::log::Log;
use crate::long_polling::LongPolling;
use crate::marks::Marks;
use crate::offsets::ConsumerOffsets;
use crate::stats::Stats;
use crate::topics::TopicTable;
use crate::waiting_room::WaitingRoom;
use arc_swap::ArcSwap;
use ferromq_net::{ConnectOptions, Connections, NoRequests};
use ferromq_protocol::body::DataVersion;
use ferromq_protocol::message_id::UniqueIds;
use ferromq_store::{Disk, Store, StoreConfig, StoreError};
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;

/// One broker.
pub(crate) struct Inner {
    /// The settings as of now.
    pub(crate) config: ArcSwap<BrokerConfig>,
    /// The same, and what follows from it for every message.
    pub(crate) marks: Arc<ArcSwap<Marks>>,
    /// Tells states of the settings apart; locked over a change of them and of their file.
    pub(crate) config_version: Mutex<DataVersion>,
    pub(crate) store: Arc<Store>,
    pub(crate) topics: TopicTable,
    pub(crate) groups: GroupTable,
    pub(crate) offsets: ConsumerOffsets,
    pub(crate) clients: Clients,
    pub(crate) locks: QueueLocks,
    pub(crate) stats: Stats,
    /// What the threads that handle sends have at hand.
    pub(crate) at_hand: at_hand::Threads,
    pub(crate) long_polling: LongPolling,
    /// Pulls that wait for the disk.
    pub(crate) cold_reads: ColdReads,
    pub(crate) delay: DelayProgress,
    /// Sends that wait for room in the log.
    pub(crate) waiting_room: WaitingRoom,
    /// Connections to name servers.
    pub(crate) name_servers: Connections,
    /// Ids for messages that come without one.
    pub(crate) ids: UniqueIds,
    /// How many times a name server was told, or found unreachable.
    pub(crate) tellings: watch::Sender<u64>,
    /// Sends that wait for the disk.
    pub(crate) waiting_for_disk: AtomicUsize,
    /// The port that is listened on.
    pub(crate) port: u16,
    /// This broker's address as records carry it.
    pub(crate) store_host: SocketAddr,
    /// When the broker started, in ms.
    pub(crate) started: i64,
}

impl Inner {
    /// Reads the tables and opens the store. `config` must be complete; `port` is the one that is
    /// listened on.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        config: BrokerConfig,
        store: StoreConfig,
        port: u16,
    ) -> Result<Inner, StoreError> {
        let tables = store.root().join("config");
        let levels = store.delay_levels().len() as i32;
        // What cannot be used is refused before anything is changed.
        Store::examine(&*disk, &store)?;
        check_tables(&tables, &config, levels)?;
        let store = Arc::new(Store::open_on(disk, store)?);
        let config = Arc::new(config);
        let store_host = store_host(&config.broker_ip1, port);
        let seed = now_ms() as u32 ^ u32::from(port).rotate_left(16);
        Ok(Inner {
            topics: TopicTable::load(&tables, &config, levels)?,
            groups: GroupTable::load(&tables)?,
            offsets: ConsumerOffsets::load(&tables, config.consumer_offset_update_version_step)?,
            delay: DelayProgress::load(&tables, &store, config.delay_offset_update_version_step)?,
            stats: Stats::new(&config.broker_cluster_name, now_ms()),
            marks: Arc::new(ArcSwap::from_pointee(Marks::new(config.clone()))),
            config: ArcSwap::new(config),
            config_version: Mutex::default(),
            store,
            at_hand: at_hand::Threads::default(),
            clients: Clients::new(),
            locks: QueueLocks::new(),
            long_polling: LongPolling::default(),
            cold_reads: ColdReads::default(),
            waiting_room: WaitingRoom::default(),
            name_servers: Connections::new(Arc::new(NoRequests), ConnectOptions::default()),
            ids: UniqueIds::new(store_host.ip(), std::process::id(), seed),
            tellings: watch::Sender::new(0),
            waiting_for_disk: AtomicUsize::new(0),
            port,
            store_host,
            started: now_ms(),
        })
    }

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

/// Whether every table can be read.
fn check_tables(folder: &Path, config: &BrokerConfig, levels: i32) -> Result<(), StoreError> {
    let in_database = folder.join("topics");
    if in_database.is_dir() && !folder.join("topics.json").exists() {
        return Err(StoreError::OtherFormat {
            path: in_database,
            what: "holds topics in a RocksDB".to_string(),
            advice: "let Apache's broker write them to files, or move it away to begin without",
        });
    }
    TopicTable::load(folder, config, levels)?;
    GroupTable::load(folder)?;
    ConsumerOffsets::load(folder, config.consumer_offset_update_version_step)?;
    DelayProgress::check(folder)
}

/// Records carry an address in bytes; a name is looked up once.
fn store_host(host: &str, port: u16) -> SocketAddr {
    let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}
