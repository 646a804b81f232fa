//! `ferromq receive`: messages become lines of standard output.

use super::{Cluster, progress};
use crate::exit::{Failure, Outcome};
use clap::{Args, ValueEnum};
use ferromq_client::{ConsumerConfig, Error, PullConsumer, ReceivedMessage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// `ferromq receive`.
#[derive(Args, Debug)]
pub struct ReceiveArgs {
    #[command(flatten)]
    cluster: Cluster,
    /// Topic to receive from
    #[arg(short, long)]
    topic: String,
    /// Group whose progress counts; what is printed is handled for the whole group
    #[arg(short, long, default_value = "FERROMQ_TOOLS_CONSUMER")]
    group: String,
    /// Only messages with one of these tags, as in `TagA || TagB`
    #[arg(long, default_value = "*")]
    tags: String,
    /// End after so many messages [default: go on until interrupted]
    #[arg(short, long)]
    count: Option<u64>,
    /// End when no message came for so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Where a group without progress starts
    #[arg(long, value_enum, default_value_t)]
    from: From,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum From {
    /// At the first message there is
    #[default]
    First,
    /// Behind the last message there is
    Last,
}

/// A message as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    topic: &'a str,
    broker: &'a str,
    queue: i32,
    offset: i64,
    message_id: &'a str,
    offset_message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<&'a str>,
    born_timestamp: i64,
    store_timestamp: i64,
    reconsume_times: i32,
    properties: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Instead of `body` when it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hex: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(message: &'a ReceivedMessage) -> Self {
        let body = std::str::from_utf8(&message.body).ok();
        let hex = || message.body.iter().map(|byte| format!("{byte:02x}")).collect();
        Shown {
            topic: &message.topic,
            broker: &message.queue.broker_name,
            queue: message.queue.queue_id,
            offset: message.queue_offset,
            message_id: &message.message_id,
            offset_message_id: &message.offset_message_id,
            tags: message.tag(),
            keys: message.keys(),
            born_timestamp: message.born_timestamp,
            store_timestamp: message.store_timestamp,
            reconsume_times: message.reconsume_times,
            properties: message.properties.iter().collect(),
            body_hex: body.is_none().then(hex),
            body,
        }
    }
}

/// The most messages that are printed before progress is committed.
const BATCH: usize = 256;
/// How long one poll waits; after that other ends are looked for.
const POLL: Duration = Duration::from_millis(500);

/// Prints messages.
pub async fn receive(args: ReceiveArgs) -> Outcome {
    let start = match args.from {
        From::First => "CONSUME_FROM_FIRST_OFFSET",
        From::Last => "CONSUME_FROM_LAST_OFFSET",
    };
    let config = ConsumerConfig {
        group: args.group.clone(),
        consume_from_where: start.to_string(),
        // Only what was printed is handled.
        auto_commit: false,
        ..ConsumerConfig::default()
    };
    let consumer = PullConsumer::start(args.cluster.client(), config).await?;
    let outcome = tokio::select! {
        outcome = print_messages(&consumer, &args) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    consumer.close().await;
    outcome
}

async fn print_messages(consumer: &PullConsumer, args: &ReceiveArgs) -> Outcome {
    // A consumer would wait for the topic to appear; whoever types its name wants to know.
    match consumer.topic_queues(&args.topic).await {
        Err(error @ Error::TopicNotFound { .. }) => {
            return Err(Failure::nothing(error.to_string()));
        }
        other => other?,
    };
    consumer.subscribe(&args.topic, &args.tags).await?;
    // On a terminal the messages themselves show how far it is.
    let bar = match io::stdout().is_terminal() {
        true => indicatif::ProgressBar::hidden(),
        false => progress(args.count, "messages received"),
    };
    let mut received = 0u64;
    let mut last = Instant::now();
    while args.count.is_none_or(|count| received < count) {
        let patience = args.timeout.map(Duration::from_secs);
        let patience = patience.map(|timeout| timeout.saturating_sub(last.elapsed()));
        if patience.is_some_and(|patience| patience.is_zero()) {
            break;
        }
        let left = args.count.map_or(u64::MAX, |count| count - received);
        let max = BATCH.min(usize::try_from(left).unwrap_or(BATCH));
        let messages = consumer.poll(max, POLL.min(patience.unwrap_or(POLL))).await?;
        if messages.is_empty() {
            continue;
        }
        if !print(&messages, args.cluster.json)? {
            // Nobody reads any more; what was not read is not handled.
            break;
        }
        consumer.commit().await;
        received += messages.len() as u64;
        bar.set_position(received);
        last = Instant::now();
    }
    bar.finish_and_clear();
    match (received, args.count) {
        (0, _) => Err(Failure::nothing(format!("nothing was received from {}", args.topic))),
        (_, Some(count)) if received < count => {
            let topic = &args.topic;
            let message = format!("only {received} of {count} messages were received from {topic}");
            Err(Failure::nothing(message))
        }
        _ => Ok(()),
    }
}

/// Prints messages; `false` when standard output was closed.
fn print(messages: &[ReceivedMessage], json: bool) -> io::Result<bool> {
    let mut text = Vec::new();
    for message in messages {
        match json {
            true => serde_json::to_writer(&mut text, &Shown::of(message))?,
            false => text.extend_from_slice(&message.body),
        }
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    match out.write_all(&text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}
