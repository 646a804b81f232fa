use crate::broker::Broker;
use crate::testing::{Client, SlowDisk, config, send_request, store_config};
use bytes::BytesMut;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A broker that acknowledges what is on disk, and does nothing on its own.
struct House {
    broker: Broker,
    disk: Arc<SlowDisk>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> House {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store_config(folder.path());
        store.flush_disk_type = "SYNC_FLUSH".to_string();
        store.flush_interval_commit_log = 60_000;
        store.flush_commit_log_thorough_interval = 600_000;
        let disk = Arc::new(SlowDisk::default());
        let broker = Broker::start_on(disk.clone(), config(), store).await.unwrap();
        let house = House { broker, disk, _folder: folder };
        // The first message makes the topic.
        assert_eq!(house.client().send(200).await.code, response::SUCCESS);
        house
    }

    fn client(&self) -> Arc<Client> {
        Client::new(&self.broker)
    }
}

fn send_aside(client: &Arc<Client>) -> tokio::task::JoinHandle<Command> {
    let client = client.clone();
    tokio::spawn(async move { client.send(200).await })
}

/// Sends many requests in one write, on a connection that has read nothing yet.
async fn requests_of_one_read_share_a_sync() {
    let house = House::open().await;
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(house.broker.serve(far, ([127, 0, 0, 1], 1).into()));
    for _ in 0..3 {
        let before = house.disk.syncs();
        let requests: Vec<u8> = (0..60).flat_map(|_| send_request(200).encode()).collect();
        near.write_all(&requests).await.unwrap();
        let (mut input, mut answers) = (BytesMut::new(), 0);
        while answers < 60 {
            assert!(near.read_buf(&mut input).await.unwrap() > 0, "{answers} answers");
            while let Some(answer) = Command::decode(&mut input).unwrap() {
                assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
                answers += 1;
            }
        }
        assert_eq!(house.disk.syncs() - before, 1);
    }
    drop(near);
    serving.await.unwrap();
    house.broker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_read_share_a_sync_on_the_connections_thread() {
    requests_of_one_read_share_a_sync().await;
}

#[tokio::test]
async fn requests_of_one_read_share_a_sync_on_the_stores_thread() {
    requests_of_one_read_share_a_sync().await;
}

/// One thread runs the broker's connections: whatever blocked it would show.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_disk_holds_up_no_other_connection() {
    let house = House::open().await;
    let (sender, other) = (house.client(), house.client());
    for _ in 0..3 {
        house.disk.hold_syncs(true);
        let waits = send_aside(&sender);
        house.disk.until_syncing().await;
        assert_eq!(other.max_offset().await.code, response::SUCCESS);
        // Comes too late for the sync that is held, and is served by the next.
        let later = send_aside(&other);
        assert_eq!(other.max_offset().await.code, response::SUCCESS);
        assert!(!waits.is_finished() && !later.is_finished(), "answered before it is on disk");
        house.disk.hold_syncs(false);
        assert_eq!(waits.await.unwrap().code, response::SUCCESS);
        assert_eq!(later.await.unwrap().code, response::SUCCESS);
    }
    house.broker.close().await;
}

/// Once a disk is known to be slow, its syncs are led by a thread that has nothing else to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_disk_does_not_hold_up_the_connection_that_waits_for_it() {
    let house = House::open().await;
    let client = house.client();
    for slow in [false, true] {
        house.disk.hold_syncs(true);
        let waits = send_aside(&client);
        house.disk.until_syncing().await;
        if slow {
            assert_eq!(client.max_offset().await.code, response::SUCCESS);
        } else {
            // Longer than any sync of a quick disk.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(!waits.is_finished());
        house.disk.hold_syncs(false);
        assert_eq!(waits.await.unwrap().code, response::SUCCESS);
    }
    house.broker.close().await;
}
