//! Each of the reasons for which messages go, with a clock and a disk of the test's own.

use crate::watched_disk::{Watch, WatchedDisk};
use crate::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

const HOUR: usize = 3600;

struct Room {
    directory: tempfile::TempDir,
    watch: Arc<Watch>,
    store: Store,
}

fn local_hour() -> i8 {
    jiff::ZonedDateTime::now().hour()
}

/// A store with eight segments whose messages are kept for ten hours, and deleted `delete_in` hours
/// from now.
fn room(delete_in: i8, change: impl FnOnce(&mut StoreConfig)) -> Room {
    let directory = tempfile::tempdir().unwrap();
    let mut config = StoreConfig {
        file_reserved_time: 10,
        delete_when: ((local_hour() + delete_in) % 24).to_string(),
        disk_max_used_space_ratio: 75,
        disk_space_clean_forcibly_ratio: 85,
        disk_space_warning_level_ratio: 90,
        delete_file_batch_max: 3,
        ..config(directory.path())
    };
    change(&mut config);
    let disk = WatchedDisk::default();
    let watch = disk.0.clone();
    watch.used_percent.store(50, Ordering::SeqCst);
    let store = Store::open_by_hand(Arc::new(disk), config).unwrap();
    for _ in 0..7 * 16 + 5 {
        put(&store, "T", 0, &[7; 4000]);
    }
    store.flush();
    store.write_queues(true);
    let room = Room { directory, watch, store };
    assert_eq!(room.segments(), 8);
    room
}

impl Room {
    fn segments(&self) -> usize {
        files(&self.directory.path().join("commitlog")).len()
    }

    fn look(&self, hours_later: usize, used_percent: usize) -> usize {
        self.watch.later.store(hours_later * HOUR, Ordering::SeqCst);
        self.watch.used_percent.store(used_percent, Ordering::SeqCst);
        self.store.make_room().unwrap()
    }
}

#[test]
fn old_messages_go_in_their_hour_and_at_most_a_batch_at_once() {
    // The hour of deletion is twelve hours from now.
    let room = room(12, |_| ());
    assert_eq!(room.look(0, 50), 0);
    assert_eq!(room.look(11, 50), 0, "they have expired, but it is not the hour");
    assert_eq!(room.look(12, 50), 3);
    assert_eq!(room.look(12, 50), 3);
    assert_eq!(room.look(12, 50), 1, "the last is never removed");
    assert_eq!(room.look(12, 50), 0);
    assert_eq!(room.segments(), 1);
    assert_eq!(read(&room.store, "T", 0, 0).status, ReadStatus::OffsetTooSmall);
    let queue = room.store.queue("T", 0).unwrap();
    assert_eq!(room.store.min_offset(&queue).unwrap(), 7 * 16);
    assert_eq!(files(&room.directory.path().join("consumequeue")).len(), 1, "100 entries a file");
}

#[test]
fn young_messages_stay_even_in_the_hour() {
    let room = room(0, |config| {
        config.delete_when = "0;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23".into()
    });
    assert_eq!(room.look(9, 84), 0);
    assert_eq!(room.look(10, 50), 3);
}

#[test]
fn above_the_first_mark_old_messages_go_at_any_hour() {
    let room = room(3, |_| ());
    assert_eq!(room.look(9, 76), 0, "they have not expired");
    assert_eq!(room.look(11, 75), 0, "the mark is not exceeded");
    assert_eq!(room.look(11, 76), 3);
}

#[test]
fn above_the_second_mark_messages_go_whatever_their_age() {
    let room = room(3, |_| ());
    assert_eq!(room.look(0, 85), 0);
    assert_eq!(room.look(0, 86), 3);
    assert!(try_put(&room.store, "T", 0, b"x").is_ok(), "messages are still taken");
}

#[test]
fn unless_that_is_forbidden() {
    let room = room(3, |config| config.clean_file_forcibly_enable = false);
    assert_eq!(room.look(0, 95), 0);
    assert_eq!(room.look(11, 95), 3, "those that have expired go all the same");
}

#[test]
fn above_the_third_mark_messages_are_refused_until_there_is_room() {
    let room = room(3, |config| config.clean_file_forcibly_enable = false);
    room.look(0, 90);
    put(&room.store, "T", 0, b"taken");
    room.look(0, 91);
    let refused = try_put(&room.store, "T", 0, b"refused").unwrap_err();
    assert!(refused.to_string().contains("disk is full"), "{refused}");
    assert_eq!(read(&room.store, "T", 0, 0).status, ReadStatus::Found);
    room.look(0, 90);
    assert_eq!(put(&room.store, "T", 0, b"taken again").queue_offset, 7 * 16 + 6);
}

#[test]
fn a_reader_keeps_what_it_holds_and_the_space_is_free_when_it_is_done() {
    let room = room(3, |_| ());
    let root = room.directory.path().canonicalize().unwrap();
    let held = read(&room.store, "T", 0, 0);
    let mapped = mappings(&root.join("commitlog")).len();
    assert_eq!(room.look(0, 86), 3);
    assert_eq!(read(&room.store, "T", 0, 0).status, ReadStatus::OffsetTooSmall);
    let bytes = held.chunks.iter().flat_map(|chunk| chunk.iter());
    let sevens = bytes.filter(|byte| **byte == 7).count();
    assert!(sevens >= held.count as usize * 4000 && held.count > 0);
    room.look(0, 50);
    let after = || mappings(&root.join("commitlog")).len();
    assert_eq!(after(), mapped - 1, "two are still held; one is gone");
    drop(held);
    assert_eq!(after(), mapped - 1, "a reader is not kept with that");
    room.look(0, 50);
    assert_eq!(after(), mapped - 3);
}

#[test]
fn appends_go_on_while_files_are_removed() {
    let room = room(3, |_| ());
    let gate = room.watch.removal.lock().unwrap();
    room.watch.used_percent.store(86, Ordering::SeqCst);
    let before = room.watch.removals.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel();
        let store = &room.store;
        scope.spawn(move || done.send(store.make_room()).unwrap());
        while room.watch.removals.load(Ordering::SeqCst) == before {
            std::thread::yield_now();
        }
        // More than a segment, so that the log rolls over meanwhile.
        for _ in 0..20 {
            put(&room.store, "T", 0, &[8; 4000]);
        }
        assert_eq!(read(&room.store, "T", 0, 0).status, ReadStatus::Found, "nothing is gone yet");
        assert!(is_done.try_recv().is_err());
        drop(gate);
        assert_eq!(is_done.recv_timeout(Duration::from_secs(10)).unwrap().unwrap(), 3);
    });
}

#[test]
fn a_file_that_cannot_be_removed_is_tried_again() {
    let room = room(3, |_| ());
    room.watch.removal_fails.store(true, Ordering::SeqCst);
    room.watch.used_percent.store(86, Ordering::SeqCst);
    let error = room.store.make_room().unwrap_err().to_string();
    assert!(error.contains("cannot remove"), "{error}");
    assert_eq!(read(&room.store, "T", 0, 0).status, ReadStatus::Found, "it counts as there");
    room.watch.removal_fails.store(false, Ordering::SeqCst);
    assert_eq!(room.store.make_room().unwrap(), 3);
}
