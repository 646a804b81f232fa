use super::MOST;
use crate::broker::Broker;
use crate::testing::{Client, PATIENCE, SlowDisk, config, store_config};
use ferromq_model::flags::pull::{SUBSCRIPTION, SUSPEND};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{PullMessageRequest, PullMessageResponse, SendMessageResponse};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Sends a message and returns its offset.
async fn send(client: &Client, length: usize) -> i64 {
    let answer = client.send_until_stored(length).await;
    answer.header::<SendMessageResponse<'_>>().unwrap().queue_offset
}

async fn pull(client: &Client, offset: i64, millis: i64) -> Command {
    let header = PullMessageRequest {
        consumer_group: "G",
        topic: "T",
        queue_id: 0,
        queue_offset: offset,
        max_msg_nums: 1,
        sys_flag: SUBSCRIPTION | SUSPEND,
        commit_offset: 0,
        suspend_timeout_millis: millis,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: None,
        max_msg_bytes: None,
        request_source: None,
        broker_name: None,
    };
    client.ask(Command::request_with(code::PULL_MESSAGE, &header)).await
}

/// One thread runs the broker and the clients: whatever blocks it shows.
#[tokio::test]
async fn pulls_that_wait_for_the_disk_keep_nobody_else_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SlowDisk::default());
    let broker =
        Broker::start_on(disk.clone(), config(), store_config(folder.path())).await.unwrap();
    let (hot, cold) = (Client::new(&broker), Client::new(&broker));
    // Three segments, so that the first messages were not written lately.
    let mut sent = 0;
    for _ in 0..12 {
        sent = send(&hot, 250_000).await;
    }
    disk.set_cold(true);
    let mut pulls = JoinSet::new();
    for offset in 0..3 * MOST as i64 {
        let cold = cold.clone();
        pulls.spawn(async move { pull(&cold, offset % 3, 0).await });
    }
    disk.until_fetches(MOST).await;
    // Meanwhile new messages come and go, over the same connection too.
    for client in [&hot, &cold] {
        sent += 1;
        assert_eq!(send(client, 100).await, sent);
        let answer = pull(client, sent, 0).await;
        assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
    }
    assert!(pulls.try_join_next().is_none(), "none of them can be answered yet");
    disk.set_cold(false);
    for answer in pulls.join_all().await {
        assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
        assert!(answer.body.len() > 250_000);
    }
    assert_eq!(disk.most_fetches(), MOST, "the others waited for their turn");
    broker.close().await;
}

/// The first pull of a queue after a start looks at files; what it finds is answered as ever.
#[tokio::test]
async fn a_pull_that_finds_nothing_aside_waits_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), store_config(folder.path())).await.unwrap();
    let client = Client::new(&broker);
    assert_eq!(send(&client, 10).await, 0);
    broker.close().await;
    let broker = Broker::start(config(), store_config(folder.path())).await.unwrap();
    let client = Client::new(&broker);
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { pull(&client, 1, 600_000).await })
    };
    let first = pull(&client, 0, 0).await;
    assert_eq!(first.code, response::SUCCESS);
    let header: PullMessageResponse = first.header().unwrap();
    assert_eq!((header.next_begin_offset, header.max_offset), (1, 1));
    assert_eq!(send(&client, 10).await, 1);
    let answer = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answer.code, response::SUCCESS);
    broker.close().await;
}
