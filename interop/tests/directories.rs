//! One data directory that Apache's broker and ours use in turn, each going on where the other was
//! stopped or killed.

use ferromq::{
    Admin, ClientConfig, ConsumerConfig, Error, Message, MessageQueue, Producer, ProducerConfig,
    PullConsumer, SendReceipt,
};
use ferromq_interop::ServerKind::{self, Apache49, Apache55, FerroMq};
use ferromq_interop::apache::{self, Version};
use ferromq_interop::process::Process;
use ferromq_interop::{Problem, ours, skip, wire};
use libtest_mimic::{Arguments, Trial};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const TOPICS: [&str; 2] = ["Kept", "Also"];
const GROUP: &str = "reader";

#[derive(Clone, Copy)]
enum End {
    Stop,
    Kill,
}
use End::{Kill, Stop};

/// What was stored, by place: body and key.
type Stored = BTreeMap<(MessageQueue, i64), (Vec<u8>, String)>;

fn main() -> std::process::ExitCode {
    let plans: [(&str, &[(ServerKind, End)]); 2] = [
        (
            "5.5.0 and ours in turn",
            &[
                (Apache55, Stop),
                (FerroMq, Stop),
                (Apache55, Kill),
                (FerroMq, Kill),
                (Apache55, Stop),
                (FerroMq, Stop),
            ],
        ),
        (
            "4.9 and ours in turn",
            &[
                (FerroMq, Kill),
                (Apache49, Kill),
                (FerroMq, Stop),
                (Apache49, Stop),
                (FerroMq, Stop),
            ],
        ),
    ];
    let trials = plans.into_iter().map(|(name, turns)| {
        Trial::test(name, move || {
            let outcome = in_turn(turns);
            skip::unless_missing(name, outcome).map_err(Into::into)
        })
    });
    let trials = trials.collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn in_turn(turns: &[(ServerKind, End)]) -> Result<(), Problem> {
    let folder = tempfile::tempdir().map_err(Problem::io("creating a folder"))?;
    let names = folder.path().join("names");
    std::fs::create_dir_all(&names).map_err(Problem::io("creating a folder"))?;
    let (_names, namesrv) = ours::name_server(&names)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::io("starting threads"))?;
    let mut stored = Stored::new();
    for (turn, (kind, end)) in turns.iter().enumerate() {
        let (mut process, address) = start(*kind, folder.path(), &namesrv)?;
        wire::broker_name(&namesrv, &address, Duration::from_secs(60))?;
        let said = runtime.block_on(one_turn(&namesrv, turn, &mut stored));
        said.map_err(|error| {
            let turn = format!("turn {turn}, {}", kind.label());
            Problem::Wrong(format!("{turn}: {error}\n{}", process.tail()))
        })?;
        match end {
            Stop => drop(process.terminate(Duration::from_secs(60))?),
            Kill => process.kill(),
        }
    }
    Ok(())
}

fn start(kind: ServerKind, home: &Path, namesrv: &str) -> Result<(Process, String), Problem> {
    match kind {
        Apache49 => apache::broker(Version::V49, home, "shared", namesrv),
        Apache55 => apache::broker(Version::V55, home, "shared", namesrv),
        FerroMq => ours::broker(home, "shared", namesrv),
    }
}

type Failure = Box<dyn std::error::Error>;

/// Everything that was stored before is served; then more is stored.
async fn one_turn(namesrv: &str, turn: usize, stored: &mut Stored) -> Result<(), Failure> {
    let client = ClientConfig {
        namesrv_addr: namesrv.to_string(),
        instance_name: format!("turn-{turn}-{}", std::process::id()),
        persist_consumer_offset_interval: 100,
        ..ClientConfig::default()
    };
    if turn > 0 {
        compare(&client, stored).await?;
    }
    store(&client, turn, stored).await?;
    // Also what a running broker has not yet put where the next one looks for it.
    compare(&client, stored).await
}

