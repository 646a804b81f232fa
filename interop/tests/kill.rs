//! A broker, killed again and again while messages come in: ours, and Apache's for comparison.
//!
//! Ours must lose nothing. Of Apache's, which runs if FERROMQ_KILL_APACHE=1, the figures are printed only.

use ferromq::{
    Admin, ClientConfig, ConsumerConfig, Message, MessageQueue, Producer, ProducerConfig,
    PullConsumer,
};
use ferromq_interop::ServerKind::{self, Apache55, FerroMq};
use ferromq_interop::process::Process;
use ferromq_interop::settings::Setting;
use ferromq_interop::{Problem, ours, skip, wire};
use libtest_mimic::{Arguments, Trial};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const TOPIC: &str = "T";
/// How many acknowledgements a round waits for at least.
const EACH: usize = 150;
const SENDERS: usize = 8;
/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> std::process::ExitCode {
    let rounds = std::env::var("FERROMQ_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(20);
    let mut kinds = vec![FerroMq];
    if std::env::var_os("FERROMQ_KILL_APACHE").is_some_and(|wish| wish == "1") {
        kinds.push(Apache55);
    }
    let mut trials = Vec::new();
    for kind in kinds {
        for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
            let name = format!("{} with {flush}", kind.label());
            trials.push(Trial::test(name.clone(), move || {
                let outcome = killed_again_and_again(kind, flush, rounds);
                skip::unless_missing(&name, outcome).map_err(Into::into)
            }));
        }
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Bodies by the places in which they are.
type Bodies = BTreeMap<(MessageQueue, i64), String>;

/// What clients were told.
#[derive(Default)]
struct Told {
    acknowledged: Mutex<Bodies>,
    consumed: Mutex<Bodies>,
    /// How many messages were told a place that another has.
    clashes: AtomicUsize,
}

impl Told {
    fn acknowledged(&self) -> std::sync::MutexGuard<'_, Bodies> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consumed(&self) -> std::sync::MutexGuard<'_, Bodies> {
        self.consumed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is there in the end.
#[derive(Default)]
struct Found {
    bodies: Bodies,
    /// Offsets at which there is no message.
    holes: i64,
    /// Bodies that nobody sent.
    corrupt: usize,
}

fn killed_again_and_again(kind: ServerKind, flush: &str, rounds: usize) -> Result<(), Problem> {
    let folder = tempfile::tempdir().map_err(Problem::io("creating a folder"))?;
    let names = folder.path().join("names");
    std::fs::create_dir_all(&names).map_err(Problem::io("creating a folder"))?;
    let (_names, namesrv) = ours::name_server(&names)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::io("starting threads"))?;
    let told = Arc::new(Told::default());
    for round in 0..rounds {
        let (mut process, client) = start(kind, folder.path(), &namesrv, flush, round)?;
        let load = load(client, round, told.clone(), &mut process);
        runtime.block_on(load).map_err(|error| wrong(error, &process))?;
        process.wait_end(LIMIT)?;
    }
    let (process, client) = start(kind, folder.path(), &namesrv, flush, rounds)?;
    let found = runtime.block_on(read_all(client)).map_err(|error| wrong(error, &process))?;
    let absent = |bodies: &Bodies| {
        bodies.iter().filter(|(place, body)| found.bodies.get(place) != Some(body)).count()
    };
    let (acknowledged, consumed) = (told.acknowledged(), told.consumed());
    let clashes = told.clashes.load(Ordering::Relaxed);
    let (missing, taken_back) = (absent(&acknowledged), absent(&consumed));
    let figures = format!(
        "{} {flush}, {rounds} rounds: {} acknowledged, {missing} of them missing; {} consumed, {taken_back} \
         of them missing; {} corrupt, {} holes, {clashes} places given twice",
        kind.label(),
        acknowledged.len(),
        consumed.len(),
        found.corrupt,
        found.holes
    );
    println!("{figures}");
    let enough = acknowledged.len() >= rounds * EACH && consumed.len() * 4 >= acknowledged.len();
    let lost = missing + taken_back + found.corrupt + clashes;
    let whole = lost == 0 && found.holes == 0;
    match enough && (whole || kind != FerroMq) {
        true => Ok(()),
        false => Err(Problem::Wrong(figures)),
    }
}

type Failure = Box<dyn std::error::Error>;

fn wrong(error: Failure, process: &Process) -> Problem {
    Problem::Wrong(format!("{error}\n{}", process.tail()))
}

/// Files are small and written often, so that each kill finds some of them half done.
fn start(
    kind: ServerKind,
    home: &Path,
    namesrv: &str,
    flush: &str,
    round: usize,
) -> Result<(Process, ClientConfig), Problem> {
    let settings: [Setting; 7] = [
        ("mappedFileSizeCommitLog", (256 << 10).to_string()),
        ("mappedFileSizeConsumeQueue", "2000".to_owned()),
        ("maxHashSlotNum", "1000".to_owned()),
        ("maxIndexNum", "1000".to_owned()),
        ("flushDiskType", flush.to_owned()),
        ("flushIntervalConsumeQueue", "20".to_owned()),
        ("flushConsumeQueueThoroughInterval", "50".to_owned()),
    ];
    let (process, address) = kind.broker(home, "killed", namesrv, &settings)?;
    wire::create_topic(&address, TOPIC, 4)?;
    // The route may still be that of the round before.
    wire::broker_name(namesrv, &address, LIMIT)?;
    wire::wait_route(namesrv, TOPIC, 1, LIMIT)?;
    let client = ClientConfig {
        namesrv_addr: namesrv.to_owned(),
        instance_name: format!("{}-{flush}-{round}-{}", kind.label(), std::process::id()),
        persist_consumer_offset_interval: 100,
        ..ClientConfig::default()
    };
    Ok((process, client))
}

/// A body that says which one it is, from one end to the other.
fn body(round: usize, sender: usize, number: usize) -> String {
    format!("{round}-{sender}-{number} ").repeat(1 + number % 40)
}

fn is_whole(body: &str) -> bool {
    let word = body.split(' ').next().unwrap_or_default();
    let parts = word.split('-').map(str::parse).collect::<Result<Vec<usize>, _>>();
    let expected = parts.ok().filter(|parts| parts.len() == 3);
    expected.is_some_and(|parts| self::body(parts[0], parts[1], parts[2]) == body)
}

/// Sends and consumes until enough is acknowledged, and kills the broker in the middle of it.
async fn load(
    client: ClientConfig,
    round: usize,
    told: Arc<Told>,
    process: &mut Process,
) -> Result<(), Failure> {
    let config = ProducerConfig {
        retry_times_when_send_failed: 0,
        send_msg_timeout: 1000,
        ..ProducerConfig::default()
    };
    let producer = Producer::start(client.clone(), config).await?;
    let (count, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let consumer = tokio::spawn(consume(client, told.clone(), over.clone()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (producer, told) = (producer.clone(), told.clone());
            let (count, over) = (count.clone(), over.clone());
            tokio::spawn(async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let body = body(round, sender, number);
                    number += 1;
                    let Ok(receipt) = producer.send(Message::new(TOPIC, body.clone())).await else {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    let place = (receipt.queue, receipt.queue_offset);
                    if told.acknowledged().insert(place, body).is_some() {
                        told.clashes.fetch_add(1, Ordering::Relaxed);
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) < EACH + round * 17 {
        if begun.elapsed() > LIMIT {
            return Err(format!("only {count:?} messages were taken in round {round}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    process.kill();
    over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await?;
    }
    // The kill may have been in the middle of anything it did.
    let _ = consumer.await?;
    producer.close().await;
    Ok(())
}

fn consumer(group: &str) -> ConsumerConfig {
    ConsumerConfig {
        group: group.to_string(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
        ..ConsumerConfig::default()
    }
}

/// Notes what a consumer gets while the broker lives.
async fn consume(
    client: ClientConfig,
    told: Arc<Told>,
    over: Arc<AtomicBool>,
) -> Result<(), ferromq::Error> {
    let consumer = PullConsumer::start(client, consumer("watcher")).await?;
    let queues = consumer.topic_queues(TOPIC).await?;
    consumer.assign(&queues).await?;
    while !over.load(Ordering::Relaxed) {
        for message in consumer.poll(1000, Duration::from_millis(20)).await? {
            let body = String::from_utf8_lossy(&message.body).into_owned();
            told.consumed().insert((message.queue, message.queue_offset), body);
        }
    }
    consumer.close().await;
    Ok(())
}

/// All that the topic holds.
async fn read_all(client: ClientConfig) -> Result<Found, Failure> {
    let admin = Admin::new(client.clone())?;
    let stats = admin.topic_stats(TOPIC).await?.offset_table.0;
    let total: i64 = stats.values().map(|queue| queue.max_offset).sum();
    admin.close().await;
    let consumer = PullConsumer::start(client, consumer("reader")).await?;
    let queues = consumer.topic_queues(TOPIC).await?;
    consumer.assign(&queues).await?;
    let mut found = Found::default();
    let mut next = BTreeMap::<MessageQueue, i64>::new();
    while next.values().sum::<i64>() < total {
        let messages = consumer.poll(1000, LIMIT).await?;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let next = next.entry(message.queue.clone()).or_default();
            found.holes += message.queue_offset - *next;
            *next = message.queue_offset + 1;
            let body = String::from_utf8_lossy(&message.body).into_owned();
            found.corrupt += usize::from(!is_whole(&body));
            found.bodies.insert((message.queue, message.queue_offset), body);
        }
    }
    // What cannot be read is not there.
    found.holes += total - next.values().sum::<i64>();
    consumer.close().await;
    Ok(found)
}
