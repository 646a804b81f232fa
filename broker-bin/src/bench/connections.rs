//! `ferromq bench connections`: what many idle consumers cost.
//!
//! Each has a connection of its own, tells the broker of itself with heartbeats, and waits in a long
//! pull at the end of a queue that nobody sends to.

use super::answer::Answer;
use super::connection::Connection;
use super::engine::{self, Next, Outgoing, Work, Worker};
use super::frames::{PullFrame, Queue, wall_clock};
use super::options::{Common, seconds};
use super::pulling::{PullQueue, Pulled};
use super::report::{Report, Run};
use super::sending::PATIENCE;
use super::tally::{Tally, reason, reasons};
use super::target::{Broker, Extent, extents, prepare};
use super::usage::Usage;
use crate::exit::{FAILURE, Failure, Outcome};
use crate::tools::progress;
use clap::Args;
use ferromq_protocol::Command;
use ferromq_protocol::body::{ConsumerData, HeartbeatData, SubscriptionData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// `ferromq bench connections`.
#[derive(Args, Debug, Serialize)]
pub struct ConnectionsArgs {
    #[command(flatten)]
    #[serde(skip)]
    common: Common,
    /// Consumers, each with a connection
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// Seconds to hold them once all are there
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    hold: f64,
    /// Consumer groups, over which the consumers are shared out
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    groups: u32,
    /// Seconds for which the broker may hold a pull
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    poll_timeout: f64,
}

/// Between two heartbeats of a consumer, in ns.
const HEARTBEAT: u64 = 30_000_000_000;
/// First heartbeats on their way at once, so that opening is no storm.
const OPENING: usize = 256;
/// How often threads look whether the others are ready, in ns.
const LOOK: u64 = 20_000_000;
/// Places of requests on a connection.
const PULL_PLACE: usize = 0;
/// The number of heartbeats; pulls have others.
const HEARTBEAT_OPAQUE: i32 = 1;

/// Opens consumers, holds them and says what that took.
pub async fn connections(args: ConnectionsArgs) -> Outcome {
    let common = &args.common;
    let topics = [common.topic.clone()];
    let brokers = prepare(common, &topics).await?;
    let extents = extents(common, &brokers).await?;
    let count = args.connections as usize;
    allow_files(count as u64 + 64)?;
    let before = common.server_pid.map(Usage::of).transpose()?;

    let bar = progress(Some(count as u64), "consumers waiting");
    let (ready, all_ready) = mpsc::channel();
    let settled = Arc::new(Settled::default());
    let workers = holders(&args, &brokers, &extents, &settled, &ready)?;
    drop(ready);
    // Nobody sends anything: the channel ends when the last thread is ready.
    let interval = move |_| {
        let _ = all_ready.recv();
    };
    let (holders, observed) = engine::run(workers, interval, common.server_pid, &bar)?;
    bar.finish_and_clear();

    let mut tally = Tally::of(holders.iter().map(|holder| &holder.tally));
    let begin = settled.at.load(Ordering::Acquire);
    tally.last_answer = tally.last_answer.max(begin);
    let sum = |of: fn(&Holder) -> u64| holders.iter().map(of).sum::<u64>();
    let opened = sum(|holder| holder.opened as u64);
    let mut run = Run::new(&tally, &observed, Duration::from_nanos(begin), common);
    if let (Some(before), Some((_, after)), true) = (&before, &observed.server, opened > 0) {
        let growth = after.rss_anon.saturating_sub(before.rss_anon);
        run.per_connection(growth as f64 / opened as f64);
    }
    Report::new("connections", common, &args, run)
        .with("opened", opened)
        .with("open_seconds", begin as f64 / 1e9)
        .with("held", sum(|holder| holder.open as u64))
        .with("pulls", sum(|holder| holder.pulls))
        .with("heartbeats", sum(|holder| holder.heartbeats))
        .with("notifications", sum(|holder| holder.notifications))
        .finish(common)
}

/// Raises the limit of open files, if that is needed and allowed.
fn allow_files(needed: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).map_err(|error| {
        Failure {
            code: FAILURE,
            message: format!("{needed} open files are needed: {error}; raise `ulimit -n`"),
        }
    })
}

