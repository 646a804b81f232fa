//! Small directories, and what is done to them.

use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::{NewRecord, RecordView};
use ferromq_protocol::tags::tags_code;
use ferromq_store::tools::{Check, Directory, Finding, check};
use ferromq_store::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub const SEGMENT: i64 = 4 << 10;
pub const QUEUE_FILE: i64 = 20 * 8;

pub fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: SEGMENT,
        mapped_file_size_consume_queue: QUEUE_FILE,
        max_hash_slot_num: 7,
        max_index_num: 24,
        file_reserved_time: 0,
        delete_when: "99".to_string(),
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

pub fn put(store: &Store, topic: &str, id: i32, number: usize) -> Appended {
    let body = body(number);
    let mut text = String::new();
    properties::append(&mut text, key::TAGS, "A");
    properties::append(&mut text, key::KEYS, &format!("k{}", number % 10));
    let record = NewRecord {
        topic,
        queue_id: id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: "10.0.0.9:50000".parse().unwrap(),
        store_host: "10.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties: &text,
    };
    let mut records = NewRecords::one(&record, TagsCode::Hash(tags_code(Some("A"))));
    store.append(&store.queue(topic, id).unwrap(), &mut records).unwrap()
}

fn body(number: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(40 + number * 37 % 300, number as u8 | 1);
    body
}

pub const QUEUES: [(&str, i32); 3] = [("T", 0), ("T", 1), ("U", 0)];

/// A closed directory with so many messages, their numbers by queue.
pub fn made(root: &Path, count: usize) -> BTreeMap<(&'static str, i32), Vec<usize>> {
    let store = Store::open_by_hand(std::sync::Arc::new(OsDisk), config(root)).unwrap();
    let mut all = BTreeMap::<_, Vec<usize>>::new();
    for number in 0..count {
        let queue = QUEUES[number * 7 % 11 % QUEUES.len()];
        put(&store, queue.0, queue.1, number);
        all.entry(queue).or_default().push(number);
    }
    store.close();
    all
}

pub fn checked(root: &Path) -> (Check, Vec<Finding>) {
    let directory = Directory::open(root, Some(config(root))).unwrap();
    let mut findings = Vec::new();
    let check = check(&directory, &|_, _| {}, &mut |finding| findings.push(finding)).unwrap();
    (check, findings)
}

/// What a store serves of a queue: offset and number of each message.
pub fn served(store: &Store, topic: &str, id: i32) -> Vec<(i64, usize)> {
    let queue = store.queue(topic, id).unwrap();
    let (min, max) = (store.min_offset(&queue).unwrap(), store.max_offset(&queue).unwrap());
    let mut all = Vec::new();
    let mut offset = min;
    while offset < max {
        let limits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };
        let read = store.read(&queue, offset, limits, |_| true).unwrap();
        assert!(read.next_offset > offset, "{topic}-{id} hangs at {offset}: {:?}", read.status);
        for chunk in &read.chunks {
            for record in ferromq_protocol::record::records(chunk) {
                let record: RecordView<'_> = record.unwrap();
                let number = usize::from_be_bytes(*record.body().first_chunk().unwrap());
                assert_eq!(record.body(), body(number));
                all.push((record.queue_offset(), number));
            }
        }
        offset = read.next_offset;
    }
    all
}

/// Every file by its path, without directories.
pub fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                all.insert(path, content);
            }
        }
    }
    all
}

pub fn segment(root: &Path, number: i64) -> PathBuf {
    root.join("commitlog").join(format!("{:020}", number * SEGMENT))
}
