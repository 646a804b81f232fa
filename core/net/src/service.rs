use crate::connection::Connection;
use crate::outgoing::Piece;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers the requests of a connection's peer.
pub trait Service: Send + Sync + 'static {
    /// Handles one request. Requests of one connection come one after the other, on its task: this
    /// must neither block nor take long. Whatever takes longer answers [`Reply::Later`].
    fn handle(&self, connection: &Arc<Connection>, request: Command) -> Reply;

    /// All requests that arrived together are handled, and some of them answered
    /// [later](Reply::Later): for what is better done once for all of them. Called on the
    /// connection's task; `idle` says that no answer waits to be written, so that this may wait in
    /// [`block_in_place`](tokio::task::block_in_place). Returns whether it has.
    fn handled(&self, _connection: &Arc<Connection>, _idle: bool) -> bool {
        false
    }

    /// The connection has ended. Called once.
    fn closed(&self, _connection: &Arc<Connection>) {}
}

/// What became of a request.
// Most replies are responses, and a box for each would cost an allocation a message.
#[allow(clippy::large_enum_variant)]
pub enum Reply {
    /// It is answered. The answer to a one-way request is dropped.
    Now(Response),
    /// A [`Responder`] answers it later, or nobody does.
    Later,
}

impl<T: Into<Response>> From<T> for Reply {
    fn from(response: T) -> Self {
        Reply::Now(response.into())
    }
}

/// An answer with its body.
pub struct Response {
    /// The answer; its body counts only when there are no chunks.
    pub command: Command,
    /// The body in pieces, sent without copying them together.
    pub chunks: Vec<Piece>,
}

impl From<Command> for Response {
    fn from(command: Command) -> Self {
        Response { command, chunks: Vec::new() }
    }
}

/// Answers one request later, from any thread. Dropped unused, the peer gets no answer.
pub struct Responder {
    connection: Arc<Connection>,
    oneway: bool,
}

impl Responder {
    /// For a request that came over `connection`. While it lives it counts against the number of
    /// requests that a connection may have open.
    pub fn new(connection: &Arc<Connection>, request: &Command) -> Self {
        connection.parked.fetch_add(1, Ordering::Relaxed);
        Responder { connection: connection.clone(), oneway: request.is_oneway() }
    }

    /// The connection that the request came over.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Sends the answer; nothing happens when the request was one-way or the connection is closed.
    pub fn send(self, response: impl Into<Response>) {
        if !self.oneway {
            self.connection.queue_response(response.into());
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.connection.parked.fetch_sub(1, Ordering::Relaxed);
        // Once for both: there may be an answer, and room for another request.
        self.connection.wake.notify_one();
    }
}

/// Answers REQUEST_CODE_NOT_SUPPORTED to everything.
pub struct NoRequests;

impl Service for NoRequests {
    fn handle(&self, _: &Arc<Connection>, request: Command) -> Reply {
        let remark = format!(" request type {} not supported", request.code);
        request.failure(response::REQUEST_CODE_NOT_SUPPORTED, remark).into()
    }
}
