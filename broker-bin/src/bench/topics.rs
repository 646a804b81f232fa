//! `ferromq bench topics`: whether a broker is slower when it has many topics.

use super::measured::Measured;
use super::options::{Common, Load, LoadArgs};
use super::produce;
use super::report::Report;
use super::target::{prepare, with_admin};
use super::usage::{ServerUsage, Usage};
use crate::exit::{FAILURE, Failure, Outcome};
use crate::tools::progress;
use clap::Args;
use ferromq_protocol::body::TopicConfig;
use serde::Serialize;
use std::time::Instant;

/// `ferromq bench topics`.
#[derive(Args, Debug)]
pub struct TopicsArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: LoadArgs,
    /// Topics to create
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    topics: u32,
    /// Topics to load, spread evenly over those
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    loaded: u32,
    /// Turns into which the load on one topic and the load on many are divided
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

#[derive(Serialize)]
struct Options<'a> {
    topics: u32,
    loaded: u32,
    rounds: u32,
    #[serde(flatten)]
    load: &'a Load,
}

/// Creates many topics, and loads one and some of them in turns: a disk gets slower with what is
/// written to it, and what comes first must not be what is faster.
pub async fn topics(args: TopicsArgs) -> Outcome {
    let TopicsArgs { common, topics, loaded, rounds, .. } = &args;
    let wrong = |message: &str| Err(Failure { code: FAILURE, message: message.to_string() });
    if common.broker.is_some() {
        return wrong("topics are created on all brokers: give --namesrv instead of --broker");
    }
    if loaded > topics {
        return wrong("--loaded must not exceed --topics");
    }
    let load = args.load.or(Load::default());
    load.check()?;
    let one = [common.topic.clone()];
    let brokers = prepare(common, &one).await?;
    let created = create(common, *topics).await?;
    let apart = *topics / *loaded;
    let some: Vec<_> = (0..*loaded).map(|index| topic_name(&common.topic, index * apart)).collect();

    let turn = load.part(*rounds);
    let loaded_with = |topics: &[String]| produce::measure(common, &turn, &brokers, topics);
    let both = |round: u32| -> Result<[Measured; 2], Failure> {
        // Neither of the two is always the first.
        if round.is_multiple_of(2) {
            return Ok([loaded_with(&one)?, loaded_with(&some)?]);
        }
        let of_some = loaded_with(&some)?;
        Ok([loaded_with(&one)?, of_some])
    };
    let [mut of_one, mut of_some] = both(0)?;
    let mut ratios = vec![of_some.rate() / of_one.rate()];
    for round in 1..*rounds {
        let [one, some] = both(round)?;
        ratios.push(some.rate() / one.rate());
        of_one.then(one);
        of_some.then(some);
    }
    let (one_topic, mut run) = (of_one.run(common), of_some.run(common));
    run.also_failed(&one_topic);
    let options = Options { topics: *topics, loaded: *loaded, rounds: args.rounds, load: &load };
    Report::new("topics", common, &options, run)
        .with("one_topic", one_topic)
        .with("created", created)
        .with("ratio", middle(&ratios))
        .with("ratios", ratios)
        .finish(common)
}

/// The median.
fn middle(ratios: &[f64]) -> f64 {
    let mut sorted = ratios.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[half - 1] + sorted[half]) / 2.0,
        _ => sorted[half],
    }
}

fn topic_name(topic: &str, index: u32) -> String {
    format!("{topic}-{index}")
}

/// What creating topics took.
#[derive(Serialize)]
struct Created {
    topics: u32,
    seconds: f64,
    topics_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerUsage>,
}

/// Topics per request.
const CHUNK: u32 = 1000;

async fn create(common: &Common, topics: u32) -> Result<Created, Failure> {
    let look = || common.server_pid.map(Usage::of).transpose();
    let bar = progress(Some(u64::from(topics)), "topics created");
    let (before, begin) = (look()?, Instant::now());
    with_admin(common, async |admin| {
        for start in (0..topics).step_by(CHUNK as usize) {
            let end = topics.min(start + CHUNK);
            let configs: Vec<_> = (start..end)
                .map(|index| TopicConfig::new(topic_name(&common.topic, index), common.queues))
                .collect();
            admin.create_topics(&configs).await?;
            bar.inc(u64::from(end - start));
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    let (seconds, after) = (begin.elapsed().as_secs_f64(), look()?);
    Ok(Created {
        topics,
        seconds,
        topics_per_second: f64::from(topics) / seconds,
        server: before.zip(after).map(|(before, after)| ServerUsage::between(&before, &after, 0)),
    })
}
