//! The task that owns a connection's socket.

use crate::connection::Connection;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::service::{Answers, Reply, ResponseWriter, Service};
use crate::wire::{Plain, Wire};
use ferromq_protocol::{Command, Decoder, FrameError};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// What bounds a connection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection over which nothing moved for so long is closed.
    pub idle: Duration,
    /// While so many bytes wait to be written, nothing is read, and nothing handled that was.
    pub unwritten: usize,
    /// While so many requests wait for a later answer, likewise.
    pub parked: usize,
    /// Beyond so many queued bytes, requests to the peer are refused.
    pub outbox: usize,
    /// A connection over which nothing has come for so long, while requests waited in vain, is closed: its
    /// peer may be gone without a word, and the system would go on sending to it for a quarter of an hour.
    pub silence: Duration,
}

impl Limits {
    /// For the side that was connected to: a peer that does not read gets to send no more.
    pub fn server() -> Self {
        Limits {
            idle: Duration::from_secs(120),
            unwritten: 1 << 20,
            parked: 65_536,
            outbox: 4 << 20,
            // Who connected may be busy with something else than what it is asked.
            silence: Duration::MAX,
        }
    }

    /// For the side that connects. It always reads: its peer may be a server that stops reading
    /// until it gets rid of its answers.
    pub fn client() -> Self {
        Limits {
            unwritten: usize::MAX,
            parked: usize::MAX,
            outbox: 256 << 20,
            // Longer than disks and garbage collectors hold up a server as a rule: what is on its way would be
            // sent again.
            silence: Duration::from_secs(5),
            ..Limits::server()
        }
    }
}

/// How long a closing connection may take to write what is queued.
const FAREWELL: Duration = Duration::from_secs(2);
/// When nothing moved for so long, what helped with what came before is given back.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a connection over `stream`, any pair of byte streams, until it ends. The future is the
/// connection's task; the handle can be used as soon as it is returned.
pub fn open<S>(
    stream: S,
    peer: SocketAddr,
    local: SocketAddr,
    service: Arc<dyn Service>,
    limits: Limits,
) -> (Arc<Connection>, impl Future<Output = ()> + Send)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    over(Plain(stream), peer, local, service, limits)
}

/// As [`open`], over anything that bytes can go over.
pub(crate) fn over<W: Wire + 'static>(
    wire: W,
    peer: SocketAddr,
    local: SocketAddr,
    service: Arc<dyn Service>,
    limits: Limits,
) -> (Arc<Connection>, impl Future<Output = ()> + Send) {
    let connection = Arc::new(Connection::new(peer, local, limits.outbox));
    let ending = Ending { connection: connection.clone(), service: service.clone() };
    let mut task = Task {
        connection: connection.clone(),
        service,
        limits,
        incoming: Incoming::new(),
        decoder: Decoder::default(),
        outgoing: Outgoing::default(),
        heard: Instant::now(),
        vain: None,
        called: true,
        later: false,
        left: false,
    };
    let run = async move {
        let ending = ending;
        let end = task.run(wire).await;
        match end {
            Ok(()) => tracing::debug!(peer = %task.connection.peer(), "connection closed"),
            Err(End::Io(error)) => {
                tracing::debug!(peer = %task.connection.peer(), %error, "connection lost");
            }
            Err(End::Frame(error)) => {
                tracing::warn!(peer = %task.connection.peer(), %error, "connection closed: bad frame");
            }
            Err(End::Idle) => {
                tracing::info!(peer = %task.connection.peer(), "connection closed: idle");
            }
            Err(End::Silent) => {
                tracing::warn!(peer = %task.connection.peer(), "connection closed: the peer answers nothing");
            }
        }
        drop(ending);
    };
    (connection, run)
}

/// Tells everyone that the connection has ended, even when a handler panicked.
struct Ending {
    connection: Arc<Connection>,
    service: Arc<dyn Service>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.connection.finish();
        self.service.closed(&self.connection);
    }
}

enum End {
    Io(std::io::Error),
    Frame(FrameError),
    Idle,
    Silent,
}

