//! Directories that cannot be opened: each gets one sentence that names the file and says what to do,
//! and is left exactly as it was.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use ferromq_protocol::record::NewRecord;
use ferromq_store::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SEGMENT: u64 = 64 << 10;
const QUEUE_FILE: u64 = 20 * 64;

fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: SEGMENT as i64,
        mapped_file_size_consume_queue: QUEUE_FILE as i64,
        max_hash_slot_num: 100,
        max_index_num: 200,
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

/// A directory with three segments, two files in its queue, and keys.
fn directory() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(config(folder.path())).unwrap();
    let queue = store.queue("T", 0).unwrap();
    for index in 0..100u8 {
        let record = NewRecord {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: "10.0.0.9:50000".parse().unwrap(),
            store_host: "10.0.0.1:10911".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &[index; 1500],
            properties: "KEYS\u{1}k\u{2}",
        };
        store.append(&queue, &mut NewRecords::one(&record, TagsCode::Hash(0))).unwrap();
    }
    store.close();
    assert_eq!(fs::read_dir(folder.path().join("commitlog")).unwrap().count(), 3);
    folder
}

/// Every file with its content; directories have none.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
                all.insert(path, None);
            } else {
                all.insert(path.clone(), Some(fs::read(path).unwrap()));
            }
        }
    }
    all
}

fn refusal(config: StoreConfig) -> String {
    Store::open(config).err().map(|error| error.to_string()).unwrap_or_default()
}

