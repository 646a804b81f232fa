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
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How many messages of a level are delivered before other levels get their turn.
const BATCH: usize = 64;
/// How long to let messages gather before looking at what arrived: none is due that soon.
const GATHER: Duration = Duration::from_millis(10);
/// How long to wait after a message could not be delivered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How far each level has got: `delayOffset.json`.
pub(crate) struct DelayProgress {
    offsets: Mutex<BTreeMap<i32, i64>>,
    version: Mutex<DataVersion>,
    /// The version advances every so many deliveries.
    version_step: i64,
    deliveries: AtomicI64,
    file: TableFile,
    /// When (ms) the task that delivers looks again by itself; `i64::MAX` while it looks.
    next_look: AtomicI64,
    arrived: Notify,
}

impl DelayProgress {
    /// Whether the table can be read.
    pub(crate) fn check(folder: &Path) -> Result<(), StoreError> {
        TableFile::new(folder.join("delayOffset.json")).load::<DelayOffsetTable>().map(drop)
    }

    pub(crate) fn load(
        folder: &Path,
        store: &Store,
        version_step: i64,
    ) -> Result<Self, StoreError> {
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
            version_step: version_step.max(1),
            deliveries: AtomicI64::new(0),
            file,
            next_look: AtomicI64::new(i64::MAX),
            arrived: Notify::new(),
        })
    }

    /// A message was stored that falls due at `due` (ms). Most wait behind others of their level,
    /// for which the task comes by anyway.
    pub(crate) fn arrived(&self, due: i64) {
        if due < self.next_look.load(Ordering::SeqCst) {
            self.arrived.notify_one();
        }
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
        if (self.deliveries.fetch_add(1, Ordering::Relaxed) + 1) % self.version_step == 0 {
            self.version.lock().advance(now_ms());
        }
        self.file.changed();
    }
}

/// Delivers messages as they fall due.
pub(crate) async fn run(broker: Arc<Inner>) {
    loop {
        // Whatever arrives from now on may have been overlooked, until it is known when to look
        // again.
        broker.delay.next_look.store(i64::MAX, Ordering::SeqCst);
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
        if let Some(pause) = pause {
            let next_look = now_ms() + pause.as_millis() as i64;
            broker.delay.next_look.store(next_look, Ordering::SeqCst);
        }
        tokio::select! {
            () = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            } => {}
            () = broker.delay.arrived.notified() => tokio::time::sleep(GATHER).await,
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
        let wait = entry.tags_code - now_ms();
        // More than the level's whole delay can only be left when the clock was set back or the
        // delay was shortened: then the message is due now, as with RocketMQ's brokers.
        if entry.is_message() && wait > 0 && wait <= longest {
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
    let bytes = match broker.store.record(entry) {
        Ok(bytes) => bytes,
        Err(fault) => {
            tracing::error!(%fault, "a delayed message cannot be delivered; skipped");
            return true;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, logged};

    /// Stores a message that falls due at `due` in a level.
    fn store_due(broker: &TestBroker, level: i32, due: i64) {
        let mut properties = String::new();
        for (name, value) in [(key::REAL_TOPIC, "T"), (key::REAL_QUEUE_ID, "0")] {
            ferromq_protocol::properties::append(&mut properties, name, value);
        }
        let record = NewRecord {
            topic: names::SCHEDULE_TOPIC,
            queue_id: level - 1,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: broker.store_host,
            store_host: broker.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties: &properties,
        };
        let tags = TagsCode::DeliverAfter(due - now_ms());
        let records = NewRecords::one(&record, tags);
        let stored = append(broker, names::SCHEDULE_TOPIC, level - 1, records);
        let stored = stored.map_err(|failure| failure.remark).expect("stored");
        announce(&broker.broker, names::SCHEDULE_TOPIC, level - 1, &stored, None);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing() {
        let broker = broker();
        store_due(&broker, 18, now_ms() + 600_000);
        let left = deliver_due(&broker.broker).unwrap().expect("something waits");
        assert!(left <= Duration::from_secs(600), "{left:?}");
        assert_eq!(broker.log().max_offset("T", 0).unwrap(), 0);
        // As if it had been stored by a clock that was an hour ahead.
        store_due(&broker, 2, now_ms() + 3_600_000);
        deliver_due(&broker.broker).unwrap();
        assert_eq!(broker.log().max_offset("T", 0).unwrap(), 1);
        assert_eq!(broker.delay.snapshot().offset_table[&2], 1);
    }

    #[test]
    fn a_damaged_message_is_left_out_and_holds_up_nobody() {
        let broker = broker();
        for _ in 0..3 {
            store_due(&broker, 1, now_ms() - 1);
        }
        let queue = broker.store.queue(names::SCHEDULE_TOPIC, 0).expect("a queue");
        let second = broker.store.entries(&queue, 1, 1).expect("entries")[0];
        let segment = broker.damage(second.physical_offset);
        let log = logged(|| {
            deliver_due(&broker.broker).expect("delivered");
        });
        assert_eq!(broker.delay.snapshot().offset_table[&1], 3);
        assert_eq!(broker.log().max_offset("T", 0).unwrap(), 2);
        let place = format!("byte {} of {}", second.physical_offset, segment.display());
        assert!(log.contains("ERROR") && log.contains(&place), "{log}");
    }

    #[test]
    fn only_what_falls_due_earlier_wakes_the_task() {
        let broker = broker();
        let woken = || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let notified = std::pin::pin!(broker.delay.arrived.notified());
            notified.poll(&mut context).is_ready()
        };
        store_due(&broker, 18, now_ms() + 1_000_000);
        assert!(woken(), "nobody knows when to look again");
        broker.delay.next_look.store(now_ms() + 500_000, Ordering::SeqCst);
        store_due(&broker, 18, now_ms() + 1_000_000);
        assert!(!woken());
        store_due(&broker, 17, now_ms() + 100_000);
        assert!(woken());
    }
}
