//! What several test files need.
#![allow(dead_code, clippy::unwrap_used)]

use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::{NewRecord, records};
use ferromq_store::*;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Settings for small files.
pub fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 64 << 10,
        mapped_file_size_consume_queue: 20 * 64,
        max_hash_slot_num: 100,
        max_index_num: 200,
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

/// Stores a message in queue 0 of a topic.
pub fn put(store: &Store, topic: &str, body: &[u8], keys: &str) -> Appended {
    let mut text = String::new();
    if !keys.is_empty() {
        properties::append(&mut text, key::KEYS, keys);
    }
    let host = "10.0.0.1:10911".parse().unwrap();
    let record = NewRecord {
        topic,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: &text,
    };
    let mut new = NewRecords::one(&record, TagsCode::Hash(0));
    store.append(&store.queue(topic, 0).unwrap(), &mut new).unwrap()
}

/// The bodies of one read, and how it went.
pub fn read(store: &Store, topic: &str, offset: i64) -> (Vec<Vec<u8>>, ReadResult) {
    let queue = store.queue(topic, 0).unwrap();
    let limits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };
    let result = store.read(&queue, offset, limits, |_| true).unwrap();
    let bodies = result.chunks.iter().flat_map(|chunk| records(chunk));
    (bodies.map(|record| record.unwrap().body().to_vec()).collect(), result)
}

/// All bodies of queue 0 of a topic.
pub fn read_all(store: &Store, topic: &str) -> Vec<Vec<u8>> {
    let queue = store.queue(topic, 0).unwrap();
    let mut offset = store.min_offset(&queue).unwrap();
    let mut all = Vec::new();
    loop {
        let (bodies, result) = read(store, topic, offset);
        if bodies.is_empty() {
            return all;
        }
        all.extend(bodies);
        offset = result.next_offset;
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged on this thread meanwhile.
pub fn logged(act: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), act);
    let text = lines.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}
