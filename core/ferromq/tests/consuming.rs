//! Consumers against an embedded server (protocol §8).
#![allow(clippy::unwrap_used)]

mod support;

use ferromq::{
    Admin, Consumed, ConsumerConfig, Message, MessageQueue, PullConsumer, PushConsumer, Server,
    ServerOptions,
};
use ferromq_net::{ConnectOptions, Connections, NoRequests};
use ferromq_protocol::Command;
use ferromq_protocol::body::{ConsumeMessageDirectlyResult, ConsumerRunningInfo};
use ferromq_protocol::code::request as code;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{ConsumeMessageDirectlyRequest, ConsumerRunningInfoRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{
    Seen, all_committed, consumer, create_topic, group, number, producer, quick, send, until,
};
use tokio::sync::watch;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_share_the_queues() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 6).await;
    let producer = producer(&client).await;
    // Members may get messages twice that were not committed when their queue changed hands, so
    // this waits for that each time.
    let admin = Admin::new(client.clone()).unwrap();
    let seen = Seen::default();
    let own = |member: &PushConsumer| member.queues().iter().filter(|q| q.topic == "T").count();

    let first = consumer(&client, group("G"), "T", &seen).await;
    until("one member has all queues", || own(&first) == 6).await;
    send(&producer, "T", 0..60).await;
    all_committed(&admin, "G", "T", 60).await;
    assert_eq!(seen.bodies(), (0..60).collect::<Vec<_>>(), "each once");

    let second = consumer(&client, group("G"), "T", &seen).await;
    let third = consumer(&client, group("G"), "T", &seen).await;
    until("two each", || [&first, &second, &third].iter().all(|member| own(member) == 2)).await;
    send(&producer, "T", 60..120).await;
    all_committed(&admin, "G", "T", 120).await;
    assert_eq!(seen.bodies(), (0..120).collect::<Vec<_>>(), "each once");

    second.close().await;
    until("three each", || own(&first) == 3 && own(&third) == 3).await;
    send(&producer, "T", 120..180).await;
    all_committed(&admin, "G", "T", 180).await;
    assert_eq!(seen.bodies(), (0..180).collect::<Vec<_>>(), "each once");

    first.close().await;
    third.close().await;
    admin.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_commits_all_that_was_handled() {
    let server = Server::start().await.unwrap();
    // Never by itself.
    let client = ferromq::ClientConfig {
        persist_consumer_offset_interval: 3_600_000,
        ..quick(server.client())
    };
    create_topic(&client, "T", 4).await;
    let producer = producer(&client).await;
    send(&producer, "T", 0..200).await;
    let seen = Seen::default();
    for stop in [50, 100, 150] {
        let handled = seen.clone();
        let member = PushConsumer::builder(client.clone(), group("G"))
            .subscribe("T", "*")
            .listen(move |messages| {
                let seen = handled.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    seen.note(messages);
                    Consumed::Success
                }
            })
            .start()
            .await
            .unwrap();
        until("some come", || seen.len() >= stop).await;
        member.close().await;
    }
    // What was not handled comes to the next, and what was does not come again.
    send(&producer, "T", 200..210).await;
    let last = consumer(&client, group("G"), "T", &seen).await;
    until("the rest comes", || seen.len() >= 210).await;
    last.close().await;
    assert_eq!(seen.bodies(), (0..210).collect::<Vec<_>>(), "each once");
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_are_shared_anew_while_a_member_closes_keep_its_progress() {
    let server = Server::start().await.unwrap();
    // Never by itself.
    let client = ferromq::ClientConfig {
        persist_consumer_offset_interval: 3_600_000,
        ..quick(server.client())
    };
    create_topic(&client, "T", 4).await;
    let producer = producer(&client).await;
    send(&producer, "T", 0..40).await;
    let (seen, (release, released)) = (Seen::default(), watch::channel(false));
    let noted = seen.clone();
    let first = PushConsumer::builder(client.clone(), group("G"))
        .subscribe("T", "*")
        .listen(move |messages| {
            let (seen, mut released) = (noted.clone(), released.clone());
            async move {
                let is_last = messages.iter().any(|message| number(message) == 39);
                seen.note(messages);
                if is_last {
                    released.wait_for(|released| *released).await.unwrap();
                }
                Consumed::Success
            }
        })
        .start()
        .await
        .unwrap();
    let first = Arc::new(first);
    until("all come", || seen.len() == 40).await;
    let closing = tokio::spawn({
        let first = first.clone();
        async move { first.close().await }
    });
    // It waits for the last message when another comes, with which it has to share.
    let second = consumer(&client, group("G"), "T", &seen).await;
    let own = |member: &PushConsumer| -> BTreeSet<MessageQueue> {
        member.queues().into_iter().filter(|queue| queue.topic == "T").collect()
    };
    until("two each", || own(&first).len() == 2 && own(&second).len() == 2).await;
    let kept = own(&first);
    release.send_replace(true);
    closing.await.unwrap();
    until("the second has all", || own(&second).len() == 4).await;
    send(&producer, "T", 40..60).await;
    let of_kept = || -> Vec<(i32, i64)> {
        let messages = seen.messages();
        let of_kept = messages.iter().filter(|message| kept.contains(&message.queue));
        of_kept.map(|message| (message.queue.queue_id, message.queue_offset)).collect()
    };
    until("the new ones come", || of_kept().iter().collect::<BTreeSet<_>>().len() == 30).await;
    second.close().await;
    assert_eq!(of_kept().len(), 30, "each once");
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn a_close_for_which_nobody_waits_any_more_goes_on() {
    let server = Server::start().await.unwrap();
    let client = ferromq::ClientConfig {
        persist_consumer_offset_interval: 3_600_000,
        ..quick(server.client())
    };
    create_topic(&client, "T", 1).await;
    let producer = producer(&client).await;
    send(&producer, "T", 0..1).await;
    let (seen, (release, released)) = (Seen::default(), watch::channel(false));
    let noted = seen.clone();
    let member = PushConsumer::builder(client.clone(), group("G"))
        .subscribe("T", "*")
        .listen(move |messages| {
            noted.note(messages);
            let mut released = released.clone();
            async move {
                released.wait_for(|released| *released).await.unwrap();
                Consumed::Success
            }
        })
        .start()
        .await
        .unwrap();
    until("it comes", || seen.len() == 1).await;
    tokio::time::timeout(Duration::ZERO, member.close()).await.unwrap_err();
    release.send_replace(true);
    member.close().await;
    let admin = Admin::new(client.clone()).unwrap();
    all_committed(&admin, "G", "T", 1).await;
    admin.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn a_broadcasting_consumer_goes_on_where_it_was() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 2).await;
    let producer = producer(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let config = ConsumerConfig {
        message_model: "BROADCASTING".into(),
        local_offset_store_dir: folder.path().display().to_string(),
        ..group("G")
    };
    send(&producer, "T", 0..10).await;
    for round in 0..2 {
        let seen = Seen::default();
        let member = consumer(&client, config.clone(), "T", &seen).await;
        until("all come", || seen.len() == 10).await;
        member.close().await;
        assert_eq!(seen.bodies(), (round * 10..round * 10 + 10).collect::<Vec<_>>());
        send(&producer, "T", round * 10 + 10..round * 10 + 20).await;
    }
    producer.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_while_queues_change_hands() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 4).await;
    let producer = producer(&client).await;
    let seen: Arc<Mutex<BTreeMap<i32, Vec<i64>>>> = Arc::default();
    let busy: Arc<Mutex<BTreeSet<i32>>> = Arc::default();
    let start = || {
        let (seen, busy) = (seen.clone(), busy.clone());
        PushConsumer::builder(client.clone(), group("G"))
            .subscribe("T", "*")
            .listen_in_order(move |messages| {
                let (seen, busy) = (seen.clone(), busy.clone());
                async move {
                    let queue = messages[0].queue.queue_id;
                    assert!(busy.lock().unwrap().insert(queue), "one at a time");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let offsets = messages.iter().map(|message| message.queue_offset);
                    seen.lock().unwrap().entry(queue).or_default().extend(offsets);
                    busy.lock().unwrap().remove(&queue);
                    Consumed::Success
                }
            })
            .start()
    };
    send(&producer, "T", 0..200).await;
    let first = start().await.unwrap();
    let count = || seen.lock().unwrap().values().map(Vec::len).sum::<usize>();
    until("some come", || count() > 20).await;
    let second = start().await.unwrap();
    until("queues move", || second.queues().iter().filter(|q| q.topic == "T").count() == 2).await;
    send(&producer, "T", 200..300).await;
    first.close().await;
    until("all come", || {
        seen.lock()
            .unwrap()
            .values()
            .map(|o| o.iter().collect::<BTreeSet<_>>().len())
            .sum::<usize>()
            == 300
    })
    .await;
    for (queue, offsets) in seen.lock().unwrap().iter() {
        // Those of a hand-over may come again, but never is one skipped.
        let mut next = 0;
        for offset in offsets {
            assert!(*offset <= next, "queue {queue} skips from {next} to {offset}");
            next = next.max(offset + 1);
        }
    }
    second.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn failures_come_again_and_become_dead_letters() {
    let mut options = ServerOptions::default();
    options.store.message_delay_level = vec!["100ms"; 18].join(" ").replace("100ms", "1s");
    let server = Server::start_with(options).await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let producer = producer(&client).await;
    let seen = Seen::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let config = ConsumerConfig { max_reconsume_times: 1, ..group("G") };
    let (handled, counted) = (seen.clone(), calls.clone());
    let member = PushConsumer::builder(client.clone(), config)
        .subscribe("T", "*")
        .listen(move |messages| {
            handled.note(messages.clone());
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!first, "a listener that panics has handled nothing");
                Consumed::LATER
            }
        })
        .start()
        .await
        .unwrap();
    producer.send(Message::new("T", "1").tag("a").key("k")).await.unwrap();
    until("it comes twice", || seen.len() == 2).await;
    let again = &seen.messages()[1];
    assert_eq!((again.topic.as_str(), again.reconsume_times, again.tag()), ("T", 1, Some("a")));
    let dead = PullConsumer::start(client.clone(), group("undertaker")).await.unwrap();
    dead.subscribe("%DLQ%G", "*").await.unwrap();
    let letter = dead.poll(1, Duration::from_secs(15)).await.unwrap();
    assert_eq!(letter.len(), 1, "a dead letter");
    assert_eq!((number(&letter[0]), letter[0].keys()), (1, Some("k")));
    assert_eq!(seen.len(), 2);
    dead.close().await;
    member.close().await;
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn topics_and_tags_can_be_chosen_and_left() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 2).await;
    let producer = producer(&client).await;
    let seen = Seen::default();
    let handled = seen.clone();
    let member = PushConsumer::builder(client.clone(), group("G"))
        .subscribe("T", "a || c")
        // Does not exist yet.
        .subscribe("Later", "*")
        .listen(move |messages| {
            handled.note(messages);
            async { Consumed::Success }
        })
        .start()
        .await
        .unwrap();
    for (body, tag) in ["a", "b", "c", "b"].iter().enumerate() {
        producer.send(Message::new("T", body.to_string()).tag(*tag)).await.unwrap();
    }
    until("those with the tags come", || seen.len() == 2).await;
    assert_eq!(seen.bodies(), [0, 2]);
    send(&producer, "Later", 10..11).await;
    until("the new topic is found", || seen.len() == 3).await;
    member.unsubscribe("T").await.unwrap();
    assert!(member.queues().iter().all(|queue| queue.topic != "T"));
    producer.send(Message::new("T", "4").tag("a")).await.unwrap();
    send(&producer, "Later", 11..12).await;
    until("the other topic goes on", || seen.len() == 4).await;
    assert_eq!(seen.bodies(), [0, 2, 10, 11]);
    member.close().await;
    assert_eq!(member.subscribe("T", "*").await.unwrap_err().name(), "CLOSED");
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn a_pull_consumer_reads_what_it_is_told_to() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let producer = producer(&client).await;
    send(&producer, "T", 0..10).await;
    // Sharing anew must not touch queues that were assigned.
    let config = ConsumerConfig { auto_commit: false, rebalance_interval: 10, ..group("G") };
    let member = PullConsumer::start(client.clone(), config).await.unwrap();
    let queues = member.topic_queues("T").await.unwrap();
    let queue = queues[0].clone();
    member.assign(&queues).await.unwrap();
    let next = async || number(&member.poll(1, SOON).await.unwrap()[0]);
    assert_eq!((next().await, next().await), (0, 1));
    // Of a queue from whose start everything is still there, brokers say 0 instead of nothing.
    assert_eq!(member.committed(&queue).await.unwrap().unwrap_or(0), 0);
    member.commit().await;
    assert_eq!(member.committed(&queue).await.unwrap(), Some(2));
    member.seek(&queue, 7).await.unwrap();
    assert_eq!(next().await, 7);
    assert!(member.seek(&queue, 11).await.is_err());
    member.seek_to_begin(&queue).await.unwrap();
    assert_eq!(next().await, 0);
    member.pause(&queues);
    member.seek_to_end(&queue).await.unwrap();
    send(&producer, "T", 10..11).await;
    let none = member.poll(1, Duration::from_millis(100)).await.unwrap();
    assert!(none.is_empty(), "paused, also after a seek");
    member.resume(&queues);
    assert_eq!(next().await, 10);
    assert_eq!(member.assignment(), queues);
    member.close().await;
    assert_eq!(member.poll(1, SOON).await.unwrap_err().name(), "CLOSED");
    producer.close().await;
    server.close().await;
}

