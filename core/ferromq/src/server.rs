//! A name server and a broker inside the process.

use ferromq_broker::{Broker, BrokerConfig, BrokerError};
use ferromq_client::{ClientConfig, ErrorKind};
use ferromq_namesrv::{NameServer, NamesrvConfig, NamesrvError};
use ferromq_store::StoreConfig;
use std::path::PathBuf;
use tempfile::TempDir;
use thiserror::Error;

/// Why an embedded server did not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The name server did not.
    #[error(transparent)]
    NameServer(#[from] NamesrvError),
    /// The broker did not.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No temporary directory could be made.
    #[error("cannot make a temporary directory: {0}")]
    Directory(#[from] std::io::Error),
}

impl ServerError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::SERVER
    }
}

/// How an embedded server is started. The default: free ports, and a temporary directory that goes
/// with the server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where messages are kept; `None` for a temporary directory.
    pub directory: Option<PathBuf>,
    /// The broker's settings; its ports and addresses are chosen by the server.
    pub broker: BrokerConfig,
    /// The store's settings; small files by default.
    pub store: StoreConfig,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let store = StoreConfig {
            mapped_file_size_commit_log: 32 << 20,
            mapped_file_size_consume_queue: 20 * 1000,
            max_hash_slot_num: 10_000,
            max_index_num: 40_000,
            ..StoreConfig::default()
        };
        let broker = BrokerConfig {
            broker_name: "embedded".to_string(),
            broker_ip1: "127.0.0.1".to_string(),
            bind_address: "127.0.0.1".to_string(),
            listen_port: 0,
            ..BrokerConfig::default()
        };
        ServerOptions { directory: None, broker, store }
    }
}

/// A name server and a broker on free ports of the loopback interface. Several can run in one
/// process.
pub struct Server {
    name_server: NameServer,
    broker: Broker,
    _directory: Option<TempDir>,
}

impl Server {
    /// Starts a server with the default [options](ServerOptions); it serves when this returns.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start() -> Result<Server, ServerError> {
        Server::start_with(ServerOptions::default()).await
    }

    /// Starts a server; it serves when this returns.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start_with(options: ServerOptions) -> Result<Server, ServerError> {
        let (temporary, directory) = match options.directory {
            Some(directory) => (None, directory),
            None => {
                let temporary = TempDir::new()?;
                let directory = temporary.path().to_path_buf();
                (Some(temporary), directory)
            }
        };
        let config = NamesrvConfig {
            listen_port: 0,
            bind_address: "127.0.0.1".to_string(),
            kv_config_path: directory.join("kvConfig.json").display().to_string(),
            config_store_path: directory.join("namesrv.properties").display().to_string(),
            ..NamesrvConfig::default()
        };
        let name_server = NameServer::start(config).await?;
        let broker =
            BrokerConfig { namesrv_addr: name_server.address().to_string(), ..options.broker };
        let store =
            StoreConfig { store_path_root_dir: directory.display().to_string(), ..options.store };
        match Broker::start(broker, store).await {
            Ok(broker) => Ok(Server { name_server, broker, _directory: temporary }),
            Err(error) => {
                name_server.close().await;
                Err(error.into())
            }
        }
    }

    /// The name server's address, `host:port`: what clients need.
    pub fn address(&self) -> String {
        self.name_server.address().to_string()
    }

    /// The broker's address, `host:port`.
    pub fn broker_address(&self) -> String {
        self.broker.address().to_string()
    }

    /// Settings of clients that use this server.
    pub fn client(&self) -> ClientConfig {
        ClientConfig { namesrv_addr: self.address(), ..ClientConfig::default() }
    }

    /// Ends both; a temporary directory is removed.
    pub async fn close(self) {
        self.broker.close().await;
        self.name_server.close().await;
    }
}
