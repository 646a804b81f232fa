//! The store on the real disk.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::{NewRecord, StoredMessage, records};
use ferromq_protocol::tags::tags_code;
use ferromq_store::*;
use proptest::prelude::*;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 64 << 10,
        mapped_file_size_consume_queue: 20 * 64,
        max_hash_slot_num: 100,
        max_index_num: 200,
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

fn record<'a>(topic: &'a str, queue_id: i32, body: &'a [u8], properties: &'a str) -> NewRecord<'a> {
    NewRecord {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: "10.0.0.9:50000".parse().unwrap(),
        store_host: "10.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    }
}

fn put_tagged(store: &Store, topic: &str, id: i32, body: &[u8], tag: &str, keys: &str) -> Appended {
    let mut text = String::new();
    for (name, value) in [(key::TAGS, tag), (key::KEYS, keys)] {
        if !value.is_empty() {
            properties::append(&mut text, name, value);
        }
    }
    let tags = TagsCode::Hash(tags_code(Some(tag).filter(|tag| !tag.is_empty())));
    let mut records = NewRecords::one(&record(topic, id, body, &text), tags);
    store.append(&store.queue(topic, id).unwrap(), &mut records).unwrap()
}

fn put(store: &Store, topic: &str, id: i32, body: &[u8]) -> Appended {
    put_tagged(store, topic, id, body, "", "")
}

const ALL: ReadLimits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };

fn messages(result: &ReadResult) -> Vec<StoredMessage> {
    let decode = |chunk: &Chunk| {
        records(chunk)
            .map(|record| StoredMessage::decode(chunk, &record.unwrap()))
            .collect::<Vec<_>>()
    };
    result.chunks.iter().flat_map(decode).collect()
}

fn bodies_of(store: &Store, topic: &str, id: i32) -> Vec<Vec<u8>> {
    let queue = store.queue(topic, id).unwrap();
    let mut offset = store.min_offset(&queue).unwrap();
    let mut bodies = Vec::new();
    loop {
        let result = store.read(&queue, offset, ALL, |_| true).unwrap();
        for (index, message) in messages(&result).into_iter().enumerate() {
            assert_eq!(message.queue_offset, offset + index as i64);
            bodies.push(message.body.to_vec());
        }
        if result.status != ReadStatus::Found {
            return bodies;
        }
        offset = result.next_offset;
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_stored_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    let first = put(&store, "T", 0, b"one");
    let second = put(&store, "T", 0, b"two");
    put(&store, "T", 1, b"elsewhere");
    assert_eq!((first.queue_offset, second.queue_offset), (0, 1));
    let queue = store.queue("T", 0).unwrap();
    let result = store.read(&queue, 0, ALL, |_| true).unwrap();
    assert_eq!((result.status, result.next_offset, result.max_offset), (ReadStatus::Found, 2, 2));
    assert_eq!(result.chunks.len(), 1, "neighbours are one slice");
    let read = messages(&result);
    assert_eq!(read[1].physical_offset, second.physical_offset);
    assert_eq!((&read[0].body[..], &read[1].body[..]), (&b"one"[..], &b"two"[..]));
    assert_eq!(messages(&store.read(&queue, 1, ALL, |_| true).unwrap()).len(), 1);
    assert!(store.record_at(second.physical_offset).is_some());
    assert!(store.record_at(second.physical_offset + 1).is_none());
}

#[test]
fn the_edges_of_a_queue() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    let queue = store.queue("T", 0).unwrap();
    let status = |offset| {
        let result = store.read(&queue, offset, ALL, |_| true).unwrap();
        (result.status, result.next_offset)
    };
    assert_eq!(status(0), (ReadStatus::NoMessageInQueue, 0));
    assert_eq!(status(5), (ReadStatus::NoMessageInQueue, 0));
    put(&store, "T", 0, b"x");
    assert_eq!(status(1), (ReadStatus::OffsetOverflowOne, 1));
    assert_eq!(status(2), (ReadStatus::OffsetOverflowBadly, 1));
    assert_eq!(status(-1), (ReadStatus::OffsetTooSmall, 0));
    let none = store.read(&queue, 0, ALL, |_| false).unwrap();
    assert_eq!((none.status, none.next_offset), (ReadStatus::NoMatchedMessage, 1));
    assert!(!directory.path().join("consumequeue/U").exists());
    assert!(store.queue("T", -1).is_none());
}

