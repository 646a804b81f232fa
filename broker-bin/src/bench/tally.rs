//! What came of a load: counted per thread, then added up.

use super::histogram::Latencies;
use ferromq_protocol::code::response;
use std::collections::BTreeMap;

/// Counts of the measured interval, unless it says otherwise.
#[derive(Default)]
pub struct Tally {
    /// Messages that count.
    pub messages: u64,
    /// Messages that would have counted, before the interval.
    pub warm_up_messages: u64,
    /// Bytes of `messages`.
    pub bytes: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Messages that failed, by reason; those before the interval too.
    pub failures: BTreeMap<String, u64>,
    /// How long requests, or messages, took.
    pub latencies: Latencies,
    /// When the last answer came, in ns since the load began.
    pub last_answer: u64,
}

impl Tally {
    /// Adds what another thread counted.
    pub fn add(&mut self, other: &Tally) {
        self.messages += other.messages;
        self.warm_up_messages += other.warm_up_messages;
        self.bytes += other.bytes;
        self.requests += other.requests;
        other.failures.iter().for_each(|(reason, count)| self.fail(reason, *count));
        self.latencies.add(&other.latencies);
        self.last_answer = self.last_answer.max(other.last_answer);
    }

    /// Adds up what all threads counted.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a Tally>) -> Self {
        let mut all = Tally::default();
        parts.into_iter().for_each(|part| all.add(part));
        all
    }

    /// Counts failed messages.
    pub fn fail(&mut self, reason: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.failures.get_mut(reason) {
            Some(total) => *total += count,
            None => {
                self.failures.insert(reason.to_string(), count);
            }
        }
    }

    /// All that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// The name of a response code that is no success.
pub fn reason(code: i32) -> String {
    response::name(code).map_or_else(|| format!("CODE_{code}"), str::to_string)
}

/// Failures that no response code names.
pub mod reasons {
    /// The connection was closed before the answer came.
    pub const CONNECTION_LOST: &str = "CONNECTION_LOST";
    /// No answer came.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// Its time came, but never a free place in the window.
    pub const NOT_SENT: &str = "NOT_SENT";
    /// An answer that cannot be read, or to nothing that was asked.
    pub const STRANGE_ANSWER: &str = "STRANGE_ANSWER";
    /// Offsets that do not add up to the messages.
    pub const WRONG_OFFSET: &str = "WRONG_OFFSET";
    /// A record that is damaged or not of its queue.
    pub const WRONG_RECORD: &str = "WRONG_RECORD";
    /// Acknowledged, but never received.
    pub const NOT_RECEIVED: &str = "NOT_RECEIVED";
}
