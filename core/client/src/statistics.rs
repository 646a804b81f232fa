//! What clients count about themselves. The JSON of it is a contract: docs/statistics.md.

use crate::consumer::core::now_ms;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A producer's numbers. Counters count from its start; gauges tell what is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProducerStatistics {
    /// `producer`.
    pub r#type: &'static str,
    /// The id by which brokers know the client.
    pub client_id: String,
    /// The group.
    pub group: String,
    /// When this was told, in ms since the epoch.
    pub timestamp: i64,
    /// Messages that brokers have stored. Counter.
    pub sent: u64,
    /// Bytes of their bodies as they were sent, which is compressed. Counter.
    pub sent_bytes: u64,
    /// Messages whose send failed, or was given up by the application. Counter.
    pub failed: u64,
    /// Attempts after the first of a send. Counter.
    pub retries: u64,
    /// Messages that were sent without waiting for an answer. Counter.
    pub oneway: u64,
    /// Messages that are on their way. Gauge.
    pub in_flight: u64,
    /// How long the sends took that succeeded, with all their attempts.
    pub latency: LatencyStatistics,
    /// Addresses to which there is a connection; clients may share them. Gauge.
    pub connections: Vec<String>,
}

/// How long something took, in microseconds; 0 when it never happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LatencyStatistics {
    /// How often it happened. Counter.
    pub count: u64,
    /// The mean.
    pub mean: u64,
    /// What half of them did not exceed.
    pub p50: u64,
    /// What nine of ten did not exceed.
    pub p90: u64,
    /// What 99 of a hundred did not exceed.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// A consumer's numbers. Counters count from its start; gauges tell what is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConsumerStatistics {
    /// `consumer` or `pullConsumer`.
    pub r#type: &'static str,
    /// The id by which brokers know the client.
    pub client_id: String,
    /// The group.
    pub group: String,
    /// When this was told, in ms since the epoch.
    pub timestamp: i64,
    /// Messages that brokers have handed over. Counter.
    pub received: u64,
    /// Bytes of their bodies. Counter.
    pub received_bytes: u64,
    /// Messages that were handled: acknowledged, or of a pull consumer polled. Counter.
    pub handled: u64,
    /// Messages that were not handled and come again. Counter.
    pub returned: u64,
    /// Pulls that failed and were made again. Counter.
    pub pull_failures: u64,
    /// The queues that are this consumer's. Gauge.
    pub queues: Vec<QueueStatistics>,
    /// Addresses to which there is a connection; clients may share them. Gauge.
    pub connections: Vec<String>,
}

/// What a consumer knows of one of its queues; all are gauges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct QueueStatistics {
    /// The topic.
    pub topic: String,
    /// The broker.
    pub broker_name: String,
    /// The queue's number at its broker.
    pub queue_id: i32,
    /// Messages that are held here and not yet handled.
    pub buffered: u64,
    /// Bytes of their bodies.
    pub buffered_bytes: u64,
    /// The offset of the next message to be pulled.
    pub pull_offset: i64,
    /// The offset of the next message to be handled.
    pub consumer_offset: i64,
    /// The offset of the next message to be stored, as the broker said last.
    pub broker_offset: Option<i64>,
    /// How many offsets lie between the last two.
    pub lag: Option<i64>,
}

impl ProducerStatistics {
    /// As JSON, in one line.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

impl ConsumerStatistics {
    /// As JSON, in one line.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

fn json(statistics: &impl Serialize) -> String {
    // Nothing in them can fail to be written.
    serde_json::to_string(statistics).unwrap_or_default()
}

/// What a producer counts.
pub(crate) struct Sends {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    oneway: AtomicU64,
    in_flight: AtomicU64,
    latency: Mutex<Histogram<u32>>,
}

/// The longest latency that is told exactly, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

impl Default for Sends {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 2).expect("these bounds are allowed");
        Sends {
            sent: AtomicU64::default(),
            sent_bytes: AtomicU64::default(),
            failed: AtomicU64::default(),
            retries: AtomicU64::default(),
            oneway: AtomicU64::default(),
            in_flight: AtomicU64::default(),
            latency: Mutex::new(latency),
        }
    }
}

impl Sends {
    /// Messages with so many bytes of bodies are on their way until what this gives is dropped.
    pub(crate) fn begin(self: &Arc<Self>, messages: usize, bytes: usize) -> OnTheWay {
        let (messages, bytes) = (messages as u64, bytes as u64);
        self.in_flight.fetch_add(messages, Ordering::Relaxed);
        OnTheWay { sends: self.clone(), messages, bytes, start: Instant::now(), stored: false }
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent_oneway(&self) {
        self.oneway.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn describe(
        &self,
        client_id: &str,
        group: &str,
        connections: Vec<String>,
    ) -> ProducerStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProducerStatistics {
            r#type: "producer",
            client_id: client_id.to_string(),
            group: group.to_string(),
            timestamp: now_ms(),
            sent: read(&self.sent),
            sent_bytes: read(&self.sent_bytes),
            failed: read(&self.failed),
            retries: read(&self.retries),
            oneway: read(&self.oneway),
            in_flight: read(&self.in_flight),
            latency: latencies(&self.latency.lock()),
            connections,
        }
    }
}

fn latencies(of: &Histogram<u32>) -> LatencyStatistics {
    LatencyStatistics {
        count: of.len(),
        mean: of.mean() as u64,
        p50: of.value_at_quantile(0.5),
        p90: of.value_at_quantile(0.9),
        p99: of.value_at_quantile(0.99),
        max: of.max(),
    }
}

/// Messages on their way. Dropped without being stored, they failed.
pub(crate) struct OnTheWay {
    sends: Arc<Sends>,
    messages: u64,
    bytes: u64,
    start: Instant,
    stored: bool,
}

impl OnTheWay {
    /// Since when.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn end(mut self, stored: bool) {
        self.stored = stored;
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let sends = &self.sends;
        sends.in_flight.fetch_sub(self.messages, Ordering::Relaxed);
        if !self.stored {
            sends.failed.fetch_add(self.messages, Ordering::Relaxed);
            return;
        }
        sends.sent.fetch_add(self.messages, Ordering::Relaxed);
        sends.sent_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        sends.latency.lock().saturating_record(self.start.elapsed().as_micros() as u64);
    }
}

/// What a consumer counts.
#[derive(Default)]
pub(crate) struct Receipts {
    pub(crate) received: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) handled: AtomicU64,
    pub(crate) returned: AtomicU64,
    pub(crate) pull_failures: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_has_failed_and_is_not_on_its_way() {
        let sends = Arc::new(Sends::default());
        sends.begin(3, 30).end(true);
        drop(sends.begin(2, 20));
        let waiting = sends.begin(5, 50);
        let now = sends.describe("c", "g", Vec::new());
        assert_eq!((now.sent, now.sent_bytes, now.failed, now.in_flight), (3, 30, 2, 5));
        assert_eq!(now.latency.count, 1);
        drop(waiting);
        assert_eq!(sends.describe("c", "g", Vec::new()).in_flight, 0);
    }
}
