//! Clients while servers fail, and what is left of clients that have been closed.
#![allow(clippy::unwrap_used)]

// The test kit uses this crate, so this crate's package does not name it.
#[allow(dead_code)]
#[path = "../../testkit/src/port.rs"]
mod port;
mod support;

use ferromq::{Admin, ClientConfig, Message, Producer, ProducerConfig, PullConsumer, Server};
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_namesrv::{NameServer, NamesrvConfig};
use port::Port;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Seen, consumer, create_topic, group, producer, quick, send, until};

async fn name_server(folder: &Path) -> NameServer {
    let config = NamesrvConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".into(),
        kv_config_path: folder.join("kvConfig.json").display().to_string(),
        config_store_path: folder.join("namesrv.properties").display().to_string(),
        ..NamesrvConfig::default()
    };
    NameServer::start(config).await.unwrap()
}

async fn broker(folder: &Path, name_server: &str, port: u16) -> Broker {
    let options = ferromq::ServerOptions::default();
    let config = BrokerConfig {
        namesrv_addr: name_server.to_string(),
        listen_port: port.into(),
        ..options.broker
    };
    let mut store = options.store;
    store.store_path_root_dir = folder.display().to_string();
    Broker::start(config, store).await.unwrap()
}

/// As the tests of an application do that each have a runtime and share a server.
#[test]
fn clients_of_one_runtime_survive_the_end_of_another() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let server = servers.block_on(Server::start()).unwrap();
    let client = quick(server.client());
    let [first, second] = [(); 2].map(|()| tokio::runtime::Runtime::new().unwrap());
    let start = |runtime: &tokio::runtime::Runtime| {
        runtime.block_on(async {
            create_topic(&client, "T", 1).await;
            let producer = producer(&client).await;
            producer.send(Message::new("T", "x")).await.unwrap();
            producer
        })
    };
    let (_gone, left) = (start(&first), start(&second));
    drop(first);
    second.block_on(async {
        let other = ClientConfig { instance_name: "other".into(), ..client.clone() };
        create_topic(&other, "T", 3).await;
        // Routes are refreshed by a task of the runtime: one that ended would never do it.
        let refreshed = async {
            while left.queues("T").await.unwrap().len() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), refreshed).await.unwrap();
        left.send(Message::new("T", "y")).await.unwrap();
    });
    servers.block_on(server.close());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_broker_restarts_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let names = name_server(folder.path()).await;
    let address = names.address().to_string();
    let port = Port::of_broker().unwrap();
    let first = broker(folder.path(), &address, port.number()).await;
    let client = quick(ClientConfig { namesrv_addr: address.clone(), ..ClientConfig::default() });
    create_topic(&client, "T", 4).await;
    let seen = Seen::default();
    let member = consumer(&client, group("G"), "T", &seen).await;
    let (sender, done) = (producer(&client).await, Arc::new(AtomicBool::new(false)));
    let load = {
        let (sender, done) = (sender.clone(), done.clone());
        tokio::spawn(async move {
            let (mut taken, mut next) = (BTreeSet::new(), 0usize);
            while !done.load(Ordering::Relaxed) {
                if sender.send(Message::new("T", next.to_string())).await.is_ok() {
                    taken.insert(next);
                }
                next += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            taken
        })
    };
    until("messages flow", || seen.len() > 50).await;
    first.close().await;
    let second = broker(folder.path(), &address, port.number()).await;
    let before = seen.len();
    until("messages flow again", || seen.len() > before + 50).await;
    done.store(true, Ordering::Relaxed);
    let taken = load.await.unwrap();
    until("all come", || {
        let bodies: BTreeSet<usize> = seen.bodies().into_iter().collect();
        taken.is_subset(&bodies)
    })
    .await;
    member.close().await;
    sender.close().await;
    second.close().await;
    names.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_carry_on_without_name_server() {
    let folder = tempfile::tempdir().unwrap();
    let names = name_server(folder.path()).await;
    let address = names.address().to_string();
    let broker = broker(folder.path(), &address, 0).await;
    let client = quick(ClientConfig { namesrv_addr: address, ..ClientConfig::default() });
    create_topic(&client, "T", 4).await;
    let seen = Seen::default();
    let member = consumer(&client, group("G"), "T", &seen).await;
    let producer = producer(&client).await;
    send(&producer, "T", 0..10).await;
    until("messages flow", || seen.len() == 10).await;
    names.close().await;
    send(&producer, "T", 10..50).await;
    until("messages flow on", || seen.len() == 50).await;
    assert_eq!(seen.bodies(), (0..50).collect::<Vec<_>>());
    member.close().await;
    producer.close().await;
    broker.close().await;
}

#[tokio::test]
async fn a_closed_client_leaves_nothing_behind() {
    let server = Server::start().await.unwrap();
    let client = server.client();
    create_topic(&client, "T", 2).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let cycle = async || {
        let config = ProducerConfig::default();
        let producer = Producer::start(client.clone(), config).await.unwrap();
        producer.send(Message::new("T", "1")).await.unwrap();
        let seen = Seen::default();
        let member = consumer(&client, group("G"), "T", &seen).await;
        let puller = PullConsumer::start(client.clone(), group("P")).await.unwrap();
        puller.subscribe("T", "*").await.unwrap();
        puller.close().await;
        member.close().await;
        producer.close().await;
    };
    cycle().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = tasks();
    for _ in 0..200 {
        cycle().await;
    }
    // Both ends of every connection are tasks of this runtime.
    until("no task is left", || tasks() <= before).await;
    server.close().await;
}

#[tokio::test]
async fn closing_twice_does_not_close_what_others_use() {
    let server = Server::start().await.unwrap();
    let (one, other) = (Admin::new(server.client()).unwrap(), Admin::new(server.client()).unwrap());
    one.close().await;
    one.clone().close().await;
    other.cluster_info().await.unwrap();
    other.close().await;
    assert!(other.cluster_info().await.is_err());
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_start_while_others_close_work() {
    let server = Server::start().await.unwrap();
    let client = server.client();
    create_topic(&client, "T", 2).await;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        workers.spawn(async move {
            for _ in 0..50 {
                let producer = producer(&client).await;
                send(&producer, "T", 0..1).await;
                producer.close().await;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    server.close().await;
}
