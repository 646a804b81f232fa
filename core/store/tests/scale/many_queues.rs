use crate::watched_disk::WatchedDisk;
use crate::*;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The most queue files that are open at a time.
const MOST_OPEN: usize = 512;

#[test]
fn queues_without_messages_cost_no_file_and_idle_ones_no_open_file() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let store = Store::open_by_hand(Arc::new(OsDisk), config(&root)).unwrap();
    let queues = root.join("consumequeue");
    let mapped = mappings(&root).len();
    let all = || (0..300).flat_map(|topic| (0..4).map(move |id| (format!("T{topic}"), id)));
    for (topic, id) in all() {
        assert_eq!(read(&store, &topic, id, 0).status, ReadStatus::NoMessageInQueue);
    }
    assert_eq!(files(&queues).len(), 0, "looking makes no files");
    for (topic, id) in all() {
        put(&store, &topic, id, topic.as_bytes());
    }
    assert_eq!(open_files(&queues), 0, "nor does appending, for a second");
    store.flush();
    store.write_queues(false);
    assert_eq!(files(&queues).len(), 1200);
    assert!((1..=MOST_OPEN).contains(&open_files(&queues)), "{}", open_files(&queues));
    store.write_queues(true);
    assert_eq!(open_files(&queues), 0, "what is synced is closed");
    for (topic, id) in all() {
        assert_eq!(read(&store, &topic, id, 0).count, 1, "{topic}-{id}");
    }
    assert_eq!(open_files(&queues), MOST_OPEN);
    // Whoever is read goes on having its file; the others are closed by the second look.
    store.make_room().unwrap();
    assert_eq!(read(&store, "T7", 2, 0).count, 1);
    store.make_room().unwrap();
    assert_eq!(open_files(&queues), 1);
    store.make_room().unwrap();
    store.make_room().unwrap();
    assert_eq!(open_files(&queues), 0);
    assert_eq!(mappings(&queues).len(), 0, "queue files are never mapped");
    let segments = files(&root.join("commitlog")).len();
    assert!(mappings(&root).len() <= mapped + segments);
}

/// The whole file system has more to sync than queues: the log, the index, and what is not ours.
#[test]
fn queues_are_synced_by_their_files_unless_those_are_too_many() {
    const SOME: usize = 400;
    let directory = tempfile::tempdir().unwrap();
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    let counted = || {
        let count = |counter: &std::sync::atomic::AtomicUsize| counter.swap(0, Ordering::SeqCst);
        [&watch.begun, &watch.file_syncs, &watch.begun_before, &watch.file_system_syncs].map(count)
    };
    let store = Store::open_by_hand(Arc::new(disk), config(directory.path())).unwrap();
    let send = |queues: usize| {
        (0..queues).for_each(|queue| _ = put(&store, "T", queue as i32, b"x"));
        store.flush();
        store.write_queues(false);
    };
    let all = MOST_OPEN + 1;
    if OsDisk.file_system(directory.path()).unwrap().is_some() {
        send(all);
        store.write_queues(true);
        assert_eq!(counted(), [0, 0, 0, 1]);
    }
    for _ in 0..2 {
        send(SOME);
        // What is written twice is synced once.
        send(SOME);
        // Readers want more files than may be open, and leave those that are not synced.
        (0..all).for_each(|queue| assert!(read(&store, "T", queue as i32, 0).count <= 5));
        store.make_room().unwrap();
        store.make_room().unwrap();
        store.write_queues(true);
        assert_eq!(counted(), [SOME, SOME, SOME, 0], "all had begun when the first was waited for");
    }
    store.close();
}

