//! `ferromq send`: lines of standard input become messages.

use super::{Cluster, progress};
use crate::exit::{FAILURE, Failure, Outcome};
use crate::output;
use clap::Args;
use ferromq_client::{Message, Producer, ProducerConfig, SendReceipt, SendStatus, Sending};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;

/// `ferromq send`.
#[derive(Args, Debug)]
pub struct SendArgs {
    #[command(flatten)]
    cluster: Cluster,
    /// Topic to send to
    #[arg(short, long)]
    topic: String,
    /// Tag of every message, by which consumers filter
    #[arg(long, value_name = "TAG")]
    tags: Option<String>,
    /// Keys of every message, by which it can be found, separated by blanks
    #[arg(long)]
    keys: Option<String>,
    /// Property of every message; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
    /// Delay level, 1 for a second up to 18 for two hours
    #[arg(long, value_name = "LEVEL")]
    delay_level: Option<i32>,
    /// Take all of standard input as one message instead of a message a line
    #[arg(long)]
    whole: bool,
    /// Have so many messages on their way at once; more than one is faster, but lines may change
    /// places
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Group of the producer
    #[arg(long, default_value = "FERROMQ_TOOLS_PRODUCER")]
    group: String,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_string(), value.to_string()))
}

/// What is printed of a message that was sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    topic: &'a str,
    broker: &'a str,
    queue: i32,
    offset: i64,
    message_id: &'a str,
    offset_message_id: &'a str,
    status: &'static str,
}

impl<'a> Sent<'a> {
    fn of(receipt: &'a SendReceipt) -> Self {
        Sent {
            topic: &receipt.queue.topic,
            broker: &receipt.queue.broker_name,
            queue: receipt.queue.queue_id,
            offset: receipt.queue_offset,
            message_id: &receipt.message_id,
            offset_message_id: &receipt.offset_message_id,
            status: match receipt.status {
                SendStatus::Ok => "SEND_OK",
                SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
                SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
                SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
            },
        }
    }
}

/// How many messages are read ahead.
const READ_AHEAD: usize = 256;

/// Sends standard input.
pub async fn send(args: SendArgs) -> Outcome {
    let config = ProducerConfig { group: args.group.clone(), ..ProducerConfig::default() };
    let producer = Producer::start(args.cluster.client(), config).await?;
    let outcome = send_all(&producer, &args).await;
    producer.close().await;
    outcome
}

async fn send_all(producer: &Producer, args: &SendArgs) -> Outcome {
    let mut bodies = read_bodies(args.whole);
    let bar = progress(None, "messages sent");
    let mut on_their_way: VecDeque<Sending> = VecDeque::new();
    let mut sent = 0u64;
    let mut outcome = async {
        while let Some(body) = bodies.recv().await {
            if on_their_way.len() >= usize::from(args.parallel)
                && let Some(first) = on_their_way.pop_front()
            {
                sent += settle(first, args).await?;
            }
            let message = message(args, body?);
            on_their_way.push_back(producer.send_in_background(message).await?);
            bar.set_position(sent);
        }
        Ok::<(), Failure>(())
    }
    .await;
    // What is on its way is sent or not; say so also when another message failed.
    for sending in on_their_way {
        match settle(sending, args).await {
            Ok(one) => sent += one,
            Err(failure) if outcome.is_ok() => outcome = Err(failure),
            Err(_) => {}
        }
    }
    bar.finish_and_clear();
    if let Err(failure) = outcome {
        return Err(Failure {
            code: FAILURE,
            message: format!("{} ({sent} messages were sent)", failure.message),
        });
    }
    if !args.cluster.json {
        output::line(&format!("{sent} messages sent to {}", args.topic))?;
    }
    Ok(())
}

async fn settle(sending: Sending, args: &SendArgs) -> Result<u64, Failure> {
    let receipt = sending.await?;
    if args.cluster.json {
        output::json(&Sent::of(&receipt))?;
    }
    Ok(1)
}

fn message(args: &SendArgs, body: Vec<u8>) -> Message {
    let mut message = Message::new(&args.topic, body);
    if let Some(tag) = &args.tags {
        message = message.tag(tag);
    }
    for key in args.keys.iter().flat_map(|keys| keys.split_whitespace()) {
        message = message.key(key);
    }
    if let Some(level) = args.delay_level {
        message = message.delay_level(level);
    }
    for (name, value) in &args.properties {
        message = message.property(name, value);
    }
    message
}

/// Reads standard input on a thread of its own, because reading it blocks.
fn read_bodies(whole: bool) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (bodies, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        if whole {
            let mut body = Vec::new();
            let read = input.read_to_end(&mut body).map(|_| body);
            let _ = bodies.blocking_send(read);
            return;
        }
        loop {
            let mut line = Vec::new();
            let line = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => Ok(without_line_end(line)),
                Err(error) => Err(error),
            };
            // An empty body is no message.
            let skip = line.as_ref().is_ok_and(Vec::is_empty);
            if !skip && bodies.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn without_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_part_of_a_message() {
        assert_eq!(without_line_end(b"a\r\n".to_vec()), b"a");
        assert_eq!(without_line_end(b"a\n".to_vec()), b"a");
        assert_eq!(without_line_end(b"a".to_vec()), b"a");
        assert_eq!(without_line_end(b"a\n\n".to_vec()), b"a\n");
    }

    #[test]
    fn properties_are_pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_string(), "b=c".to_string())));
        assert!(pair("a").is_err());
    }
}
