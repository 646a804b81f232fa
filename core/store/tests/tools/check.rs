use crate::house::{SEGMENT, checked, config, files, made, put, segment};
use ferromq_protocol::record::RecordView;
use ferromq_store::tools::{Directory, Kind, LogItem};
use ferromq_store::*;
use proptest::prelude::*;
use std::fs;
use std::iter;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

/// Places in a segment whose content nothing else tells: parts of records that have no checksum, and
/// what is behind the last.
fn untold(root: &Path, base: i64) -> Vec<Range<i64>> {
    let directory = Directory::open(root, Some(config(root))).unwrap();
    let mut ranges = Vec::new();
    let mut end = base;
    directory
        .read_log(0, |item| {
            let LogItem::Record(record) = item else { panic!("a gap") };
            let at = record.physical_offset();
            if (base..base + SEGMENT).contains(&at) {
                end = at + record.bytes().len() as i64;
                // Flag, system flag, born time and host, store time and host, times, half message.
                ranges.push(at + 16..at + 20);
                ranges.push(at + 36..at + 84);
                ranges.push(names_of_properties(&record));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    // Behind the filler anything may be.
    ranges.push(end + 8..base + SEGMENT);
    ranges
}

/// What stands before the values of tags and keys is compared with nothing, but for its sense.
fn names_of_properties(record: &RecordView<'_>) -> Range<i64> {
    let end = record.physical_offset() + record.bytes().len() as i64;
    end - record.properties().len() as i64..end
}

#[test]
fn a_sound_directory_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 60);
    let before = files(folder.path());
    let (check, findings) = checked(folder.path());
    assert_eq!(findings, []);
    assert_eq!((check.records, check.entries, check.index_entries, check.damage), (60, 60, 60, 0));
    assert!(check.log_end > 3 * SEGMENT);
    assert_eq!(files(folder.path()), before, "nothing was changed");
    // Sizes are found in the files.
    let directory = Directory::open(folder.path(), None).unwrap();
    assert_eq!(directory.config().mapped_file_size_commit_log, SEGMENT);
    assert_eq!(directory.config().mapped_file_size_consume_queue, 160);
}

#[test]
fn every_damaged_byte_is_found_and_its_file_named() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 18);
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::write(
        folder.path().join("config/topics.json"),
        "{\"topicConfigTable\":{\"T\":{},\"U\":{}}}",
    )
    .unwrap();
    let (_, findings) = checked(folder.path());
    assert_eq!(findings, []);
    let mut missed = Vec::new();
    for (path, content) in files(folder.path()) {
        let name = path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_string();
        let untold: Vec<Range<i64>> = match name.split('/').next().unwrap() {
            "commitlog" => {
                let base = name[10..].parse().unwrap();
                let untold = untold(folder.path(), base);
                untold.into_iter().map(|range| range.start - base..range.end - base).collect()
            }
            // Entry 0 is not used, nor are those behind the last. What the first entry is dated from, another file tells.
            "index" => {
                let entry = |number: i64| 40 + 7 * 4 + number * 20;
                let next = i64::from(content[39]);
                vec![entry(0)..entry(1), entry(1) + 12..entry(1) + 16, entry(next)..entry(24)]
            }
            // Of tables, only the form can be told. The checkpoint may be behind, and its tail is free.
            "config" => iter::once(1..content.len() as i64 - 1).collect(),
            "checkpoint" => iter::once(0..content.len() as i64).collect(),
            _ => continue,
        };
        for at in 0..content.len() {
            if untold.iter().any(|range| range.contains(&(at as i64))) {
                continue;
            }
            let mut damaged = content.clone();
            damaged[at] ^= 0x5A;
            fs::write(&path, &damaged).unwrap();
            let (check, findings) = checked(folder.path());
            let named = findings.iter().any(|finding| {
                finding.file == path
                    || (name.starts_with("commitlog") && finding.log_offset.is_some())
            });
            // Behind the end of the log nothing is lost, and it is only told.
            let behind = findings.iter().all(|finding| finding.kind == Kind::Note);
            if !named || (check.damage == 0 && !(behind && name.starts_with("commitlog"))) {
                missed.push((name.clone(), at));
            }
        }
        fs::write(&path, &content).unwrap();
    }
    assert_eq!(missed, []);
}

