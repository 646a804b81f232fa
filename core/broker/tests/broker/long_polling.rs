//! Pulls that wait (broker §2.5).

use crate::house::*;
use ferromq_model::flags;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::*;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const LONG: i64 = 600_000;

/// Sends a pull and awaits its answer in a task of its own. It is on its way when this returns.
async fn send_off(
    client: &Client,
    header: PullMessageRequest<'static>,
) -> JoinHandle<ferromq_protocol::Command> {
    let connection = client.connection().await;
    let (sent, is_sent) = oneshot::channel();
    let answer = tokio::spawn(async move {
        let answer = connection.invoke(pull_command(&header), PATIENCE);
        let _ = sent.send(());
        answer.await.unwrap()
    });
    is_sent.await.unwrap();
    answer
}

/// A pull that does not wait. The broker looks at a queue for the first time aside. From then on it
/// handles a connection's pulls in order: what follows them is answered after they are held.
async fn look(client: &Client, queue: i32) {
    client.pull(pull("LOOK", "T", queue, 0)).await;
}

/// Lets a pull wait in a task of its own. The broker holds it when this returns.
async fn hold(
    client: &Client,
    header: PullMessageRequest<'static>,
) -> JoinHandle<ferromq_protocol::Command> {
    let queue = header.queue_id;
    look(client, queue).await;
    let answer = send_off(client, header).await;
    look(client, queue).await;
    answer
}

#[tokio::test]
async fn the_append_wakes_whoever_waits_for_it() {
    let house = House::open().await;
    house.create_topic("T", 2, 6).await;
    let client = house.another_client();
    let woken = hold(&client, waiting(pull("G", "T", 0, 0), LONG)).await;
    let other = hold(&client, waiting(pull("G", "T", 1, 0), LONG)).await;
    house.send("T", 0, "now").await;
    let answer = woken.await.unwrap();
    assert_eq!((answer.code, answer.remark()), (response::SUCCESS, "FOUND"));
    assert_eq!(bodies(&answer), ["now"]);
    assert!(!other.is_finished(), "another queue's pull goes on waiting");
    house.send("T", 1, "other").await;
    assert_eq!(bodies(&other.await.unwrap()), ["other"]);
    house.close().await;
}

#[tokio::test]
async fn synchronous_flush_wakes_as_well() {
    let house = House::open_with(|_, store| store.flush_disk_type = "SYNC_FLUSH".to_string()).await;
    house.create_topic("T", 1, 6).await;
    for round in 0..20 {
        // Whichever comes first.
        let client = house.another_client();
        let woken = send_off(&client, waiting(pull("G", "T", 0, round), LONG)).await;
        house.send("T", 0, &round.to_string()).await;
        assert_eq!(bodies(&woken.await.unwrap()), [round.to_string()]);
    }
    house.close().await;
}

#[tokio::test]
async fn who_waits_for_a_tag_sleeps_through_others() {
    let house = House::open().await;
    house.create_topic("T", 1, 6).await;
    let client = house.another_client();
    let of_tag = PullMessageRequest { subscription: Some("B"), ..pull("G", "T", 0, 0) };
    let woken = hold(&client, waiting(of_tag, LONG)).await;
    for _ in 0..10 {
        house.succeed(send_with("T", 0, "a", &[(TAGS, "A")])).await;
    }
    assert!(!woken.is_finished());
    house.succeed(send_with("T", 0, "b", &[(TAGS, "B")])).await;
    let answer = woken.await.unwrap();
    assert_eq!(bodies(&answer), ["b"]);
    assert_eq!(answer.header::<PullMessageResponse>().unwrap().next_begin_offset, 11);
    house.close().await;
}

#[tokio::test]
async fn nothing_comes_and_the_time_is_up() {
    let house = House::open().await;
    house.send("T", 0, "x").await;
    let start = Instant::now();
    let answer = house.pull(waiting(pull("G", "T", 0, 1), 300)).await;
    assert_eq!((answer.code, answer.remark()), (response::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < PATIENCE / 2, "{took:?}");
    assert_eq!(answer.header::<PullMessageResponse>().unwrap().next_begin_offset, 1);
    // With long polling off, the broker's own time counts.
    house.change_setting("longPollingEnable=false\nshortPollingTimeMills=100").await;
    let start = Instant::now();
    let answer = house.pull(waiting(pull("G", "T", 0, 1), LONG)).await;
    assert_eq!(answer.code, response::PULL_NOT_FOUND);
    assert!(start.elapsed() < PATIENCE / 2);
    house.close().await;
}

#[tokio::test]
async fn progress_is_stored_when_the_pull_comes_and_not_when_it_is_woken() {
    let house = House::open().await;
    house.send("T", 0, "x").await;
    let client = house.another_client();
    let commits = PullMessageRequest {
        sys_flag: flags::pull::SUBSCRIPTION | flags::pull::COMMIT_OFFSET,
        commit_offset: 1,
        ..pull("G", "T", 0, 1)
    };
    let woken = hold(&client, waiting(commits, LONG)).await;
    assert_eq!(house.progress("G", "T", 0).await, Some(1));
    house.commit("G", "T", 0, 0).await;
    house.send("T", 0, "y").await;
    woken.await.unwrap();
    assert_eq!(house.progress("G", "T", 0).await, Some(0));
    house.close().await;
}

#[tokio::test]
async fn very_many_wait_and_only_the_right_ones_wake() {
    let house = House::open().await;
    house.create_topic("T", 64, 6).await;
    let client = house.another_client();
    let (mut woken, mut others) = (Vec::new(), Vec::new());
    for queue in 0..64 {
        look(&client, queue).await;
        for _ in 0..100 {
            let pull = send_off(&client, waiting(pull("G", "T", queue, 0), LONG)).await;
            if queue == 7 { woken.push(pull) } else { others.push(pull) }
        }
    }
    look(&client, 0).await;
    house.send("T", 7, "x").await;
    for pull in woken {
        assert_eq!(bodies(&pull.await.unwrap()), ["x"]);
    }
    assert!(others.iter().all(|pull| !pull.is_finished()));
    // The end of the broker answers all others.
    house.close().await;
    for pull in others {
        assert_eq!(pull.await.unwrap().code, response::PULL_NOT_FOUND);
    }
}

#[tokio::test]
async fn a_deleted_topic_lets_nobody_wait() {
    let house = House::open().await;
    house.create_topic("T", 1, 6).await;
    let client = house.another_client();
    let woken = hold(&client, waiting(pull("G", "T", 0, 0), LONG)).await;
    let about = TopicRequest { topic: "T", lo: None };
    let delete = ferromq_protocol::code::request::DELETE_TOPIC_IN_BROKER;
    house.succeed(ferromq_protocol::Command::request_with(delete, &about)).await;
    assert_eq!(woken.await.unwrap().code, response::PULL_NOT_FOUND);
    house.close().await;
}