#[test]
fn filters_and_limits() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    for index in 0..100 {
        put_tagged(&store, "T", 0, &[index], if index % 10 == 0 { "A" } else { "B" }, "");
    }
    let queue = store.queue("T", 0).unwrap();
    let tagged = |tag: i64| store.read(&queue, 0, ALL, move |code| code == tag).unwrap();
    let result = tagged(tags_code(Some("A")));
    assert_eq!((result.count, result.next_offset), (10, 100));
    assert_eq!(tagged(tags_code(Some("B"))).count, 32);
    let few = ReadLimits { max_messages: 32, max_bytes: 150 };
    assert_eq!(store.read(&queue, 0, few, |_| true).unwrap().count, 1);
    let many = ReadLimits { max_messages: 1000, max_bytes: usize::MAX };
    assert_eq!(store.read(&queue, 0, many, |_| true).unwrap().count, 32);
}

#[test]
fn however_many_a_reader_wants_it_is_shown_no_more_entries_than_a_file_has() {
    let directory = tempfile::tempdir().unwrap();
    let store = StoreConfig { max_filter_message_size: 20 * 10, ..config(directory.path()) };
    let store = Store::open(store).unwrap();
    (0..200).for_each(|_| _ = put(&store, "T", 0, b"x"));
    let queue = store.queue("T", 0).unwrap();
    for (max_messages, looked_at) in [(-1, 10), (10, 10), (30, 30), (i32::MAX, 64)] {
        let limits = ReadLimits { max_messages, max_bytes: usize::MAX };
        let nothing = store.read(&queue, 0, limits, |_| false).unwrap();
        assert_eq!(
            (nothing.status, nothing.next_offset),
            (ReadStatus::NoMatchedMessage, looked_at)
        );
    }
}

#[test]
fn segments_roll_over_and_everything_survives_a_clean_restart() {
    let directory = tempfile::tempdir().unwrap();
    let bodies: Vec<Vec<u8>> = (0..300u32).map(|n| vec![n as u8; 500 + n as usize]).collect();
    let end = {
        let store = Store::open(config(directory.path())).unwrap();
        bodies.iter().for_each(|body| _ = put(&store, "T", 3, body));
        store.close();
        store.log_end()
    };
    assert!(end > 3 * (64 << 10));
    assert!(!directory.path().join("abort").exists());
    let store = Store::open(config(directory.path())).unwrap();
    assert!(directory.path().join("abort").exists());
    assert_eq!(store.log_end(), end);
    assert_eq!(bodies_of(&store, "T", 3), bodies);
    assert_eq!(put(&store, "T", 3, b"next").queue_offset, 300);
}

/// Copies a directory as it is while the store is in use, which is what a killed process leaves.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            match std::fs::copy(entry.path(), target) {
                // It was written to take another's place, and has taken it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => _ = copied.unwrap(),
            }
        }
    }
}

#[test]
fn a_killed_store_recovers_queues_and_index() {
    let directory = tempfile::tempdir().unwrap();
    let killed = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    for index in 0..500u32 {
        put_tagged(
            &store,
            "T",
            (index % 2) as i32,
            &index.to_be_bytes(),
            "A",
            &format!("k{index}"),
        );
    }
    copy(directory.path(), killed.path());
    let store = Store::open(config(killed.path())).unwrap();
    assert_eq!(bodies_of(&store, "T", 0).len(), 250);
    assert_eq!(bodies_of(&store, "T", 1)[249], 499u32.to_be_bytes());
    until("keys are entered again", || store.find("T", "k77", 10, 0, i64::MAX).len() == 1);
    assert_eq!(put(&store, "T", 0, b"x").queue_offset, 250);
}

