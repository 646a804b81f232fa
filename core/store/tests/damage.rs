//! Records whose bytes have changed on disk since they were stored.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, logged, put, read};
use ferromq_protocol::record::{RecordView, records};
use ferromq_store::*;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the body of a record with IPv4 addresses begins.
const BODY: u64 = 88;

fn segment(root: &Path) -> PathBuf {
    root.join("commitlog/00000000000000000000")
}

/// Changes a record where it lies, behind the store's back.
fn damage(root: &Path, record: &Appended, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(segment(root)).unwrap();
    file.write_all_at(bytes, record.physical_offset as u64 + at).unwrap();
}

fn open_by_hand(root: &Path) -> Store {
    Store::open_by_hand(Arc::new(OsDisk), config(root)).unwrap()
}

/// A store whose index reads from the log what comes next: there is no room for more keys in memory.
fn open_with_keys_in_memory(root: &Path) -> Store {
    let store = open_by_hand(root);
    (0..20).for_each(|number| _ = put(&store, "T", b"", &format!("k{number}")));
    store
}

fn found(store: &Store, key: &str) -> usize {
    store.find("T", key, 10, 0, i64::MAX).len()
}

#[test]
fn the_index_goes_on_behind_a_damaged_record() {
    // A body, a whole length, the magic, and what says where the record is.
    for (at, bytes) in [(BODY, &b"X"[..]), (0, &[0x7F; 4]), (4, &[0; 4]), (28, &[9; 8])] {
        let directory = tempfile::tempdir().unwrap();
        let store = open_with_keys_in_memory(directory.path());
        let first = put(&store, "T", b"first", "a");
        let second = put(&store, "T", b"second", "b");
        put(&store, "T", b"third", "c");
        damage(directory.path(), &second, at, bytes);
        let log = logged(|| store.enter_keys());
        assert_eq!([found(&store, "a"), found(&store, "b"), found(&store, "c")], [1, 0, 1]);
        let place =
            format!("byte {} of {}", second.physical_offset, segment(directory.path()).display());
        assert!(log.contains("ERROR") && log.contains(&place), "{log}");
        assert_eq!(logged(|| store.enter_keys()), "", "told once");
        damage(directory.path(), &first, BODY, b"X");
        assert_eq!(found(&store, "a"), 0, "damaged since it was entered");
    }
}

#[test]
fn the_index_goes_on_when_the_last_record_is_damaged_or_the_last_of_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_with_keys_in_memory(directory.path());
    let last = put(&store, "T", &vec![b'x'; 60 << 10], "a");
    damage(directory.path(), &last, 0, &[0; 8]);
    assert!(logged(|| store.enter_keys()).contains("ERROR"));
    // Too long for the rest of the segment.
    let next = put(&store, "T", &vec![b'y'; 10 << 10], "b");
    assert_eq!(next.physical_offset, 64 << 10);
    store.enter_keys();
    assert_eq!([found(&store, "a"), found(&store, "b")], [0, 1]);
    // Both at once: nothing whole is left before the end of the segment.
    let directory = tempfile::tempdir().unwrap();
    let store = open_with_keys_in_memory(directory.path());
    let last = put(&store, "T", &vec![b'x'; 60 << 10], "a");
    put(&store, "T", &vec![b'y'; 10 << 10], "b");
    let rest = (64 << 10) - last.physical_offset as usize;
    damage(directory.path(), &last, 0, &vec![0; rest - 1]);
    store.enter_keys();
    assert_eq!([found(&store, "a"), found(&store, "b")], [0, 1]);
}

/// A message whose body is itself a record must not be taken for one.
#[test]
fn what_a_damaged_body_holds_is_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_with_keys_in_memory(directory.path());
    let inner = put(&store, "T", b"inner", "inner");
    let queue = store.queue("T", 0).unwrap();
    let entries = store.entries(&queue, 0, 1).unwrap();
    let mut body = store.record(&entries[0]).unwrap().to_vec();
    // As if it lay where the body of the next record will.
    let place = inner.end + BODY as i64 + 1;
    body[28..36].copy_from_slice(&place.to_be_bytes());
    body.insert(0, b'>');
    let outer = put(&store, "T", &body, "outer");
    assert_eq!(outer.physical_offset, inner.end);
    put(&store, "T", b"after", "after");
    damage(directory.path(), &outer, BODY, b"!");
    store.enter_keys();
    let counts = ["inner", "outer", "after"].map(|key| found(&store, key));
    assert_eq!(counts, [1, 0, 1]);
}

#[test]
fn a_damaged_record_is_not_handed_to_who_delivers_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    put(&store, "T", b"whole", "");
    let second = put(&store, "T", b"damaged", "");
    damage(directory.path(), &second, BODY, b"X");
    let entries = store.entries(&store.queue("T", 0).unwrap(), 0, 2).unwrap();
    assert!(store.record(&entries[0]).is_ok());
    let fault = store.record(&entries[1]).unwrap_err();
    let expected = RecordFault::Damaged {
        offset: second.physical_offset,
        path: segment(directory.path()),
        position: second.physical_offset as u64,
        reason: "a body that does not match its checksum",
    };
    assert_eq!(fault, expected);
    assert!(store.record_at(second.physical_offset).is_none());
    let longer = Entry { size: entries[0].size + 1, ..entries[0] };
    assert!(matches!(store.record(&longer), Err(RecordFault::Damaged { .. })));
}

#[test]
fn pulls_check_checksums_if_they_are_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    let places = [&b"first"[..], b"second", b"third"].map(|body| put(&store, "T", body, ""));
    damage(directory.path(), &places[1], BODY, b"X");
    let (bodies, _) = read(&store, "T", 0);
    assert_eq!(bodies, [&b"first"[..], b"Xecond", b"third"], "handed out as it is");
    let queue = store.queue("T", 0).unwrap();
    let limits = ReadLimits { max_messages: 1, max_bytes: 1 << 20 };
    let chunks = store.read(&queue, 1, limits, |_| true).unwrap().chunks;
    assert!(
        records(&chunks[0])
            .all(|record: Result<RecordView<'_>, _>| record.unwrap().verify().is_err())
    );
    drop(store);

    let checked = StoreConfig { check_crc_on_read: true, ..config(directory.path()) };
    // As recovery takes the first damage for the end of the log.
    let checked = StoreConfig { check_crc_on_recover: false, ..checked };
    let store = Store::open(checked).unwrap();
    let log = logged(|| {
        let (bodies, result) = read(&store, "T", 0);
        assert_eq!(bodies, [b"first", b"third"]);
        assert_eq!((result.status, result.next_offset), (ReadStatus::Found, 3));
    });
    let place = format!("byte {} of ", places[1].physical_offset);
    assert!(log.contains("ERROR") && log.contains(&place), "{log}");
    damage(directory.path(), &places[2], BODY, b"X");
    let (bodies, result) = read(&store, "T", 1);
    assert_eq!(
        (bodies.len(), result.status, result.next_offset),
        (0, ReadStatus::NoMatchedMessage, 3)
    );
}
