//! Time, as a parameter, so that tests need not wait for brokers to expire.

use std::time::Instant;

/// Tells the time in milliseconds; only differences count.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since some fixed moment.
    fn now(&self) -> i64;
}

/// The machine's own clock. It is monotonic, because a step of the wall clock must not expire
/// every broker at once.
#[derive(Debug)]
pub struct MonotonicClock(Instant);

impl Default for MonotonicClock {
    fn default() -> Self {
        MonotonicClock(Instant::now())
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> i64 {
        self.0.elapsed().as_millis() as i64
    }
}
