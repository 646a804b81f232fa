//! What waits for the disk together is written together.

use crate::watched_disk::WatchedDisk;
use crate::{config, put, read};
use ferromq_store::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn open(root: &Path, flush: &str) -> (Store, Arc<crate::watched_disk::Watch>) {
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    let config = StoreConfig { flush_disk_type: flush.to_string(), ..config(root) };
    (Store::open_by_hand(Arc::new(disk), config).unwrap(), watch)
}

fn writes(watch: &crate::watched_disk::Watch) -> usize {
    watch.writes.swap(0, Ordering::SeqCst)
}

#[test]
fn messages_that_come_together_are_written_at_once_and_seen_when_they_are_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (store, watch) = open(folder.path(), "SYNC_FLUSH");
    let flushed = Arc::new(AtomicUsize::new(0));
    for number in 0..10 {
        let placed = put(&store, "T", 0, format!("body {number}").as_bytes());
        assert_eq!(placed.queue_offset, number);
        let counted = flushed.clone();
        let count = move |outcome| {
            assert_eq!(outcome, FlushOutcome::Flushed);
            counted.fetch_add(1, Ordering::SeqCst);
        };
        store.when_flushed_together(placed.end, Box::new(count));
        assert!(store.record_at(placed.physical_offset).is_none());
    }
    assert_eq!((writes(&watch), read(&store, "T", 0, 0).count), (0, 0));
    store.lead_flush().unwrap().sync();
    assert_eq!((writes(&watch), flushed.load(Ordering::SeqCst)), (1, 10));
    let found = read(&store, "T", 0, 0);
    assert_eq!((found.count, store.log_flushed()), (10, store.log_end()));
}

#[test]
fn what_does_not_wait_is_written_at_once_with_all_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, watch) = open(folder.path(), "SYNC_FLUSH");
    let first = put(&store, "T", 0, b"waits");
    store.when_flushed_together(first.end, Box::new(|_| ()));
    let second = put(&store, "T", 0, b"does not");
    assert_eq!(writes(&watch), 0);
    store.when_flushed(second.end, Box::new(|_| ()));
    assert_eq!((writes(&watch), store.log_flushed()), (1, 0));
}

#[test]
fn no_more_is_held_back_than_memory_is_kept_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        flush_disk_type: "SYNC_FLUSH".to_string(),
        mapped_file_size_commit_log: 4 << 20,
        ..config(folder.path())
    };
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    let store = Store::open_by_hand(Arc::new(disk), config).unwrap();
    let body = vec![b'x'; 100_000];
    for expected in [0, 0, 1, 0, 0, 1] {
        put(&store, "T", 0, &body);
        assert_eq!(writes(&watch), expected);
    }
    put(&store, "T", 0, &body);
    store.flush();
    assert_eq!((writes(&watch), read(&store, "T", 0, 0).max_offset), (1, 7));
}

#[test]
fn with_asynchronous_flush_each_message_is_written_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, watch) = open(folder.path(), "ASYNC_FLUSH");
    for number in 0..10 {
        put(&store, "T", 0, b"body");
        assert_eq!((writes(&watch), read(&store, "T", 0, number).count), (1, 1));
    }
}
