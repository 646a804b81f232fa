//! What applications do that they had better not.
#![allow(clippy::unwrap_used)]

mod support;

use ferromq::{ClientConfig, Consumed, Consumer, ConsumerConfig, PushConsumer, Server};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Seen, consumer, create_topic, group, producer, quick, send, until};
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_panics_before_it_has_made_a_future_gets_its_messages_again() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let sender = producer(&client).await;
    send(&sender, "T", 0..1).await;
    let listen = |seen: &Seen, fails: &Arc<AtomicBool>| {
        let (seen, fails) = (seen.clone(), fails.clone());
        move |messages: Vec<_>| {
            assert!(!fails.swap(false, Ordering::SeqCst), "as a test wants it");
            seen.note(messages);
            async { Consumed::Success }
        }
    };

    let (seen, fails) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    let config = ConsumerConfig { suspend_current_queue_time: 10, ..group("Ordered") };
    let ordered = PushConsumer::builder(client.clone(), config)
        .subscribe("T", "*")
        .listen_in_order(listen(&seen, &fails))
        .start()
        .await
        .unwrap();
    until("the message comes again", || seen.bodies() == [0]).await;
    ordered.close().await;

    fails.store(true, Ordering::SeqCst);
    let beside = PushConsumer::builder(client, group("SideBySide"))
        .subscribe("T", "*")
        .listen(listen(&seen, &fails))
        .start()
        .await
        .unwrap();
    // It comes again in ten seconds, which this does not wait for.
    until("the message is sent back", || beside.statistics().returned == 1).await;
    beside.close().await;
    sender.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_that_were_given_one_name_share_its_queues_all_the_same() {
    let server = Server::start().await.unwrap();
    let client = ClientConfig { instance_name: "one".into(), ..quick(server.client()) };
    create_topic(&client, "T", 4).await;
    let seen = Seen::default();
    let first = consumer(&client, group("G"), "T", &seen).await;
    let second = consumer(&client, group("G"), "T", &seen).await;
    let of_topic = |consumer: &PushConsumer| {
        let all = consumer.queues().into_iter().filter(|queue| queue.topic == "T");
        all.map(|queue| queue.queue_id).collect::<BTreeSet<_>>()
    };
    until("they share", || {
        let (of_first, of_second) = (of_topic(&first), of_topic(&second));
        of_first.len() == 2 && of_second.len() == 2 && of_first.is_disjoint(&of_second)
    })
    .await;
    first.close().await;
    second.close().await;
    server.close().await;
}

#[tokio::test]
async fn a_poll_may_wait_for_ever() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let consumer = Consumer::start(client.clone(), group("G"), &[("T", "*")], false).await.unwrap();
    let sender = producer(&client).await;
    let (polled, ()) = tokio::join!(consumer.poll(1, Duration::MAX), send(&sender, "T", 0..1));
    assert_eq!(polled.unwrap().len(), 1);
    consumer.close().await;
    sender.close().await;
    server.close().await;
}

/// A queue in order goes to another member once the message being handled is: or else both would handle it, and
/// the other would go on while the first still does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_in_order_that_goes_elsewhere_takes_no_message_with_it_that_is_being_handled() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    for topic in ["T", "U"] {
        create_topic(&client, topic, 2).await;
    }
    let sender = producer(&client).await;
    send(&sender, "T", 0..2).await;
    let (seen, go_on) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let member = || {
        let (seen, go_on) = (seen.clone(), go_on.clone());
        PushConsumer::builder(client.clone(), group("G"))
            .subscribe("T", "*")
            .subscribe("U", "*")
            .listen_in_order(move |messages| {
                let (seen, go_on) = (seen.clone(), go_on.clone());
                seen.note(messages);
                async move {
                    drop(go_on.acquire().await.unwrap());
                    Consumed::Success
                }
            })
            .start()
    };
    let of_topic = |consumer: &PushConsumer, topic: &str| {
        consumer.queues().iter().filter(|queue| queue.topic == topic).count()
    };
    let first = member().await.unwrap();
    until("both messages are being handled", || seen.bodies() == [0, 1]).await;
    let second = member().await.unwrap();
    // Of both topics the first gives up a queue, of T before U.
    until("the other topic is shared", || of_topic(&second, "U") == 1).await;
    go_on.add_permits(Semaphore::MAX_PERMITS);
    until("the topic is shared", || (of_topic(&first, "T"), of_topic(&second, "T")) == (1, 1))
        .await;
    send(&sender, "T", 2..4).await;
    until("the messages behind it come", || {
        seen.bodies().iter().filter(|body| **body > 1).count() == 2
    })
    .await;
    assert_eq!(seen.bodies(), [0, 1, 2, 3]);
    first.close().await;
    second.close().await;
    sender.close().await;
    server.close().await;
}