#[test]
fn a_torn_tail_is_cut_off_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let (torn, after) = {
        let store = Store::open(config(directory.path())).unwrap();
        put(&store, "T", 0, b"whole");
        let torn = put(&store, "T", 0, b"torn apart");
        let after = put(&store, "T", 0, b"unreachable");
        store.close();
        (torn, after)
    };
    std::fs::write(directory.path().join("abort"), "1").unwrap();
    // Without it all of the log is looked at, as after a crash before it was first written.
    std::fs::remove_file(directory.path().join("checkpoint")).unwrap();
    let segment = directory.path().join("commitlog/00000000000000000000");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[torn.physical_offset as usize + 90] ^= 0xFF;
    std::fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        let store = Store::open(config(directory.path())).unwrap();
        assert_eq!(store.log_end(), torn.physical_offset);
        assert_eq!(bodies_of(&store, "T", 0), [b"whole"]);
        assert!(store.record_at(after.physical_offset).is_none());
    }
    let store = Store::open(config(directory.path())).unwrap();
    // A record of the torn one's length must not make the one behind it reappear.
    assert_eq!(put(&store, "T", 0, b"same length").queue_offset, 1);
    drop(store);
    std::fs::write(directory.path().join("abort"), "1").unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    assert_eq!(bodies_of(&store, "T", 0).len(), 2);
}

#[test]
fn messages_are_found_by_key_and_by_unique_id() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    let mut text = String::new();
    properties::append(&mut text, key::UNIQUE_KEY, "ID1");
    properties::append(&mut text, key::KEYS, "a b");
    let mut records = NewRecords::one(&record("T", 0, b"x", &text), TagsCode::Hash(0));
    store.append(&store.queue("T", 0).unwrap(), &mut records).unwrap();
    // Enough to fill several index files.
    for index in 0..1000 {
        put_tagged(&store, "T", 0, b"y", "", &format!("k{index} common"));
    }
    let find = |key: &str, max| store.find("T", key, max, 0, i64::MAX).len();
    until("the index", || find("k999", 1) == 1);
    for key in ["ID1", "a", "b", "k0", "k500"] {
        assert_eq!(find(key, 10), 1, "{key}");
    }
    assert_eq!(find("common", 20), 20);
    assert_eq!(find("nothing", 20), 0);
    assert_eq!(store.find("U", "a", 10, 0, i64::MAX).len(), 0);
    assert_eq!(store.find("T", "a", 10, 0, 1000).len(), 0, "stored later");
    drop(store);
    let store = Store::open(config(directory.path())).unwrap();
    assert_eq!(store.find("T", "ID1", 10, 0, i64::MAX).len(), 1);
    assert!(std::fs::read_dir(directory.path().join("index")).unwrap().count() > 5);
}

#[test]
fn offsets_by_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(put(&store, "T", 0, b"x").store_timestamp);
        until("the next millisecond", || {
            put(&store, "other", 0, b"").store_timestamp > *times.last().unwrap() + 2
        });
    }
    let queue = store.queue("T", 0).unwrap();
    let at = |time, boundary| store.offset_at(&queue, time, boundary).unwrap();
    for (offset, time) in times.iter().enumerate() {
        assert_eq!(at(*time, Boundary::Lower), offset as i64);
        assert_eq!(at(*time, Boundary::Upper), offset as i64);
        assert_eq!(at(time + 1, Boundary::Lower), offset as i64 + 1);
        assert_eq!(at(time + 1, Boundary::Upper), offset as i64);
    }
    assert_eq!((at(0, Boundary::Lower), at(0, Boundary::Upper)), (0, 0));
    assert_eq!(at(i64::MAX, Boundary::Lower), 5);
    assert_eq!(store.store_time(&queue, 3).unwrap(), Some(times[3]));
    assert_eq!(store.store_time(&queue, 5).unwrap(), None);
    assert_eq!(store.earliest_store_time(), times[0]);
}

#[test]
fn synchronous_flush_shows_messages_only_when_they_are_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig { flush_disk_type: "SYNC_FLUSH".into(), ..config(directory.path()) };
    let store = Store::open(config).unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut last = 0;
    for _ in 0..100 {
        let sender = sender.clone();
        last = put(&store, "T", 0, b"x").end;
        store.when_flushed(last, Box::new(move |outcome| _ = sender.send(outcome)));
    }
    for _ in 0..100 {
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), FlushOutcome::Flushed);
    }
    assert!(store.log_flushed() >= last);
    assert_eq!(bodies_of(&store, "T", 0).len(), 100);
}

