//! `ferromq bench e2e`: from the intended time of sending until a waiting consumer has a message.

use super::answer::Answer;
use super::connection::Connection;
use super::engine::{self, Next, Outgoing, Work, Worker};
use super::frames::{PullFrame, Queue, STAMP};
use super::histogram::Latencies;
use super::options::{Common, Load, LoadArgs};
use super::pulling::{PullQueue, Pulled, place, share_out};
use super::report::{Report, Run};
use super::sending::{Frames, PATIENCE, Sender, Sent, senders, total};
use super::tally::{Tally, reason, reasons};
use super::target::{Broker, Extent, extents, prepare};
use crate::exit::{Failure, Outcome};
use crate::tools::progress;
use clap::Args;
use ferromq_protocol::record::RecordView;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const GROUP: &str = "FERROMQ_BENCH_E2E";
/// How long the broker may hold a pull, in ms: what Apache's push consumer asks for.
const HOLD: i64 = 15_000;
/// Messages per pull.
const PULL: i32 = 32;
/// How often consumers look whether everything has come, in ns.
const LOOK: u64 = 20_000_000;

/// `ferromq bench e2e`.
#[derive(Args, Debug)]
pub struct E2eArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: LoadArgs,
    /// Connections of consumers, over which the queues are shared out
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    consumers: u16,
}

#[derive(Serialize)]
struct Options<'a> {
    consumers: u16,
    #[serde(flatten)]
    load: &'a Load,
}

/// Sends at a rate and receives at the same time.
pub async fn e2e(args: E2eArgs) -> Outcome {
    let (common, consumers) = (&args.common, args.consumers);
    let load = args.load.or(Load { rate: Some(20_000), ..Load::default() });
    load.check()?;
    if load.size < STAMP {
        return Err(Failure {
            code: crate::exit::FAILURE,
            message: format!("a body must have room for a stamp: at least --size {STAMP}"),
        });
    }
    let topics = [common.topic.clone()];
    let brokers = prepare(common, &topics).await?;
    let extents = extents(common, &brokers).await?;
    let frames = Frames::new(&brokers, &topics, common.queues, &load);
    let senders = senders(&brokers, frames, &load, usize::from(common.threads), true)?;
    let flow = Arc::new(Flow { senders: AtomicUsize::new(senders.len()), ..Flow::default() });
    let mut workers = receivers(common, consumers, &brokers, &extents, &load, &flow)?;
    workers.extend(senders.into_iter().map(|worker| {
        let Worker { work: mut sender, connections } = worker;
        sender.tell(flow.sent.clone());
        Worker { work: Side::Sender(sender, flow.clone()), connections }
    }));
    let bar = progress(load.count, "messages received");
    let begin = engine::after(load.warm_up());
    let (sides, observed) = engine::run(workers, begin, common.server_pid, &bar)?;
    bar.finish_and_clear();

    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for side in sides {
        match side {
            Side::Sender(sender, _) => senders.push(sender),
            Side::Receiver(receiver) => receivers.push(receiver),
        }
    }
    let sent = total(&senders);
    let mut received = Tally::of(receivers.iter().map(|receiver| &receiver.tally));
    sent.failures.iter().for_each(|(reason, count)| received.fail(reason, *count));
    received.fail(reasons::NOT_RECEIVED, sent.messages.saturating_sub(received.messages));
    let run = Run::new(&received, &observed, load.warm_up(), common);
    let report = Report::new("e2e", common, &Options { consumers, load: &load }, run)
        .with("sent", sent.messages)
        .with("duplicates", receivers.iter().map(|receiver| receiver.duplicates).sum::<u64>());
    with_latencies(report, &sent.latencies).finish(common)
}

fn with_latencies(report: Report, latencies: &Latencies) -> Report {
    match latencies.summary() {
        Some(summary) => report.with("send_latency_us", summary),
        None => report,
    }
}

/// What both sides know of each other.
#[derive(Default)]
struct Flow {
    /// Senders that are not done.
    senders: AtomicUsize,
    /// Messages acknowledged, warm-up included.
    sent: Arc<Sent>,
    /// Messages received, warm-up included.
    received: AtomicU64,
}

