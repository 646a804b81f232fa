//! What tests of clients against embedded servers have in common.
// Every test binary uses a part of it.
#![allow(dead_code)]

use ferromq::{
    Admin, ClientConfig, Consumed, ConsumerConfig, Message, Producer, ProducerConfig, PushConsumer,
    ReceivedMessage,
};
use ferromq_protocol::body::TopicConfig;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a group has committed that it handled all of the `count` messages of a topic.
pub async fn all_committed(admin: &Admin, group: &str, topic: &str, count: i64) {
    let start = Instant::now();
    loop {
        let stats = admin.consume_stats(group, Some(topic)).await.unwrap().offset_table.0;
        let (sent, handled) = stats.values().fold((0, 0), |(sent, handled), queue| {
            (sent + queue.broker_offset, handled + queue.consumer_offset)
        });
        if (sent, handled) == (count, count) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{handled} of {sent} committed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Settings under which clients notice everything soon.
pub fn quick(client: ClientConfig) -> ClientConfig {
    ClientConfig {
        poll_name_server_interval: 200,
        heartbeat_broker_interval: 500,
        persist_consumer_offset_interval: 100,
        ..client
    }
}

/// A consumer that starts at a topic's first message.
pub fn group(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        group: name.to_string(),
        consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
        ..ConsumerConfig::default()
    }
}

pub async fn producer(client: &ClientConfig) -> Producer {
    Producer::start(client.clone(), ProducerConfig::default()).await.unwrap()
}

/// Makes a topic and waits until it has a route.
pub async fn create_topic(client: &ClientConfig, topic: &str, queues: i32) {
    let admin = Admin::new(client.clone()).unwrap();
    let config = TopicConfig {
        topic_name: topic.to_string(),
        read_queue_nums: queues,
        write_queue_nums: queues,
        ..TopicConfig::default()
    };
    admin.create_topic(&config).await.unwrap();
    let start = Instant::now();
    while admin.route(topic).await.unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "topic {topic} gets no route");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    admin.close().await;
}

pub async fn send(producer: &Producer, topic: &str, bodies: std::ops::Range<usize>) {
    for body in bodies {
        producer.send(Message::new(topic, body.to_string())).await.unwrap();
    }
}

/// What listeners got, in the order in which they got it.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<ReceivedMessage>>>);

impl Seen {
    pub fn note(&self, messages: Vec<ReceivedMessage>) {
        self.0.lock().unwrap().extend(messages);
    }

    pub fn messages(&self) -> Vec<ReceivedMessage> {
        self.0.lock().unwrap().clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The bodies, as the numbers that they are, sorted.
    pub fn bodies(&self) -> Vec<usize> {
        let mut bodies: Vec<usize> = self.0.lock().unwrap().iter().map(number).collect();
        bodies.sort();
        bodies
    }
}

pub fn number(message: &ReceivedMessage) -> usize {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

/// A consumer that notes all that it gets.
pub async fn consumer(
    client: &ClientConfig,
    config: ConsumerConfig,
    topic: &str,
    seen: &Seen,
) -> PushConsumer {
    let seen = seen.clone();
    PushConsumer::builder(client.clone(), config)
        .subscribe(topic, "*")
        .listen(move |messages| {
            seen.note(messages);
            async { Consumed::Success }
        })
        .start()
        .await
        .unwrap()
}
