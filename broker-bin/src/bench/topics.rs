//! `ferromq bench topics`: whether a broker is slower when it has many topics.

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
}

#[derive(Serialize)]
struct Options<'a> {
    topics: u32,
    loaded: u32,
    #[serde(flatten)]
    load: &'a Load,
}

/// Loads one topic, creates many, and loads some of those.
pub async fn topics(args: TopicsArgs) -> Outcome {
    let TopicsArgs { common, topics, loaded, .. } = &args;
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
    let one_topic = produce::send(common, &load, &brokers, &one)?;

    let created = create(common, *topics).await?;
    let apart = *topics / *loaded;
    let some: Vec<_> = (0..*loaded).map(|index| topic_name(&common.topic, index * apart)).collect();
    let mut run = produce::send(common, &load, &brokers, &some)?;
    let ratio = run.messages_per_second / one_topic.messages_per_second;
    run.also_failed(&one_topic);
    let options = Options { topics: *topics, loaded: *loaded, load: &load };
    Report::new("topics", common, &options, run)
        .with("one_topic", one_topic)
        .with("created", created)
        .with("ratio", ratio)
        .finish(common)
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