/// How far all threads are.
#[derive(Default)]
struct Settled {
    /// Consumers that are there or have failed.
    count: AtomicUsize,
    /// When the last one was, in ns since the load began.
    at: AtomicU64,
}

/// A consumer.
struct Consumer {
    group: u32,
    id: u32,
    queue: PullQueue,
    open: bool,
    there: bool,
}

/// The consumers of one thread.
struct Holder {
    topic: String,
    consumers: Vec<Consumer>,
    all: usize,
    hold: u64,
    settled: Arc<Settled>,
    ready: Option<mpsc::Sender<()>>,
    /// The next consumer to send its first heartbeat.
    next_first: usize,
    first_on_their_way: usize,
    /// The next consumer to send a heartbeat, and when.
    next_beat: usize,
    next_beat_at: u64,
    opened: usize,
    open: usize,
    pulls: u64,
    heartbeats: u64,
    notifications: u64,
    holding: bool,
    last_sign: u64,
    tally: Tally,
}

fn holders(
    args: &ConnectionsArgs,
    brokers: &[Broker],
    extents: &[Extent],
    settled: &Arc<Settled>,
    ready: &mpsc::Sender<()>,
) -> Result<Vec<Worker<Holder>>, Failure> {
    let all = args.connections as usize;
    let threads = usize::from(args.common.threads).min(all);
    let mut workers = Vec::new();
    for thread in 0..threads {
        let (mut connections, mut consumers) = (Vec::new(), Vec::new());
        for index in (thread..all).step_by(threads) {
            let extent = &extents[index % extents.len()];
            let broker = &brokers[extent.broker];
            connections.push(Connection::open(broker.address)?);
            let group = index as u32 % args.groups;
            let queue = Queue {
                topic: args.common.topic.clone(),
                broker_name: broker.name.clone(),
                id: extent.queue,
            };
            let wait = (args.poll_timeout * 1e3) as i64;
            let frame = PullFrame::new(&queue, &group_name(group), 32, Some(wait));
            consumers.push(Consumer {
                group,
                id: index as u32,
                queue: PullQueue::new(frame, extent.queue, extent.offsets.end),
                open: true,
                there: false,
            });
        }
        let work = Holder {
            topic: args.common.topic.clone(),
            open: consumers.len(),
            consumers,
            all,
            hold: (args.hold * 1e9) as u64,
            settled: settled.clone(),
            ready: Some(ready.clone()),
            next_first: 0,
            first_on_their_way: 0,
            next_beat: 0,
            next_beat_at: HEARTBEAT,
            opened: 0,
            pulls: 0,
            heartbeats: 0,
            notifications: 0,
            holding: false,
            last_sign: 0,
            tally: Tally::default(),
        };
        workers.push(Worker { work, connections });
    }
    Ok(workers)
}

fn group_name(group: u32) -> String {
    format!("FERROMQ_BENCH_IDLE_{group}")
}

impl Holder {
    fn heartbeat(&self, index: usize) -> Vec<u8> {
        let consumer = &self.consumers[index];
        let data = HeartbeatData {
            client_id: format!("127.0.0.1@{}#{}", std::process::id(), consumer.id),
            consumer_data_set: vec![ConsumerData {
                group_name: group_name(consumer.group),
                subscription_data_set: vec![SubscriptionData::by_tags(
                    self.topic.clone(),
                    "*",
                    wall_clock(),
                )],
                ..ConsumerData::default()
            }],
            ..HeartbeatData::default()
        };
        let mut command = Command::request(code::HEART_BEAT).with_body(fastjson::to_vec(&data));
        command.opaque = HEARTBEAT_OPAQUE;
        command.encode().to_vec()
    }

    fn open_more(&mut self, outgoing: &mut Outgoing<'_>) {
        while self.first_on_their_way < OPENING && self.next_first < self.consumers.len() {
            let index = self.next_first;
            self.next_first += 1;
            if self.consumers[index].open {
                outgoing.of(index).extend(self.heartbeat(index));
                self.first_on_their_way += 1;
            }
        }
    }

