//! Pull consumers of applications that fail, and whose queues go elsewhere.
#![allow(clippy::unwrap_used)]

mod support;

use ferromq::{ClientConfig, ConsumerConfig, HeldMessages, MessageQueue, PullConsumer, Server};
use std::sync::Arc;
use std::time::Duration;
use support::{create_topic, group, number, producer, quick, send};

const PATIENCE: Duration = Duration::from_secs(20);

async fn pull(client: &ClientConfig, config: ConsumerConfig) -> (Arc<PullConsumer>, MessageQueue) {
    let consumer = PullConsumer::start(client.clone(), config).await.unwrap();
    let queues = consumer.topic_queues("T").await.unwrap();
    consumer.assign(&queues).await.unwrap();
    (Arc::new(consumer), queues[0].clone())
}

async fn server_with(messages: usize) -> (Server, ClientConfig) {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let sender = producer(&client).await;
    send(&sender, "T", 0..messages).await;
    sender.close().await;
    (server, client)
}

/// The bodies of the next messages; one poll gives as many of them as have come.
async fn read(consumer: &PullConsumer, count: usize) -> Vec<usize> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let polled = consumer.poll(count - bodies.len(), PATIENCE).await.unwrap();
        assert!(!polled.is_empty());
        bodies.extend(polled.iter().map(number));
    }
    bodies
}

#[tokio::test]
async fn messages_that_reached_nobody_are_polled_again_and_are_no_progress() {
    let (server, client) = server_with(4).await;
    let (consumer, queue) = pull(&client, group("G")).await;
    for max in [1, 4, 2] {
        drop(consumer.poll_held(max, PATIENCE).await.unwrap());
    }
    assert_eq!(read(&consumer, 4).await, [0, 1, 2, 3]);
    consumer.seek_to_begin(&queue).await.unwrap();
    let lost = consumer.poll_held(1, PATIENCE).await.unwrap();
    // This poll counts them as handled.
    let next: HeldMessages = consumer.poll_held(1, PATIENCE).await.unwrap();
    assert_eq!(next.take().iter().map(number).collect::<Vec<_>>(), [1]);
    drop(lost);
    consumer.commit().await;
    assert_eq!(consumer.committed(&queue).await.unwrap(), Some(0));
    assert_eq!(read(&consumer, 3).await, [0, 2, 3]);
    consumer.commit().await;
    assert_eq!(consumer.committed(&queue).await.unwrap(), Some(4));
    consumer.close().await;
    server.close().await;
}

#[tokio::test]
async fn what_the_application_failed_to_handle_is_not_committed_by_closing() {
    let (server, client) = server_with(4).await;
    let (consumer, _) = pull(&client, group("G")).await;
    assert_eq!(read(&consumer, 4).await, [0, 1, 2, 3]);
    consumer.forget_polled();
    consumer.close().await;
    let (again, _) = pull(&client, group("G")).await;
    let first = again.poll(1, PATIENCE).await.unwrap();
    // Of several polls, those before the last were handled.
    assert!(number(&first[0]) < 4);
    again.close().await;
    server.close().await;
}

#[tokio::test]
async fn progress_in_a_queue_that_was_elsewhere_meanwhile_is_not_committed_over_what_was_done_there()
 {
    let (server, client) = server_with(4).await;
    let config = ConsumerConfig { auto_commit: false, ..group("G") };
    let (first, queue) = pull(&client, config.clone()).await;
    assert_eq!(read(&first, 2).await, [0, 1]);
    first.assign(&[]).await.unwrap();
    let (second, _) = pull(&client, config).await;
    assert_eq!(read(&second, 4).await, [0, 1, 2, 3]);
    second.commit().await;
    second.close().await;
    first.assign(std::slice::from_ref(&queue)).await.unwrap();
    first.commit().await;
    assert_eq!(first.committed(&queue).await.unwrap(), Some(4));
    first.close().await;
    server.close().await;
}
