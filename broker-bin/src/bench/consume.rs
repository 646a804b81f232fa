//! `ferromq bench consume`: reads a backlog.

use super::answer::Answer;
use super::connection::Connection;
use super::engine::{self, Next, Outgoing, Work, Worker};
use super::frames::{PullFrame, Queue};
use super::options::{Common, Load, seconds};
use super::produce;
use super::pulling::{PullQueue, Pulled, place, share_out};
use super::report::{Report, Run};
use super::sending::PATIENCE;
use super::tally::{Tally, reason, reasons};
use super::target::{Broker, Extent, extents, prepare};
use crate::exit::{Failure, Outcome};
use crate::tools::progress;
use clap::Args;
use serde::Serialize;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The group of all readers.
const GROUP: &str = "FERROMQ_BENCH_CONSUMER";

/// `ferromq bench consume`.
#[derive(Args, Debug, Serialize)]
pub struct ConsumeArgs {
    #[command(flatten)]
    #[serde(skip)]
    common: Common,
    /// Send so many messages first, rounded up to whole batches
    #[arg(long, default_value_t = 0)]
    produce: u64,
    /// Bytes of the body of those
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    size: u32,
    /// Those per request
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Messages per pull
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pull_batch: u16,
    /// Connections, over which the queues are shared out
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// End after so many messages, beginning anew at the end of the backlog
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// End after so many seconds, beginning anew at the end of the backlog
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
}

/// Reads a backlog.
pub async fn consume(args: ConsumeArgs) -> Outcome {
    let common = &args.common;
    let topics = [common.topic.clone()];
    let brokers = prepare(common, &topics).await?;
    let mut extents_before = extents(common, &brokers).await?;
    if args.produce > 0 {
        extents_before = fill(&args, &brokers, &topics, total(&extents_before)).await?;
    }
    let backlog = total(&extents_before);
    if backlog == 0 {
        return Err(Failure::nothing(format!(
            "there are no messages in topic `{}`; --produce sends some first",
            common.topic
        )));
    }
    let workers = readers(&args, &brokers, &extents_before)?;
    let bar = progress(args.count, "messages read");
    let begin = engine::after(Duration::ZERO);
    let (readers, observed) = engine::run(workers, begin, common.server_pid, &bar)?;
    bar.finish_and_clear();
    let tally = Tally::of(readers.iter().map(|reader| &reader.tally));
    let without: u64 = readers.iter().map(|reader| reader.without).sum();
    let run = Run::new(&tally, &observed, Duration::ZERO, common);
    Report::new("consume", common, &args, run)
        .with("pulls_without_messages", without)
        .with("backlog", backlog)
        .finish(common)
}

fn total(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| (extent.offsets.end - extent.offsets.start).max(0) as u64).sum()
}

