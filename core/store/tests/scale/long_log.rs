use crate::watched_disk::WatchedDisk;
use crate::*;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A log of some segments, and a copy of it as a kill leaves it shortly after a checkpoint.
fn log_of(segments: usize) -> (tempfile::TempDir, tempfile::TempDir) {
    let (directory, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open_by_hand(Arc::new(OsDisk), config(directory.path())).unwrap();
    // Sixteen to a segment of 64 KiB.
    for _ in 0..segments * 16 - 5 {
        put(&store, "T", 0, &[7; 4000]);
    }
    store.flush();
    store.write_queues(true);
    store.enter_keys();
    for _ in 0..4 {
        put(&store, "T", 0, &[7; 4000]);
    }
    copy(directory.path(), killed.path());
    drop(store);
    assert_eq!(files(&directory.path().join("commitlog")).len(), segments);
    (directory, killed)
}

#[test]
fn opening_reads_what_its_end_needs_however_long_the_log_is() {
    let mut costs = Vec::new();
    for segments in [3, 30] {
        let (clean, killed) = log_of(segments);
        for (root, most) in [(&clean, 4), (&killed, 30)] {
            let root = root.path().canonicalize().unwrap();
            let disk = Arc::new(WatchedDisk::default());
            let watch = disk.0.clone();
            let store = Store::open_by_hand(disk, config(&root)).unwrap();
            let looks = watch.looks.load(Ordering::SeqCst);
            assert!(looks <= most, "{looks} looks into the log");
            costs.push(looks);
            // Nothing of the other segments has been touched.
            let mut mapped = mappings(&root.join("commitlog"));
            mapped.sort_by(|a, b| a.path.cmp(&b.path));
            assert_eq!(mapped.len(), segments);
            let touched: usize = mapped[..segments - 1].iter().map(|one| one.touched).sum();
            assert_eq!(touched, 0);
            assert_eq!(read(&store, "T", 0, 0).status, ReadStatus::Found);
            let end = segments as i64 * 16 - 1;
            assert_eq!(put(&store, "T", 0, b"next").queue_offset, end);
        }
    }
    assert_eq!(costs[..2], costs[2..]);
}

/// Up to where all queues are on disk, as the checkpoint has it; 0 before there is one.
fn checkpointed(root: &std::path::Path) -> i64 {
    let content = std::fs::read(root.join("checkpoint")).unwrap_or_default();
    content.get(2056..2064).map_or(0, |word| i64::from_be_bytes(word.try_into().unwrap()))
}

#[test]
fn a_checkpoint_comes_after_so_much_of_the_log_whatever_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        mapped_file_size_commit_log: 16 << 20,
        flush_interval_commit_log: 5,
        flush_interval_consume_queue: 5,
        flush_consume_queue_thorough_interval: 24 * 3_600_000,
        ..config(directory.path())
    };
    let store = Store::open(config).unwrap();
    let (body, mut count) = (vec![7; 1 << 20], 0);
    while count < 70 {
        // Sends are refused while the next segment is being made.
        count += u32::from(try_put(&store, "T", 0, &body).is_ok());
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while checkpointed(directory.path()) == 0 {
        assert!(Instant::now() < deadline, "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    let first = checkpointed(directory.path());
    assert!(first >= 64 << 20, "{first}");
}

/// Logs of Apache's brokers are sparse. Only the segment that is written to needs its space.
#[test]
fn old_segments_that_are_sparse_stay_sparse() {
    let (directory, _killed) = log_of(3);
    let commitlog = directory.path().join("commitlog");
    let mut segments = files(&commitlog);
    segments.sort();
    for segment in &segments {
        let content = std::fs::read(segment).unwrap();
        let mut sparse = std::fs::File::create(segment).unwrap();
        let written = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // The first without what is behind its first record.
        let kept = if segment == &segments[0] { 4096 } else { written };
        std::io::Write::write_all(&mut sparse, &content[..kept]).unwrap();
        sparse.set_len(content.len() as u64).unwrap();
    }
    let size = |segment: &std::path::PathBuf| std::fs::metadata(segment).unwrap().blocks() * 512;
    let before = size(&segments[0]);
    let store = Store::open_by_hand(Arc::new(OsDisk), config(directory.path())).unwrap();
    assert_eq!(size(&segments[0]), before);
    assert!(before < 32 << 10, "{before}");
    assert!(size(&segments[2]) >= 64 << 10, "the last has its space reserved");
    assert_eq!(put(&store, "T", 0, b"next").queue_offset, 47);
}

#[test]
fn much_of_the_log_is_synced_before_its_time() {
    let root = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    let config = StoreConfig {
        flush_interval_commit_log: hour,
        flush_commit_log_thorough_interval: hour,
        mapped_file_size_commit_log: 64 << 20,
        ..config(root.path())
    };
    let store = Store::open(config).unwrap();
    let body = vec![b'x'; 1 << 20];
    let end = (0..40).map(|_| put(&store, "T", 0, &body).end).last().unwrap();
    assert!(end >= 40 << 20);
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.log_flushed() < 32 << 20 {
        assert!(Instant::now() < deadline, "synced up to {} only", store.log_flushed());
        std::thread::yield_now();
    }
}
