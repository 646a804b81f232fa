use super::{Guest, Handler, MOST_BYTES, Seat, serve};
use crate::broker::Broker;
use crate::testing::{
    Client, PATIENCE, Pair, SlowDisk, broker, config, send_request, store_config,
};
use ferromq_net::Responder;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::SendMessageResponse;
use ferromq_protocol::properties::key;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::task::JoinSet;

/// One thread runs the broker and the clients: whatever blocks it shows.
#[tokio::test]
async fn a_slow_disk_stops_neither_the_broker_nor_its_senders_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SlowDisk::default());
    let store = store_config(folder.path());
    let broker = Broker::start_on(disk.clone(), config(), store).await.unwrap();
    let client = Client::new(&broker);
    for _ in 0..4 {
        client.send_until_stored(200_000).await;
    }
    // The first segment has room for one more; the second is prepared and filled as well.
    disk.wait_for_segments(2);
    disk.set_slow(true);
    let mut sends = JoinSet::new();
    for _ in 0..40 {
        let client = client.clone();
        sends.spawn(async move { client.send(200_000).await });
    }
    // Another connection, as the answers of one come in order where they come at once.
    let other = Client::new(&broker);
    assert_eq!(other.max_offset().await.code, response::SUCCESS);
    let (mut stored, mut busy) = (0, 0);
    for answer in sends.join_all().await {
        match answer.code {
            response::SUCCESS => stored += 1,
            response::SYSTEM_BUSY => {
                let remark = answer.remark();
                assert!(remark.ends_with("busy, start flow control for a while"), "{remark}");
                assert!(answer.fields.get(key::MSG_REGION).is_some());
                busy += 1;
            }
            code => panic!("{code} {}", answer.remark()),
        }
    }
    assert!(disk.is_slow(), "somebody waited until the disk was quick again");
    assert!(stored > 0 && busy > 20, "{stored} stored, {busy} refused");
    disk.set_slow(false);
    let answer = client.send_until_stored(200_000).await;
    let header: SendMessageResponse<'_> = answer.header().unwrap();
    assert_eq!(header.queue_offset, 4 + stored, "refused means not stored");
    broker.close().await;
}

/// Segments that are small against the rate make everyone wait a little, and nobody overtakes.
#[tokio::test]
async fn a_disk_that_is_just_not_ahead_is_waited_for_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store_config(folder.path());
    store.mapped_file_size_commit_log = 128 << 10;
    let broker = Broker::start(config(), store).await.unwrap();
    let client = Client::new(&broker);
    client.send_until_stored(1).await;
    let mut sends = JoinSet::new();
    for length in 1000..1400 {
        let client = client.clone();
        sends.spawn(async move { (length, client.send(length).await) });
    }
    let mut stored = Vec::new();
    for (length, answer) in sends.join_all().await {
        // On a disk that needs long for a segment, some are told to come back.
        if answer.code != response::SYSTEM_BUSY {
            assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
            let header: SendMessageResponse<'_> = answer.header().unwrap();
            stored.push((length, header.queue_offset));
        }
    }
    stored.sort_unstable();
    let offsets: Vec<_> = stored.iter().map(|(_, offset)| *offset).collect();
    let expected: Vec<_> = (1..=stored.len() as i64).collect();
    assert_eq!(offsets, expected, "sent and stored in the same order");
    assert!(!stored.is_empty());
    broker.close().await;
}

/// Messages whose topics have to be made first wait for the disk as well.
#[test]
fn what_waits_for_its_topic_is_bounded_like_what_waits_for_a_segment() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store_config(folder.path());
        store.mapped_file_size_commit_log = 16 << 20;
        let broker = Broker::start(config(), store).await.unwrap();
        let client = Client::new(&broker);
        // Nobody gets to the disk while this waits.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let waits = tokio::task::spawn_blocking(move || _ = released.recv());
        let mut sends = JoinSet::new();
        for _ in 0..20 {
            let client = client.clone();
            sends.spawn(async move { client.send(MOST_BYTES / 16).await });
        }
        for _ in 16..20 {
            let refused = sends.join_next().await.unwrap().unwrap();
            assert_eq!(refused.code, response::SYSTEM_BUSY);
            assert!(refused.remark().starts_with("[OVERLOAD]"), "{}", refused.remark());
        }
        drop(release);
        waits.await.unwrap();
        let answers = sends.join_all().await;
        assert!(answers.iter().any(|answer| answer.code == response::SUCCESS));
        // No bytes are left.
        client.send_until_stored(MOST_BYTES / 16).await;
        broker.close().await;
    });
}

#[tokio::test]
async fn a_panic_stops_nobody_who_waits_behind_it() {
    let (broker, pair) = (broker(), Pair::new().await);
    let room = &broker.waiting_room;
    let panics: Handler = |_, _, _, _| panic!("as a test wants it");
    let answers: Handler = |_, _, request, writer| writer.write(request.response(7));
    for handler in [panics, answers] {
        let (connection, request) = (pair.connection.clone(), send_request(10));
        let responder = Responder::new(&connection, &request);
        let seat = Seat::take(&broker, &request).unwrap();
        let since = Instant::now();
        let guest = Guest { connection, request, responder, handler, since, seat };
        room.guests.lock().push_back(guest);
    }
    room.count.store(2, Ordering::SeqCst);
    assert!(tokio::spawn(serve(broker.clone())).await.unwrap_err().is_panic());
    let deadline = Instant::now() + PATIENCE;
    while room.count.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < deadline, "the other one still waits");
        tokio::task::yield_now().await;
    }
    assert_eq!(room.bytes.load(Ordering::SeqCst), 0);
}
