//! Which brokers answered slowly of late (protocol §7.3).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// For how long (ms) a broker is avoided after an answer that took at least so long (ms).
const PENALTIES: [(u64, u64); 7] =
    [(15_000, 30_000), (5000, 10_000), (3000, 6000), (1800, 5000), (550, 2000), (100, 0), (50, 0)];
/// What a failed send counts as, in ms.
const FAILURE: u64 = 10_000;

#[derive(Default)]
pub(crate) struct Latencies {
    avoided_until: Mutex<HashMap<String, Instant>>,
}

fn penalty(millis: u64) -> Duration {
    let found = PENALTIES.iter().find(|(latency, _)| millis >= *latency);
    Duration::from_millis(found.map_or(0, |(_, penalty)| *penalty))
}

impl Latencies {
    /// Notes how long a send took.
    pub(crate) fn note(&self, broker: &str, took: Duration, answered: bool) {
        let penalty = penalty(if answered { took.as_millis() as u64 } else { FAILURE });
        let mut avoided = self.avoided_until.lock();
        if penalty.is_zero() {
            if !avoided.is_empty() {
                avoided.remove(broker);
            }
            return;
        }
        avoided.insert(broker.to_string(), Instant::now() + penalty);
    }

    /// Whether a broker need not be avoided.
    pub(crate) fn is_fast(&self, broker: &str) -> bool {
        self.avoided_until.lock().get(broker).is_none_or(|until| *until <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_and_failed_brokers_are_avoided() {
        assert_eq!(penalty(40), Duration::ZERO);
        assert_eq!(penalty(549), Duration::ZERO);
        assert_eq!(penalty(600), Duration::from_secs(2));
        assert_eq!(penalty(20_000), Duration::from_secs(30));
        let latencies = Latencies::default();
        assert!(latencies.is_fast("a"));
        latencies.note("a", Duration::from_millis(1), false);
        assert!(!latencies.is_fast("a") && latencies.is_fast("b"));
        latencies.note("a", Duration::from_millis(1), true);
        assert!(latencies.is_fast("a"));
    }
}
