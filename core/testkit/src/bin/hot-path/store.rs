//! The store alone.

use crate::Failure;
use crate::frames::{PROPERTIES, TOPIC};
use ferromq_protocol::record::NewRecord;
use ferromq_store::{Keys, NewRecords, Queue, ReadLimits, Store, StoreConfig, TagsCode};
use std::hint::black_box;
use std::sync::Arc;

fn open(directory: &tempfile::TempDir) -> Result<(Store, Arc<Queue>), Failure> {
    let config = StoreConfig {
        message_index_enable: false,
        mapped_file_size_commit_log: 256 << 20,
        flush_interval_consume_queue: 60_000,
        ..StoreConfig::for_directory(directory.path().to_string_lossy())
    };
    let store = Store::open(config)?;
    let queue = store.queue(TOPIC, 0).ok_or("no queue")?;
    Ok((store, queue))
}

fn append_all(store: &Store, queue: &Arc<Queue>, count: usize) -> Result<(), Failure> {
    let host = ([127, 0, 0, 1], 10911).into();
    let new = NewRecord {
        topic: TOPIC,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &[b'x'; 128],
        properties: PROPERTIES,
    };
    let keys = Keys::of(PROPERTIES.as_bytes());
    for _ in 0..count {
        let mut records = NewRecords::new();
        records.push(&new, TagsCode::Hash(0), keys);
        black_box(store.append(queue, &mut records)?);
    }
    Ok(())
}

pub(crate) fn append(count: usize) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let (store, queue) = open(&directory)?;
    append_all(&store, &queue, count)
}

pub(crate) fn read(count: usize) -> Result<(), Failure> {
    const BACKLOG: usize = 4096;
    let directory = tempfile::tempdir()?;
    let (store, queue) = open(&directory)?;
    append_all(&store, &queue, BACKLOG)?;
    let limits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };
    for number in 0..count {
        let from = (number * 32 % BACKLOG) as i64;
        let found = store.read(&queue, from, limits, |_| true)?;
        if black_box(found.count) != 32 {
            return Err(format!("{} messages instead of 32", found.count).into());
        }
    }
    Ok(())
}
