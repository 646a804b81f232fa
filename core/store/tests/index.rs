//! The index is the same whether keys come to it from memory or from the log.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod common;

use common::config;
use ferromq_model::flags::message;
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::NewRecord;
use ferromq_store::*;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// A message with a unique id and keys, which may be a transaction's rollback.
#[derive(Clone, Debug)]
struct Sent {
    unique: Option<String>,
    keys: Option<String>,
    rollback: bool,
    size: usize,
}

/// What is done with the store, step by step.
#[derive(Clone, Debug)]
enum Step {
    Store { topic: String, batch: Vec<Sent> },
    EnterKeys,
}

fn store(store: &Store, topic: &str, batch: &[Sent]) {
    let host = "10.0.0.1:10911".parse().unwrap();
    let mut records = NewRecords::new();
    for sent in batch {
        let mut text = String::new();
        for (name, value) in [(key::UNIQUE_KEY, &sent.unique), (key::KEYS, &sent.keys)] {
            if let Some(value) = value {
                properties::append(&mut text, name, value);
            }
        }
        let record = NewRecord {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: if sent.rollback { message::TRANSACTION_ROLLBACK } else { 0 },
            born_timestamp: 1,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &vec![b'x'; sent.size],
            properties: &text,
        };
        fn bytes(text: &Option<String>) -> Option<&[u8]> {
            text.as_deref().map(str::as_bytes)
        }
        let keys = Keys::new(bytes(&sent.unique), bytes(&sent.keys));
        records.push(&record, TagsCode::Hash(0), keys);
    }
    store.append(&store.queue(topic, 0).unwrap(), &mut records).unwrap();
}

/// The index files, in order.
fn index_files(root: &Path) -> Vec<Vec<u8>> {
    let Ok(directory) = std::fs::read_dir(root.join("index")) else { return Vec::new() };
    let mut files: Vec<_> = directory.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let unique = proptest::option::of("[A-F0-9]{8}");
    let keys = proptest::option::of("[ab é]{1,12}");
    let sent = (unique, keys, proptest::bool::weighted(0.1), 0usize..2000);
    let sent =
        sent.prop_map(|(unique, keys, rollback, size)| Sent { unique, keys, rollback, size });
    let batch = proptest::collection::vec(sent, 1..12);
    prop_oneof![
        3 => ("T|Topic|é", batch).prop_map(|(topic, batch)| Step::Store { topic, batch }),
        1 => Just(Step::EnterKeys),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn keys_from_memory_make_the_same_files_as_keys_from_the_log(steps in proptest::collection::vec(step(), 1..40)) {
        let (live, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Small files, so that some are filled.
        let small = |root: &Path| StoreConfig { max_index_num: 50, ..config(root) };
        let opened = Store::open_by_hand(Arc::new(OsDisk), small(live.path())).unwrap();
        for step in &steps {
            match step {
                Step::Store { topic, batch } => store(&opened, topic, batch),
                Step::EnterKeys => opened.enter_keys(),
            }
        }
        opened.enter_keys();
        let expected = index_files(live.path());
        // The log alone: everything else is made anew from it.
        std::fs::create_dir(again.path().join("commitlog")).unwrap();
        for segment in std::fs::read_dir(live.path().join("commitlog")).unwrap() {
            let path = segment.unwrap().path();
            let copy = again.path().join("commitlog").join(path.file_name().unwrap());
            std::fs::copy(&path, copy).unwrap();
        }
        let made_anew = Store::open_by_hand(Arc::new(OsDisk), small(again.path())).unwrap();
        made_anew.enter_keys();
        prop_assert_eq!(index_files(again.path()), expected);
    }
}
