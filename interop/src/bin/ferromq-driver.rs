//! Our own client as a driver: the command line and the events that all drivers share.

use clap::{Args, Parser, Subcommand};
use ferromq::{
    ClientConfig, Consumed, ConsumerConfig, Message, MessageQueue, Producer, ProducerConfig,
    PullConsumer, PushConsumer, ReceivedMessage, SendReceipt,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(
    name = "ferromq-driver",
    about = "Drives a RocketMQ-compatible cluster for the interop tests"
)]
struct Cli {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Send messages
    Produce(Produce),
    /// Receive messages as they come
    Consume(Consume),
    /// Read every queue of a topic by hand
    Pull(Pull),
}

#[derive(Args)]
struct Common {
    #[arg(long)]
    namesrv: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    instance: Option<String>,
    #[arg(long, default_value_t = 60)]
    timeout_seconds: u64,
    #[arg(long, default_value_t = 2000)]
    poll_route_ms: u64,
}

impl Common {
    fn client(&self) -> ClientConfig {
        ClientConfig {
            namesrv_addr: self.namesrv.clone(),
            instance_name: self.instance.clone().unwrap_or_else(|| "DEFAULT".to_string()),
            poll_name_server_interval: self.poll_route_ms,
            ..ClientConfig::default()
        }
    }
}

#[derive(Args)]
struct Produce {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 1)]
    count: usize,
    #[arg(long, default_value = "sync")]
    mode: String,
    #[arg(long, default_value = "driver-producer")]
    group: String,
    #[arg(long, default_value = "message-")]
    body_prefix: String,
    #[arg(long, default_value_t = 0)]
    size: usize,
    #[arg(long)]
    tag: Vec<String>,
    #[arg(long)]
    property: Vec<String>,
    #[arg(long)]
    keys: Option<String>,
    #[arg(long)]
    delay_level: Option<i32>,
    #[arg(long, default_value_t = 10_000)]
    send_timeout_ms: u64,
    #[arg(long)]
    compress_above: Option<usize>,
    #[arg(long)]
    queue: Option<usize>,
    #[arg(long, default_value_t = 4)]
    shards: usize,
    #[arg(long, default_value_t = 10)]
    batch_size: usize,
    #[arg(long, default_value_t = 0)]
    interval_ms: u64,
}

#[derive(Args)]
struct Consume {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    group: String,
    #[arg(long, default_value = "*")]
    tags: String,
    #[arg(long, default_value = "clustering")]
    model: String,
    #[arg(long, default_value = "concurrent")]
    listener: String,
    #[arg(long, default_value = "first")]
    from: String,
    #[arg(long)]
    expect: Option<usize>,
    #[arg(long, default_value_t = 0)]
    fail_times: usize,
    #[arg(long, default_value_t = -1)]
    max_reconsume: i32,
    #[arg(long, default_value_t = 1000)]
    suspend_ms: u64,
    #[arg(long, default_value_t = 20_000)]
    rebalance_ms: u64,
}

#[derive(Args)]
struct Pull {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    group: String,
    #[arg(long)]
    expect: Option<usize>,
}

/// Prints one event as a line.
fn emit(event: &str, members: Value) {
    let mut line = Map::from_iter([("event".to_string(), json!(event))]);
    if let Value::Object(members) = members {
        line.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    let mut out = std::io::stdout().lock();
    // Whoever reads may have gone; then standard input ends too.
    let _ = writeln!(out, "{}", Value::Object(line)).and_then(|()| out.flush());
}

/// A body without the dots that fill it up.
fn body_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end_matches('.').to_string()
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let (Work::Produce(Produce { common, .. })
    | Work::Consume(Consume { common, .. })
    | Work::Pull(Pull { common, .. })) = &cli.work;
    let limit = Duration::from_secs(common.timeout_seconds);
    let stop = Arc::new(Notify::new());
    watch_input(stop.clone());
    let work = async {
        match &cli.work {
            Work::Produce(options) => produce(options, &stop).await,
            Work::Consume(options) => consume(options, &stop, limit).await,
            Work::Pull(options) => pull(options, &stop).await,
        }
    };
    match tokio::time::timeout(limit + Duration::from_secs(5), work).await {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            emit("error", json!({"text": error.to_string()}));
            ExitCode::from(1)
        }
        Err(_) => timed_out(),
    }
}

fn timed_out() -> ExitCode {
    emit("timeout", json!({}));
    ExitCode::from(3)
}

/// Tells when standard input ends, or the process is asked to end.
fn watch_input(stop: Arc<Notify>) {
    let ended = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        ended.notify_one();
    });
    tokio::spawn(async move {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut signal) = signal {
            signal.recv().await;
            stop.notify_one();
        }
    });
}

