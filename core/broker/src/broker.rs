use crate::config::BrokerConfig;
use crate::dispatch::{FastPort, MainPort};
use crate::inner::Inner;
use crate::{delay, housekeeping, long_polling, registration};
use ferromq_net::{Limits, Listener, NetError, Server, ServerOptions};
use ferromq_store::{Disk, OsDisk, StoreConfig, StoreError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// Why a broker did not start.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// A port cannot be listened on.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting asks for what this broker cannot do.
    #[error("the broker cannot start with {setting}: {reason}")]
    Unsupported {
        /// The setting and its value.
        setting: String,
        /// Why not.
        reason: &'static str,
    },
}

/// A running broker.
pub struct Broker {
    inner: Arc<Inner>,
    address: SocketAddr,
    servers: Vec<Server>,
    tasks: JoinSet<()>,
}

impl Broker {
    /// Opens the data directory, listens, and registers with the name servers. Empty addresses and
    /// names in `config` are filled from the host and the environment.
    ///
    /// `listenPort` 0 takes a free port. Otherwise the port two below is listened on too, for
    /// clients that keep heavy pulls off the connection that they send on.
    ///
    /// # Errors
    /// A port in use, or a data directory that cannot be used: see [`BrokerError`].
    pub async fn start(config: BrokerConfig, store: StoreConfig) -> Result<Broker, BrokerError> {
        Broker::start_on(Arc::new(OsDisk), config, store).await
    }

    /// As [`start`](Self::start), on another disk.
    pub(crate) async fn start_on(
        disk: Arc<dyn Disk>,
        config: BrokerConfig,
        store: StoreConfig,
    ) -> Result<Broker, BrokerError> {
        if store.broker_role == "SLAVE" || config.broker_id != 0 {
            return Err(BrokerError::Unsupported {
                setting: format!("brokerRole={}, brokerId={}", store.broker_role, config.broker_id),
                reason: "replication is not there yet; only masters, with brokerId 0, can run",
            });
        }
        let config = config.complete();
        let idle = Duration::from_secs(config.server_channel_max_idle_time_seconds);
        let limits = Limits { idle, ..Limits::server() };
        let options = ServerOptions { limits, ..ServerOptions::default() };
        let at = |port: i32| format!("{}:{port}", config.bind_address);
        let main = Listener::bind(&at(config.listen_port), options.clone()).await?;
        let fast = match config.listen_port {
            port if port > 2 => Some(Listener::bind(&at(port - 2), options).await?),
            _ => None,
        };
        let address = main.address();
        let open = move || Inner::open(disk, config, store, address.port());
        let inner = match tokio::task::spawn_blocking(open).await {
            Ok(inner) => Arc::new(inner?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let mut servers = vec![main.serve(Arc::new(MainPort(inner.clone())))];
        servers.extend(fast.map(|fast| fast.serve(Arc::new(FastPort(inner.clone())))));
        let mut tasks = JoinSet::new();
        tasks.spawn(housekeeping::run(inner.clone()));
        tasks.spawn(delay::run(inner.clone()));
        tasks.spawn(long_polling::run(inner.clone()));
        tasks.spawn(registration::run(inner.clone()));
        registration::until_first(&inner).await;
        tracing::info!(%address, name = inner.config.load().broker_name, "broker serves");
        Ok(Broker { inner, address, servers, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves one more connection, over any pair of byte streams, until it ends: for whoever wants a
    /// broker without sockets.
    pub fn serve<S>(&self, stream: S, peer: SocketAddr) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = Arc::new(MainPort(self.inner.clone()));
        ferromq_net::open(stream, peer, self.address, service, Limits::server()).1
    }

    /// Tells the name servers, answers what has been asked, and writes everything to disk.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
        registration::unregister(self.inner.clone()).await;
        self.answer_sends().await;
        self.inner.long_polling.answer_all(&self.inner);
        for server in self.servers.drain(..) {
            server.close().await;
        }
        self.inner.name_servers.close();
        let inner = self.inner.clone();
        let closed = tokio::task::spawn_blocking(move || {
            if let Err(error) = housekeeping::save_all(&inner) {
                tracing::error!(%error, "the broker's tables could not be saved");
            }
            inner.store.close();
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "the broker did not close cleanly");
        }
    }

    /// Answers those whose messages wait for the disk, and takes no more: no later than when these senders are
    /// told that it takes too long.
    async fn answer_sends(&self) {
        let store = self.inner.store.clone();
        if !store.sync_flush() {
            return;
        }
        store.refuse();
        let patience = Duration::from_millis(store.config().sync_flush_timeout);
        let flushed = tokio::task::spawn_blocking(move || store.flush());
        if tokio::time::timeout(patience, flushed).await.is_err() {
            tracing::warn!("the disk takes too long; senders that wait for it go unanswered");
        }
    }
}

#[cfg(test)]
mod tests;
