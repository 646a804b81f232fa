//! `ferromq bench produce` and `latency`: sends.

use super::engine;
use super::measured::Measured;
use super::options::{Common, Load, LoadArgs};
use super::report::{Report, Run};
use super::sending::{Frames, senders, total};
use super::target::{Broker, prepare, topic_names};
use crate::exit::{Failure, Outcome};
use crate::tools::progress;
use clap::Args;
use serde::Serialize;

/// `ferromq bench produce`.
#[derive(Args, Debug)]
pub struct ProduceArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: LoadArgs,
    /// Topics to load in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    topics: u32,
}

/// `ferromq bench latency`.
#[derive(Args, Debug)]
pub struct LatencyArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Serialize)]
struct Options<'a> {
    topics: usize,
    #[serde(flatten)]
    load: &'a Load,
}

/// Sends as many messages as go.
pub async fn produce(args: ProduceArgs) -> Outcome {
    let load = args.load.or(Load::default());
    run("produce", &args.common, &load, args.topics as usize).await
}

/// Measures how long single sends take.
pub async fn latency(args: LatencyArgs) -> Outcome {
    let window = if args.load.is_open_loop() { 256 } else { 1 };
    let defaults = Load { size: 1024, connections: 1, window, ..Load::default() };
    run("latency", &args.common, &args.load.or(defaults), 1).await
}

async fn run(kind: &'static str, common: &Common, load: &Load, topics: usize) -> Outcome {
    load.check()?;
    let names = topic_names(&common.topic, topics);
    let brokers = prepare(common, &names).await?;
    let run = send(common, load, &brokers, &names)?;
    Report::new(kind, common, &Options { topics, load }, run).finish(common)
}

/// Puts a load on topics, and tells of it.
pub fn send(
    common: &Common,
    load: &Load,
    brokers: &[Broker],
    topics: &[String],
) -> Result<Run, Failure> {
    measure(common, load, brokers, topics).map(|measured| measured.run(common))
}

/// Puts a load on topics.
pub fn measure(
    common: &Common,
    load: &Load,
    brokers: &[Broker],
    topics: &[String],
) -> Result<Measured, Failure> {
    let frames = Frames::new(brokers, topics, common.queues, load);
    let workers = senders(brokers, frames, load, usize::from(common.threads), false)?;
    let bar = progress(load.count, "messages sent");
    let begin = engine::after(load.warm_up());
    let (senders, observed) = engine::run(workers, begin, common.server_pid, &bar)?;
    bar.finish_and_clear();
    Ok(Measured::new(total(&senders), observed, load.warm_up()))
}
