use crate::crew::Crew;
use crate::error::NetError;
use crate::served::Served;
use crate::service::Service;
use crate::task::{self, Limits};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a server treats its connections.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections that the system may hold until they are accepted.
    pub backlog: u32,
    /// What bounds each connection.
    pub limits: Limits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { backlog: 1024, limits: Limits::server() }
    }
}

/// A socket that listens but serves nobody yet: for whoever must know the port before it can serve.
pub struct Listener {
    address: SocketAddr,
    socket: TcpListener,
    limits: Limits,
}

impl Listener {
    /// Listens on `address` (`host:port`; port 0 takes a free one).
    ///
    /// # Errors
    /// [`NetError::Bind`] when the address is not one of this machine or in use.
    pub async fn bind(address: &str, options: ServerOptions) -> Result<Listener, NetError> {
        let failed = |source| NetError::Bind { address: address.to_string(), source };
        let socket = listen(address, options.backlog).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Listener { address, socket, limits: options.limits })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves whoever connects.
    pub fn serve(self, service: Arc<dyn Service>) -> Server {
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(self.socket, service, self.limits, stopped));
        Server { address: self.address, stop, accepting }
    }
}

/// A listening socket and its connections.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// How long connections may take to end when the server closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

impl Server {
    /// Listens on `address` (`host:port`; port 0 takes a free one) and serves whoever connects.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub async fn bind(
        address: &str,
        service: Arc<dyn Service>,
        options: ServerOptions,
    ) -> Result<Server, NetError> {
        Ok(Listener::bind(address, options).await?.serve(service))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, lets each connection write what it has queued, and ends them.
    pub async fn close(self) {
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
    }
}

async fn listen(address: &str, backlog: u32) -> std::io::Result<TcpListener> {
    let mut last = None;
    for address in tokio::net::lookup_host(address).await? {
        let bound = (|| {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(backlog)
        })();
        match bound {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}

async fn accept(
    listener: TcpListener,
    service: Arc<dyn Service>,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    // The crews go first when all this is dropped: what nobody runs any more then goes at once.
    let served = Served::default();
    let crews = Crew::start_all();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve(stream, peer, &service, &limits, &served, &crews),
                Err(error) => {
                    // Out of file descriptors, most likely: existing connections go on.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    served.close();
    if tokio::time::timeout(CLOSE_TIMEOUT, served.ended()).await.is_err() {
        tracing::debug!("connections are cut off that do not end");
    }
}

fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<dyn Service>,
    limits: &Limits,
    served: &Served,
    crews: &[Crew],
) {
    let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
    let local = match local {
        Ok(local) => local,
        Err(error) => return tracing::debug!(%peer, %error, "connection lost"),
    };
    let (connection, run) = task::over(stream, peer, local, service.clone(), limits.clone());
    let crew = &crews[connection.id() as usize % crews.len()];
    served.begin(crew, connection, run);
}
