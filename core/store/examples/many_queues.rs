//! What a store with many topics costs: `many_queues DIRECTORY TOPICS [QUEUES]`. The directory must not
//! exist. With FERROMQ_COUNT set, it only appends so many messages to topics drawn at random out of
//! FERROMQ_ACTIVE, once all are known, for a tool that counts instructions.

use ferromq_protocol::record::NewRecord;
use ferromq_store::{NewRecords, ReadLimits, Store, StoreConfig, TagsCode};
use std::error::Error;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

const ALL: ReadLimits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };

/// What is measured: finding the queue, and appending a record of 128 bytes.
#[inline(never)]
fn append(store: &Store, topic: &str, id: i32, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let host = ([127, 0, 0, 1], 10911).into();
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
    let queue = store.queue(topic, id).ok_or("no such queue")?;
    store.append(&queue, &mut records)?;
    Ok(())
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Files, directories and blocks (in bytes) below a directory.
fn usage(directory: &Path) -> (u64, u64, u64) {
    let (mut files, mut directories, mut bytes) = (0, 1, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            let below = usage(&entry.path());
            files += below.0;
            directories += below.1;
            bytes += below.2;
        } else {
            files += 1;
        }
    }
    (files, directories, bytes)
}

fn say(what: &str, start: Instant) {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let maps = maps.lines().filter(|line| line.contains("/0")).count();
    let took = start.elapsed().as_secs_f64() * 1000.0;
    println!(
        "{what}: {took:.1} ms; {} KiB of memory, {open} open files, {maps} mapped files",
        memory()
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let directory = arguments.first().ok_or("which directory?")?;
    let topics: usize = arguments.get(1).ok_or("how many topics?")?.parse()?;
    let queues: i32 = arguments.get(2).map_or(Ok(4), |text| text.parse())?;
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<usize>()).transpose();
    let (count, active) = (number("FERROMQ_COUNT")?, number("FERROMQ_ACTIVE")?.unwrap_or(topics));
    let config = StoreConfig {
        message_index_enable: false,
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(directory)
    };
    let names: Vec<String> = (0..topics).map(|number| format!("Topic-{number:06}")).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let body = [b'x'; 128];

    if let Some(count) = count {
        let store = Store::open_by_hand(std::sync::Arc::new(ferromq_store::OsDisk), config)?;
        for name in &names {
            for id in 0..queues {
                let queue = store.queue(name, id).ok_or("no such queue")?;
                store.max_offset(&queue)?;
            }
        }
        for _ in 0..count {
            append(&store, &names[random.usize(..active)], random.i32(0..queues), &body)?;
        }
        return Ok(());
    }

    println!("{topics} topics with {queues} queues each");
    let start = Instant::now();
    let store = Store::open(config.clone())?;
    say("opened, without a message", start);
    let start = Instant::now();
    for name in &names {
        for id in 0..queues {
            let queue = store.queue(name, id).ok_or("no such queue")?;
            store.read(&queue, 0, ALL, |_| true)?;
        }
    }
    say("looked at every queue", start);
    let start = Instant::now();
    for name in &names {
        for id in 0..queues {
            append(&store, name, id, &body)?;
        }
    }
    say("a message to each", start);
    let start = Instant::now();
    store.close();
    say("closed", start);
    drop(store);
    let (files, directories, bytes) = usage(&Path::new(directory).join("consumequeue"));
    println!("on disk: {files} queue files in {directories} directories, {} KiB", bytes >> 10);

    let start = Instant::now();
    let store = Store::open(config.clone())?;
    say("opened again", start);
    let start = Instant::now();
    for name in &names {
        for id in 0..queues {
            append(&store, name, id, &body)?;
        }
    }
    say("first message to each since", start);
    let start = Instant::now();
    const MANY: usize = 1_000_000;
    for (what, active) in [("all topics", topics), ("100 topics", topics.min(100)), ("one", 1)] {
        let start = Instant::now();
        for _ in 0..MANY {
            append(&store, &names[random.usize(..active)], random.i32(0..queues), &body)?;
        }
        let each = start.elapsed().as_nanos() as usize / MANY;
        println!("a million more, spread over {what}: {each} ns each");
    }
    say("so far", start);
    drop(store);
    Ok(())
}
