//! Latencies: recorded in nanoseconds, told in microseconds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde::Serialize;

/// Latencies with three significant digits.
pub struct Latencies {
    recorded: hdrhistogram::Histogram<u64>,
    /// A latency that is still to be recorded, and how often: what arrived together often took equally long.
    last: u64,
    times: u64,
}

/// What is told of latencies, in microseconds.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub count: u64,
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
}

/// An hour, in nanoseconds: what takes longer is recorded as that.
const LONGEST: u64 = 3_600_000_000_000;

impl Default for Latencies {
    fn default() -> Self {
        // The bounds and the precision are within what the crate allows.
        #[allow(clippy::expect_used)]
        let empty = hdrhistogram::Histogram::new_with_bounds(1, LONGEST, 3).expect("valid bounds");
        Latencies { recorded: empty, last: 0, times: 0 }
    }
}

impl Latencies {
    /// Records one of `nanos`.
    pub fn record(&mut self, nanos: u64) {
        if nanos != self.last {
            record(&mut self.recorded, self.last, self.times);
            (self.last, self.times) = (nanos, 0);
        }
        self.times += 1;
    }

    /// Takes over those of another part of the same load.
    pub fn add(&mut self, other: &Latencies) {
        // Both have the same bounds.
        let _ = self.recorded.add(&other.recorded);
        record(&mut self.recorded, other.last, other.times);
    }

    fn all(&self) -> hdrhistogram::Histogram<u64> {
        let mut all = self.recorded.clone();
        record(&mut all, self.last, self.times);
        all
    }

    /// The figures; `None` when nothing was recorded.
    pub fn summary(&self) -> Option<Summary> {
        let all = self.all();
        if all.is_empty() {
            return None;
        }
        let micros = |nanos: u64| nanos as f64 / 1e3;
        Some(Summary {
            count: all.len(),
            min: micros(all.min()),
            mean: (all.mean()).round() / 1e3,
            p50: micros(all.value_at_quantile(0.5)),
            p90: micros(all.value_at_quantile(0.9)),
            p99: micros(all.value_at_quantile(0.99)),
            p99_9: micros(all.value_at_quantile(0.999)),
            p99_99: micros(all.value_at_quantile(0.9999)),
            max: micros(all.max()),
        })
    }

    /// The whole histogram as HdrHistogram's tools read it: V2, deflated, in base64.
    pub fn serialised(&self) -> Option<String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.all(), &mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }
}

/// Records one so many times; none is not to become the smallest.
fn record(into: &mut hdrhistogram::Histogram<u64>, nanos: u64, times: u64) {
    if times > 0 {
        into.saturating_record_n(nanos, times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_microseconds() {
        let (mut some, mut others) = (Latencies::default(), Latencies::default());
        assert!(some.summary().is_none());
        (1..=99).for_each(|_| some.record(1_000_000));
        others.record(50_000_000);
        some.add(&others);
        let summary = some.summary().unwrap();
        assert_eq!(summary.count, 100);
        assert!((summary.p50 - 1000.0).abs() < 2.0, "{summary:?}");
        assert!((summary.max - 50_000.0).abs() < 50.0, "{summary:?}");
        assert!((summary.mean - 1490.0).abs() < 5.0, "{summary:?}");
        assert!(some.serialised().unwrap().starts_with("HIST"));
    }

    #[test]
    fn what_takes_longer_than_an_hour_is_an_hour() {
        let mut latencies = Latencies::default();
        latencies.record(u64::MAX);
        assert_eq!(latencies.summary().unwrap().count, 1);
    }
}