#[test]
fn several_records_get_neighbouring_offsets() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    put(&store, "T", 0, b"before");
    let mut records = NewRecords::new();
    for body in [b"a", b"b", b"c"] {
        records.push(&record("T", 0, body, ""), TagsCode::Hash(0), Keys::default());
    }
    let appended = store.append(&store.queue("T", 0).unwrap(), &mut records).unwrap();
    assert_eq!((appended.queue_offset, records.len()), (1, 3));
    assert_eq!(put(&store, "T", 0, b"after").queue_offset, 4);
    assert_eq!(bodies_of(&store, "T", 0).concat(), b"beforeabcafter");
    let mut huge = NewRecords::one(&record("T", 0, &vec![0; 64 << 10], ""), TagsCode::Hash(0));
    let error = store.append(&store.queue("T", 0).unwrap(), &mut huge).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }));
}

#[test]
fn what_one_queue_refuses_others_take() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    put(&store, "Gone", 0, b"before");
    let queues = [("T", 0), ("Gone", 0), ("T", 1), ("T", 0)];
    let queues = queues.map(|(topic, id)| store.queue(topic, id).unwrap());
    store.remove_topic("Gone").unwrap();
    let (mut records, mut appends) = (NewRecords::new(), Vec::new());
    for queue in queues {
        let from = records.mark();
        let record = record(queue.topic(), queue.id(), b"x", "");
        records.push(&record, TagsCode::Hash(0), Keys::default());
        appends.push(Append::new(queue.clone(), from, records.mark()));
    }
    store.append_all(&mut records, &mut appends);
    let outcomes: Vec<_> = appends.iter().map(|append| append.outcome()).collect();
    let offsets = outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|at| at.queue_offset));
    assert_eq!(offsets.collect::<Vec<_>>(), [Some(0), None, Some(0), Some(1)]);
    assert!(matches!(outcomes[1], Err(AppendError::NotWritable(_))));
    assert_eq!(bodies_of(&store, "T", 0).len(), 2);
    let ends = outcomes.iter().flatten().map(|at| at.end);
    assert_eq!(ends.max(), Some(store.log_end()));
}

#[test]
fn threads_that_store_together_and_a_checkpoint_agree() {
    const ROUNDS: usize = 300;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("live");
    let store = Store::open(StoreConfig {
        flush_interval_consume_queue: 1,
        flush_consume_queue_thorough_interval: 1,
        ..config(&root)
    });
    let store = store.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut ids = vec![0, 1, 0];
                    // What others keep waiting for too long comes back.
                    while !ids.is_empty() {
                        let (mut records, mut appends) = (NewRecords::new(), Vec::new());
                        for id in &ids {
                            let from = records.mark();
                            let record = record("T", *id, b"x", "");
                            records.push(&record, TagsCode::Hash(0), Keys::default());
                            let queue = store.queue("T", *id).unwrap();
                            appends.push(Append::new(queue, from, records.mark()));
                        }
                        store.append_all(&mut records, &mut appends);
                        let mut outcomes = appends.iter().map(Append::outcome);
                        ids.retain(|_| match outcomes.next().unwrap() {
                            Ok(_) => false,
                            Err(AppendError::Busy { .. }) => true,
                            Err(error) => panic!("{error}"),
                        });
                    }
                }
            });
        }
    });
    // As they are now; what is not in the files a start makes anew, unless the checkpoint says it is there.
    let copied = directory.path().join("copied");
    copy(&root, &copied);
    for store in [store, Store::open(config(&copied)).unwrap()] {
        for (id, count) in [(0, 6 * ROUNDS), (1, 3 * ROUNDS)] {
            assert_eq!(bodies_of(&store, "T", id).len(), count);
        }
    }
}

#[test]
fn expired_segments_go_and_readers_keep_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    for index in 0..1000u32 {
        put(&store, "T", 0, &vec![index as u8; 500]);
    }
    let queue = store.queue("T", 0).unwrap();
    let held = store.read(&queue, 0, ALL, |_| true).unwrap();
    until("the flush", || store.log_flushed() == store.log_end());
    assert_eq!(store.remove_expired(SystemTime::now()).unwrap(), 0);
    let later = SystemTime::now() + Duration::from_secs(73 * 3600);
    // Segments stay until their queue entries are on disk, which this asks for.
    let mut removed = 0;
    until("segments go", || {
        removed += store.remove_expired(later).unwrap();
        removed > 5
    });
    assert_eq!(messages(&held).len(), 32);
    let min = store.min_offset(&queue).unwrap();
    assert!(min > 500 && min < 1000, "{min}");
    let moved = store.read(&queue, 0, ALL, |_| true).unwrap();
    assert_eq!((moved.status, moved.next_offset), (ReadStatus::OffsetTooSmall, min));
    assert_eq!(messages(&store.read(&queue, min, ALL, |_| true).unwrap())[0].queue_offset, min);
    drop((held, moved));
    drop(store);
    let store = Store::open(config(directory.path())).unwrap();
    assert_eq!(store.min_offset(&store.queue("T", 0).unwrap()).unwrap(), min);
    assert_eq!(store.max_offset(&store.queue("T", 0).unwrap()).unwrap(), 1000);
}

