//! What a consumer receives while it changes what it wants.
#![allow(clippy::unwrap_used)]

mod fake;

use fake::{Answer, Cluster};
use ferromq_client::{Consumed, ConsumerConfig, PushConsumer};
use ferromq_protocol::code::response;
use std::time::Duration;

async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), holds).await.expect(what);
}

#[tokio::test]
async fn a_topic_left_while_its_queues_are_taken_over_does_not_come_back() {
    let cluster = Cluster::start(&[Answer::Code(response::SUCCESS)]).await;
    cluster.add_topic("U", 4);
    cluster.answer_offsets(0, Answer::WhenReleased);
    let folder = tempfile::tempdir().unwrap();
    let config = ConsumerConfig {
        group: "G".into(),
        message_model: "BROADCASTING".into(),
        local_offset_store_dir: folder.path().display().to_string(),
        ..ConsumerConfig::default()
    };
    let member = PushConsumer::builder(cluster.client(), config)
        .subscribe("T", "*")
        .subscribe("U", "*")
        .listen(|_| async { Consumed::Success })
        .start()
        .await
        .unwrap();
    let own = |topic| member.queues().iter().filter(|queue| queue.topic == topic).count();
    // It wants to know where to begin with the first queue of T.
    until("it asks", || cluster.offsets_asked(0) == 1).await;
    member.unsubscribe("T").await.unwrap();
    cluster.release();
    // The other topic's queues are taken over after that.
    until("it goes on", || own("U") == 4).await;
    assert_eq!(own("T"), 0);
    member.close().await;
}