struct Task {
    connection: Arc<Connection>,
    service: Arc<dyn Service>,
    limits: Limits,
    incoming: Incoming,
    decoder: Decoder,
    outgoing: Outgoing,
    /// When something came last.
    heard: Instant,
    /// Since when requests have waited in vain, nothing having come.
    vain: Option<Instant>,
    /// Whether others may have queued something, or said when to look for what has waited too long.
    called: bool,
    /// Whether any request of those that are handled together is to be answered later.
    later: bool,
    /// Whether something that was read is left to handle.
    left: bool,
}

impl Task {
    async fn run<W: Wire>(&mut self, wire: W) -> Result<(), End> {
        let mut wire = Box::new(wire);
        let mut last_activity = Instant::now();
        // One timer for silence and for requests that are not answered in time.
        let timer = tokio::time::sleep(self.limits.idle);
        tokio::pin!(timer);
        // Whether something has moved only just now.
        let mut active = true;
        loop {
            // Before anything is looked at: who queues or closes after that calls again.
            let called = std::mem::take(&mut self.called) | self.connection.wake.notice();
            let open = self.connection.is_open();
            if called || !open {
                // After the state: what was queued before it was closed still goes out.
                self.connection.take_outbox(&mut self.outgoing);
            }
            if !open {
                return self.say_farewell(&mut *wire).await;
            }
            let written = self.write_what_goes(&mut *wire).await?;
            if !std::mem::take(&mut active) && written {
                last_activity = Instant::now();
            }
            let may_read = self.may_read();
            if self.left && may_read {
                let taken = self.take_requests();
                self.all_handled();
                taken?;
                continue;
            }
            if self.incoming.is_little() {
                self.incoming.release();
                self.outgoing.release();
            }
            if called
                && let Some(look) = self.connection.look().filter(|look| *look < timer.deadline())
            {
                timer.as_mut().reset(look);
            }
            let may_move = may_read || !self.outgoing.is_empty();
            let incoming = may_read.then_some(&mut self.incoming);
            let parked = self.connection.parked.load(Ordering::Relaxed);
            tokio::select! {
                // What the others would tell, this loop looks at anyway when something has moved.
                biased;
                moved = move_some(&mut *wire, incoming, &mut self.outgoing), if may_move => {
                    // From here on, what is answered later, but before this task waits, need not wake it.
                    self.called |= self.connection.wake.notice();
                    let now = Instant::now();
                    if now.duration_since(last_activity) > PAUSE {
                        self.decoder.pause();
                    }
                    (last_activity, active) = (now, true);
                    match moved.map_err(End::Io)? {
                        Moved::In(length, room) => {
                            (self.heard, self.vain) = (now, None);
                            // In one go: nothing else may be handled on this thread before all of it is.
                            let more = poll_fn(|context| {
                                let more = self.take_all(context, wire.stream(), length, room);
                                self.all_handled();
                                Poll::Ready(more)
                            });
                            let more = more.await;
                            if !more? {
                                return Ok(());
                            }
                        }
                        Moved::Out(length) => self.outgoing.advance(length),
                    }
                    if timer.deadline() <= now {
                        self.expire(now)?;
                        timer.as_mut().reset(now + self.limits.idle);
                    }
                }
                () = poll_fn(|context| self.connection.wake.poll_called(context)) => {
                    self.called = true;
                    // Whoever else is about to queue something does so first: one write for all.
                    let all_answered = parked > 0 && self.connection.parked.load(Ordering::Relaxed) == 0;
                    if !all_answered && !self.connection.has_one_caller() {
                        tokio::task::yield_now().await;
                    }
                }
                () = &mut timer => {
                    let (now, end) = (Instant::now(), last_activity + self.limits.idle);
                    self.expire(now)?;
                    if end <= now {
                        return Err(End::Idle);
                    }
                    timer.as_mut().reset(end);
                }
            }
        }
    }

    /// Fails the requests whose time is up, and ends the connection when its peer seems to be gone.
    fn expire(&mut self, now: Instant) -> Result<(), End> {
        self.called = true;
        let Some(asked) = self.connection.expire(now) else { return Ok(()) };
        let vain = *self.vain.get_or_insert(asked.max(self.heard));
        match now.duration_since(vain) < self.limits.silence {
            true => Ok(()),
            false => Err(End::Silent),
        }
    }

