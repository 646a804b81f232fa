use crate::connection::Connection;
use crate::outgoing::{Outgoing, Piece};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::fields::Fields;
use ferromq_protocol::header::FieldSource;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers the requests of a connection's peer.
pub trait Service: Send + Sync + 'static {
    /// Handles one request. Requests of one connection come one after the other, on its task: this
    /// must neither block nor take long. Whatever takes longer answers [`Reply::Later`].
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply;

    /// All requests that arrived together over a connection are handled, and nothing is sent before this
    /// returns: for what is better done once for all of them, answers that were put off among it. Called on the
    /// thread that handled them, which has handled nothing of other connections meanwhile.
    fn all_handled(&self, _connection: &Arc<Connection>, _answers: &mut Answers<'_>) {}

    /// Some of those requests are answered [later](Reply::Later). Called after
    /// [`all_handled`](Self::all_handled); `idle` says that no answer waits to be written, so that this may
    /// wait, below a millisecond, [`aside`](crate::aside). Returns whether it has.
    fn answer_later(&self, _idle: bool) -> bool {
        false
    }

    /// The connection has ended. Called once.
    fn closed(&self, _connection: &Arc<Connection>) {}
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is answered: what [`ResponseWriter::write`] returns. Or it is when all that arrived together is
    /// [handled](Service::all_handled).
    Now,
    /// A [`Responder`] answers it later, or nobody does.
    Later,
}

/// Where the answers to requests of one connection go out from.
pub struct Answers<'a>(&'a mut Outgoing);

impl<'a> Answers<'a> {
    pub(crate) fn new(outgoing: &'a mut Outgoing) -> Self {
        Answers(outgoing)
    }

    /// Writes the answer to one of them.
    #[inline]
    pub fn to<F>(&mut self, request: &Command<F>) -> ResponseWriter<'_> {
        ResponseWriter::of(request.is_oneway(), self.0)
    }
}

/// Writes the answer to a request where it goes out from.
pub struct ResponseWriter<'a> {
    outgoing: &'a mut Outgoing,
    /// Whether there is to be an answer, and is none yet.
    open: bool,
}

impl<'a> ResponseWriter<'a> {
    pub(crate) fn of(oneway: bool, outgoing: &'a mut Outgoing) -> Self {
        ResponseWriter { outgoing, open: !oneway }
    }

    /// Writes the answer. A request has one, and when it is one-way it has none: anything else is
    /// dropped.
    #[inline]
    pub fn write<F: FieldSource>(&mut self, response: impl Into<Response<F>>) -> Reply {
        if std::mem::take(&mut self.open) {
            self.outgoing.push_response(response.into());
        }
        Reply::Now
    }

    /// For answers to other requests of the connection.
    pub fn others(&mut self) -> Answers<'_> {
        Answers(self.outgoing)
    }
}

/// An answer with its body.
pub struct Response<F = Fields> {
    /// The answer; its body counts only when there are no chunks.
    pub command: Command<F>,
    /// The body in pieces, sent without copying them together.
    pub chunks: Vec<Piece>,
}

impl<F> From<Command<F>> for Response<F> {
    fn from(command: Command<F>) -> Self {
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
    pub fn new<F>(connection: &Arc<Connection>, request: &Command<F>) -> Self {
        connection.parked.fetch_add(1, Ordering::Relaxed);
        Responder { connection: connection.clone(), oneway: request.is_oneway() }
    }

    /// The connection that the request came over.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Sends the answer; nothing happens when the request was one-way or the connection is closed.
    pub fn send<F: FieldSource>(self, response: impl Into<Response<F>>) {
        if !self.oneway {
            self.connection.queue_response(response.into());
        }
    }

    /// Sends what `handler` writes, and returns what it returns: for requests that are handled later, but
    /// as those that are handled at once.
    pub fn handle(self, handler: impl FnOnce(&mut ResponseWriter<'_>) -> Reply) -> Reply {
        let mut written = Outgoing::default();
        let reply = handler(&mut ResponseWriter::of(self.oneway, &mut written));
        self.connection.queue_written(&mut written);
        reply
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.connection.parked.fetch_sub(1, Ordering::Relaxed);
        // Once for both: there may be an answer, and room for another request.
        self.connection.wake.call();
    }
}

/// Answers REQUEST_CODE_NOT_SUPPORTED to everything.
pub struct NoRequests;

impl Service for NoRequests {
    fn handle(
        &self,
        _: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        let remark = format!(" request type {} not supported", request.code);
        writer.write(request.failure(response::REQUEST_CODE_NOT_SUPPORTED, remark))
    }
}