async fn produce(options: &Produce, stop: &Notify) -> Result<ExitCode, Failure> {
    let mut config = ProducerConfig {
        group: options.group.clone(),
        send_msg_timeout: options.send_timeout_ms,
        ..ProducerConfig::default()
    };
    if let Some(size) = options.compress_above {
        config.compress_msg_body_over_howmuch = size;
    }
    let producer = Producer::start(options.common.client(), config).await?;
    emit("ready", json!({}));
    let modes: Vec<&str> = options.mode.split(',').collect();
    let work = async {
        for mode in &modes {
            let suffix = if modes.len() > 1 { format!("{mode}-") } else { String::new() };
            let prefix = format!("{}{suffix}", options.body_prefix);
            produce_in(&producer, options, mode, &prefix).await?;
        }
        Ok::<(), Failure>(())
    };
    tokio::select! {
        done = work => {
            done?;
            emit("done", json!({}));
        }
        () = stop.notified() => {}
    }
    producer.close().await;
    Ok(ExitCode::SUCCESS)
}

fn message(options: &Produce, prefix: &str, number: usize) -> Message {
    let mut body = format!("{prefix}{number}");
    body.extend(std::iter::repeat_n('.', options.size.saturating_sub(body.len())));
    let mut message = Message::new(options.common.topic.as_str(), body);
    if !options.tag.is_empty() {
        message = message.tag(options.tag[number % options.tag.len()].as_str());
    }
    if let Some(keys) = &options.keys {
        message = message.key(&format!("{keys}{number}"));
    }
    if let Some(level) = options.delay_level {
        message = message.delay_level(level);
    }
    for (name, value) in options.property.iter().filter_map(|property| property.split_once('=')) {
        message = message.property(name, value.replace("{i}", &number.to_string()));
    }
    message
}

fn sent(body: &str, shard: Option<usize>, receipt: &SendReceipt) {
    let (id, place) = (&receipt.message_id, &receipt.offset_message_id);
    sent_as(body, shard, receipt, id, place, receipt.queue_offset);
}

fn sent_as(
    body: &str,
    shard: Option<usize>,
    receipt: &SendReceipt,
    id: &str,
    place: &str,
    offset: i64,
) {
    let status = match receipt.status {
        ferromq::SendStatus::Ok => "SEND_OK",
        ferromq::SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
        ferromq::SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
        ferromq::SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
    };
    emit(
        "sent",
        json!({
            "body": body, "shard": shard, "msgId": id, "offsetMsgId": place, "queueId": receipt.queue.queue_id,
            "queueOffset": offset, "broker": receipt.queue.broker_name, "status": status,
        }),
    );
}

async fn produce_in(
    producer: &Producer,
    options: &Produce,
    mode: &str,
    prefix: &str,
) -> Result<(), Failure> {
    match mode {
        "batch" => return produce_batches(producer, options, prefix).await,
        "async" => return produce_async(producer, options, prefix).await,
        _ => {}
    }
    let topic = &options.common.topic;
    let mut queues: Vec<MessageQueue> = Vec::new();
    if mode == "queue" || mode == "orderly" {
        queues = producer.queues(topic).await?;
        queues.sort();
    }
    for number in 0..options.count {
        let message = message(options, prefix, number);
        let body = body_text(&message.body);
        match mode {
            "sync" => sent(&body, None, &producer.send(message).await?),
            "oneway" => {
                producer.send_oneway(message).await?;
                emit("sent", json!({"body": body}));
            }
            "queue" => {
                let queue = &queues[options.queue.unwrap_or(number) % queues.len()];
                sent(&body, None, &producer.send_to(message, queue).await?);
            }
            "orderly" => {
                let shard = number % options.shards;
                let queue = &queues[shard % queues.len()];
                sent(&body, Some(shard), &producer.send_to(message, queue).await?);
            }
            other => return Err(format!("unknown mode {other}").into()),
        }
        if options.interval_ms > 0 {
            tokio::time::sleep(Duration::from_millis(options.interval_ms)).await;
        }
    }
    Ok(())
}

async fn produce_batches(
    producer: &Producer,
    options: &Produce,
    prefix: &str,
) -> Result<(), Failure> {
    for start in (0..options.count).step_by(options.batch_size) {
        let end = options.count.min(start + options.batch_size);
        let messages: Vec<Message> =
            (start..end).map(|number| message(options, prefix, number)).collect();
        let bodies: Vec<String> = messages.iter().map(|message| body_text(&message.body)).collect();
        let receipt = producer.send_batch(messages).await?;
        let (ids, places) = (receipt.message_id.split(','), receipt.offset_message_id.split(','));
        for (index, ((body, id), place)) in bodies.iter().zip(ids).zip(places).enumerate() {
            sent_as(body, None, &receipt, id, place, receipt.queue_offset + index as i64);
        }
    }
    Ok(())
}

