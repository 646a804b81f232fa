use super::*;
use crate::testing::{Client, PATIENCE, SlowDisk, config, store_config};
use ferromq_protocol::code::response;
use std::time::Instant;

/// A broker that acknowledges what is on disk, while a send waits for that.
async fn closing_while_a_send_waits(timeout: u64) -> (Closing, tokio::task::JoinHandle<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store_config(folder.path());
    store.flush_disk_type = "SYNC_FLUSH".to_string();
    store.sync_flush_timeout = timeout;
    let disk = Arc::new(SlowDisk::default());
    let broker = Broker::start_on(disk.clone(), config(), store).await.unwrap();
    let client = Client::new(&broker);
    // The first message makes the topic.
    assert_eq!(client.send(200).await.code, response::SUCCESS);
    disk.hold_syncs(true);
    let waits = tokio::spawn(async move { client.send(200).await.code });
    disk.until_syncing().await;
    let inner = broker.inner.clone();
    let closed = tokio::spawn(broker.close());
    let deadline = Instant::now() + PATIENCE;
    while inner.store.refusal().is_none() {
        assert!(Instant::now() < deadline, "messages are still taken");
        tokio::task::yield_now().await;
    }
    (Closing { disk, closed, _folder: folder }, waits)
}

struct Closing {
    disk: Arc<SlowDisk>,
    closed: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Closing {
    async fn finish(self) {
        self.disk.hold_syncs(false);
        self.closed.await.unwrap();
    }
}

#[tokio::test]
async fn a_send_that_waits_for_the_disk_is_answered_before_the_broker_closes() {
    let (closing, waits) = closing_while_a_send_waits(60_000).await;
    closing.finish().await;
    assert_eq!(waits.await.unwrap(), response::SUCCESS);
}

#[tokio::test]
async fn connections_do_not_wait_for_ever_for_a_disk_that_hangs() {
    let (closing, waits) = closing_while_a_send_waits(50).await;
    assert!(waits.await.is_err(), "its connection has ended");
    closing.finish().await;
}
