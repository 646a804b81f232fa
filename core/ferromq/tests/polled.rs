//! The consumer that is polled, against an embedded server (protocol §8).
#![allow(clippy::unwrap_used)]

mod support;

use ferromq::{
    Admin, ClientConfig, Consumer, ConsumerConfig, Delivery, Error, Message, Producer, Server,
};
use std::sync::Arc;
use std::time::Duration;
use support::{all_committed, create_topic, group, number, producer, quick, send, until};

const SOON: Duration = Duration::from_secs(10);

async fn start(topic: &str, queues: i32) -> (Server, ClientConfig, Producer) {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, topic, queues).await;
    let producer = producer(&client).await;
    (server, client, producer)
}

async fn consumer(client: &ClientConfig, config: ConsumerConfig, ordered: bool) -> Consumer {
    Consumer::start(client.clone(), config, &[("T", "*")], ordered).await.unwrap()
}

/// Polls until it has so many.
async fn poll(consumer: &Consumer, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let more = consumer.poll(count - deliveries.len(), SOON).await.unwrap();
        assert!(!more.is_empty(), "{} of {count} came", deliveries.len());
        deliveries.extend(more);
    }
    deliveries
}

fn numbers(deliveries: &[Delivery]) -> Vec<usize> {
    let mut numbers: Vec<usize> = deliveries.iter().map(|delivery| number(delivery)).collect();
    numbers.sort();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_messages_are_committed_and_others_come_to_the_next_member() {
    let (server, client, producer) = start("T", 4).await;
    send(&producer, "T", 0..100).await;
    let first = consumer(&client, group("G"), false).await;
    let mut deliveries = poll(&first, 100).await;
    assert_eq!(numbers(&deliveries), (0..100).collect::<Vec<_>>());
    // The later half of every queue: progress must not pass what is not settled.
    deliveries.sort_by_key(|delivery| std::cmp::Reverse(delivery.queue_offset));
    let rest = deliveries.split_off(50);
    let (one_by_one, at_once) = (deliveries.split_off(25), deliveries);
    Delivery::ack_all(at_once);
    one_by_one.into_iter().for_each(Delivery::ack);
    let kept = numbers(&rest);
    // Held over the end of the consumer: they come to the next one, not to the broker's retries.
    first.close().await;
    assert!(matches!(first.poll(1, SOON).await, Err(Error::Closed)));
    drop(rest);

    let second = consumer(&client, group("G"), false).await;
    // Those behind the first that was kept come again too, though they were settled.
    let again = poll(&second, 100).await;
    let missing: Vec<_> = kept.iter().filter(|n| !numbers(&again).contains(n)).collect();
    assert!(missing.is_empty(), "{missing:?} did not come again");
    assert!(again.iter().all(|delivery| delivery.reconsume_times == 0));
    Delivery::ack_all(again);
    let admin = Admin::new(client.clone()).unwrap();
    all_committed(&admin, "G", "T", 100).await;
    second.close().await;
    admin.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_or_dropped_comes_again_from_any_thread() {
    let (server, client, producer) = start("T", 1).await;
    let member = consumer(&client, group("G"), false).await;
    send(&producer, "T", 0..2).await;
    let mut deliveries = poll(&member, 2).await;
    let (dropped, given_back) = (deliveries.pop().unwrap(), deliveries.pop().unwrap());
    // A thread without a runtime, as a garbage collector's.
    std::thread::spawn(move || {
        drop(dropped);
        given_back.retry_later(1);
    })
    .join()
    .unwrap();
    let again = poll(&member, 2).await;
    assert_eq!(numbers(&again), [0, 1]);
    for delivery in &again {
        assert_eq!((delivery.reconsume_times, delivery.topic.as_str()), (1, "T"));
    }
    Delivery::ack_all(again);
    let admin = Admin::new(client.clone()).unwrap();
    all_committed(&admin, "G", "T", 2).await;
    // A negative level makes a dead letter of it.
    send(&producer, "T", 2..3).await;
    poll(&member, 1).await.pop().unwrap().retry_later(-1);
    let dead = Consumer::start(client.clone(), group("D"), &[("%DLQ%G", "*")], false).await;
    let dead = dead.unwrap();
    assert_eq!(numbers(&poll(&dead, 1).await), [2]);
    for consumer in [member, dead] {
        consumer.close().await;
    }
    admin.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_order_each_queue_waits_for_its_first_message() {
    let (server, client, producer) = start("T", 2).await;
    for body in 0..20 {
        let message = Message::new("T", body.to_string());
        producer.send_ordered(message, &(body % 2).to_string()).await.unwrap();
    }
    let config = ConsumerConfig {
        suspend_current_queue_time: 10,
        // Whoever waited for all of it would wait for ever.
        await_termination: 3_600_000,
        ..group("G")
    };
    let member = consumer(&client, config, true).await;
    let (mut seen, mut failed) = ([Vec::new(), Vec::new()], false);
    while seen.iter().map(Vec::len).sum::<usize>() < 20 {
        for delivery in poll(&member, 1).await {
            let body = number(&delivery);
            if body == 4 && !failed {
                failed = true;
                delivery.retry_later(0);
            } else {
                assert_eq!(delivery.reconsume_times, i32::from(body == 4));
                seen[body % 2].push(body);
                delivery.ack();
            }
        }
    }
    for (start, seen) in seen.iter().enumerate() {
        assert_eq!(*seen, (start..20).step_by(2).collect::<Vec<_>>());
    }
    let admin = Admin::new(client.clone()).unwrap();
    all_committed(&admin, "G", "T", 20).await;
    // Closing does not wait for a message that nobody will settle.
    send(&producer, "T", 20..21).await;
    let held = poll(&member, 1).await;
    tokio::time::timeout(2 * SOON, member.close()).await.expect("it closes");
    drop(held);
    admin.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_dropped_leaves_its_group() {
    let (server, client, producer) = start("T", 4).await;
    let first = consumer(&client, group("G"), false).await;
    let second = consumer(&client, group("G"), false).await;
    let own = |member: &Consumer| member.queues().iter().filter(|q| q.topic == "T").count();
    until("two each", || own(&first) == 2 && own(&second) == 2).await;
    drop(first);
    until("the other has all", || own(&second) == 4).await;
    second.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_takes_nothing_from_whoever_polls() {
    let (server, client, producer) = start("T", 1).await;
    let member = Arc::new(consumer(&client, group("G"), false).await);
    for number in 0..20 {
        // The watcher comes first, and would be the one to be woken.
        let (watching, polling) = (member.clone(), member.clone());
        let watcher = tokio::spawn(async move { watching.ready().await });
        let poll = tokio::spawn(async move { polling.poll(1, SOON).await.unwrap() });
        tokio::task::yield_now().await;
        send(&producer, "T", number..number + 1).await;
        let polled = poll.await.unwrap();
        assert_eq!(polled.len(), 1, "message {number} did not wake the poll");
        Delivery::ack_all(polled);
        watcher.abort();
    }
    member.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_loop_is_told_when_there_is_something() {
    let (server, client, producer) = start("T", 1).await;
    let member = consumer(&client, group("G"), false).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), member.ready()).await.is_err());
    send(&producer, "T", 0..1).await;
    tokio::time::timeout(SOON, member.ready()).await.unwrap();
    // Still, until it is polled.
    tokio::time::timeout(SOON, member.ready()).await.unwrap();
    Delivery::ack_all(member.poll(1, Duration::ZERO).await.unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(50), member.ready()).await.is_err());
    member.close().await;
    tokio::time::timeout(SOON, member.ready()).await.unwrap();
    producer.close().await;
    server.close().await;
}