#[tokio::test]
async fn an_administrator_moves_a_running_group() {
    for on_the_server in [true, false] {
        let mut options = ServerOptions::default();
        options.broker.use_server_side_reset_offset = on_the_server;
        let server = Server::start_with(options).await.unwrap();
        let client = quick(server.client());
        create_topic(&client, "T", 2).await;
        let producer = producer(&client).await;
        let seen = Seen::default();
        let member = consumer(&client, group("G"), "T", &seen).await;
        send(&producer, "T", 0..20).await;
        until("all come", || seen.len() == 20).await;
        let admin = Admin::new(client.clone()).unwrap();
        let offsets = admin.reset_offset("G", "T", 0).await.unwrap();
        assert_eq!(offsets.values().copied().collect::<Vec<_>>(), [0, 0]);
        // Whatever the broker does about waiting pulls, these wake them.
        send(&producer, "T", 20..24).await;
        let all_again = || {
            let mut times = [0; 24];
            seen.bodies().into_iter().for_each(|body| times[body] += 1);
            // The new ones come once or, to a queue that was moved after they came, twice.
            times[..20].iter().all(|times| *times == 2)
                && times[20..].iter().all(|times| *times > 0)
        };
        until("all come again", all_again).await;
        member.close().await;
        admin.close().await;
        producer.close().await;
        server.close().await;
    }
}

