//! Pages of the log are there before the writer is.

use crate::watched_disk::{Watch, WatchedDisk};
use crate::*;
use ferromq_protocol::record::RecordView;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SEGMENT: i64 = 3 << 20;

/// Waits until pages were made ready beyond `end` of the log, or to the end of its segment.
fn wait_for_pages(watch: &Watch, end: i64) {
    let (base, within) = ((end - 1) / SEGMENT * SEGMENT, ((end - 1) % SEGMENT) as usize);
    let name = format!("{base:020}");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let ready = watch.ready.lock().unwrap();
        if ready.iter().any(|(path, range, _)| path.ends_with(&name) && range.end > within) {
            return;
        }
        assert!(Instant::now() < deadline, "nothing ready beyond {within} of {name}: {ready:?}");
        drop(ready);
        std::thread::yield_now();
    }
}

#[test]
fn pages_are_made_ready_ahead_of_the_writer_in_every_segment() {
    for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
        let root = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            mapped_file_size_commit_log: SEGMENT,
            flush_disk_type: flush.into(),
            ..config(root.path())
        };
        let disk = WatchedDisk::default();
        let watch = disk.0.clone();
        let store = Store::open_on(Arc::new(disk), config.clone()).unwrap();
        let mut end = 0;
        for n in 0..100 {
            end = put(&store, "T", 0, &[n; 64 << 10]).end;
            wait_for_pages(&watch, end);
        }
        assert_eq!(end / SEGMENT, 2, "the log has rolled over twice");
        for (path, range, often_synced) in watch.ready.lock().unwrap().iter() {
            assert!(range.start < range.end, "{range:?} of {}", path.display());
            assert!(range.end <= SEGMENT as usize, "{range:?} of {}", path.display());
            assert!(range.len() <= 1 << 20, "at most a megabyte at once: {range:?}");
            assert_eq!(*often_synced, flush == "SYNC_FLUSH");
        }
        drop(store);

        let store = Store::open(config).unwrap();
        for n in 0..100 {
            let found = read(&store, "T", 0, i64::from(n));
            let record = RecordView::parse(&found.chunks[0]).unwrap();
            assert!(record.body().iter().all(|byte| *byte == n), "message {n} was changed");
        }
    }
}

#[test]
fn zeros_that_go_ahead_of_the_writer_never_get_over_a_message() {
    let root = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        mapped_file_size_commit_log: SEGMENT,
        flush_disk_type: "SYNC_FLUSH".into(),
        ..config(root.path())
    };
    let body = |n: usize| vec![n as u8 | 1; 1 + n * 7919 % 9000];
    let store = Store::open(config.clone()).unwrap();
    // As quickly as they go, so that the writer is now before the zeros, now behind.
    let ends: Vec<i64> = (0..3000).map(|n| put(&store, "T", 0, &body(n)).end).collect();
    assert!(ends[2999] > 4 * SEGMENT, "the log has rolled over several times");
    let check = |store: &Store| {
        for n in 0..3000 {
            let found = read(store, "T", 0, n as i64);
            let record = RecordView::parse(&found.chunks[0]).unwrap();
            assert!(record.body() == body(n), "message {n} was changed");
        }
    };
    store.flush();
    check(&store);
    drop(store);
    check(&Store::open(config).unwrap());
}

#[test]
fn pages_of_what_was_synced_are_let_go_of_and_their_bytes_stay() {
    let root = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        mapped_file_size_commit_log: 16 << 20,
        // Nobody else syncs.
        flush_interval_commit_log: 60_000,
        ..config(root.path())
    };
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    let store = Store::open_on(Arc::new(disk), config.clone()).unwrap();
    let touched = || {
        mappings(&config.commit_log_directories()[0])
            .iter()
            .map(|mapping| mapping.touched)
            .sum::<usize>()
    };
    let bodies = [vec![7; 1100 << 10], vec![9; 1100 << 10]];
    // Longer than a megabyte, so that pages are asked for once, and are there when that is done.
    let end = put(&store, "T", 0, &bodies[0]).end;
    wait_for_pages(&watch, end);
    assert!(touched() >= 2 << 20, "written, and made ready: {}", touched());
    store.flush();
    assert!(touched() <= 64 << 10, "{} bytes are still in the tables", touched());
    put(&store, "T", 0, &bodies[1]);
    for (offset, body) in bodies.iter().enumerate() {
        let found = read(&store, "T", 0, offset as i64);
        assert!(RecordView::parse(&found.chunks[0]).unwrap().body() == body);
    }
}
