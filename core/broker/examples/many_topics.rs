//! What a broker with many topics costs: `many_topics DIRECTORY TOPICS`. The directory must not exist.
//! Each topic is created by its first message, from 32 clients at a time.

use ferromq_broker::{Broker, BrokerConfig};
use ferromq_namesrv::{NameServer, NamesrvConfig};
use ferromq_net::{ConnectOptions, Connections, NoRequests};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{RouteRequest, SendMessageRequestV2};
use ferromq_store::StoreConfig;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn send(topic: &str) -> Command {
    let header = SendMessageRequestV2 {
        producer_group: "PG",
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id: 0,
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
    Command::request_with(code::SEND_MESSAGE_V2, &header).with_body(vec![b'x'; 128])
}

fn process(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find(|line| line.starts_with("wchar"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

async fn start(directory: &Path, namesrv: &str) -> Result<Broker> {
    let config = BrokerConfig {
        broker_ip1: "127.0.0.1".to_string(),
        bind_address: "127.0.0.1".to_string(),
        listen_port: 0,
        namesrv_addr: namesrv.to_string(),
        ..BrokerConfig::default()
    };
    let store = StoreConfig {
        message_index_enable: false,
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(directory.to_string_lossy())
    };
    Ok(Broker::start(config, store).await?)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, topics] = &arguments[..] else {
        return Err("which directory, how many topics?".into());
    };
    let (directory, topics): (_, usize) = (Path::new(directory), topics.parse()?);
    std::fs::create_dir(directory)?;
    let config = NamesrvConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".to_string(),
        kv_config_path: directory.join("kvConfig.json").display().to_string(),
        config_store_path: directory.join("namesrv.properties").display().to_string(),
        ..NamesrvConfig::default()
    };
    let name_server = NameServer::start(config).await?;
    let namesrv = name_server.address().to_string();
    let broker = start(directory, &namesrv).await?;
    let connections = Arc::new(Connections::new(Arc::new(NoRequests), ConnectOptions::default()));
    let address = broker.address().to_string();

    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    let begin = Instant::now();
    let before = written();
    for _ in 0..32 {
        let (next, connections, address) = (next.clone(), connections.clone(), address.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= topics {
                    return Result::Ok(());
                }
                if number > 0 && number.is_multiple_of(topics.div_ceil(10)) {
                    let took = begin.elapsed().as_secs_f64();
                    println!("{number} topics after {took:.2} s");
                }
                let request = send(&format!("Topic-{number:06}"));
                let answer = connections.invoke(&address, request, PATIENCE).await?;
                if answer.code != response::SUCCESS {
                    return Err(format!("{}: {}", answer.code, answer.remark()).into());
                }
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let took = begin.elapsed();
    println!(
        "{topics} topics created in {:.2} s, {:.0} us each, {} bytes written for each; {} KiB of memory, at most {} KiB",
        took.as_secs_f64(),
        took.as_micros() as f64 / topics as f64,
        (written() - before) / topics as u64,
        process("RssAnon"),
        process("VmHWM"),
    );

    let start_of_one = Instant::now();
    let answer = connections.invoke(&address, send("One-more"), PATIENCE).await?;
    assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
    println!("one more topic: {:.1} ms", start_of_one.elapsed().as_secs_f64() * 1000.0);

    for topic in ["Topic-000000".to_string(), format!("Topic-{:06}", topics - 1)] {
        let header = RouteRequest {
            topic: &topic,
            accept_standard_json_only: None,
            zone_name: None,
            zone_mode: None,
        };
        let request = Command::request_with(code::GET_ROUTEINFO_BY_TOPIC, &header);
        let answer = connections.invoke(&namesrv, request, PATIENCE).await?;
        println!("route of {topic}: {}", answer.code);
    }
    let stop = Instant::now();
    broker.close().await;
    println!("stopped: {:.1} ms", stop.elapsed().as_secs_f64() * 1000.0);
    let again = Instant::now();
    let broker = start(directory, &namesrv).await?;
    println!("started and registered: {:.1} ms", again.elapsed().as_secs_f64() * 1000.0);
    broker.close().await;
    name_server.close().await;
    Ok(())
}