#[tokio::test]
async fn a_consumer_tells_about_itself_and_handles_one_message() {
    let server = Server::start().await.unwrap();
    let client = quick(server.client());
    create_topic(&client, "T", 1).await;
    let producer = producer(&client).await;
    let seen = Seen::default();
    let member = consumer(&client, group("G"), "T", &seen).await;
    let receipt = producer.send(Message::new("T", "7")).await.unwrap();
    until("it comes", || seen.len() == 1).await;

    let connections = Connections::new(Arc::new(NoRequests), ConnectOptions::default());
    let ask =
        async |request| connections.invoke(&server.broker_address(), request, SOON).await.unwrap();
    let header = ConsumerRunningInfoRequest {
        consumer_group: "G",
        client_id: member.client_id(),
        jstack_enable: false,
    };
    let answer = ask(Command::request_with(code::GET_CONSUMER_RUNNING_INFO, &header)).await;
    assert_eq!(answer.code, 0, "{}", answer.remark());
    let info: ConsumerRunningInfo = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(info.properties["PROP_CONSUME_TYPE"], "CONSUME_PASSIVELY");
    assert!(info.mq_table.0.contains_key(&MessageQueue::new("T", "embedded", 0)));
    assert!(info.subscription_set.iter().any(|subscription| subscription.topic == "T"));

    let header = ConsumeMessageDirectlyRequest {
        consumer_group: "G",
        client_id: Some(member.client_id()),
        msg_id: Some(&receipt.offset_message_id),
        broker_name: Some("embedded"),
        topic: Some("T"),
        topic_sys_flag: None,
        group_sys_flag: None,
    };
    let answer = ask(Command::request_with(code::CONSUME_MESSAGE_DIRECTLY, &header)).await;
    assert_eq!(answer.code, 0, "{}", answer.remark());
    let result: ConsumeMessageDirectlyResult = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(result.consume_result, "CR_SUCCESS");
    assert_eq!(seen.bodies(), [7, 7]);
    member.close().await;
    producer.close().await;
    server.close().await;
}
