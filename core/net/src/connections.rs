use crate::connection::Connection;
use crate::error::NetError;
use crate::service::Service;
use crate::task::{self, Limits};
use ferromq_protocol::Command;
use foldhash::HashMap;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How connections are made.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How long connecting may take.
    pub timeout: Duration,
    /// What bounds each connection.
    pub limits: Limits,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions { timeout: Duration::from_secs(3), limits: Limits::client() }
    }
}

/// What is known of an address.
#[derive(Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    /// Held by whoever connects: others wait for that instead of connecting too.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

impl Slot {
    fn open(&self) -> Option<&Arc<Connection>> {
        self.connection.as_ref().filter(|connection| connection.is_open())
    }
}

/// One connection to each address, made when first needed and again after it was lost.
pub struct Connections {
    service: Arc<dyn Service>,
    options: ConnectOptions,
    slots: Mutex<Option<HashMap<String, Slot>>>,
}

impl Connections {
    /// No connections yet. `service` answers what the peers ask.
    pub fn new(service: Arc<dyn Service>, options: ConnectOptions) -> Self {
        Connections { service, options, slots: Mutex::new(Some(HashMap::default())) }
    }

    /// The connection to `address` (`host:port`).
    ///
    /// # Errors
    /// [`NetError::Connect`] when there is none and none can be made.
    pub async fn get(&self, address: &str) -> Result<Arc<Connection>, NetError> {
        if let Some(connection) = self.open(address) {
            return Ok(connection);
        }
        let connecting = self.connecting(address)?;
        let _turn = connecting.lock().await;
        if let Some(connection) = self.open(address) {
            return Ok(connection);
        }
        let connection = self.connect(address).await?;
        match self.slots.lock().as_mut() {
            Some(slots) => {
                let slot = slots.entry(address.to_string()).or_default();
                slot.connection = Some(connection.clone());
                Ok(connection)
            }
            None => {
                connection.close();
                Err(closed(address))
            }
        }
    }

    /// The connection to `address`, if there is one that is open.
    pub fn open(&self, address: &str) -> Option<Arc<Connection>> {
        self.slots.lock().as_ref()?.get(address)?.open().cloned()
    }

    /// Sends a request to `address` and waits for its answer. Connecting counts against `timeout`.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`Connection::invoke`].
    pub async fn invoke(
        &self,
        address: &str,
        request: Command,
        timeout: Duration,
    ) -> Result<Command, NetError> {
        if let Some(connection) = self.open(address) {
            return connection.invoke(request, timeout).await;
        }
        let start = Instant::now();
        let connection = match tokio::time::timeout(timeout, self.get(address)).await {
            Ok(connection) => connection?,
            Err(_) => return Err(connect_timeout(address)),
        };
        connection.invoke(request, timeout.saturating_sub(start.elapsed())).await
    }

    /// Sends a request that wants no answer.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`Connection::send`].
    pub async fn send(&self, address: &str, request: Command) -> Result<(), NetError> {
        self.get(address).await?.send(request)
    }

    /// Ends the connection to `address`, if there is one.
    pub fn close_address(&self, address: &str) {
        let slot = self.slots.lock().as_mut().and_then(|slots| slots.remove(address));
        if let Some(connection) = slot.and_then(|slot| slot.connection) {
            connection.close();
        }
    }

    /// The addresses with a connection that is open.
    pub fn open_addresses(&self) -> Vec<String> {
        let slots = self.slots.lock();
        let open = slots.iter().flatten().filter(|(_, slot)| slot.open().is_some());
        open.map(|(address, _)| address.clone()).collect()
    }

    /// Ends every connection and makes no more.
    pub fn close(&self) {
        let slots = self.slots.lock().take().unwrap_or_default();
        for connection in slots.into_values().filter_map(|slot| slot.connection) {
            connection.close();
        }
    }

    fn connecting(&self, address: &str) -> Result<Arc<tokio::sync::Mutex<()>>, NetError> {
        let mut slots = self.slots.lock();
        let slots = slots.as_mut().ok_or_else(|| closed(address))?;
        Ok(slots.entry(address.to_string()).or_default().connecting.clone())
    }

    async fn connect(&self, address: &str) -> Result<Arc<Connection>, NetError> {
        let failed = |source| NetError::Connect { address: address.to_string(), source };
        let stream =
            match tokio::time::timeout(self.options.timeout, TcpStream::connect(address)).await {
                Ok(stream) => stream.map_err(failed)?,
                Err(_) => return Err(connect_timeout(address)),
            };
        stream.set_nodelay(true).map_err(failed)?;
        let (peer, local) = ends(&stream).map_err(failed)?;
        let (connection, run) =
            task::over(stream, peer, local, self.service.clone(), self.options.limits.clone());
        tokio::spawn(run);
        Ok(connection)
    }
}

/// The addresses of the peer and of this end. On one machine they may be the same: where nobody listens at a
/// port from which the system takes those of outgoing connections, one of these can meet itself, and would
/// hold the port against the server that comes back.
fn ends(stream: &TcpStream) -> std::io::Result<(SocketAddr, SocketAddr)> {
    let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
    if peer == local {
        stream.set_zero_linger()?;
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    }
    Ok((peer, local))
}

fn closed(address: &str) -> NetError {
    NetError::Closed { address: address.to_string() }
}

fn connect_timeout(address: &str) -> NetError {
    NetError::Connect { address: address.to_string(), source: std::io::ErrorKind::TimedOut.into() }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn a_connection_that_meets_itself_is_refused_and_leaves_the_port() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let error = ends(&stream).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        drop(stream);
        std::net::TcpListener::bind(address).unwrap();
    }
}
