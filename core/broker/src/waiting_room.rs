//! Sends while the commit log's next segment is not there.
//!
//! Whoever stores a message then waits for the disk, and so would everyone else on the same thread:
//! pulls, heartbeats, other clients. So such sends wait aside, in the order in which they came, and
//! those that wait too long or are too many are told to come back (broker §2.2).

use crate::answer::Failure;
use crate::inner::Inner;
use crate::{append, send};
use ferromq_net::{Connection, Reply, Responder, ResponseWriter};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a send may wait: as long as in the queue of RocketMQ's send threads.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often is looked whether the segment is there.
const LOOK: Duration = Duration::from_millis(2);
/// The most requests that wait.
const MOST: usize = 10_000;
/// The most bytes that wait, those whose topics have to be made first among them.
const MOST_BYTES: usize = 64 << 20;
/// What a record takes beyond its body, in all but odd cases: properties and fixed fields.
const MARGIN: usize = 40_000;

/// What handles a request that stores something.
pub(crate) type Handler =
    fn(&Arc<Inner>, &Arc<Connection>, &Command, &mut ResponseWriter<'_>) -> Reply;

struct Guest {
    connection: Arc<Connection>,
    request: Command,
    responder: Responder,
    handler: Handler,
    since: Instant,
    seat: Seat,
}

/// The requests that wait.
#[derive(Default)]
pub(crate) struct WaitingRoom {
    guests: Mutex<VecDeque<Guest>>,
    /// How many wait or are just being handled.
    count: AtomicUsize,
    /// How many bytes have a seat.
    bytes: Arc<AtomicUsize>,
}

/// Room for the body of a request that waits for the disk, here or elsewhere.
pub(crate) struct Seat {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Seat {
    /// A seat, as long as there are some.
    ///
    /// # Errors
    /// The request is to come back.
    pub(crate) fn take(broker: &Inner, request: &Command) -> Result<Self, Failure> {
        let seat = Seat { all: broker.waiting_room.bytes.clone(), bytes: request.body.len() };
        let before = seat.all.fetch_add(seat.bytes, Ordering::Relaxed);
        if before + seat.bytes > MOST_BYTES { Err(overload()) } else { Ok(seat) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What too many are told.
pub(crate) fn overload() -> Failure {
    let remark = "[OVERLOAD]system busy, start flow control for a while";
    Failure::new(response::SYSTEM_BUSY, remark)
}

/// Handles a request at once, or when there is room in the log.
pub(crate) fn handle(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
    handler: Handler,
) -> Reply {
    let room = &broker.waiting_room;
    // Nobody overtakes those that wait.
    if room.count.load(Ordering::SeqCst) == 0 && !would_wait(broker, request) {
        return handler(broker, connection, request, writer);
    }
    broker.at_hand.store(broker, connection, &mut writer.others());
    let seat = match Seat::take(broker, request) {
        Ok(seat) => seat,
        Err(failure) => return writer.write(send::refused(broker, request, failure)),
    };
    let mut guests = room.guests.lock();
    if guests.len() >= MOST {
        drop(guests);
        return writer.write(send::refused(broker, request, overload()));
    }
    let responder = Responder::new(connection, request);
    let (connection, request) = (connection.clone(), request.clone());
    let since = Instant::now();
    guests.push_back(Guest { connection, request, responder, handler, since, seat });
    if room.count.fetch_add(1, Ordering::SeqCst) == 0 {
        tokio::spawn(serve(broker.clone()));
    }
    Reply::Later
}

fn would_wait(broker: &Inner, request: &Command) -> bool {
    broker.store.would_wait(request.body.len() + MARGIN + broker.at_hand.gathered())
}

/// Handles the first that waits, when there is room for it; the next has its turn after that.
async fn serve(broker: Arc<Inner>) {
    let (guest, waits) = loop {
        match next(&broker) {
            Some(first) => break first,
            None => tokio::time::sleep(LOOK).await,
        }
    };
    let _turn = Turn(&broker);
    let Guest { connection, request, responder, handler, seat, .. } = guest;
    drop(seat);
    let reply = responder.handle(|writer| match waits {
        true => {
            let remark = "[PC_SYNCHRONIZED]broker busy, start flow control for a while";
            let failure = Failure::new(response::SYSTEM_BUSY, remark);
            writer.write(send::refused(&broker, &request, failure))
        }
        false => {
            let reply = handler(&broker, &connection, &request, writer);
            broker.at_hand.finish(&broker, &connection, &mut writer.others());
            reply
        }
    });
    if reply == Reply::Later {
        append::flush(&broker, false);
    }
}

/// One is being handled. When that is over, and be it by a panic, it is the next one's turn: otherwise all
/// sends after it would wait for ever.
struct Turn<'a>(&'a Arc<Inner>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.0.waiting_room.count.fetch_sub(1, Ordering::SeqCst) > 1 {
            tokio::spawn(serve(self.0.clone()));
        }
    }
}

/// The first that waits, if there is room for it or it has waited long enough, and whether there
/// still is none.
fn next(broker: &Inner) -> Option<(Guest, bool)> {
    let mut guests = broker.waiting_room.guests.lock();
    let first = guests.front()?;
    let waits = would_wait(broker, &first.request);
    if waits && first.since.elapsed() < PATIENCE {
        return None;
    }
    guests.pop_front().map(|guest| (guest, waits))
}

#[cfg(test)]
mod tests;