fn set_length(path: &Path, length: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

fn replace_with_directory(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

fn only_file(folder: PathBuf) -> PathBuf {
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

/// What is done to a sound directory, which file the sentence names, and what else it says.
type Case = (fn(&Path), &'static str, &'static str);

const CASES: &[Case] = &[
    // Another format.
    (
        |root| fs::write(root.join("meta.properties"), "version=1").unwrap(),
        "meta.properties",
        "Apache Kafka; name another",
    ),
    (|root| fs::create_dir(root.join("jetstream")).unwrap(), "jetstream", "NATS"),
    (
        |root| {
            ["CURRENT", "IDENTITY"].iter().for_each(|name| fs::write(root.join(name), "x").unwrap())
        },
        "CURRENT",
        "is a RocksDB",
    ),
    (
        |root| fs::write(root.join("consumequeue/CURRENT"), "MANIFEST-000004").unwrap(),
        "consumequeue",
        "storeType=defaultRocksDB); move it away",
    ),
    (
        |root| {
            fs::remove_dir_all(root.join("commitlog")).unwrap();
            fs::create_dir(root.join("dledger-n0")).unwrap();
        },
        "dledger-n0",
        "DLedger; it cannot be read here",
    ),
    (
        |root| overwrite(&root.join("commitlog/00000000000000000000"), 4, b"ELF!"),
        "commitlog/00000000000000000000",
        "is no commit log segment: it begins with 0x454C4621",
    ),
    // A newer version.
    (
        |root| overwrite(&root.join("commitlog/00000000000000000000"), 7, &[0xAC]),
        "commitlog/00000000000000000000",
        "newer version (magic 0xDAA320AC)",
    ),
    (
        |root| overwrite(&root.join("commitlog/00000000000000131072"), 7, &[0xAC]),
        "commitlog/00000000000000131072",
        "newer version",
    ),
    (
        |root| fs::write(root.join("ferromq-deleted-topics"), "v2 {}\n").unwrap(),
        "ferromq-deleted-topics",
        "is not a log offset and a topic",
    ),
    // Truncated files.
    (
        |root| set_length(&root.join("commitlog/00000000000000000000"), 5000),
        "commitlog/00000000000000000000",
        "has 5000 bytes, but mappedFileSizeCommitLog is 65536; set it",
    ),
    (
        |root| set_length(&root.join("commitlog/00000000000000131072"), 5000),
        "commitlog/00000000000000131072",
        "has 5000 bytes",
    ),
    (
        |root| set_length(&root.join("commitlog/00000000000000065536"), 0),
        "commitlog/00000000000000065536",
        "has 0 bytes",
    ),
    (
        |root| set_length(&root.join("consumequeue/T/0/00000000000000000000"), 19),
        "consumequeue/T/0/00000000000000000000",
        "has 19 bytes, but mappedFileSizeConsumeQueue is 1280",
    ),
    (
        |root| set_length(&only_file(root.join("index")), 100),
        "index/",
        "has 100 bytes, but the size given by maxHashSlotNum and maxIndexNum is 4440",
    ),
    // Missing files.
    (
        |root| fs::remove_file(root.join("commitlog/00000000000000065536")).unwrap(),
        "commitlog/00000000000000065536",
        "is missing",
    ),
    (
        |root| fs::remove_dir_all(root.join("commitlog")).unwrap(),
        "commitlog",
        "has no segments, but there are consume queues for them: if its disk is not mounted",
    ),
    // Foreign files.
    (
        |root| fs::write(root.join("commitlog/notes.txt"), "x").unwrap(),
        "commitlog/notes.txt",
        "is no segment and does not belong there; move it away",
    ),
    (|root| fs::write(root.join("commitlog/1"), "x").unwrap(), "commitlog/1", "is no segment"),
    (
        |root| fs::write(root.join("commitlog/.nfs1"), "").unwrap(),
        "commitlog/.nfs1",
        "is no segment",
    ),
    (
        |root| fs::write(root.join("consumequeue/T/0/x.bak"), "x").unwrap(),
        "consumequeue/T/0/x.bak",
        "is no segment",
    ),
    // What nobody can read as a file.
    (
        |root| replace_with_directory(&root.join("commitlog/00000000000000000000")),
        "commitlog/00000000000000000000",
        "is a directory where a segment should be",
    ),
    (
        |root| replace_with_directory(&root.join("consumequeue/T/0/00000000000000000000")),
        "consumequeue/T/0/00000000000000000000",
        "is a directory where a segment should be",
    ),
    (
        |root| replace_with_directory(&only_file(root.join("index"))),
        "index/",
        "is a directory where a segment should be",
    ),
    (
        |root| replace_with_directory(&root.join("checkpoint")),
        "checkpoint",
        "is a directory where a file should be",
    ),
    (
        |root| replace_with_directory(&root.join("lock")),
        "lock",
        "is a directory where a file should be",
    ),
    (
        |root| fs::create_dir(root.join("ferromq-deleted-topics")).unwrap(),
        "ferromq-deleted-topics",
        "is a directory where a file should be",
    ),
    (
        |root| {
            fs::remove_dir_all(root.join("index")).unwrap();
            fs::write(root.join("index"), "").unwrap();
        },
        "index",
        "is a file where a directory should be",
    ),
    // A backup that was not finished.
    (
        |root| fs::write(root.join("ferromq-backup-unfinished"), "").unwrap(),
        "ferromq-backup-unfinished",
        "run `ferromq store backup` again",
    ),
];

#[test]
fn wrong_directories_get_one_sentence_and_stay_as_they_are() {
    for (number, (damage, file, words)) in CASES.iter().enumerate() {
        let folder = directory();
        damage(folder.path());
        let before = snapshot(folder.path());
        let told = refusal(config(folder.path()));
        assert!(told.contains(&format!("{}/{file}", folder.path().display())), "{number}: {told}");
        assert!(told.contains(words), "{number}: {told}");
        assert_eq!(told.lines().count(), 1, "{number}: {told}");
        assert!(snapshot(folder.path()) == before, "{number}: something was changed");
    }
}

#[test]
fn settings_that_do_not_fit_are_named_with_the_file() {
    let folder = directory();
    let before = snapshot(folder.path());
    let with = |change: fn(&mut StoreConfig)| {
        let mut config = config(folder.path());
        change(&mut config);
        refusal(config)
    };
    let told = with(|config| config.mapped_file_size_commit_log = 1 << 20);
    assert!(told.contains("has 65536 bytes, but mappedFileSizeCommitLog is 1048576"), "{told}");
    let told = with(|config| config.mapped_file_size_consume_queue = 6_000_000);
    assert!(told.contains("has 1280 bytes, but mappedFileSizeConsumeQueue is 6000000"), "{told}");
    let told = with(|config| config.max_index_num = 20_000_000);
    assert!(told.contains("but the size given by maxHashSlotNum and maxIndexNum"), "{told}");
    assert!(snapshot(folder.path()) == before);
    assert_eq!(refusal(config(folder.path())), "");
}

#[test]
fn a_root_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "x").unwrap();
    let told = refusal(config(&file));
    assert!(told.contains(file.to_str().unwrap()), "{told}");
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[test]
fn a_directory_in_use_is_refused_with_the_process() {
    let folder = directory();
    let store = Store::open(config(folder.path())).unwrap();
    let before = snapshot(folder.path());
    let told = refusal(config(folder.path()));
    let here = format!("lock is in use by another broker (process {})", std::process::id());
    assert!(told.contains(&here) && told.contains("stop it first"), "{told}");
    assert!(snapshot(folder.path()) == before);
    drop(store);
    assert_eq!(refusal(config(folder.path())), "");
}