    fn send_heartbeats(&mut self, outgoing: &mut Outgoing<'_>, now: u64) {
        while now >= self.next_beat_at {
            let index = self.next_beat;
            if self.consumers[index].there && self.consumers[index].open {
                outgoing.of(index).extend(self.heartbeat(index));
            }
            self.next_beat = (index + 1) % self.consumers.len();
            self.next_beat_at += (HEARTBEAT / self.consumers.len() as u64).max(1);
        }
    }

    /// A consumer is there, or will not be.
    fn settle(&mut self, now: u64) {
        self.settled.at.fetch_max(now, Ordering::AcqRel);
        self.settled.count.fetch_add(1, Ordering::AcqRel);
    }

    fn answered(&mut self, index: usize, answer: &Answer<'_>, out: &mut Vec<u8>, now: u64) {
        if answer.opaque == HEARTBEAT_OPAQUE {
            self.heartbeat_answered(index, answer.code, out, now);
            return;
        }
        let queue = &mut self.consumers[index].queue;
        match queue.take(answer, |_| ()) {
            Pulled::Found | Pulled::Nothing => self.pulls += u64::from(self.holding),
            Pulled::Strange => return self.tally.fail(reasons::STRANGE_ANSWER, 1),
            Pulled::Wrong(why) => self.tally.fail(why, 1),
            // It will do so again.
            Pulled::Refused(code) => return self.tally.fail(&reason(code), 1),
        }
        queue.ask(PULL_PLACE, out, now);
    }

    fn heartbeat_answered(&mut self, index: usize, code: i32, out: &mut Vec<u8>, now: u64) {
        let first = !self.consumers[index].there;
        if code != response::SUCCESS {
            self.tally.fail(&reason(code), 1);
        }
        if !first {
            self.heartbeats += u64::from(self.holding);
            return;
        }
        self.first_on_their_way -= 1;
        let consumer = &mut self.consumers[index];
        consumer.there = true;
        if code == response::SUCCESS {
            consumer.queue.ask(PULL_PLACE, out, now);
            self.opened += 1;
        }
        self.settle(now);
    }
}

impl Work for Holder {
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next {
        self.open_more(outgoing);
        self.send_heartbeats(outgoing, now);
        if self.settled.count.load(Ordering::Acquire) < self.all {
            if now >= self.last_sign + PATIENCE {
                self.tally.fail(reasons::TIMEOUT, (self.consumers.len() - self.opened) as u64);
                drop(self.ready.take());
                return Next::Done;
            }
            return Next::At(now + LOOK);
        }
        if !self.holding {
            self.holding = true;
            drop(self.ready.take());
        }
        let end = self.settled.at.load(Ordering::Acquire) + self.hold;
        if now >= end || self.open == 0 {
            self.tally.last_answer = now;
            return Next::Done;
        }
        Next::At(end.min(self.next_beat_at))
    }

    fn received(&mut self, index: usize, frame: &[u8], out: &mut Vec<u8>, now: u64) {
        self.last_sign = now;
        match Answer::read(frame) {
            // That the group has changed; there is nothing to be shared out anew.
            Some(answer) if !answer.is_response => {
                self.notifications += u64::from(self.holding);
            }
            Some(answer) => self.answered(index, &answer, out, now),
            None => self.tally.fail(reasons::STRANGE_ANSWER, 1),
        }
    }

    fn lost(&mut self, index: usize, _: &io::Error, now: u64) {
        self.tally.fail(reasons::CONNECTION_LOST, 1);
        self.open -= 1;
        let consumer = &mut self.consumers[index];
        consumer.open = false;
        if consumer.there {
            return;
        }
        // Whether its first heartbeat was on its way or not, it will not be there.
        if index < self.next_first {
            self.first_on_their_way -= 1;
        }
        self.consumers[index].there = true;
        self.settle(now);
    }

    fn progress(&self) -> u64 {
        self.opened as u64
    }
}