async fn produce_async(
    producer: &Producer,
    options: &Produce,
    prefix: &str,
) -> Result<(), Failure> {
    let mut sendings = Vec::new();
    for number in 0..options.count {
        let message = message(options, prefix, number);
        let body = body_text(&message.body);
        sendings.push((body, producer.send_in_background(message).await?));
    }
    for (body, sending) in sendings {
        sent(&body, None, &sending.await?);
    }
    Ok(())
}

fn received(message: &ReceivedMessage, accepted: bool) {
    let properties: Map<String, Value> =
        message.properties.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    emit(
        "message",
        json!({
            "body": body_text(&message.body), "size": message.body.len(), "queueId": message.queue.queue_id,
            "queueOffset": message.queue_offset, "reconsumeTimes": message.reconsume_times,
            "msgId": message.message_id, "tags": message.tag(), "keys": message.keys(), "topic": message.topic,
            "broker": message.queue.broker_name, "accepted": accepted,
            "properties": Value::Object(properties).to_string(),
        }),
    );
}

async fn consume(
    options: &Consume,
    stop: &Arc<Notify>,
    limit: Duration,
) -> Result<ExitCode, Failure> {
    let home = std::env::var("HOME").unwrap_or_default();
    let config = ConsumerConfig {
        group: options.group.clone(),
        message_model: options.model.to_uppercase(),
        consume_from_where: format!("CONSUME_FROM_{}_OFFSET", options.from.to_uppercase()),
        max_reconsume_times: options.max_reconsume,
        suspend_current_queue_time: options.suspend_ms,
        rebalance_interval: options.rebalance_ms,
        local_offset_store_dir: format!("{home}/offsets"),
        ..ConsumerConfig::default()
    };
    let accepted = Arc::new(AtomicUsize::new(0));
    let refused: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let (fail_times, expect, done) = (options.fail_times, options.expect, stop.clone());
    let listener = move |messages: Vec<ReceivedMessage>| {
        let mut consumed = Consumed::Success;
        for message in &messages {
            let refuse = {
                let mut refused = refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let times = refused.entry(body_text(&message.body)).or_default();
                *times += 1;
                *times <= fail_times
            };
            received(message, !refuse);
            if refuse {
                consumed = Consumed::LATER;
            } else if Some(accepted.fetch_add(1, Ordering::SeqCst) + 1) == expect {
                done.notify_one();
            }
        }
        std::future::ready(consumed)
    };
    let builder = PushConsumer::builder(options.common.client(), config)
        .subscribe(options.common.topic.as_str(), options.tags.as_str());
    let builder = match options.listener.as_str() {
        "orderly" => builder.listen_in_order(listener),
        _ => builder.listen(listener),
    };
    let consumer = builder.start().await?;
    emit("ready", json!({}));
    let code = tokio::select! {
        () = stop.notified() => ExitCode::SUCCESS,
        () = watch_assignment(&consumer, &options.common.topic) => ExitCode::SUCCESS,
        () = tokio::time::sleep(limit) => timed_out(),
    };
    consumer.close().await;
    Ok(code)
}

/// Prints every change of the queues that the consumer has of a topic; never ends.
async fn watch_assignment(consumer: &PushConsumer, topic: &str) {
    let mut before: Option<Vec<MessageQueue>> = None;
    loop {
        let queues: Vec<MessageQueue> =
            consumer.queues().into_iter().filter(|queue| queue.topic == topic).collect();
        if before.as_ref() != Some(&queues) {
            let names: Vec<String> = queues
                .iter()
                .map(|queue| format!("{}:{}", queue.broker_name, queue.queue_id))
                .collect();
            emit("assigned", json!({"count": queues.len(), "queues": names.join(",")}));
            before = Some(queues);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn pull(options: &Pull, stop: &Notify) -> Result<ExitCode, Failure> {
    let config = ConsumerConfig {
        group: options.group.clone(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
        ..ConsumerConfig::default()
    };
    let consumer = PullConsumer::start(options.common.client(), config).await?;
    let queues = consumer.topic_queues(&options.common.topic).await?;
    consumer.assign(&queues).await?;
    for queue in &queues {
        consumer.seek_to_begin(queue).await?;
    }
    emit("ready", json!({}));
    let work = async {
        let mut count = 0;
        while options.expect.is_none_or(|expect| count < expect) {
            for message in consumer.poll(32, Duration::from_secs(1)).await? {
                received(&message, true);
                count += 1;
            }
        }
        Ok::<(), Failure>(())
    };
    tokio::select! {
        done = work => done?,
        () = stop.notified() => {}
    }
    consumer.commit().await;
    for queue in &queues {
        if let Some(offset) = consumer.committed(queue).await? {
            let place = json!({"topic": queue.topic, "broker": queue.broker_name, "queueId": queue.queue_id, "offset": offset});
            emit("committed", place);
        }
    }
    consumer.close().await;
    Ok(ExitCode::SUCCESS)
}