    /// Writes what the wire takes without waiting: as a rule all that there is, and then the next thing is to read.
    /// Returns whether anything went.
    async fn write_what_goes<W: Wire>(&mut self, wire: &mut W) -> Result<bool, End> {
        let before = self.outgoing.len();
        poll_fn(|context| {
            while !self.outgoing.is_empty() {
                match wire.poll_send(context, &mut self.outgoing) {
                    Poll::Ready(Ok(length)) if length > 0 => self.outgoing.advance(length),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(End::Io(error))),
                    Poll::Ready(Ok(_)) | Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await?;
        Ok(self.outgoing.len() < before)
    }

    /// Whether the peer gets rid of its answers.
    fn may_read(&self) -> bool {
        self.outgoing.len() < self.limits.unwritten
            && self.connection.parked.load(Ordering::Relaxed) < self.limits.parked
    }

    /// Takes what a read brought, and what more is there if that filled the room: what arrived together
    /// is handled together. Returns whether anything can follow.
    fn take_all<R: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        mut length: usize,
        mut room: usize,
    ) -> Result<bool, End> {
        let mut total = 0;
        loop {
            if length == 0 {
                return Ok(false);
            }
            self.incoming.adapt(length);
            self.take_requests()?;
            total += length;
            if length < room || Incoming::is_most(total) || !self.may_read() {
                return Ok(true);
            }
            room = self.incoming.make_room();
            length = match pin!(reader.read_buf(&mut self.incoming.bytes)).poll(context) {
                Poll::Ready(read) => read.map_err(End::Io)?,
                Poll::Pending => return Ok(true),
            };
        }
    }

    /// Takes what has come whole, unless answers cannot leave meanwhile: those to a few hundred bytes may be
    /// megabytes each.
    fn take_requests(&mut self) -> Result<(), End> {
        self.left = false;
        loop {
            if !self.may_read() {
                self.left = true;
                return Ok(());
            }
            // Commands are large; like this none is copied on its way.
            match self.decoder.decode(&mut self.incoming.bytes) {
                Ok(Some(command)) if command.is_response() => self.connection.complete(command),
                Ok(Some(ref request)) => self.take(request),
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Frame(error)),
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, request: &Command) {
        let mut writer = ResponseWriter::of(request.is_oneway(), &mut self.outgoing);
        match self.service.handle(&self.connection, request, &mut writer) {
            Reply::Now => {}
            Reply::Later => self.later = true,
        }
    }

    /// Tells the service that there are no more requests for now.
    fn all_handled(&mut self) {
        self.service.all_handled(&self.connection, &mut Answers::new(&mut self.outgoing));
        if std::mem::take(&mut self.later) && self.service.answer_later(self.outgoing.is_empty()) {
            // Whatever was answered meanwhile is taken now, so nobody need be woken for it.
            self.called |= self.connection.wake.notice();
        }
    }

    async fn say_farewell<W: Wire>(&mut self, wire: &mut W) -> Result<(), End> {
        let farewell = async {
            while !self.outgoing.is_empty() {
                let outgoing = &mut self.outgoing;
                let length = poll_fn(|context| wire.poll_send(context, outgoing)).await?;
                if length == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
                self.outgoing.advance(length);
            }
            wire.stream().shutdown().await
        };
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(end) => end.map_err(End::Io),
            Err(_) => Err(End::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// So many bytes have come or gone.
enum Moved {
    /// And for so many there was room.
    In(usize, usize),
    Out(usize),
}

/// Writes some of what waits, or reads some of what has come, if there is something to read into.
async fn move_some<W: Wire>(
    wire: &mut W,
    mut incoming: Option<&mut Incoming>,
    outgoing: &mut Outgoing,
) -> std::io::Result<Moved> {
    poll_fn(|context| {
        if !outgoing.is_empty()
            && let Poll::Ready(written) = wire.poll_send(context, outgoing)
        {
            return Poll::Ready(written.map(Moved::Out));
        }
        let Some(incoming) = incoming.as_deref_mut() else { return Poll::Pending };
        ready!(wire.poll_readable(context))?;
        let room = incoming.make_room();
        let read = pin!(wire.stream().read_buf(&mut incoming.bytes)).poll(context);
        read.map_ok(|length| Moved::In(length, room))
    })
    .await
}
