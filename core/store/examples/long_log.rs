//! How long a long log takes to open: `long_log DIRECTORY SEGMENTS MIB`. The directory must not exist.
//!
//! All segments of 1 GiB but the last have a record and then the mark that ends a segment, so that
//! they are what a broker writes and take hardly any room. The last gets so many MiB of messages of
//! 1 KiB, through the store. It is opened after a clean stop, and after the process that wrote as
//! much again was killed.

use ferromq_protocol::record::{self, MAGIC_BLANK, NewRecord};
use ferromq_store::{NewRecords, Store, StoreConfig, TagsCode};
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const SIZE: i64 = 1 << 30;

fn new_record<'a>(queue_id: i32, body: &'a [u8]) -> NewRecord<'a> {
    let host = ([127, 0, 0, 1], 10911).into();
    NewRecord {
        topic: "Orders",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: "",
    }
}

fn write_segment(directory: &Path, number: i64) -> Result<(), Box<dyn Error>> {
    let base = number * SIZE;
    let mut bytes = Vec::new();
    record::encode(&mut bytes, &new_record(0, &[b'x'; 1024]));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    record::place(&mut bytes, number, base, now);
    let left = SIZE as u32 - bytes.len() as u32;
    bytes.extend_from_slice(&left.to_be_bytes());
    bytes.extend_from_slice(&MAGIC_BLANK.to_be_bytes());
    let file = File::create_new(directory.join(format!("{base:020}")))?;
    file.set_len(SIZE as u64)?;
    file.write_all_at(&bytes, 0)?;
    Ok(())
}

fn fill(store: &Store, mib: i64) -> Result<(), Box<dyn Error>> {
    let body = [b'x'; 1024];
    let end = store.log_end() + (mib << 20);
    let mut number = 0;
    while store.log_end() < end {
        let queue = store.queue("Orders", number % 4).ok_or("no such queue")?;
        let mut records = NewRecords::one(&new_record(number % 4, &body), TagsCode::Hash(0));
        store.append(&queue, &mut records)?;
        number += 1;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, segments, mib] = &arguments[..] else {
        return Err("which directory, how many segments, how many MiB in the last?".into());
    };
    let (segments, mib): (i64, i64) = (segments.parse()?, mib.parse()?);
    let config = StoreConfig {
        message_index_enable: false,
        disk_space_warning_level_ratio: 100,
        // Nothing of what the killed process writes is known to be in the queues.
        flush_interval_consume_queue: 600_000,
        ..StoreConfig::for_directory(directory)
    };
    if std::env::var_os("FERROMQ_KILLED").is_some() {
        let store = Store::open(config)?;
        fill(&store, mib)?;
        std::process::abort();
    }
    let commitlog = Path::new(directory).join("commitlog");
    fs::create_dir_all(&commitlog)?;
    for number in 0..segments - 1 {
        write_segment(&commitlog, number)?;
    }
    let open = |what: &str| -> Result<Store, Box<dyn Error>> {
        let start = Instant::now();
        let store = Store::open(config.clone())?;
        let took = start.elapsed();
        println!("{what}: {:.1} ms", took.as_secs_f64() * 1000.0);
        Ok(store)
    };
    let store = open("opened without queues: they are made anew from all records")?;
    fill(&store, mib)?;
    println!("log of {} GiB", store.log_end() >> 30);
    drop(store);
    drop(open("opened after a clean stop")?);
    let killed = Command::new(std::env::current_exe()?)
        .args(&arguments)
        .env("FERROMQ_KILLED", "1")
        .status()?;
    assert!(!killed.success(), "it was to be killed");
    let start = Instant::now();
    let store = open("opened after a kill")?;
    let rate = (mib << 20) as f64 / start.elapsed().as_secs_f64() / 1e9;
    println!("that is {rate:.2} GB/s of messages that were not known to be in their queues");
    drop(store);
    Ok(())
}