async fn store(client: &ClientConfig, turn: usize, stored: &mut Stored) -> Result<(), Failure> {
    let config = ProducerConfig { send_msg_timeout: 10_000, ..ProducerConfig::default() };
    let producer = Producer::start(client.clone(), config).await?;
    for topic in TOPICS {
        for number in 0..40 {
            let key = format!("key-{turn}-{number}");
            let body = format!("{topic} {turn} {number} ").repeat(1 + number * 3);
            let message = Message::new(topic, body.clone()).key(&key).tag("tag");
            let receipt = sent(&producer, message).await?;
            stored.insert((receipt.queue, receipt.queue_offset), (body.into_bytes(), key));
        }
        let bodies: Vec<String> = (0..5).map(|number| format!("batch {turn} {number}")).collect();
        let batch = bodies.iter().map(|body| Message::new(topic, body.clone()).key("batch"));
        let receipt = producer.send_batch(batch.collect()).await?;
        for (offset, body) in (receipt.queue_offset..).zip(bodies) {
            let place = (receipt.queue.clone(), offset);
            stored.insert(place, (body.into_bytes(), "batch".to_string()));
        }
    }
    producer.close().await;
    Ok(())
}

/// A broker that has just started may not be known yet.
async fn sent(producer: &Producer, message: Message) -> Result<SendReceipt, Error> {
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        match producer.send(message.clone()).await {
            Err(error) if std::time::Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(receipt) => return Ok(receipt),
        }
    }
}

async fn compare(client: &ClientConfig, stored: &Stored) -> Result<(), Failure> {
    let admin = Admin::new(client.clone())?;
    for topic in TOPICS {
        let expected: Stored = stored
            .iter()
            .filter(|((queue, _), _)| queue.topic == topic)
            .map(|(place, content)| (place.clone(), content.clone()))
            .collect();
        let served = read(client, topic, expected.len()).await?;
        for (place, content) in &expected {
            let found = served.get(place);
            ensure_that(found == Some(content), || {
                let found = found.map(|(body, key)| (String::from_utf8_lossy(body), key));
                format!("{place:?} is {found:?} instead of {}", String::from_utf8_lossy(&content.0))
            })?;
        }
        ensure_that(served.len() == expected.len(), || format!("{topic} has more than it should"))?;
        // The index of Apache's brokers, and ours, is a moment behind.
        for ((_, offset), (body, key)) in
            expected.iter().filter(|(_, (_, key))| key != "batch").step_by(17)
        {
            let deadline = std::time::Instant::now() + LIMIT;
            loop {
                let found = admin.query_messages(topic, key, 32).await?;
                if found
                    .iter()
                    .any(|message| message.body == *body && message.queue_offset == *offset)
                {
                    break;
                }
                ensure_that(std::time::Instant::now() < deadline, || {
                    format!("{key} is not found")
                })?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    admin.close().await;
    Ok(())
}

fn ensure_that(holds: bool, problem: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(problem().into()) }
}

/// All messages of a topic; the group's progress goes with the directory, and is not used.
async fn read(client: &ClientConfig, topic: &str, count: usize) -> Result<Stored, Failure> {
    let config = ConsumerConfig { group: GROUP.to_string(), ..ConsumerConfig::default() };
    let consumer = PullConsumer::start(client.clone(), config).await?;
    let queues = consumer.topic_queues(topic).await?;
    consumer.assign(&queues).await?;
    for queue in &queues {
        consumer.seek_to_begin(queue).await?;
    }
    let mut served = Stored::new();
    loop {
        let wait = if served.len() < count { LIMIT } else { Duration::from_millis(300) };
        let messages = consumer.poll(1000, wait).await?;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let key = message.keys().unwrap_or_default().to_string();
            served.insert((message.queue, message.queue_offset), (message.body.to_vec(), key));
        }
    }
    // Each broker in turn keeps what the group has done, however it ends.
    consumer.commit().await;
    consumer.close().await;
    Ok(served)
}
