//! What clients count, and that docs/statistics.md tells it.
#![allow(clippy::unwrap_used)]

mod support;

use ferromq::{Consumer, Message, Producer, PullConsumer, Server};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{create_topic, group, producer, quick, send, until};

const SOON: Duration = Duration::from_secs(10);
const PAGE: &str = include_str!("../../../docs/statistics.md");

/// The keys of a value as the page writes them.
fn keys(value: &Value, prefix: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = format!("{prefix}{name}");
                keys(value, &format!("{path}."), into);
                into.insert(path);
            }
        }
        Value::Array(items) => {
            let prefix = format!("{}[].", prefix.trim_end_matches('.'));
            items.iter().for_each(|item| keys(item, &prefix, into));
        }
        _ => {}
    }
}

/// The keys in the tables of a chapter.
fn told(chapter: &str) -> BTreeSet<String> {
    let text = PAGE.split("\n## ").find(|text| text.starts_with(chapter)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_string).collect()
}

fn assert_told(json: &str, chapter: &str) {
    let mut all = BTreeSet::new();
    keys(&serde_json::from_str(json).unwrap(), "", &mut all);
    assert_eq!(all, told(chapter));
}

async fn settled(sender: &Producer, consumer: &Consumer) {
    let mut polled = Vec::new();
    while polled.len() < 12 {
        polled.extend(consumer.poll(12, SOON).await.unwrap());
    }
    let now = consumer.statistics();
    assert_eq!((now.received, now.received_bytes, now.handled), (12, 12, 0));
    assert_eq!(now.queues.iter().map(|queue| queue.buffered).sum::<u64>(), 12);
    assert_eq!(now.queues.iter().map(|queue| queue.buffered_bytes).sum::<u64>(), 12);
    polled.pop().unwrap().retry_later(1);
    polled.pop().unwrap().ack();
    ferromq::Delivery::ack_all(polled);
    until("all are settled", || {
        let now = consumer.statistics();
        now.queues.iter().all(|queue| queue.buffered == 0 || queue.topic != "T")
    })
    .await;
    let now = consumer.statistics();
    assert_eq!((now.handled, now.returned, now.pull_failures), (11, 1, 0));
    let lags = now.queues.iter().filter(|queue| queue.topic == "T").map(|queue| queue.lag);
    assert_eq!(lags.collect::<Vec<_>>(), [Some(0), Some(0)]);
    assert!(!now.connections.is_empty() && now.client_id.contains('@'));
    assert_told(&now.to_json(), "Of a consumer");
    assert_told(&sender.statistics().to_json(), "Of a producer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_count_what_they_do() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 2).await;
    let sender = producer(&client).await;
    send(&sender, "T", 0..8).await;
    let batch = ["a", "b", "c"].map(|body| Message::new("T", body));
    sender.send_batch(batch.to_vec()).await.unwrap();
    let queue = &sender.queues("T").await.unwrap()[0];
    sender.send_to(Message::new("T", "x"), queue).await.unwrap();
    sender.send(Message::new("T", "")).await.unwrap_err();
    let now = sender.statistics();
    assert_eq!((now.sent, now.failed, now.retries, now.in_flight), (12, 0, 0, 0));
    assert_eq!(now.latency.count, 10, "a batch is one send");
    assert!(now.latency.max >= now.latency.p50 && now.latency.p50 > 0, "{:?}", now.latency);
    assert_eq!((now.r#type, now.group.as_str()), ("producer", "FERROMQ_PRODUCER"));

    let all = [("T", "*")];
    let consumer = Consumer::start(client.clone(), group("G"), &all, false).await.unwrap();
    settled(&sender, &consumer).await;
    consumer.close().await;

    let pull = PullConsumer::start(client.clone(), group("P")).await.unwrap();
    pull.assign(std::slice::from_ref(queue)).await.unwrap();
    let polled = pull.poll(100, SOON).await.unwrap().len() as u64;
    let now = pull.statistics();
    assert_eq!((now.r#type, now.handled), ("pullConsumer", polled));
    assert_eq!(now.queues.len(), 1);
    pull.close().await;

    sender.send_oneway(Message::new("T", "y")).await.unwrap();
    assert_eq!((sender.statistics().oneway, sender.statistics().sent), (1, 12));
    sender.close().await;
    server.close().await;
}
