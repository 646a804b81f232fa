//! When a consumer's progress counts as stored.
#![allow(clippy::unwrap_used)]

mod fake;

use fake::{Answer, Cluster};
use ferromq_client::{ConsumerConfig, PullConsumer};
use ferromq_model::MessageQueue;
use ferromq_protocol::headers::UpdateConsumerOffsetRequest;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_commit_that_one_asked_for_waits_for_the_broker() {
    let cluster = Cluster::start(&[Answer::WhenReleased]).await;
    let config = ConsumerConfig { group: "G".into(), ..ConsumerConfig::default() };
    let consumer = Arc::new(PullConsumer::start(cluster.client(), config).await.unwrap());
    let queue = MessageQueue::new("T", "a", 2);
    consumer.assign(std::slice::from_ref(&queue)).await.unwrap();
    consumer.seek(&queue, 5).await.unwrap();

    let commit = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.commit().await }
    });
    let sent = async {
        while cluster.commits(0).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), sent).await.unwrap();
    // An answer that came back later than one to the commit would have.
    assert_eq!(consumer.committed(&queue).await.unwrap(), Some(5));
    assert!(!commit.is_finished(), "the broker has not answered");
    let commits = cluster.commits(0);
    let told: UpdateConsumerOffsetRequest<'_> = commits[0].header().unwrap();
    assert_eq!((told.topic, told.queue_id, told.commit_offset), ("T", 2, 5));

    cluster.release();
    commit.await.unwrap();
    consumer.close().await;
}

#[tokio::test]
async fn a_broker_that_cannot_be_told_is_asked_once_and_keeps_no_other_waiting() {
    let cluster = Cluster::start(&[Answer::Hangup, Answer::Code(0)]).await;
    let config = ConsumerConfig { group: "G".into(), ..ConsumerConfig::default() };
    let consumer = PullConsumer::start(cluster.client(), config).await.unwrap();
    let queues = consumer.topic_queues("T").await.unwrap();
    consumer.assign(&queues).await.unwrap();
    for queue in &queues {
        consumer.seek(queue, 5).await.unwrap();
    }
    consumer.commit().await;
    assert_eq!((cluster.commits(0).len(), cluster.commits(1).len()), (1, 4));
    consumer.close().await;
}

#[tokio::test]
async fn a_slave_that_does_not_answer_leaves_the_queue_to_the_master() {
    let cluster = Cluster::start(&[Answer::Code(0)]).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cluster.add_slave("T", 0, nobody.to_string());
    let config = ConsumerConfig { group: "G".into(), ..ConsumerConfig::default() };
    let consumer = PullConsumer::start(cluster.client(), config).await.unwrap();
    consumer.assign(&[MessageQueue::new("T", "a", 2)]).await.unwrap();
    let asked_again = async {
        while cluster.pulls(0) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked_again).await.unwrap();
    consumer.close().await;
}
