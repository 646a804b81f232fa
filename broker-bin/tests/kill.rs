//! The real program, killed again and again while messages come in.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, WAIT};
use ferromq_client::{
    Admin, ClientConfig, ConsumerConfig, Message, Producer, ProducerConfig, PullConsumer,
};
use ferromq_model::MessageQueue;
use ferromq_protocol::body::TopicConfig;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
/// How many acknowledgements a round waits for at least.
const EACH: usize = 150;

/// Where each acknowledged body is.
type Acknowledged = Arc<Mutex<BTreeMap<(MessageQueue, i64), String>>>;

fn start(folder: &Path) -> (Running, ClientConfig) {
    let arguments = ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "kill.conf"];
    let server = Running::start(folder, &arguments);
    let namesrv_addr = server.address("namesrv");
    (server, ClientConfig { namesrv_addr, ..ClientConfig::default() })
}

/// A body that says which one it is, from one end to the other.
fn body(round: usize, sender: usize, number: usize) -> String {
    format!("{round}-{sender}-{number} ").repeat(1 + number % 40)
}

async fn load(client: ClientConfig, round: usize, acknowledged: Acknowledged, server: Running) {
    let admin = Admin::new(client.clone()).unwrap();
    let topic = TopicConfig { topic_name: "T".to_string(), ..TopicConfig::default() };
    admin.create_topic(&topic).await.unwrap();
    admin.close().await;
    let config = ProducerConfig {
        retry_times_when_send_failed: 0,
        send_msg_timeout: 1000,
        ..ProducerConfig::default()
    };
    let producer = Producer::start(client, config).await.unwrap();
    let (count, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (producer, acknowledged) = (producer.clone(), acknowledged.clone());
            let (count, over) = (count.clone(), over.clone());
            tokio::spawn(async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let body = body(round, sender, number);
                    if let Ok(receipt) = producer.send(Message::new("T", body.clone())).await {
                        let place = (receipt.queue, receipt.queue_offset);
                        let before = acknowledged.lock().unwrap().insert(place, body);
                        assert_eq!(before, None, "two messages have one place");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    number += 1;
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) < EACH + round * 17 {
        assert!(begun.elapsed() < WAIT, "messages do not flow");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Dropping it is kill -9.
    drop(server);
    over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    producer.close().await;
}

/// All that the topic holds, by queue; offsets are without holes.
async fn read_all(client: ClientConfig) -> BTreeMap<(MessageQueue, i64), String> {
    let admin = Admin::new(client.clone()).unwrap();
    let stats = admin.topic_stats("T").await.unwrap().offset_table.0;
    let total: i64 = stats.values().map(|queue| queue.max_offset - queue.min_offset).sum();
    admin.close().await;
    let config = ConsumerConfig {
        group: "reader".to_string(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
        ..ConsumerConfig::default()
    };
    let consumer = PullConsumer::start(client, config).await.unwrap();
    let queues = consumer.topic_queues("T").await.unwrap();
    consumer.assign(&queues).await.unwrap();
    let mut all = BTreeMap::new();
    let mut next = BTreeMap::<MessageQueue, i64>::new();
    while (all.len() as i64) < total {
        let messages = consumer.poll(1000, WAIT).await.unwrap();
        assert!(!messages.is_empty(), "{} of {total} can be read", all.len());
        for message in messages {
            let expected = next.entry(message.queue.clone()).or_default();
            assert_eq!(message.queue_offset, *expected, "a hole in {}", message.queue);
            *expected += 1;
            let text = String::from_utf8(message.body.to_vec()).unwrap();
            let word = text.split(' ').next().unwrap();
            assert!(text.split_terminator(' ').all(|other| other == word), "damaged: {text}");
            all.insert((message.queue, message.queue_offset), text);
        }
    }
    consumer.close().await;
    all
}

async fn nothing_acknowledged_is_lost(flush: &str) {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "mapedFileSizeCommitLog=262144\nmapedFileSizeConsumeQueue=2000\nmaxHashSlotNum=1000\n\
         maxIndexNum=1000\nflushDiskType={flush}\nflushConsumeQueueThoroughInterval=50\n\
         flushIntervalConsumeQueue=20\n"
    );
    std::fs::write(folder.path().join("kill.conf"), settings).unwrap();
    let acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let (server, client) = start(folder.path());
        load(client, round, acknowledged.clone(), server).await;
    }
    let (_server, client) = start(folder.path());
    let all = read_all(client).await;
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() >= ROUNDS * EACH);
    for (place, body) in acknowledged.iter() {
        assert_eq!(all.get(place), Some(body), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synchronous_flush_survives_being_killed() {
    nothing_acknowledged_is_lost("SYNC_FLUSH").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asynchronous_flush_survives_being_killed() {
    nothing_acknowledged_is_lost("ASYNC_FLUSH").await;
}
