//! How long sends take while others read messages that are not in memory:
//! `cold_reads DIRECTORY GIB SECONDS`. The directory must not exist, and must be on a disk. It gets so
//! many GiB of messages, which are then dropped from the system's memory. One client sends a thousand
//! messages a second, first alone, then beside eight that read the log from its start.

use ferromq_broker::{Broker, BrokerConfig};
use ferromq_model::flags::pull::SUBSCRIPTION;
use ferromq_net::{ConnectOptions, Connections, NoRequests};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{PullMessageRequest, PullMessageResponse, SendMessageRequestV2};
use ferromq_store::StoreConfig;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);
const READERS: i32 = 8;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn send(topic: &str, queue_id: i32, body: Vec<u8>) -> Command {
    let header = SendMessageRequestV2 {
        producer_group: "PG",
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: READERS,
        queue_id,
        sys_flag: 0,
        born_timestamp: 1,
        flag: 0,
        properties: None,
        reconsume_times: None,
        unit_mode: None,
        max_reconsume_times: None,
        batch: None,
        broker_name: None,
    };
    Command::request_with(code::SEND_MESSAGE_V2, &header).with_body(body)
}

fn pull(queue_id: i32, offset: i64) -> Command {
    let header = PullMessageRequest {
        consumer_group: "G",
        topic: "Cold",
        queue_id,
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_millis: 0,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: None,
        max_msg_bytes: None,
        request_source: None,
        broker_name: None,
    };
    Command::request_with(code::PULL_MESSAGE, &header)
}

fn runtime(name: &str) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()?)
}

fn start(runtime: &Runtime, directory: &Path) -> Result<Broker> {
    let config = BrokerConfig {
        broker_ip1: "127.0.0.1".to_string(),
        bind_address: "127.0.0.1".to_string(),
        listen_port: 0,
        ..BrokerConfig::default()
    };
    let store = StoreConfig {
        message_index_enable: false,
        disk_space_warning_level_ratio: 100,
        disk_space_clean_forcibly_ratio: 99,
        ..StoreConfig::for_directory(directory.to_string_lossy())
    };
    Ok(runtime.block_on(Broker::start(config, store))?)
}

fn connections() -> Connections {
    Connections::new(Arc::new(NoRequests), ConnectOptions::default())
}

/// Fills the log, eight neighbours to a queue, over a connection for each queue.
async fn fill(address: &str, gib: u64) -> Result<()> {
    let mut writers = JoinSet::new();
    for queue in 0..READERS {
        let (connections, address) = (Arc::new(connections()), address.to_string());
        writers.spawn(async move {
            let count = (gib << 30) / READERS as u64 / 4096;
            let mut sends = JoinSet::new();
            for _ in 0..count {
                let (connections, address) = (connections.clone(), address.clone());
                sends.spawn(async move {
                    let request = send("Cold", queue, vec![b'x'; 4000]);
                    connections.invoke(&address, request, PATIENCE).await.map(|answer| answer.code)
                });
                if sends.len() >= 32 {
                    sends.join_next().await.transpose()?.transpose()?;
                }
            }
            sends.join_all().await;
            Result::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

/// Sends a message each millisecond and prints how long the answers took, from when each was due.
async fn hot(what: &str, address: &str, seconds: u64) -> Result<()> {
    let connections = Arc::new(connections());
    let warm_up = connections.invoke(address, send("Hot", 0, vec![b'x'; 1024]), PATIENCE).await?;
    assert_eq!(warm_up.code, response::SUCCESS, "{}", warm_up.remark());
    let begin = tokio::time::Instant::now();
    let mut sends = JoinSet::new();
    let mut took = Vec::new();
    for number in 0..seconds * 1000 {
        let due = begin + Duration::from_millis(number);
        tokio::time::sleep_until(due).await;
        let (connections, address) = (connections.clone(), address.to_string());
        sends.spawn(async move {
            let request = send("Hot", 0, vec![b'x'; 1024]);
            let answer = connections.invoke(&address, request, PATIENCE).await;
            (due.elapsed(), answer.map(|answer| answer.code))
        });
        while let Some(sent) = sends.try_join_next() {
            took.push(sent?.0);
        }
    }
    took.extend(sends.join_all().await.into_iter().map(|sent| sent.0));
    took.sort_unstable();
    let part = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.2} ms",
        part(0.5),
        part(0.99),
        part(0.999),
        part(1.0)
    );
    Ok(())
}

/// Reads a queue from its start on until it is told to stop.
async fn read(
    address: String,
    queue: i32,
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
) -> Result<()> {
    let connections = connections();
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = connections.invoke(&address, pull(queue, offset), PATIENCE).await?;
        bytes.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
        let header: PullMessageResponse = answer.header()?;
        offset = header.next_begin_offset;
        if answer.code != response::SUCCESS {
            offset = 0;
        }
    }
    Ok(())
}

fn drop_from_memory(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            drop_from_memory(&path)?;
        } else {
            let file = std::fs::File::open(path)?;
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, gib, seconds] = &arguments[..] else {
        return Err("which directory, how many GiB, how many seconds?".into());
    };
    let (directory, gib, seconds) = (Path::new(directory), gib.parse()?, seconds.parse()?);
    let (server, clients) = (runtime("broker")?, runtime("clients")?);
    if !directory.exists() {
        std::fs::create_dir(directory)?;
        let broker = start(&server, directory)?;
        clients.block_on(fill(&broker.address().to_string(), gib))?;
        server.block_on(broker.close());
    }
    drop_from_memory(directory)?;
    let broker = start(&server, directory)?;
    let address = broker.address().to_string();
    clients.block_on(hot("alone", &address, seconds))?;
    let (stop, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    let begin = Instant::now();
    for queue in 0..READERS {
        let (stop, bytes) = (stop.clone(), bytes.clone());
        readers.spawn_on(read(address.clone(), queue, stop, bytes), clients.handle());
    }
    clients.block_on(hot("beside readers of old messages", &address, seconds))?;
    stop.store(true, Ordering::Relaxed);
    let rate = bytes.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64() / 1e6;
    println!("they read {rate:.0} MB/s");
    clients.block_on(async {
        while let Some(reader) = readers.join_next().await {
            reader??;
        }
        Result::Ok(())
    })?;
    server.block_on(broker.close());
    Ok(())
}
