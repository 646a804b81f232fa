//! A name server on a port.

use crate::clock::{Clock, MonotonicClock};
use crate::config::NamesrvConfig;
use crate::kv::{KvConfig, KvError};
use crate::service::{NameService, Settings};
use ferromq_net::{
    ConnectOptions, Connections, NetError, NoRequests, Server, ServerOptions, Service,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinHandle;

/// Why a name server did not start.
#[derive(Debug, Error)]
pub enum NamesrvError {
    /// The key-value configuration cannot be read.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The port cannot be listened on.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// A running name server. [`close`](NameServer::close) it; dropped, it ends less politely.
pub struct NameServer {
    server: Option<Server>,
    address: SocketAddr,
    service: Arc<NameService>,
    scanner: JoinHandle<()>,
}

impl NameServer {
    /// Starts a name server within the current tokio runtime.
    ///
    /// # Errors
    /// When the port is in use or the key-value configuration cannot be read.
    pub async fn start(config: NamesrvConfig) -> Result<NameServer, NamesrvError> {
        NameServer::start_with_clock(config, Arc::new(MonotonicClock::default())).await
    }

    /// As [`start`](NameServer::start), with time told by `clock`.
    ///
    /// # Errors
    /// As [`start`](NameServer::start).
    pub async fn start_with_clock(
        config: NamesrvConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<NameServer, NamesrvError> {
        warn_of_what_is_missing(&config);
        let listen = listen_address(&config);
        let interval = Duration::from_millis(config.scan_not_active_broker_interval.max(1) as u64);
        let kv = KvConfig::open(&config.kv_config_path)?;
        let outgoing = Connections::new(Arc::new(NoRequests), ConnectOptions::default());
        let service = Arc::new(NameService::new(Settings::new(config), kv, clock, outgoing));
        let handler: Arc<dyn Service> = service.clone();
        let server = Server::bind(&listen, handler, ServerOptions::default()).await?;
        let address = server.address();
        tracing::info!(%address, "name server started");
        Ok(NameServer {
            server: Some(server),
            address,
            scanner: tokio::spawn(scan(Arc::clone(&service), interval)),
            service,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and frees the port.
    pub async fn close(mut self) {
        self.scanner.abort();
        self.service.close();
        if let Some(server) = self.server.take() {
            server.close().await;
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.scanner.abort();
        self.service.close();
    }
}

async fn scan(service: Arc<NameService>, interval: Duration) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        service.remove_silent_brokers();
    }
}

fn listen_address(config: &NamesrvConfig) -> String {
    let (host, port) = (&config.bind_address, config.listen_port);
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A setting that has no effect must not pass in silence.
fn warn_of_what_is_missing(config: &NamesrvConfig) {
    if config.enable_controller_in_namesrv {
        tracing::warn!("enableControllerInNamesrv has no effect: there is no controller");
    }
    if config.cluster_test {
        tracing::warn!("clusterTest: unknown topics are not looked up in another environment");
    }
}
