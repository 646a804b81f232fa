use crate::error::NetError;
use crate::outgoing::Outgoing;
use crate::pending::{Pending, Waiting};
use crate::service::Response;
use crate::wake::Wake;
use ferromq_protocol::Command;
use ferromq_protocol::code::request;
use ferromq_protocol::header::FieldSource;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
    pending: Mutex<Pending>,
    /// Requests that a [`Responder`](crate::Responder) is still to answer.
    pub(crate) parked: AtomicUsize,
    /// Tells the task that the outbox or the state has changed.
    pub(crate) wake: Wake,
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
            wake: Wake::default(),
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

    /// Sends a request, and waits for its answer, whatever that says. It is queued at once, also when
    /// the future is never polled; dropped, nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`NetError::Timeout`] after `timeout`, [`NetError::Closed`] when the connection ends first,
    /// [`NetError::Overloaded`] when the peer does not read.
    pub fn invoke<F: FieldSource>(
        &self,
        request: Command<F>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Command, NetError>> + Send + use<'_, F> {
        let (sender, receiver) = oneshot::channel();
        let forget = Forget { connection: self, opaque: Some(request.opaque) };
        self.call(request, timeout, move |answer| drop(sender.send(answer)));
        async move {
            let mut forget = forget;
            let answer = receiver.await;
            forget.opaque = None;
            answer.unwrap_or_else(|_| Err(self.closed()))
        }
    }

    /// As [`invoke`](Self::invoke), for those who need no future: `answered` is called with the answer
    /// or the error, as a rule on the connection's task. It must neither block nor take long.
    pub fn call<F: FieldSource>(
        &self,
        request: Command<F>,
        timeout: Duration,
        answered: impl FnOnce(Result<Command, NetError>) + Send + 'static,
    ) {
        let opaque = request.opaque;
        self.pending.lock().insert(opaque, request.code, timeout, Box::new(answered));
        if let Err(error) = self.queue_request(request) {
            // Unless the connection has ended meanwhile, and said so.
            let waiting = self.pending.lock().remove(opaque);
            if let Some(waiting) = waiting {
                (waiting.answered)(Err(error));
            }
        }
    }

    /// Sends a request that wants no answer. It is queued; nothing is waited for.
    ///
    /// # Errors
    /// [`NetError::Closed`], or [`NetError::Overloaded`] when the peer does not read.
    pub fn send<F: FieldSource>(&self, request: Command<F>) -> Result<(), NetError> {
        self.queue_request(request.oneway())
    }

    /// Ends the connection once what is queued has been written.
    pub fn close(&self) {
        let _ = self.state.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire);
        self.wake.call();
    }

    fn closed(&self) -> NetError {
        NetError::Closed { address: self.peer.to_string() }
    }

    fn queue_request<F: FieldSource>(&self, request: Command<F>) -> Result<(), NetError> {
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
            outbox.push_command(request);
        }
        self.wake.call();
        Ok(())
    }

    /// Whoever calls this wakes the task.
    pub(crate) fn queue_response<F: FieldSource>(&self, response: Response<F>) {
        if self.state.load(Ordering::Acquire) != CLOSED {
            self.outbox.lock().push_response(response);
        }
    }

    /// As [`queue_response`](Self::queue_response), of what is written already.
    pub(crate) fn queue_written(&self, written: &mut Outgoing) {
        if self.state.load(Ordering::Acquire) != CLOSED {
            self.outbox.lock().append(written);
        }
    }

    /// Moves what others have queued to the task's own buffer.
    pub(crate) fn take_outbox(&self, outgoing: &mut Outgoing) {
        outgoing.append(&mut self.outbox.lock());
    }

    /// Hands a response to whoever waits for it; one that comes too late is dropped.
    pub(crate) fn complete(&self, response: Command) {
        let waiting = self.pending.lock().remove(response.opaque);
        match waiting {
            Some(waiting) => (waiting.answered)(Ok(response)),
            None => tracing::debug!(peer = %self.peer, opaque = response.opaque, "late response"),
        }
    }

    /// Whether one request waits for its answer, and no other: then there is nobody to share a write with.
    pub(crate) fn has_one_caller(&self) -> bool {
        self.pending.lock().len() == 1
    }

    /// When [`expire`](Self::expire) is to be called.
    pub(crate) fn look(&self) -> Option<Instant> {
        self.pending.lock().look()
    }

    /// Fails the requests whose time is up, and returns when the first of them was made.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let expired = self.pending.lock().expire(now);
        let first = expired.iter().map(Waiting::asked).min();
        for Waiting { code, timeout, answered, .. } in expired {
            answered(Err(NetError::Timeout {
                address: self.peer.to_string(),
                request: request::name(code).map_or_else(|| code.to_string(), str::to_string),
                millis: timeout.as_millis() as u64,
            }));
        }
        first
    }

    /// Marks the end and fails every request that waits for an answer.
    pub(crate) fn finish(&self) {
        {
            let mut outbox = self.outbox.lock();
            self.state.store(CLOSED, Ordering::Release);
            *outbox = Outgoing::default();
        }
        self.wake.forget();
        let unanswered = self.pending.lock().take_all();
        for waiting in unanswered {
            (waiting.answered)(Err(self.closed()));
        }
    }
}

/// Takes a request that was not answered off the pending table when its future is dropped.
struct Forget<'a> {
    connection: &'a Connection,
    opaque: Option<i32>,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(opaque) = self.opaque {
            self.connection.pending.lock().remove(opaque);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} to {})", self.id, self.peer)
    }
}