/// As a filter of system calls may have it.
#[test]
fn where_the_file_system_may_not_be_synced_queues_are_one_by_one() {
    let all = MOST_OPEN + 1;
    for refusal in [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported] {
        let directory = tempfile::tempdir().unwrap();
        let disk = WatchedDisk::default();
        let watch = disk.0.clone();
        *watch.file_system_fails.lock().unwrap() = Some(refusal);
        let store = Store::open_by_hand(Arc::new(disk), config(directory.path())).unwrap();
        for _ in 0..2 {
            (0..all).for_each(|queue| _ = put(&store, "T", queue as i32, b"x"));
            store.flush();
            store.write_queues(true);
            assert_eq!(watch.file_syncs.swap(0, Ordering::SeqCst), all, "{refusal}");
            assert_eq!(store.refusal(), None);
        }
        store.close();
        assert!(!directory.path().join("abort").exists(), "not closed cleanly");
    }
    let directory = tempfile::tempdir().unwrap();
    let disk = WatchedDisk::default();
    *disk.0.file_system_fails.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    let store = Store::open_by_hand(Arc::new(disk), config(directory.path())).unwrap();
    if OsDisk.file_system(directory.path()).unwrap().is_some() {
        (0..all).for_each(|queue| _ = put(&store, "T", queue as i32, b"x"));
        store.flush();
        store.write_queues(true);
        assert!(store.refusal().is_some(), "any other failure is one of the disk");
    }
}

#[test]
fn starting_costs_the_same_with_ten_topics_and_with_three_hundred() {
    let mut costs = Vec::new();
    for topics in [10, 300] {
        let directory = tempfile::tempdir().unwrap();
        let config =
            StoreConfig { mapped_file_size_commit_log: 1 << 20, ..config(directory.path()) };
        let disk = || Arc::new(WatchedDisk::default());
        let store = Store::open_by_hand(disk(), config.clone()).unwrap();
        for topic in 0..topics {
            put(&store, &format!("T{topic}"), 0, b"x");
        }
        store.flush();
        store.write_queues(true);
        let killed = tempfile::tempdir().unwrap();
        copy(directory.path(), killed.path());
        drop(store);
        let mut cost = Vec::new();
        for root in [directory.path(), killed.path()] {
            let disk = disk();
            let watch = disk.0.clone();
            let root = root.to_str().unwrap().to_string();
            let config = StoreConfig { store_path_root_dir: root, ..config.clone() };
            let store = Store::open_by_hand(disk, config).unwrap();
            cost.push((watch.calls.load(Ordering::SeqCst), watch.looks.load(Ordering::SeqCst)));
            let last = format!("T{}", topics - 1);
            assert_eq!(put(&store, &last, 0, b"y").queue_offset, 1);
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1], "calls and looks after a clean stop and after a kill");
}

#[test]
fn a_deleted_topic_leaves_no_file_even_under_those_who_still_use_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let store = Store::open_by_hand(Arc::new(OsDisk), config(&root)).unwrap();
    for id in 0..4 {
        put(&store, "Gone", id, b"old");
    }
    put(&store, "Stays", 0, b"old");
    store.flush();
    store.write_queues(false);
    put(&store, "Gone", 0, b"not written yet");
    let before = store.queue("Gone", 0).unwrap();
    store.remove_topic("Gone").unwrap();
    let folder = root.join("consumequeue/Gone");
    assert!(!folder.exists());
    assert_eq!(open_files(&folder), 0);
    // Someone who got the queue before can neither bring it back nor read what is gone.
    assert_eq!(store.read(&before, 0, ALL, |_| true).unwrap().count, 0);
    let host = "127.0.0.1:10911".parse().unwrap();
    let record = ferromq_protocol::record::NewRecord {
        topic: "Gone",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"late",
        properties: "",
    };
    let mut late = NewRecords::one(&record, TagsCode::Hash(0));
    let refused = store.append(&before, &mut late).unwrap_err();
    assert!(refused.to_string().contains("deleted"), "{refused}");
    store.flush();
    store.write_queues(true);
    assert!(!folder.exists());
    assert_eq!(read(&store, "Stays", 0, 0).count, 1);
    assert_eq!(put(&store, "Gone", 0, b"new life").queue_offset, 0);
}
