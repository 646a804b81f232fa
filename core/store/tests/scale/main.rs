//! What many topics, a long log, its retention and a full disk cost, as the system counts it.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod cold;
mod full_disk;
mod long_log;
mod many_queues;
mod pages;
mod retention;
mod together;
mod watched_disk;

use ferromq_protocol::record::NewRecord;
use ferromq_store::*;
use std::path::Path;

fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 64 << 10,
        mapped_file_size_consume_queue: 20 * 100,
        max_hash_slot_num: 100,
        max_index_num: 1000,
        // A full disk of the machine is not what these tests are about.
        disk_max_used_space_ratio: 99,
        disk_space_clean_forcibly_ratio: 99,
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

fn try_put(store: &Store, topic: &str, id: i32, body: &[u8]) -> Result<Appended, AppendError> {
    let host = "127.0.0.1:10911".parse().unwrap();
    let record = NewRecord {
        topic,
        queue_id: id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: "",
    };
    let mut records = NewRecords::one(&record, TagsCode::Hash(0));
    store.append(&store.queue(topic, id).unwrap(), &mut records)
}

fn put(store: &Store, topic: &str, id: i32, body: &[u8]) -> Appended {
    try_put(store, topic, id, body).unwrap()
}

const ALL: ReadLimits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };

fn read(store: &Store, topic: &str, id: i32, offset: i64) -> ReadResult {
    store.read(&store.queue(topic, id).unwrap(), offset, ALL, |_| true).unwrap()
}

/// How many files below a directory this process has open.
fn open_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    paths.filter(|path| path.starts_with(directory)).count()
}

/// A part of a file that this process has mapped.
struct Mapping {
    path: String,
    start: usize,
    end: usize,
    /// How much of it has been touched, in bytes.
    touched: usize,
}

/// The mappings of files below a directory.
fn mappings(directory: &Path) -> Vec<Mapping> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut found: Vec<Mapping> = Vec::new();
    let mut ours = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-')
            && let (Ok(start), Ok(end)) =
                (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
        {
            let path = words.nth(4).unwrap_or_default().to_string();
            ours = Path::new(&path).starts_with(directory);
            if ours {
                found.push(Mapping { path, start, end, touched: 0 });
            }
        } else if first == "Rss:" && ours {
            let kib: usize = words.next().unwrap().parse().unwrap();
            found.last_mut().unwrap().touched = kib << 10;
        }
    }
    found
}

/// Files below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        match std::fs::copy(file, target) {
            // It was written to take another's place, and has taken it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => _ = copied.unwrap(),
        }
    }
}
