//! How a producer treats brokers that fail (protocol §7).
#![allow(clippy::unwrap_used)]

mod fake;
// The test kit uses this crate, so this crate's package does not name it.
#[allow(dead_code)]
#[path = "../../testkit/src/port.rs"]
mod port;

use fake::{Answer, Cluster, patient};
use ferromq_client::{ClientConfig, Error, Message, Producer, ProducerConfig};
use ferromq_model::MessageQueue;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::SendMessageRequestV2;
use port::Port;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

const OK: Answer = Answer::Code(response::SUCCESS);

async fn producer(cluster: &Cluster, config: ProducerConfig) -> Producer {
    Producer::start(cluster.client(), config).await.unwrap()
}

/// Looks at a future once; whether it is not over.
async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

fn message() -> Message {
    Message::new("T", "body")
}

#[tokio::test]
async fn a_refusal_that_another_broker_may_not_share_is_tried_there() {
    let cluster = Cluster::start(&[OK, OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    for code in [17, 14, 1, 2, 16, 204, 205, 1500] {
        cluster.answer(0, Answer::Code(code));
        // Once for every queue, so that half of them begin with the broker that refuses.
        for _ in 0..8 {
            let receipt = producer.send(message()).await.unwrap();
            assert_eq!(receipt.queue.broker_name, "b", "{code}");
        }
    }
    assert!(cluster.counts()[0] >= 8);
    producer.close().await;
}

#[tokio::test]
async fn a_refusal_that_every_broker_would_share_is_final() {
    let cluster = Cluster::start(&[Answer::Code(13), Answer::Code(13)]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let error = producer.send(message()).await.unwrap_err();
    assert_eq!(error.broker_code(), Some(13), "{error}");
    assert_eq!(cluster.counts().iter().sum::<usize>(), 1);
    producer.close().await;
}

#[tokio::test]
async fn a_send_has_three_attempts_each_on_another_broker_than_the_last() {
    let cluster = Cluster::start(&[Answer::Hangup, Answer::Hangup]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let error = producer.send(message()).await.unwrap_err();
    assert!(matches!(error, Error::Net(_)), "{error}");
    let mut counts = cluster.counts();
    counts.sort();
    assert_eq!(counts, [1, 2]);
    let told = producer.statistics();
    assert_eq!((told.sent, told.failed, told.retries, told.in_flight), (0, 1, 2, 0));
    producer.close().await;
}

#[tokio::test]
async fn whoever_closes_again_waits_too_also_when_the_first_gave_up() {
    let cluster = Cluster::start(&[Answer::WhenReleased]).await;
    let producer = producer(&cluster, patient(60_000)).await;
    let sending = producer.send_in_background(message()).await.unwrap();
    let close = || async { producer.close().await };
    let (first, mut second) = (close(), pin!(close()));
    assert!(is_pending(pin!(first)).await);
    assert!(is_pending(second.as_mut()).await);
    cluster.release();
    second.await;
    sending.await.unwrap();
    assert_eq!(producer.statistics().connections, Vec::<String>::new());
}

#[tokio::test]
async fn a_queue_of_your_choice_is_the_only_one_tried() {
    let cluster = Cluster::start(&[Answer::Code(response::SYSTEM_BUSY), OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let queue = MessageQueue::new("T", "a", 3);
    let error = producer.send_to(message(), &queue).await.unwrap_err();
    assert_eq!(error.broker_code(), Some(response::SYSTEM_BUSY), "{error}");
    assert_eq!(cluster.counts(), [1, 0]);
    cluster.answer(0, OK);
    assert_eq!(producer.send_to(message(), &queue).await.unwrap().queue, queue);
    producer.close().await;
}

#[tokio::test]
async fn the_timeout_bounds_all_attempts_together() {
    let cluster = Cluster::start(&[OK, OK]).await;
    let producer = producer(&cluster, patient(1000)).await;
    let sends = || cluster.counts().iter().sum::<usize>();
    // With the route and both connections there, all the time is for the send.
    for _ in 0..8 {
        producer.send(message()).await.unwrap();
    }
    (0..2).for_each(|broker| cluster.answer(broker, Answer::Silence));
    let sent = tokio::time::timeout(PATIENCE, producer.send(message())).await;
    let error = sent.expect("it ends").unwrap_err();
    assert_eq!(error.name(), "TIMEOUT", "{error}");
    assert_eq!(sends(), 9, "the first broker takes all the time");
    producer.close().await;
}

#[tokio::test]
async fn a_silent_name_server_does_not_outlast_the_timeout() {
    // Listens, but never answers: nobody accepts.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = ClientConfig {
        namesrv_addr: silent.local_addr().unwrap().to_string(),
        mq_client_api_timeout: 3_600_000,
        ..ClientConfig::default()
    };
    let producer = Producer::start(client, patient(200)).await.unwrap();
    let queue = MessageQueue::new("T", "a", 0);
    let sends = async {
        assert_eq!(producer.send(message()).await.unwrap_err().name(), "TIMEOUT");
        assert_eq!(producer.send_to(message(), &queue).await.unwrap_err().name(), "TIMEOUT");
        assert_eq!(producer.send_oneway(message()).await.unwrap_err().name(), "TIMEOUT");
    };
    tokio::time::timeout(PATIENCE, sends).await.expect("they end");
    producer.close().await;
}

#[tokio::test]
async fn name_servers_are_asked_until_one_answers() {
    let cluster = Cluster::start(&[OK]).await;
    let nobody = Port::free().unwrap();
    let gone = nobody.address();
    let both = [format!("{gone};{}", cluster.address()), format!("{};{gone}", cluster.address())];
    for namesrv_addr in both {
        let client = ClientConfig { namesrv_addr, ..ClientConfig::default() };
        let producer = Producer::start(client, patient(20_000)).await.unwrap();
        producer.send(message()).await.unwrap();
        producer.close().await;
    }
    let client = ClientConfig { namesrv_addr: gone.clone(), ..ClientConfig::default() };
    let producer = Producer::start(client, patient(20_000)).await.unwrap();
    let error = producer.send(message()).await.unwrap_err();
    assert!(error.to_string().contains(&gone), "{error}");
    assert_eq!(error.name(), "NAME_SERVERS_DOWN");
    producer.close().await;
}

#[tokio::test]
async fn messages_go_evenly_to_all_queues() {
    let cluster = Cluster::start(&[OK, OK, OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let mut queues: BTreeMap<MessageQueue, usize> = BTreeMap::new();
    for _ in 0..120 {
        *queues.entry(producer.send(message()).await.unwrap().queue).or_default() += 1;
    }
    assert_eq!(queues.len(), 12);
    assert!(queues.values().all(|count| *count == 10), "{queues:?}");
    producer.close().await;
}

#[tokio::test]
async fn large_bodies_are_compressed() {
    let cluster = Cluster::start(&[OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    for (length, compressed) in [(4095, false), (4096, true)] {
        producer.send(Message::new("T", vec![b'x'; length])).await.unwrap();
        let sent = cluster.sends(0).pop().unwrap();
        let header: SendMessageRequestV2<'_> = sent.header().unwrap();
        assert_eq!(header.sys_flag & 1 == 1, compressed, "{length}");
        assert_eq!(sent.body.len() < length, compressed, "{length}");
    }
    producer.close().await;
}

#[tokio::test]
async fn an_unknown_topic_takes_the_route_of_the_default_topic() {
    let cluster = Cluster::start(&[OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let send = || producer.send(Message::new("New", "body"));
    assert_eq!(send().await.unwrap_err().name(), "TOPIC_NOT_FOUND");
    cluster.add_topic("TBW102", 8);
    let mut queues = std::collections::BTreeSet::new();
    for _ in 0..8 {
        queues.insert(send().await.unwrap().queue.queue_id);
    }
    assert_eq!(queues, (0..4).collect(), "no more queues than defaultTopicQueueNums");
    cluster.remove_topic("TBW102");
    let retry = producer.send(Message::new("%RETRY%nobody", "body")).await.unwrap_err();
    assert_eq!(retry.name(), "TOPIC_NOT_FOUND");
    producer.close().await;
}

#[tokio::test]
async fn a_oneway_send_waits_for_nothing() {
    let cluster = Cluster::start(&[Answer::Silence]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    producer.send_oneway(message()).await.unwrap();
    let arrives = async {
        while cluster.counts() != [1] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrives).await.expect("it arrives");
    assert!(cluster.sends(0)[0].is_oneway());
    producer.close().await;
}

#[tokio::test]
async fn a_batch_has_the_ids_of_its_messages() {
    let cluster = Cluster::start(&[OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    let receipt = producer.send_batch(vec![message(), message(), message()]).await.unwrap();
    let ids: std::collections::BTreeSet<&str> = receipt.message_id.split(',').collect();
    assert_eq!(ids.len(), 3);
    let sent = cluster.sends(0).pop().unwrap();
    assert_eq!(sent.code, code::SEND_BATCH_MESSAGE);
    assert!(ids.iter().all(|id| sent.body.windows(id.len()).any(|part| part == id.as_bytes())));
    let mixed = vec![message(), Message::new("Other", "body")];
    assert_eq!(producer.send_batch(mixed).await.unwrap_err().name(), "INVALID_ARGUMENT");
    assert_eq!(producer.send_batch(vec![]).await.unwrap_err().name(), "INVALID_ARGUMENT");
    producer.close().await;
}

#[tokio::test]
async fn too_many_messages_or_bytes_in_the_background_wait() {
    for config in [
        ProducerConfig { back_pressure_for_async_send_num: 2, ..patient(20_000) },
        ProducerConfig { back_pressure_for_async_send_size: 2000, ..patient(20_000) },
    ] {
        let cluster = Cluster::start(&[Answer::WhenReleased]).await;
        let producer = producer(&cluster, config).await;
        let large = || Message::new("T", vec![0; 1000]);
        let first = producer.send_in_background(large()).await.unwrap();
        let second = producer.send_in_background(large()).await.unwrap();
        let mut third = Box::pin(producer.send_in_background(large()));
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut third).await;
        assert!(waited.is_err(), "the third waits");
        cluster.release();
        third.await.unwrap().await.unwrap();
        first.await.unwrap();
        second.await.unwrap();
        producer.close().await;
    }
}

#[tokio::test]
async fn messages_in_the_background_are_tried_again_and_fail_as_others() {
    let cluster = Cluster::start(&[OK, OK]).await;
    let patient_one = producer(&cluster, patient(20_000)).await;
    let send = async |producer: &Producer, count| {
        let mut sends = Vec::new();
        for _ in 0..count {
            sends.push(producer.send_in_background(message()).await.unwrap());
        }
        let mut ends = Vec::new();
        for send in sends {
            ends.push(send.await);
        }
        ends
    };
    // The first have to wait for route and connections, those after them only for answers.
    for (first_broker, stored_by_it) in
        [(OK, 8), (OK, 8), (Answer::Code(response::SYSTEM_BUSY), 0), (Answer::Hangup, 0)]
    {
        cluster.answer(0, first_broker);
        let receipts: Vec<_> =
            send(&patient_one, 16).await.into_iter().map(Result::unwrap).collect();
        let stored = receipts.iter().filter(|receipt| receipt.queue.broker_name == "a").count();
        assert_eq!(stored, stored_by_it, "{first_broker:?}");
    }
    let told = patient_one.statistics();
    assert_eq!((told.sent, told.failed, told.in_flight), (64, 0, 0));
    assert!(told.retries >= 16, "{}", told.retries);

    for (answer, timeout, name) in [
        (Answer::Silence, 100, "TIMEOUT"),
        (Answer::Code(13), 20_000, "MESSAGE_ILLEGAL"),
        (Answer::Hangup, 20_000, "CONNECTION"),
    ] {
        cluster.answer(0, answer);
        cluster.answer(1, answer);
        let fails = producer(&cluster, patient(timeout)).await;
        for end in send(&fails, 4).await {
            assert_eq!(end.unwrap_err().name(), name);
        }
        assert_eq!((fails.statistics().failed, fails.statistics().in_flight), (4, 0));
        fails.close().await;
    }
    patient_one.close().await;
}

#[tokio::test]
async fn closing_waits_for_the_background_and_ends_everything() {
    let cluster = Cluster::start(&[OK]).await;
    let producer = producer(&cluster, patient(20_000)).await;
    // Closed at once, before any of them has even asked for the route.
    let mut sends = Vec::new();
    for _ in 0..50 {
        sends.push(producer.send_in_background(message()).await.unwrap());
    }
    producer.close().await;
    for send in sends {
        send.await.unwrap();
    }
    assert_eq!(cluster.counts(), [50]);
    producer.close().await;
    assert!(matches!(producer.send(message()).await, Err(Error::Closed)));
    assert!(matches!(producer.send_in_background(message()).await, Err(Error::Closed)));
    assert!(matches!(producer.send_oneway(message()).await, Err(Error::Closed)));
    assert!(matches!(producer.send_batch(vec![message()]).await, Err(Error::Closed)));
    assert!(matches!(producer.queues("T").await, Err(Error::Closed)));
}
