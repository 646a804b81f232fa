//! Messages with a delay level: they wait in a queue of the schedule topic, one queue a level, and
//! are stored again in their own topic when they are due (store §10.2).
//!
//! Within a level messages fall due in the order in which they came, so each level is a queue with
//! one head. One task waits for the earliest head; it sleeps while no message is delayed.

use crate::append::{announce, append};
use crate::clock::now_ms;
use crate::inner::Inner;
use crate::tables::TableFile;
use ferromq_model::names;
use ferromq_protocol::body::{DataVersion, DelayOffsetTable};
use ferromq_protocol::properties::key;
use ferromq_protocol::record::{NewRecord, RecordView};
use ferromq_protocol::tags::tags_code;
use ferromq_store::{Entry, NewRecords, Store, StoreError, TagsCode};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How many messages of a level are delivered before other levels get their turn.
const BATCH: usize = 64;
/// How long to wait after a message could not be delivered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How far each level has got: `delayOffset.json`.
pub(crate) struct DelayProgress {
    offsets: Mutex<BTreeMap<i32, i64>>,
    version: Mutex<DataVersion>,
    file: TableFile,
    arrived: Notify,
}

impl DelayProgress {
    pub(crate) fn load(folder: &Path, store: &Store) -> Result<Self, StoreError> {
        let file = TableFile::new(folder.join("delayOffset.json"));
        let table: DelayOffsetTable = file.load()?;
        let mut offsets = BTreeMap::new();
        for level in 1..=store.config().delay_levels().len() as i32 {
            let known = table.offset_table.get(&level).copied().unwrap_or(0);
            let offset = match store.queue(names::SCHEDULE_TOPIC, level - 1) {
                Some(queue) => known.clamp(store.min_offset(&queue)?, store.max_offset(&queue)?),
                None => known,
            };
            offsets.insert(level, offset);
        }
        Ok(DelayProgress {
            offsets: Mutex::new(offsets),
            version: Mutex::new(table.data_version),
            file,
            arrived: Notify::new(),
        })
    }

    /// A message to be delayed was stored.
    pub(crate) fn arrived(&self) {
        self.arrived.notify_one();
    }

    pub(crate) fn save(&self) -> Result<(), StoreError> {
        self.file.save(|| self.snapshot())
    }

    /// The table as its file has it.
    pub(crate) fn snapshot(&self) -> DelayOffsetTable {
        DelayOffsetTable {
            data_version: self.version.lock().clone(),
            offset_table: self.offsets.lock().clone(),
        }
    }

    fn offset(&self, level: i32) -> i64 {
        self.offsets.lock().get(&level).copied().unwrap_or(0)
    }

    fn advance(&self, level: i32, offset: i64) {
        self.offsets.lock().insert(level, offset);
        self.version.lock().advance(now_ms());
        self.file.changed();
    }
}

/// Delivers messages as they fall due.
pub(crate) async fn run(broker: Arc<Inner>) {
    loop {
        let worker = broker.clone();
        let next = tokio::task::spawn_blocking(move || deliver_due(&worker)).await;
        let pause = match next {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                tracing::error!(%error, "delayed messages cannot be delivered; trying again");
                Some(PAUSE_AFTER_FAILURE)
            }
            Err(error) => {
                tracing::error!(%error, "delayed messages cannot be delivered; trying again");
                Some(PAUSE_AFTER_FAILURE)
            }
        };
        tokio::select! {
            () = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            } => {}
            () = broker.delay.arrived.notified() => {}
        }
    }
}

/// Delivers everything that is due and returns how long until the next message is.
fn deliver_due(broker: &Arc<Inner>) -> Result<Option<Duration>, StoreError> {
    let levels = broker.store.config().delay_levels().len() as i32;
    loop {
        let mut next: Option<i64> = None;
        let mut more = false;
        for level in 1..=levels {
            match deliver_level(broker, level)? {
                Head::Due => more = true,
                Head::In(ms) => next = Some(next.map_or(ms, |next| next.min(ms))),
                Head::None => {}
            }
        }
        if !more {
            return Ok(next.map(|ms| Duration::from_millis(ms as u64)));
        }
    }
}

/// What is first in a level.
enum Head {
    None,
    In(i64),
    Due,
}

fn deliver_level(broker: &Arc<Inner>, level: i32) -> Result<Head, StoreError> {
    let store = &broker.store;
    let Some(queue) = store.queue(names::SCHEDULE_TOPIC, level - 1) else { return Ok(Head::None) };
    let mut offset = broker.delay.offset(level).max(store.min_offset(&queue)?);
    let entries = store.entries(&queue, offset, BATCH)?;
    let longest = store.delay_ms(level);
    for entry in &entries {
        // A clock that was set back must not keep messages for longer than their delay.
        let wait = (entry.tags_code - now_ms()).min(longest);
        if entry.is_message() && wait > 0 {
            return Ok(Head::In(wait));
        }
        if !deliver(broker, entry) {
            return Ok(Head::In(PAUSE_AFTER_FAILURE.as_millis() as i64));
        }
        offset += 1;
        broker.delay.advance(level, offset);
    }
    Ok(if entries.is_empty() { Head::None } else { Head::Due })
}

/// Stores a due message in its own topic; `false` when it should be tried again.
fn deliver(broker: &Arc<Inner>, entry: &Entry) -> bool {
    if !entry.is_message() {
        return true;
    }
    let Some(bytes) = broker.store.record_at(entry.physical_offset) else {
        tracing::warn!(offset = entry.physical_offset, "a delayed message is gone; skipped");
        return true;
    };
    let Ok(record) = RecordView::parse(&bytes) else { return true };
    let target = record
        .property(key::REAL_TOPIC)
        .zip(record.property(key::REAL_QUEUE_ID).and_then(|queue| queue.parse::<i32>().ok()));
    let Some((topic, queue_id)) = target.filter(|(topic, _)| *topic != names::TRANS_HALF_TOPIC)
    else {
        tracing::warn!(offset = entry.physical_offset, "a delayed message has no topic; dropped");
        return true;
    };
    let again = NewRecord {
        topic,
        queue_id,
        flag: record.flag(),
        sys_flag: record.sys_flag(),
        born_timestamp: record.born_timestamp(),
        born_host: record.born_host(),
        store_host: record.store_host(),
        reconsume_times: record.reconsume_times(),
        prepared_transaction_offset: 0,
        body: record.body(),
        // The properties stay as they are, the delay among them: only sends look at it.
        properties: record.properties(),
    };
    let tags = TagsCode::Hash(tags_code(record.property(key::TAGS)));
    match append(broker, topic, queue_id, NewRecords::one(&again, tags)) {
        Ok(stored) => {
            announce(broker, topic, queue_id, &stored, None);
            true
        }
        Err(failure) => {
            tracing::error!(topic, remark = %failure.remark, "a delayed message was not delivered");
            false
        }
    }
}