impl Flow {
    /// Whether nothing more is to be expected.
    fn is_over(&self) -> bool {
        self.senders.load(Ordering::Acquire) == 0
            && self.received.load(Ordering::Acquire) >= self.sent.load(Ordering::Acquire)
    }
}

/// One thread's work.
enum Side {
    Sender(Sender, Arc<Flow>),
    Receiver(Receiver),
}

impl Work for Side {
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next {
        match self {
            Side::Receiver(receiver) => receiver.due(outgoing, now),
            Side::Sender(sender, flow) => {
                let next = sender.due(outgoing, now);
                if matches!(next, Next::Done) {
                    flow.senders.fetch_sub(1, Ordering::AcqRel);
                }
                next
            }
        }
    }

    fn received(&mut self, connection: usize, frame: &[u8], out: &mut Vec<u8>, now: u64) {
        match self {
            Side::Receiver(receiver) => receiver.received(connection, frame, out, now),
            Side::Sender(sender, _) => sender.received(connection, frame, out, now),
        }
    }

    fn lost(&mut self, connection: usize, error: &io::Error, now: u64) {
        match self {
            Side::Receiver(receiver) => receiver.lost(connection, error, now),
            Side::Sender(sender, _) => sender.lost(connection, error, now),
        }
    }

    fn progress(&self) -> u64 {
        match self {
            Side::Receiver(receiver) => receiver.tally.messages,
            Side::Sender(..) => 0,
        }
    }
}

/// The consumers of one thread.
struct Receiver {
    /// By connection.
    queues: Vec<Vec<PullQueue>>,
    flow: Arc<Flow>,
    warm_up: u64,
    started: bool,
    open: usize,
    /// When the senders were first seen to be done.
    senders_done: Option<u64>,
    seen: Seen,
    duplicates: u64,
    tally: Tally,
}

fn receivers(
    common: &Common,
    consumers: u16,
    brokers: &[Broker],
    extents: &[Extent],
    load: &Load,
    flow: &Arc<Flow>,
) -> Result<Vec<Worker<Side>>, Failure> {
    let mut shares = Vec::new();
    for (index, broker) in brokers.iter().enumerate() {
        let of_broker = extents.iter().filter(|extent| extent.broker == index);
        let queues = of_broker.map(|extent| {
            let queue = Queue {
                topic: common.topic.clone(),
                broker_name: broker.name.clone(),
                id: extent.queue,
            };
            let frame = PullFrame::new(&queue, GROUP, PULL, Some(HOLD));
            PullQueue::new(frame, extent.queue, extent.offsets.end)
        });
        let connections = (usize::from(consumers) / brokers.len()).max(1);
        let parts = share_out(queues, connections);
        shares.extend(parts.into_iter().filter(|part| !part.is_empty()).map(|part| (broker, part)));
    }
    let threads = usize::from(common.threads).min(shares.len());
    let mut workers = Vec::new();
    for part in share_out(shares, threads) {
        let (mut connections, mut queues) = (Vec::new(), Vec::new());
        for (broker, of_connection) in part {
            connections.push(Connection::open(broker.address)?);
            queues.push(of_connection);
        }
        let work = Receiver {
            open: queues.len(),
            queues,
            flow: flow.clone(),
            warm_up: load.warm_up().as_nanos() as u64,
            started: false,
            senders_done: None,
            seen: Seen::default(),
            duplicates: 0,
            tally: Tally::default(),
        };
        workers.push(Worker { work: Side::Receiver(work), connections });
    }
    Ok(workers)
}

impl Receiver {
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next {
        if !self.started {
            self.started = true;
            for (connection, queues) in self.queues.iter_mut().enumerate() {
                for (place, queue) in queues.iter_mut().enumerate() {
                    queue.ask(place, outgoing.of(connection), now);
                }
            }
        }
        if self.open == 0 || self.flow.is_over() {
            return Next::Done;
        }
        if self.senders_done.is_none() && self.flow.senders.load(Ordering::Acquire) == 0 {
            self.senders_done = Some(now);
        }
        match self.senders_done {
            Some(done) if now >= done.max(self.tally.last_answer) + PATIENCE => Next::Done,
            _ => Next::At(now + LOOK),
        }
    }

