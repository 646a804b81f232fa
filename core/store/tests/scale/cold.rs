//! Messages that are not in memory, and those that are handed out as they lie there.

use crate::watched_disk::WatchedDisk;
use crate::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// A directory on a disk from whose cache files can be dropped.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Drops what the system keeps of a file in memory.
fn drop_cached(directory: &Path) {
    for path in files(directory) {
        let file = std::fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

#[test]
fn what_is_not_in_memory_is_read_only_by_those_who_may_wait() {
    let directory = directory();
    if rustix::fs::statfs(directory.path()).unwrap().f_type == 0x0102_1994 {
        eprintln!("skipped: everything on this file system is in memory");
        return;
    }
    let open = || Store::open_by_hand(Arc::new(OsDisk), config(directory.path())).unwrap();
    let store = open();
    for _ in 0..100 {
        put(&store, "T", 0, &[7; 4000]);
    }
    drop(store);
    drop_cached(directory.path());
    let store = open();
    let queue = store.queue("T", 0).unwrap();
    let cached = |offset| store.read_cached(&queue, offset, ALL, |_| true).unwrap();
    assert!(cached(0).is_none(), "nothing is known of the queue yet");
    // Learning the queue's end does not bring the messages into memory.
    assert_eq!(store.max_offset(&queue).unwrap(), 100);
    assert!(cached(0).is_none());
    let read = store.read(&queue, 0, ALL, |_| true).unwrap();
    assert!(read.count > 0);
    let again = cached(0).expect("now it is");
    assert_eq!((again.count, again.next_offset), (read.count, read.next_offset));
    assert!(cached(60).is_none(), "others are not");
    assert_eq!(put(&store, "T", 0, b"new").queue_offset, 100);
    assert_eq!(cached(100).expect("just written").count, 1);
    assert_eq!(cached(101).expect("nothing to read").status, ReadStatus::OffsetOverflowOne);
}

#[test]
fn what_was_written_here_is_missed_once_the_system_has_taken_it_back() {
    let directory = directory();
    if rustix::fs::statfs(directory.path()).unwrap().f_type == 0x0102_1994 {
        eprintln!("skipped: everything on this file system is in memory");
        return;
    }
    let store = Store::open_by_hand(Arc::new(OsDisk), config(directory.path())).unwrap();
    for _ in 0..100 {
        put(&store, "T", 0, &[7; 4000]);
    }
    let queue = store.queue("T", 0).unwrap();
    let cached = || store.read_cached(&queue, 0, ALL, |_| true).unwrap();
    store.flush();
    drop_cached(&directory.path().join("commitlog"));
    assert!(cached().is_none());
    let read = store.read(&queue, 0, ALL, |_| true).unwrap();
    assert_eq!(cached().expect("now it is there").count, read.count);
}

#[test]
fn pages_are_counted_until_something_is_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    let store = Store::open_by_hand(Arc::new(disk), config(directory.path())).unwrap();
    for _ in 0..100 {
        put(&store, "T", 0, &[7; 4000]);
    }
    let queue = store.queue("T", 0).unwrap();
    let questions = || {
        store.read_cached(&queue, 0, ALL, |_| true).unwrap().expect("written here");
        (watch.asked.swap(0, Ordering::SeqCst), watch.asked_still.swap(0, Ordering::SeqCst))
    };
    let (asked, still) = questions();
    assert!(asked == 0 && still > 0);
    store.read(&queue, 0, ALL, |_| true).unwrap();
    let (asked, still) = questions();
    assert!(asked > 0 && still == 0);
}

#[test]
fn messages_are_slices_of_the_mapped_log() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let store = Store::open_by_hand(Arc::new(OsDisk), config(&root)).unwrap();
    for _ in 0..30 {
        put(&store, "T", 0, &[7; 4000]);
    }
    let mapped = mappings(&root.join("commitlog"));
    for (offset, chunks) in [(0, 2), (18, 1)] {
        let read = read(&store, "T", 0, offset);
        assert_eq!(read.chunks.len(), chunks, "neighbours in one segment are one slice");
        for chunk in &read.chunks {
            let start = chunk.as_ptr() as usize;
            let inside = |one: &&Mapping| one.start <= start && start + chunk.len() <= one.end;
            assert!(mapped.iter().any(|one| inside(&one)), "copied");
        }
    }
}

#[test]
fn what_is_known_of_a_segment_goes_with_it() {
    let directory = directory();
    let store = Store::open_by_hand(Arc::new(OsDisk), config(directory.path())).unwrap();
    for _ in 0..100 {
        put(&store, "T", 0, &[7; 4000]);
    }
    let queue = store.queue("T", 0).unwrap();
    let cached = |offset| {
        store.read_cached(&queue, offset, ALL, |_| true).unwrap().expect("written just now")
    };
    for _ in 0..2 {
        let read = cached(0);
        assert_eq!((read.status, read.min_offset), (ReadStatus::Found, 0));
    }
    store.flush();
    store.write_queues(true);
    let later = SystemTime::now() + Duration::from_secs(100 * 3600);
    assert!(store.remove_expired(later).unwrap() > 0);
    let first = store.min_offset(&queue).unwrap();
    let gone = cached(0);
    assert_eq!((gone.status, gone.next_offset), (ReadStatus::OffsetTooSmall, first));
    let read = cached(first);
    assert_eq!((read.status, read.next_offset), (ReadStatus::Found, first + read.count as i64));
}
