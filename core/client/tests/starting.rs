//! Clients that start, and what they know of name servers.
#![allow(clippy::unwrap_used)]

mod fake;

use fake::{Answer, Cluster, UNANSWERED, UNREADABLE, patient};
use ferromq_client::{ClientConfig, Consumed, ConsumerConfig, Message, Producer, PushConsumer};
use ferromq_protocol::body::HeartbeatData;
use ferromq_protocol::fastjson;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

const OK: Answer = Answer::Code(0);
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it succeeds.
async fn until<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let attempts = async {
        loop {
            if let Some(reached) = attempt().await {
                return reached;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, attempts).await.unwrap()
}

#[tokio::test]
async fn a_name_server_that_is_silent_longer_than_a_send_waits_is_passed_over_by_the_next_one() {
    let cluster = Cluster::start(&[OK]).await;
    // It takes connections, as the system does for a process that hangs, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let both = format!("{};{}", silent.local_addr().unwrap(), cluster.address());
    // Which one comes first is left to chance.
    for index in 0..8 {
        let client = ClientConfig {
            namesrv_addr: both.clone(),
            instance_name: index.to_string(),
            ..ClientConfig::default()
        };
        let producer = Producer::start(client, patient(100)).await.unwrap();
        until(async || producer.send(Message::new("T", "body")).await.ok()).await;
        producer.close().await;
    }
}

#[tokio::test]
async fn a_route_that_cannot_be_read_keeps_no_other_from_being_refreshed() {
    let cluster = Cluster::start(&[OK]).await;
    let client = ClientConfig { poll_name_server_interval: 10, ..cluster.client() };
    let producer = Producer::start(client.clone(), patient(5000)).await.unwrap();
    assert_eq!(producer.queues("T").await.unwrap().len(), 4);
    let config = ConsumerConfig { group: "G".into(), ..ConsumerConfig::default() };
    let consumer = PushConsumer::builder(client, config)
        .subscribe("T", "*")
        .listen(async |_| Consumed::Success)
        .start()
        .await
        .unwrap();
    // It is subscribed to all the same.
    consumer.subscribe(UNREADABLE, "*").await.unwrap_err();
    cluster.add_topic("T", 7);
    until(async || (producer.queues("T").await.unwrap().len() == 7).then_some(())).await;
    consumer.close().await;
    producer.close().await;
}

#[tokio::test]
async fn a_consumer_whose_start_was_given_up_leaves_its_group() {
    let cluster = Cluster::start(&[OK]).await;
    let client = ClientConfig { heartbeat_broker_interval: 10, ..cluster.client() };
    // Heartbeats go on for it.
    let producer = Producer::start(client.clone(), patient(5000)).await.unwrap();
    producer.send(Message::new("T", "body")).await.unwrap();
    let members = || -> Vec<usize> {
        let beats = cluster.take_heartbeats(0);
        let data = beats.iter().map(|beat| fastjson::from_slice::<HeartbeatData>(&beat.body));
        data.map(|data| data.unwrap().consumer_data_set.len()).collect()
    };
    {
        let config = ConsumerConfig { group: "G".into(), ..ConsumerConfig::default() };
        let mut start = pin!(
            PushConsumer::builder(client, config)
                .subscribe(UNANSWERED, "*")
                .listen(async |_| Consumed::Success)
                .start()
        );
        let pending = poll_fn(|context| Poll::Ready(start.as_mut().poll(context).is_pending()));
        assert!(pending.await);
        until(async || members().contains(&1).then_some(())).await;
    }
    until(async || members().contains(&0).then_some(())).await;
    producer.close().await;
}
