use crate::error::NetError;
use crate::outgoing::Outgoing;
use crate::service::Response;
use ferromq_protocol::Command;
use ferromq_protocol::code::request;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

const OPEN: u8 = 0;
/// No more is read; what is queued still goes out.
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

/// One connection. Its socket belongs to a task; this is the handle through which anyone sends.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    outbox_limit: usize,
    state: AtomicU8,
    outbox: Mutex<Outgoing>,
    pending: Mutex<HashMap<i32, oneshot::Sender<Command>>>,
    /// Requests that a [`Responder`](crate::Responder) is still to answer.
    pub(crate) parked: AtomicUsize,
    /// Tells the task that the outbox or the state has changed.
    pub(crate) wake: Notify,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr, outbox_limit: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Connection {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            peer,
            local,
            outbox_limit,
            state: AtomicU8::new(OPEN),
            outbox: Mutex::default(),
            pending: Mutex::default(),
            parked: AtomicUsize::new(0),
            wake: Notify::new(),
        }
    }

    /// A number that no other connection of this process has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The address at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address at this end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether requests can still be sent.
    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// Sends a request and waits for its answer, whatever that says.
    ///
    /// # Errors
    /// [`NetError::Timeout`] after `timeout`, [`NetError::Closed`] when the connection ends first,
    /// [`NetError::Overloaded`] when the peer does not read.
    pub async fn invoke(&self, request: Command, timeout: Duration) -> Result<Command, NetError> {
        let (code, opaque) = (request.code, request.opaque);
        let (sender, receiver) = oneshot::channel();
        let _forget = Forget { connection: self, opaque };
        self.pending.lock().insert(opaque, sender);
        self.queue_request(request)?;
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(NetError::Timeout {
                address: self.peer.to_string(),
                request: request::name(code).map_or_else(|| code.to_string(), str::to_string),
                millis: timeout.as_millis() as u64,
            }),
        }
    }

    /// Sends a request that wants no answer. It is queued; nothing is waited for.
    ///
    /// # Errors
    /// [`NetError::Closed`], or [`NetError::Overloaded`] when the peer does not read.
    pub fn send(&self, request: Command) -> Result<(), NetError> {
        self.queue_request(request.oneway())
    }

    /// Ends the connection once what is queued has been written.
    pub fn close(&self) {
        let _ = self.state.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire);
        self.wake.notify_one();
    }

    fn closed(&self) -> NetError {
        NetError::Closed { address: self.peer.to_string() }
    }

    fn queue_request(&self, mut request: Command) -> Result<(), NetError> {
        {
            let mut outbox = self.outbox.lock();
            // Looked at under the lock, which the task takes when it ends: nothing is queued
            // after it has failed what was pending.
            if !self.is_open() {
                return Err(self.closed());
            }
            if outbox.len() > self.outbox_limit {
                let address = self.peer.to_string();
                return Err(NetError::Overloaded { address, bytes: outbox.len() });
            }
            outbox.push_command(&mut request);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Whoever calls this wakes the task.
    pub(crate) fn queue_response(&self, response: Response) {
        if self.state.load(Ordering::Acquire) != CLOSED {
            self.outbox.lock().push_response(response);
        }
    }

    /// Moves what others have queued to the task's own buffer.
    pub(crate) fn take_outbox(&self, outgoing: &mut Outgoing) {
        outgoing.append(&mut self.outbox.lock());
    }

    /// Hands a response to whoever waits for it; one that comes too late is dropped.
    pub(crate) fn complete(&self, response: Command) {
        let waiting = self.pending.lock().remove(&response.opaque);
        match waiting {
            Some(sender) => drop(sender.send(response)),
            None => tracing::debug!(peer = %self.peer, opaque = response.opaque, "late response"),
        }
    }

    /// Marks the end and fails every request that waits for an answer.
    pub(crate) fn finish(&self) {
        {
            let mut outbox = self.outbox.lock();
            self.state.store(CLOSED, Ordering::Release);
            *outbox = Outgoing::default();
        }
        self.pending.lock().clear();
    }
}

/// Takes a request off the pending table, also when its future is dropped half way.
struct Forget<'a> {
    connection: &'a Connection,
    opaque: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.connection.pending.lock().remove(&self.opaque);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} to {})", self.id, self.peer)
    }
}