#[test]
fn removed_queues_are_made_anew_and_delayed_messages_keep_their_delivery_time() {
    let directory = tempfile::tempdir().unwrap();
    let topic = ferromq_model::names::SCHEDULE_TOPIC;
    let mut text = String::new();
    properties::append(&mut text, key::DELAY, "3");
    let stored = {
        let store = Store::open(config(directory.path())).unwrap();
        let delay = store.delay_ms(3);
        let mut records =
            NewRecords::one(&record(topic, 2, b"x", &text), TagsCode::DeliverAfter(delay));
        store.append(&store.queue(topic, 2).unwrap(), &mut records).unwrap().store_timestamp
    };
    std::fs::remove_dir_all(directory.path().join("consumequeue")).unwrap();
    // After a clean exit too: removing the queues is how to have them made anew.
    let store = Store::open(config(directory.path())).unwrap();
    let entries = store.entries(&store.queue(topic, 2).unwrap(), 0, 10).unwrap();
    assert_eq!(entries[0].tags_code, stored + 10_000);
}

#[test]
fn a_log_of_which_only_an_empty_segment_is_left_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = Store::open(config(root)).unwrap();
    let (segment, mut count) = (64 << 10, 0);
    while put(&store, "T", 0, &[0; 5000]).physical_offset < segment {
        count += 1;
    }
    drop(store);
    // As if the power had failed before the first record of the second segment was on disk.
    std::fs::write(root.join(format!("commitlog/{segment:020}")), vec![0; segment as usize])
        .unwrap();
    std::fs::remove_dir_all(root.join("consumequeue")).unwrap();
    let store = Store::open(config(root)).unwrap();
    assert_eq!(store.log_end(), segment);
    let later = SystemTime::now() + Duration::from_secs(73 * 3600);
    until("the first segment goes", || store.remove_expired(later).unwrap() > 0);
    drop(store);
    for next in [count, count + 1] {
        let store = Store::open(config(root)).unwrap();
        assert!(store.log_end() >= segment);
        assert_eq!(put(&store, "T", 0, b"x").queue_offset, next);
    }
}

/// Entries before the first message stand for none, as other brokers write them, and nobody sees them.
#[test]
fn a_queue_made_anew_begins_where_its_first_message_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    (0..1000u32).for_each(|index| _ = put(&store, "T", 0, &vec![index as u8; 500]));
    let later = SystemTime::now() + Duration::from_secs(73 * 3600);
    until("segments go", || store.remove_expired(later).unwrap() > 0);
    let min = store.min_offset(&store.queue("T", 0).unwrap()).unwrap();
    let bodies = bodies_of(&store, "T", 0);
    store.close();
    drop(store);
    std::fs::remove_dir_all(directory.path().join("consumequeue")).unwrap();
    let first = (min / 64 * 64) as usize;
    for _ in 0..2 {
        let store = Store::open(config(directory.path())).unwrap();
        let queue = store.queue("T", 0).unwrap();
        assert_eq!(store.min_offset(&queue).unwrap(), min);
        assert_eq!(store.max_offset(&queue).unwrap(), 1000);
        assert_eq!(bodies_of(&store, "T", 0), bodies);
        store.close();
        let file = directory.path().join(format!("consumequeue/T/0/{:020}", first * 20));
        let mut blank = [0; 20];
        blank[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        let entries = std::fs::read(file).unwrap();
        let blanks = min as usize - first;
        assert!(blanks > 0, "the first message begins a file");
        assert!(entries.chunks(20).take(blanks).all(|entry| entry == blank));
        assert_ne!(entries[blanks * 20..][..20], blank);
    }
}