    fn received(&mut self, connection: usize, frame: &[u8], out: &mut Vec<u8>, now: u64) {
        match Answer::read(frame) {
            Some(answer) if !answer.is_response => {}
            Some(answer) => {
                let Some(place) = self.answered(connection, &answer, now) else { return };
                self.queues[connection][place].ask(place, out, now);
            }
            None => self.tally.fail(reasons::STRANGE_ANSWER, 1),
        }
    }

    /// Takes an answer; gives the place of the queue to pull on.
    fn answered(&mut self, connection: usize, answer: &Answer<'_>, now: u64) -> Option<usize> {
        let place = place(answer)?;
        let queue = self.queues[connection].get_mut(place)?;
        let Receiver { tally, seen, warm_up, duplicates, .. } = self;
        let (mut all, mut foreign) = (0, 0);
        let pulled = queue.take(answer, |record| match stamp(record) {
            Some((at, number)) if at <= now => match seen.insert(number) {
                Some(true) => {
                    all += 1;
                    if at >= *warm_up {
                        tally.messages += 1;
                        tally.bytes += body_length(record);
                        tally.latencies.record(now - at);
                    } else {
                        tally.warm_up_messages += 1;
                    }
                }
                Some(false) => *duplicates += 1,
                None => foreign += 1,
            },
            _ => foreign += 1,
        });
        tally.fail(reasons::WRONG_RECORD, foreign);
        match pulled {
            Pulled::Found => {
                tally.requests += 1;
                tally.last_answer = now;
            }
            Pulled::Nothing => {}
            Pulled::Wrong(why) => tally.fail(why, 1),
            Pulled::Refused(code) => tally.fail(&reason(code), 1),
            Pulled::Strange => tally.fail(reasons::STRANGE_ANSWER, 1),
        }
        self.flow.received.fetch_add(all, Ordering::AcqRel);
        // A queue that refuses will do so again.
        (!matches!(pulled, Pulled::Refused(_) | Pulled::Strange)).then_some(place)
    }

    fn lost(&mut self, _: usize, _: &io::Error, _: u64) {
        self.open -= 1;
        self.tally.fail(reasons::CONNECTION_LOST, 1);
    }
}

fn body_length(record: &[u8]) -> u64 {
    RecordView::parse(record).map_or(0, |view| view.body().len() as u64)
}

/// When a message was to be sent, and its number.
fn stamp(record: &[u8]) -> Option<(u64, u64)> {
    let body = RecordView::parse(record).ok()?.body();
    let time = u64::from_be_bytes(*body.first_chunk()?);
    let number = u64::from_be_bytes(*body.get(8..)?.first_chunk()?);
    Some((time, number))
}

/// The numbers of messages that were received: a bit each, by sending thread.
#[derive(Default)]
struct Seen(Vec<Vec<u64>>);

impl Seen {
    /// Whether it is new; `None` when no sender has such numbers.
    fn insert(&mut self, number: u64) -> Option<bool> {
        let (thread, index) = ((number >> 40) as usize, number & ((1 << 40) - 1));
        // More than any run sends.
        if thread >= 64 || index >= 1 << 34 {
            return None;
        }
        if self.0.len() <= thread {
            self.0.resize(thread + 1, Vec::new());
        }
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        let bits = &mut self.0[thread];
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let is_new = bits[word] & bit == 0;
        bits[word] |= bit;
        Some(is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_new_once() {
        let mut seen = Seen::default();
        for number in [0, 63, 64, 1 << 40, (1 << 40) + 63] {
            assert_eq!(seen.insert(number), Some(true), "{number}");
            assert_eq!(seen.insert(number), Some(false), "{number}");
        }
        assert_eq!(seen.insert(u64::MAX), None);
    }
}
