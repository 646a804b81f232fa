//! Storing and reading messages, without network.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ferromq_protocol::record::NewRecord;
use ferromq_store::{
    Append, Boundary, Keys, Mark, NewRecords, OsDisk, Queue, ReadLimits, Store, StoreConfig,
    TagsCode,
};
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How many records are stored together.
const TOGETHER: usize = 32;

fn open(directory: &tempfile::TempDir) -> Store {
    let config = StoreConfig {
        message_index_enable: false,
        mapped_file_size_commit_log: 256 << 20,
        // Old messages go, so that the benchmark does not fill the disk.
        file_reserved_time: 0,
        delete_when: (0..24).map(|hour| hour.to_string()).collect::<Vec<_>>().join(";"),
        clean_resource_interval: 100,
        ..StoreConfig::for_directory(directory.path().to_string_lossy())
    };
    Store::open(config).expect("a directory of our own")
}

/// How long `threads` take that store a number of messages each, so many together: records that are laid out
/// already, for four queues in turns. Nearly all of that is what they do while they have the log.
fn append_by(
    store: &Store,
    queues: &[Arc<Queue>],
    new: &NewRecord<'_>,
    (threads, together): (usize, usize),
    messages: u64,
) -> Duration {
    let mut records = NewRecords::new();
    let marks: Vec<Mark> = (0..=together)
        .map(|_| {
            let mark = records.mark();
            records.push(new, TagsCode::Hash(0), Keys::default());
            mark
        })
        .collect();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut records = NewRecords::new();
                for _ in 0..together {
                    records.push(new, TagsCode::Hash(0), Keys::default());
                }
                let pairs = marks.windows(2).zip(queues.iter().cycle());
                let mut appends: Vec<_> =
                    pairs.map(|(mark, queue)| Append::new(queue, mark[0], mark[1])).collect();
                for _ in 0..messages.div_ceil(together as u64) {
                    store.append_all(&mut records, black_box(&mut appends));
                }
                assert!(appends.iter().all(|append| append.outcome().is_ok()));
            });
        }
    });
    start.elapsed()
}

fn store(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(&directory);
    let host = ([127, 0, 0, 1], 10911).into();
    let body = [b'x'; 128];
    let new = NewRecord {
        topic: "Orders",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties: "UNIQ_KEY\u{1}7F00000100002A139A554E05F0E50000\u{2}WAIT\u{1}true\u{2}",
    };
    let queue = store.queue("Orders", 0).expect("queue 0");
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(1));
    group.bench_function("append 128 bytes", |bencher| {
        bencher.iter(|| {
            let mut records = NewRecords::one(&new, TagsCode::Hash(0));
            black_box(store.append(&queue, &mut records)).expect("stored")
        });
    });
    let queues: Vec<_> = (0..4).map(|id| store.queue("Orders", 1 + id).expect("a queue")).collect();
    for (threads, together) in [(1, 1), (2, 1), (1, TOGETHER), (2, TOGETHER)] {
        group.throughput(Throughput::Elements(threads as u64));
        group.bench_function(
            format!("append 128 bytes, {together} together, {threads} threads"),
            |bencher| {
                bencher.iter_custom(|messages| {
                    append_by(&store, &queues, &new, (threads, together), messages)
                });
            },
        );
    }
    group.throughput(Throughput::Elements(32));
    let limits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };
    group.bench_function("read 32 messages", |bencher| {
        bencher.iter(|| {
            let from = store.max_offset(&queue).expect("a queue") - 64;
            black_box(store.read(&queue, from, limits, |_| true)).expect("read")
        });
    });
    let every_third = |tags: i64| tags % 3 == 0;
    for _ in 0..3000 {
        for tags in 0..3 {
            let mut records = NewRecords::one(&new, TagsCode::Hash(tags));
            store.append(&queue, &mut records).expect("stored");
        }
    }
    group.bench_function("read 32 of 96 messages by their tags", |bencher| {
        bencher.iter(|| {
            let from = store.max_offset(&queue).expect("a queue") - 96;
            black_box(store.read(&queue, from, limits, every_third)).expect("read")
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("look up a time", |bencher| {
        let time = store.earliest_store_time() + 1;
        bencher.iter(|| store.offset_at(&queue, black_box(time), Boundary::Lower).expect("found"));
    });
    let keys = tempfile::tempdir().expect("a temporary directory");
    let config = StoreConfig::for_directory(keys.path().to_string_lossy());
    let keyed = Store::open_by_hand(Arc::new(OsDisk), config).expect("a directory of our own");
    let queue = keyed.queue("Orders", 0).expect("queue 0");
    for number in 0..10_000 {
        let properties = format!("KEYS\u{1}order-{number}\u{2}");
        let record = NewRecord { properties: &properties, ..new };
        let mut records = NewRecords::one(&record, TagsCode::Hash(0));
        keyed.append(&queue, &mut records).expect("stored");
    }
    keyed.enter_keys();
    group.bench_function("look up a key", |bencher| {
        bencher.iter(|| keyed.find("Orders", black_box("order-5000"), 32, 0, i64::MAX));
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