/// Other brokers leave no trace of a deletion but that offsets begin again in the log.
#[test]
fn a_topic_deleted_and_made_anew_by_another_broker_has_only_its_new_messages() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    (0..100).for_each(|_| {
        put(&store, "T", 0, b"old");
    });
    store.remove_topic("T").unwrap();
    (0..3).for_each(|_| {
        put(&store, "T", 0, b"new");
    });
    store.close();
    drop(store);
    std::fs::remove_file(directory.path().join("ferromq-deleted-topics")).unwrap();
    std::fs::remove_dir_all(directory.path().join("consumequeue")).unwrap();
    for _ in 0..2 {
        let store = Store::open(config(directory.path())).unwrap();
        assert_eq!(bodies_of(&store, "T", 0), vec![b"new"; 3]);
    }
}

#[test]
fn files_whose_maker_was_killed_before_they_grew_are_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    put_tagged(&store, "T", 0, b"one", "", "key");
    store.close();
    drop(store);
    let root = directory.path();
    let segment = format!("{:020}", 64 << 10);
    for empty in ["index/20990101000000000", &format!("commitlog/{segment}"), "checkpoint"] {
        std::fs::write(root.join(empty), b"").unwrap();
    }
    let store = Store::open(config(directory.path())).unwrap();
    put_tagged(&store, "T", 0, b"two", "", "key");
    assert_eq!(bodies_of(&store, "T", 0), [b"one", b"two"]);
    until("the index", || store.find("T", "key", 10, 0, i64::MAX).len() == 2);
}

#[derive(Clone, Debug)]
enum Action {
    Put {
        queue: i32,
        length: usize,
    },
    /// Records of so many bytes for each of some queues, stored together.
    Together(Vec<(i32, Vec<usize>)>),
    Restart,
    Crash,
}

/// Few of them too long for a segment.
fn some_lengths() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        9 => proptest::collection::vec(0usize..500, 1..10),
        1 => Just(vec![10, 70_000]),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (0..3, 0usize..3000).prop_map(|(queue, length)| Action::Put { queue, length }),
        4 => proptest::collection::vec((0..3, some_lengths()), 1..7).prop_map(Action::Together),
        1 => Just(Action::Restart),
        1 => Just(Action::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_list_for_each_queue(actions in proptest::collection::vec(any_action(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let mut roots = vec![directory.path().join("0")];
        let mut store = Some(Store::open(config(&roots[0])).unwrap());
        let mut model: [Vec<Vec<u8>>; 3] = Default::default();
        for (index, action) in actions.into_iter().enumerate() {
            let open = store.as_ref().unwrap();
            match action {
                Action::Put { queue, length } => {
                    let body = vec![index as u8; length];
                    let appended = put(open, "T", queue, &body);
                    model[queue as usize].push(body);
                    prop_assert_eq!(appended.queue_offset + 1, model[queue as usize].len() as i64);
                }
                Action::Together(parts) => {
                    let (mut records, mut appends) = (NewRecords::new(), Vec::new());
                    for (queue, lengths) in &parts {
                        let from = records.mark();
                        for length in lengths {
                            let body = vec![index as u8; *length];
                            let record = record("T", *queue, &body, "");
                            records.push(&record, TagsCode::Hash(0), Keys::default());
                        }
                        let to = records.mark();
                        appends.push(Append::new(open.queue("T", *queue).unwrap(), from, to));
                    }
                    open.append_all(&mut records, &mut appends);
                    for ((queue, lengths), append) in parts.into_iter().zip(appends) {
                        let list = &mut model[queue as usize];
                        if lengths.iter().any(|length| *length > 64 << 10) {
                            let too_large = matches!(append.outcome(), Err(AppendError::TooLarge { .. }));
                            prop_assert!(too_large);
                            continue;
                        }
                        prop_assert_eq!(append.outcome().unwrap().queue_offset, list.len() as i64);
                        list.extend(lengths.into_iter().map(|length| vec![index as u8; length]));
                    }
                }
                Action::Restart => {
                    drop(store.take());
                    store = Some(Store::open(config(roots.last().unwrap())).unwrap());
                }
                Action::Crash => {
                    let next = directory.path().join(roots.len().to_string());
                    copy(roots.last().unwrap(), &next);
                    drop(store.take());
                    store = Some(Store::open(config(&next)).unwrap());
                    roots.push(next);
                }
            }
        }
        let store = store.unwrap();
        for (queue, bodies) in model.iter().enumerate() {
            prop_assert_eq!(&bodies_of(&store, "T", queue as i32), bodies);
        }
    }
}