/// Makes a backlog, and waits until consumers can see all of it.
async fn fill(
    args: &ConsumeArgs,
    brokers: &[Broker],
    topics: &[String],
    before: u64,
) -> Result<Vec<Extent>, Failure> {
    let load = Load {
        size: args.size as usize,
        batch: usize::from(args.batch),
        window: 16,
        count: Some(args.produce),
        warm_up: 0.0,
        ..Load::default()
    };
    load.check()?;
    let sent = produce::send(&args.common, &load, brokers, topics)?;
    if sent.failed > 0 {
        return Err(Failure {
            code: crate::exit::FAILURE,
            message: format!("no backlog: {} messages could not be sent", sent.failed),
        });
    }
    let deadline = Instant::now() + Duration::from_nanos(PATIENCE);
    loop {
        let now = extents(&args.common, brokers).await?;
        if total(&now) >= before + sent.messages || Instant::now() > deadline {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A queue, and what of it is there.
struct Source {
    queue: PullQueue,
    backlog: Range<i64>,
}

/// The pulls of one thread.
struct Reader {
    /// By connection.
    sources: Vec<Vec<Source>>,
    again: bool,
    wanted: u64,
    end: Option<u64>,
    waiting: usize,
    started: bool,
    without: u64,
    tally: Tally,
}

fn readers(
    args: &ConsumeArgs,
    brokers: &[Broker],
    extents: &[Extent],
) -> Result<Vec<Worker<Reader>>, Failure> {
    let mut shares = Vec::new();
    for (index, broker) in brokers.iter().enumerate() {
        let full = |extent: &&Extent| extent.broker == index && !extent.offsets.is_empty();
        let sources: Vec<_> =
            extents.iter().filter(full).map(|extent| source(args, broker, extent)).collect();
        let connections =
            (usize::from(args.connections) / brokers.len()).clamp(1, sources.len().max(1));
        let parts = share_out(sources, connections);
        shares.extend(parts.into_iter().filter(|part| !part.is_empty()).map(|part| (broker, part)));
    }
    let threads = usize::from(args.common.threads).min(shares.len());
    let share = |count: u64| count.div_ceil(threads as u64);
    let mut workers = Vec::new();
    for part in share_out(shares, threads) {
        let (mut connections, mut sources) = (Vec::new(), Vec::new());
        for (broker, of_connection) in part {
            connections.push(Connection::open(broker.address)?);
            sources.push(of_connection);
        }
        let work = Reader {
            sources,
            again: args.count.is_some() || args.duration.is_some(),
            wanted: args.count.map_or(u64::MAX, share),
            end: args.duration.map(|seconds| (seconds * 1e9) as u64),
            waiting: 0,
            started: false,
            without: 0,
            tally: Tally::default(),
        };
        workers.push(Worker { work, connections });
    }
    Ok(workers)
}

fn source(args: &ConsumeArgs, broker: &Broker, extent: &Extent) -> Source {
    let queue = Queue {
        topic: args.common.topic.clone(),
        broker_name: broker.name.clone(),
        id: extent.queue,
    };
    let frame = PullFrame::new(&queue, GROUP, i32::from(args.pull_batch), None);
    let backlog = extent.offsets.clone();
    Source { queue: PullQueue::new(frame, extent.queue, backlog.start), backlog }
}

impl Reader {
    /// Pulls on, unless the queue has been read or the load is over.
    fn go_on(&mut self, connection: usize, place: usize, out: &mut Vec<u8>, now: u64) {
        if self.tally.messages >= self.wanted || self.end.is_some_and(|end| now >= end) {
            return;
        }
        let Source { queue, backlog } = &mut self.sources[connection][place];
        if !backlog.contains(&queue.next) {
            if !self.again {
                return;
            }
            queue.next = backlog.start;
        }
        queue.ask(place, out, now);
        self.waiting += 1;
    }

    /// Takes an answer; gives the place of the queue to pull on.
    fn answered(&mut self, connection: usize, answer: &Answer<'_>, now: u64) -> Option<usize> {
        let place = place(answer)?;
        let source = self.sources[connection].get_mut(place)?;
        let asked = source.queue.asked;
        let (mut messages, mut bytes) = (0, 0);
        let pulled = source.queue.take(answer, |record| {
            messages += 1;
            bytes += record.len() as u64;
        });
        match pulled {
            Pulled::Strange => {
                self.tally.fail(reasons::STRANGE_ANSWER, 1);
                return None;
            }
            Pulled::Found => {}
            Pulled::Nothing => self.without += 1,
            Pulled::Refused(code) => self.tally.fail(&reason(code), 1),
            Pulled::Wrong(why) => self.tally.fail(why, 1),
        }
        self.waiting -= 1;
        self.tally.messages += messages;
        self.tally.bytes += bytes;
        self.tally.requests += 1;
        self.tally.latencies.record(now - asked.unwrap_or(now));
        self.tally.last_answer = now;
        // A queue that refuses will do so again.
        (!matches!(pulled, Pulled::Refused(_))).then_some(place)
    }
}

impl Work for Reader {
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next {
        if !self.started {
            self.started = true;
            for connection in 0..self.sources.len() {
                for place in 0..self.sources[connection].len() {
                    self.go_on(connection, place, outgoing.of(connection), now);
                }
            }
        }
        if self.waiting == 0 {
            return Next::Done;
        }
        let patience = self.tally.last_answer + PATIENCE;
        if now >= patience {
            self.tally.fail(reasons::TIMEOUT, self.waiting as u64);
            return Next::Done;
        }
        Next::At(patience)
    }

    fn received(&mut self, connection: usize, frame: &[u8], out: &mut Vec<u8>, now: u64) {
        match Answer::read(frame) {
            Some(answer) if !answer.is_response => {}
            Some(answer) => {
                if let Some(place) = self.answered(connection, &answer, now) {
                    self.go_on(connection, place, out, now);
                }
            }
            None => self.tally.fail(reasons::STRANGE_ANSWER, 1),
        }
    }

    fn lost(&mut self, connection: usize, _: &io::Error, _: u64) {
        for source in &mut self.sources[connection] {
            self.waiting -= usize::from(source.queue.asked.take().is_some());
        }
        self.tally.fail(reasons::CONNECTION_LOST, 1);
    }

    fn progress(&self) -> u64 {
        self.tally.messages
    }
}
