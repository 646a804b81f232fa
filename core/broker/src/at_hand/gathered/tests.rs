use super::*;
use crate::broker::Broker;
use crate::dispatch::MainPort;
use crate::testing::{Pair, broker, config, send_request, store_config};
use bytes::BytesMut;
use ferromq_net::{Reply, Service};
use ferromq_protocol::code::request as code;
use ferromq_protocol::headers::{OffsetResponse, QueueRequest};
use ferromq_protocol::properties::{self, key};
use ferromq_store::OsDisk;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn with(mut request: Command, field: &str, value: &str) -> Command {
    request.fields.remove(field);
    request.fields.push(field, value);
    request
}

/// To a queue of the topic `T`.
fn send_to(queue: i32) -> Command {
    with(send_request(9), "e", &queue.to_string())
}

fn max_offset(queue_id: i32) -> Command {
    let header = QueueRequest { topic: "T", queue_id, broker_name: None, committed: None };
    Command::request_with(code::GET_MAX_OFFSET, &header)
}

/// Sends all of it at once, and returns the answers by their numbers, and which came first.
async fn together(broker: &Broker, requests: &[Command]) -> (HashMap<i32, Command>, Vec<i32>) {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(broker.serve(far, ([127, 0, 0, 1], 1).into()));
    let bytes: Vec<u8> = requests.iter().flat_map(|request| request.encode()).collect();
    near.write_all(&bytes).await.unwrap();
    let (mut input, mut answers, mut order) = (BytesMut::new(), HashMap::new(), Vec::new());
    while answers.len() < requests.iter().filter(|request| !request.is_oneway()).count() {
        assert!(near.read_buf(&mut input).await.unwrap() > 0, "{} answers", answers.len());
        while let Some(answer) = Command::decode(&mut input).unwrap() {
            order.push(answer.opaque);
            assert!(answers.insert(answer.opaque, answer).is_none(), "answered twice");
        }
    }
    drop(near);
    serving.await.unwrap();
    (answers, order)
}

#[tokio::test]
async fn what_comes_together_is_answered_one_by_one() {
    for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store_config(folder.path());
        let too_long = vec![0; store.max_message_size as usize + 1];
        store.flush_disk_type = flush.to_string();
        // Room for the one that is too long as well: none waits for the next segment, and too long for that.
        store.mapped_file_size_commit_log = 16 << 20;
        let broker = Broker::start_on(Arc::new(OsDisk), config(), store).await.unwrap();
        let four_queues = with(send_to(0), "d", "4");
        assert_eq!(together(&broker, &[four_queues]).await.0.len(), 1);

        let mut delay = String::new();
        properties::append(&mut delay, key::DELAY, "9");
        let requests = [
            send_to(1),
            send_to(0),
            send_to(1),
            send_to(9),
            send_to(1).oneway(),
            with(send_to(1), "i", &delay),
            send_to(1).with_body(too_long),
            max_offset(1),
            send_to(1),
            with(send_to(0), "b", "New"),
            send_to(1),
        ];
        let (answers, order) = together(&broker, &requests).await;
        let queue_offset = |at: usize| {
            let answer = &answers[&requests[at].opaque];
            assert_eq!(answer.code, response::SUCCESS, "{flush} {at}: {}", answer.remark());
            answer.header::<SendMessageResponse<'_>>().unwrap().queue_offset
        };
        let places = [(0, 0), (1, 1), (2, 1), (5, 0), (8, 3), (9, 0), (10, 4)];
        for (at, offset) in places {
            assert_eq!(queue_offset(at), offset, "{flush} {at}");
        }
        for (at, code) in [(3, response::INVALID_PARAMETER), (6, response::MESSAGE_ILLEGAL)] {
            assert_eq!(answers[&requests[at].opaque].code, code, "{flush} {at}");
        }
        if flush == "ASYNC_FLUSH" {
            // With synchronous flush nobody sees them before the disk has them.
            let end = answers[&requests[7].opaque].header::<OffsetResponse>().unwrap().offset;
            assert_eq!(end, 3);
            let place = |at: usize| order.iter().position(|opaque| *opaque == requests[at].opaque);
            assert!(place(2) < place(7), "answered before what came after");
        }
        broker.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn more_than_are_stored_together_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_on(Arc::new(OsDisk), config(), store_config(folder.path())).await;
    let broker = broker.unwrap();
    assert_eq!(together(&broker, &[send_to(0)]).await.0.len(), 1);
    let many: Vec<_> = (0..3 * MOST + 5).map(|_| send_to(0)).collect();
    let long = (0..5).map(|_| send_to(0).with_body(vec![1; MOST_BYTES / 3]));
    let all: Vec<_> = many.into_iter().chain(long).collect();
    let (answers, _) = together(&broker, &all).await;
    for (number, request) in all.iter().enumerate() {
        let header = answers[&request.opaque].header::<SendMessageResponse<'_>>().unwrap();
        assert_eq!(header.queue_offset, number as i64 + 1);
    }
    broker.close().await;
}

#[tokio::test]
async fn what_a_connection_leaves_behind_is_nobody_elses() {
    let broker = broker();
    broker.topic("T", 1);
    let port = MainPort(broker.broker.clone());
    let (gone, next) = (Pair::new().await, Pair::new().await);
    let handle = |pair: &Pair, request: &Command| {
        let responder = Responder::new(&pair.connection, request);
        responder.handle(|writer| port.handle(&pair.connection, request, writer))
    };
    // As of a connection whose task panics before all that came is handled.
    assert_eq!(handle(&gone, &send_request(9)), Reply::Now);
    assert!(broker.at_hand.gathered() > 0);
    let request = send_request(9);
    let responder = Responder::new(&next.connection, &request);
    responder.handle(|writer| {
        let reply = port.handle(&next.connection, &request, writer);
        port.all_handled(&next.connection, &mut writer.others());
        reply
    });
    assert_eq!(broker.log().max_offset("T", 0).unwrap(), 1);
    assert_eq!(broker.at_hand.gathered(), 0);
}

/// One thread serves both connections, in turn, as a runner of a crew does.
#[tokio::test]
async fn connections_of_a_thread_leave_each_others_sends_alone() {
    const SENDS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let mut store = store_config(folder.path());
    // All goes into one segment: no send waits for the next.
    store.mapped_file_size_commit_log = 64 << 20;
    let broker = Broker::start_on(Arc::new(OsDisk), config(), store).await.unwrap();
    assert_eq!(together(&broker, &[send_to(0)]).await.0.len(), 1);
    let sends: BytesMut = (0..SENDS).flat_map(|_| send_to(0).oneway().encode()).collect();
    let mut stored = 1;
    // However much others have left of what the runtime lets a task do at once.
    for used in 0..130 {
        let sent = async || {
            let (mut near, far) = tokio::io::duplex(sends.len());
            near.write_all(&sends).await.unwrap();
            far
        };
        let [one, two] = [sent().await, sent().await]
            .map(|stream| broker.serve(stream, ([127, 0, 0, 1], 1).into()));
        tokio::task::yield_now().await;
        for _ in 0..used {
            tokio::task::coop::consume_budget().await;
        }
        tokio::join!(one, two);
        stored += 2 * SENDS as i64;
        let (answers, _) = together(&broker, &[max_offset(0)]).await;
        let end = answers.values().next().unwrap().header::<OffsetResponse>().unwrap().offset;
        assert_eq!(end, stored, "{used} used before");
    }
    broker.close().await;
}
