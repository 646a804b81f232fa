use crate::house::{QUEUES, checked, config, files, made, put, segment, served};
use ferromq_store::tools::{Kind, Repair, repair};
use ferromq_store::*;
use std::fs;
use std::path::Path;

fn repaired(root: &Path) -> Repair {
    repair(root, Some(config(root)), false, &|_, _| {}, &mut |_| {}).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut content = fs::read(path).unwrap();
    content[at] ^= 0x5A;
    fs::write(path, content).unwrap();
}

fn first_index(root: &Path) -> std::path::PathBuf {
    let mut all: Vec<_> =
        fs::read_dir(root.join("index")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.remove(0)
}

/// What is done to a directory of 60 messages, and how many of them are lost by it at most.
type Case = (&'static str, fn(&Path), usize);

const CASES: &[Case] = &[
    ("a body", |root| flip(&segment(root, 0), 100), 1),
    ("a length", |root| flip(&segment(root, 1), 0), 1),
    ("a magic", |root| flip(&segment(root, 1), 5), 1),
    (
        "the last record",
        |root| {
            let (check, _) = checked(root);
            let last = segment(root, check.log_end / crate::house::SEGMENT);
            flip(&last, (check.log_end % crate::house::SEGMENT) as usize - 40);
        },
        1,
    ),
    (
        "a stretch",
        |root| {
            let mut content = fs::read(segment(root, 1)).unwrap();
            content[1000..3000].fill(0xEE);
            fs::write(segment(root, 1), content).unwrap();
        },
        18,
    ),
    (
        "zeros to the end of a segment",
        |root| {
            let mut content = fs::read(segment(root, 1)).unwrap();
            content[2000..].fill(0);
            fs::write(segment(root, 1), content).unwrap();
        },
        18,
    ),
    (
        "a truncated segment",
        |root| {
            fs::File::options().write(true).open(segment(root, 1)).unwrap().set_len(1500).unwrap();
        },
        20,
    ),
    ("a missing segment", |root| fs::remove_file(segment(root, 1)).unwrap(), 30),
    (
        "a segment with more",
        |root| {
            let mut content = fs::read(segment(root, 1)).unwrap();
            content.extend_from_slice(b"more");
            fs::write(segment(root, 1), content).unwrap();
        },
        0,
    ),
    ("a foreign file", |root| fs::write(root.join("commitlog/core.4711"), "x").unwrap(), 0),
    ("a queue entry", |root| flip(&root.join("consumequeue/T/0/00000000000000000000"), 66), 0),
    (
        "a hole in a queue",
        |root| {
            let path = root.join("consumequeue/T/0/00000000000000000000");
            let mut content = fs::read(&path).unwrap();
            content[40..80].fill(0);
            fs::write(path, content).unwrap();
        },
        0,
    ),
    ("a queue", |root| fs::remove_dir_all(root.join("consumequeue/T/1")).unwrap(), 0),
    ("all queues", |root| fs::remove_dir_all(root.join("consumequeue")).unwrap(), 0),
    (
        "a queue file",
        |root| fs::remove_file(root.join("consumequeue/T/0/00000000000000000000")).unwrap(),
        0,
    ),
    ("an index file", |root| flip(&first_index(root), 110), 0),
    ("no index", |root| fs::write(first_index(root), "x").unwrap(), 0),
    ("the checkpoint", |root| flip(&root.join("checkpoint"), 0), 0),
    (
        "a table",
        |root| {
            fs::create_dir(root.join("config")).unwrap();
            fs::write(root.join("config/topics.json"), "{\"half").unwrap();
            fs::write(root.join("config/topics.json.bak"), "{}").unwrap();
        },
        0,
    ),
];

#[test]
fn after_a_repair_a_directory_is_sound_and_serves_what_survived() {
    for (name, damage, lost) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let all = made(root, 60);
        damage(root);
        let damaged = files(root);
        let plan = repair(root, Some(config(root)), true, &|_, _| {}, &mut |_| {}).unwrap();
        assert!(files(root) == damaged, "{name}: a dry run changes nothing");
        assert!(!plan.steps.is_empty(), "{name}");
        let done = repaired(root);
        assert_eq!(done.steps, plan.steps, "{name}");
        assert_eq!(done.after.as_ref().unwrap().damage, 0, "{name}: {:#?}", checked(root).1);
        // A second one has nothing to do.
        assert!(repaired(root).steps.is_empty(), "{name}");
        let store = Store::open(config(root)).unwrap();
        let mut missing = 0;
        for (topic, id) in QUEUES {
            let numbers = &all[&(topic, id)];
            let served = served(&store, topic, id);
            let expected: Vec<(i64, usize)> = numbers
                .iter()
                .enumerate()
                .map(|(offset, number)| (offset as i64, *number))
                .collect();
            for message in &served {
                assert!(expected.contains(message), "{name}: {topic}-{id} {message:?}");
            }
            missing += expected.iter().filter(|message| !served.contains(message)).count();
            // Offsets go on where they were.
            let next = put(&store, topic, id, 1000).queue_offset;
            assert_eq!(next, numbers.len() as i64, "{name}: {topic}-{id}");
        }
        assert!(missing <= *lost && (missing > 0) == (*lost > 0), "{name}: {missing} are lost");
        drop(store);
        let (check, findings) = checked(root);
        assert_eq!(check.damage, 0, "{name}: {findings:#?}");
    }
}

#[test]
fn what_a_repair_takes_away_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 60);
    let queue = folder.path().join("consumequeue/T/0/00000000000000000000");
    flip(&queue, 66);
    flip(&segment(folder.path(), 0), 100);
    let (queue_before, log_before) =
        (fs::read(&queue).unwrap(), fs::read(segment(folder.path(), 0)).unwrap());
    let done = repaired(folder.path());
    let kept = done.kept.unwrap();
    let name = kept.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("ferromq-repaired-"), "{name}");
    assert_eq!(fs::read(kept.join("consumequeue/T/0/00000000000000000000")).unwrap(), queue_before);
    let record = fs::read_dir(kept.join("commitlog")).unwrap().next().unwrap().unwrap().path();
    let at: usize = record.extension().unwrap().to_str().unwrap()[3..].parse().unwrap();
    let record = fs::read(record).unwrap();
    assert_eq!(record, log_before[at..at + record.len()]);
}

#[test]
fn a_directory_in_use_is_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(config(folder.path())).unwrap();
    let error = repair(folder.path(), Some(config(folder.path())), false, &|_, _| {}, &mut |_| {})
        .unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(_), .. }), "{error}");
    drop(store);
}

#[test]
fn a_sound_directory_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), 60);
    let before = files(folder.path());
    let done = repaired(folder.path());
    assert!(done.steps.is_empty() && done.kept.is_none());
    assert!(files(folder.path()) == before);
    assert!(checked(folder.path()).1.iter().all(|finding| finding.kind != Kind::Record));
}
