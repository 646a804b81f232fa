use crate::connection::Connection;
use crate::error::NetError;
use crate::service::Service;
use crate::task::{self, Limits};
use ferromq_protocol::Command;
use parking_lot::Mutex;
use std::collections::HashMap;
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

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

/// One connection to each address, made when first needed and again after it was lost.
pub struct Connections {
    service: Arc<dyn Service>,
    options: ConnectOptions,
    slots: Mutex<Option<HashMap<String, Slot>>>,
}

impl Connections {
    /// No connections yet. `service` answers what the peers ask.
    pub fn new(service: Arc<dyn Service>, options: ConnectOptions) -> Self {
        Connections { service, options, slots: Mutex::new(Some(HashMap::new())) }
    }

    /// The connection to `address` (`host:port`).
    ///
    /// # Errors
    /// [`NetError::Connect`] when there is none and none can be made.
    pub async fn get(&self, address: &str) -> Result<Arc<Connection>, NetError> {
        let slot = self.slot(address)?;
        // Whoever comes second waits for the first to connect instead of connecting too.
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        let connection = self.connect(address).await?;
        *slot = Some(connection.clone());
        if self.slots.lock().is_none() {
            connection.close();
            return Err(NetError::Closed { address: address.to_string() });
        }
        Ok(connection)
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
        if let Some(connection) = slot.and_then(|slot| slot.try_lock().ok()?.take()) {
            connection.close();
        }
    }

    /// The addresses with a connection that is open.
    pub fn open_addresses(&self) -> Vec<String> {
        let slots = self.slots.lock();
        let open = |slot: &Slot| {
            slot.try_lock().is_ok_and(|slot| slot.as_ref().is_some_and(|c| c.is_open()))
        };
        slots
            .iter()
            .flatten()
            .filter(|(_, slot)| open(slot))
            .map(|(address, _)| address.clone())
            .collect()
    }

    /// Ends every connection and makes no more.
    pub fn close(&self) {
        let slots = self.slots.lock().take().unwrap_or_default();
        for slot in slots.into_values() {
            if let Some(connection) = slot.try_lock().ok().and_then(|mut slot| slot.take()) {
                connection.close();
            }
        }
    }

    fn slot(&self, address: &str) -> Result<Slot, NetError> {
        let mut slots = self.slots.lock();
        let slots =
            slots.as_mut().ok_or_else(|| NetError::Closed { address: address.to_string() })?;
        if let Some(slot) = slots.get(address) {
            return Ok(slot.clone());
        }
        Ok(slots.entry(address.to_string()).or_default().clone())
    }

    async fn connect(&self, address: &str) -> Result<Arc<Connection>, NetError> {
        let failed = |source| NetError::Connect { address: address.to_string(), source };
        let stream =
            match tokio::time::timeout(self.options.timeout, TcpStream::connect(address)).await {
                Ok(stream) => stream.map_err(failed)?,
                Err(_) => return Err(connect_timeout(address)),
            };
        stream.set_nodelay(true).map_err(failed)?;
        let (peer, local) =
            stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?))).map_err(failed)?;
        let (connection, run) =
            task::over(stream, peer, local, self.service.clone(), self.options.limits.clone());
        tokio::spawn(run);
        Ok(connection)
    }
}

fn connect_timeout(address: &str) -> NetError {
    NetError::Connect { address: address.to_string(), source: std::io::ErrorKind::TimedOut.into() }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.close();
    }
}