#[test]
fn findings_say_where() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 60);
    let directory = Directory::open(folder.path(), Some(config(folder.path()))).unwrap();
    let mut fifth = None;
    let mut number = 0;
    directory
        .read_log(0, |item| {
            if let LogItem::Record(record) = item {
                if number == 5 {
                    let at = record.physical_offset();
                    let body = at + record.bytes().len() as i64 - record.properties().len() as i64;
                    let place =
                        (record.topic().to_string(), record.queue_id(), record.queue_offset());
                    fifth = Some((at, body - 10, place));
                }
                number += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let (at, byte, (topic, queue, offset)) = fifth.unwrap();
    let path = segment(folder.path(), 0);
    let mut content = fs::read(&path).unwrap();
    content[byte as usize] ^= 1;
    fs::write(&path, content).unwrap();
    let (check, findings) = checked(folder.path());
    assert!(check.damage > 0);
    let found = findings.iter().find(|finding| finding.kind == Kind::Record).unwrap();
    assert_eq!((found.file.clone(), found.position, found.log_offset), (path, at as u64, Some(at)));
    assert_eq!(found.topic.as_deref(), Some(topic.as_str()));
    assert_eq!((found.queue, found.queue_offset), (Some(queue), Some(offset)));
    assert!(found.to_string().contains("checksum"), "{found}");
}

/// What is done to a directory, and what kind of damage that is.
type Case = (fn(&Path), Kind, &'static str);

const CASES: &[Case] = &[
    (|root| fs::remove_file(segment(root, 1)).unwrap(), Kind::Segment, "is missing"),
    (
        |root| fs::write(segment(root, 1), "short").unwrap(),
        Kind::Segment,
        "has 5 bytes instead of 4096",
    ),
    (
        |root| fs::write(root.join("commitlog/x"), "").unwrap(),
        Kind::Segment,
        "does not belong there",
    ),
    (
        |root| fs::remove_dir_all(root.join("consumequeue/T/1")).unwrap(),
        Kind::MissingEntry,
        "the queue is missing",
    ),
    (
        |root| fs::remove_file(root.join("consumequeue/T/0/00000000000000000000")).unwrap(),
        Kind::MissingEntry,
        "has no entry",
    ),
    (
        |root| fs::write(root.join("consumequeue/T/0/00000000000000000000"), "x").unwrap(),
        Kind::QueueFile,
        "has 1 bytes instead of 160",
    ),
    (
        |root| fs::write(root.join("consumequeue/T/0/x"), "x").unwrap(),
        Kind::QueueFile,
        "does not belong there",
    ),
    (
        |root| {
            let index = fs::read_dir(root.join("index")).unwrap().next().unwrap().unwrap().path();
            fs::write(index, "x").unwrap();
        },
        Kind::Index,
        "give its settings",
    ),
    (
        |root| {
            fs::create_dir(root.join("config")).unwrap();
            fs::write(root.join("config/topics.json"), "").unwrap();
        },
        Kind::Table,
        "it is empty",
    ),
    (
        |root| fs::write(root.join("ferromq-deleted-topics"), "x").unwrap(),
        Kind::Table,
        "is not a log offset",
    ),
    (
        |root| {
            let mut checkpoint = fs::read(root.join("checkpoint")).unwrap();
            checkpoint[0] = 1;
            fs::write(root.join("checkpoint"), checkpoint).unwrap();
        },
        Kind::Checkpoint,
        "after the last record's",
    ),
];

#[test]
fn damage_of_whole_files_is_found() {
    for (damage, kind, words) in CASES {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), 60);
        damage(folder.path());
        let (_, findings) = checked(folder.path());
        let told = findings.iter().any(|f| f.kind == *kind && f.to_string().contains(words));
        assert!(told, "{words}: {findings:#?}");
    }
}

#[test]
fn what_a_broker_is_writing_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_by_hand(Arc::new(OsDisk), config(folder.path())).unwrap();
    for number in 0..30 {
        put(&store, "T", 0, number);
        let (check, findings) = checked(folder.path());
        assert_eq!((check.damage, check.records), (0, number as u64 + 1), "{findings:#?}");
        assert!(findings[0].problem.contains("a broker is using it (process"), "{findings:?}");
        if number % 5 == 0 {
            store.flush();
            store.write_queues(number % 10 == 0);
            store.enter_keys();
        }
    }
    store.close();
}

#[derive(Clone, Debug)]
enum Action {
    Put { topic: usize, count: usize },
    Write { sync: bool },
    EnterKeys,
    Delete { topic: usize },
    Expire,
    Restart,
    Crash,
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3usize, 1..8usize).prop_map(|(topic, count)| Action::Put { topic, count }),
        2 => any::<bool>().prop_map(|sync| Action::Write { sync }),
        1 => Just(Action::EnterKeys),
        1 => (0..3usize).prop_map(|topic| Action::Delete { topic }),
        1 => Just(Action::Expire),
        1 => Just(Action::Restart),
        1 => Just(Action::Crash),
    ]
}

fn copy(from: &Path, to: &Path) {
    for (path, content) in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, content).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_store_has_written_is_sound(actions in proptest::collection::vec(any_action(), 1..40)) {
        let mut folder = tempfile::tempdir().unwrap();
        let open = |root: &Path| Store::open_by_hand(Arc::new(OsDisk), config(root)).unwrap();
        let mut store = open(folder.path());
        let mut number = 0;
        for action in actions {
            match action {
                Action::Put { topic, count } => for _ in 0..count {
                    number += 1;
                    put(&store, ["T", "U", "V"][topic], (number % 2) as i32, number);
                },
                Action::Write { sync } => { store.flush(); store.write_queues(sync); }
                Action::EnterKeys => store.enter_keys(),
                Action::Delete { topic } => store.remove_topic(["T", "U", "V"][topic]).unwrap(),
                Action::Expire => drop(store.remove_expired(std::time::SystemTime::now()).unwrap()),
                Action::Restart => {
                    store.close();
                    let (check, findings) = checked(folder.path());
                    prop_assert_eq!(check.damage, 0, "{:#?}", findings);
                    drop(store);
                    let (check, findings) = checked(folder.path());
                    prop_assert_eq!(check.damage, 0, "{:#?}", findings);
                    store = open(folder.path());
                }
                Action::Crash => {
                    let killed = tempfile::tempdir().unwrap();
                    copy(folder.path(), killed.path());
                    let (check, findings) = checked(killed.path());
                    prop_assert_eq!(check.damage, 0, "{:#?}", findings);
                    drop(store);
                    store = open(killed.path());
                    folder = killed;
                }
            }
            let (check, findings) = checked(folder.path());
            prop_assert_eq!(check.damage, 0, "{:#?}", findings);
        }
        drop(store);
        let (check, findings) = checked(folder.path());
        prop_assert_eq!(check.damage, 0, "{:#?}", findings);
        prop_assert!(findings.iter().all(|f| f.problem.contains("deleted topics")), "{:#?}", findings);
    }
}
