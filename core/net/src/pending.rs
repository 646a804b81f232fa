//! Requests of a connection that wait for their answers.

use crate::error::NetError;
use ferromq_protocol::Command;
use foldhash::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Is told what a request was answered with, or why no answer came.
pub(crate) type Answered = Box<dyn FnOnce(Result<Command, NetError>) + Send>;

/// A request that waits.
pub(crate) struct Waiting {
    /// The request code.
    pub(crate) code: i32,
    /// The time given.
    pub(crate) timeout: Duration,
    pub(crate) answered: Answered,
    deadline: Instant,
}

impl Waiting {
    /// When it was made.
    pub(crate) fn asked(&self) -> Instant {
        self.deadline - self.timeout
    }
}

/// The requests by their opaque numbers, and one time for all at which to look for those that have
/// waited long enough. A timer of its own would cost a request more than its answer does.
#[derive(Default)]
pub(crate) struct Pending {
    requests: HashMap<i32, Waiting>,
    /// Not after the first deadline, and perhaps before it: that of a request that was answered.
    look: Option<Instant>,
}

impl Pending {
    pub(crate) fn insert(&mut self, opaque: i32, code: i32, timeout: Duration, answered: Answered) {
        let deadline = Instant::now() + timeout;
        self.requests.insert(opaque, Waiting { code, timeout, answered, deadline });
        self.look = Some(self.look.map_or(deadline, |look| look.min(deadline)));
    }

    pub(crate) fn remove(&mut self, opaque: i32) -> Option<Waiting> {
        self.requests.remove(&opaque)
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// When to look for requests whose time is up; never while none has been made.
    pub(crate) fn look(&self) -> Option<Instant> {
        self.look
    }

    /// Takes out what has waited long enough, and says anew when to look.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Waiting> {
        if self.look.is_none_or(|look| now < look) {
            return Vec::new();
        }
        let expired = self.requests.extract_if(|_, waiting| waiting.deadline <= now);
        let expired = expired.map(|(_, waiting)| waiting).collect();
        self.look = self.requests.values().map(|waiting| waiting.deadline).min();
        expired
    }

    /// Takes everything out.
    pub(crate) fn take_all(&mut self) -> Vec<Waiting> {
        self.look = None;
        self.requests.drain().map(|(_, waiting)| waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opaques(expired: Vec<Waiting>) -> Vec<i32> {
        let mut codes: Vec<_> = expired.into_iter().map(|waiting| waiting.code).collect();
        codes.sort_unstable();
        codes
    }

    #[tokio::test]
    async fn the_first_deadline_is_looked_at_also_when_it_was_answered() {
        let mut pending = Pending::default();
        assert!(pending.look().is_none());
        let start = Instant::now();
        for (opaque, seconds) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
            let timeout = Duration::from_secs(seconds);
            pending.insert(opaque, opaque, timeout, Box::new(|_| {}));
        }
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(pending.look().is_some_and(|look| at(10) <= look && look < at(11)));
        assert!(pending.remove(2).is_some() && pending.remove(2).is_none());
        assert!(pending.expire(at(9)).is_empty());
        assert!(pending.look().is_some_and(|look| look < at(11)), "nothing was looked at");
        assert!(pending.expire(at(11)).is_empty());
        assert!(pending.look().is_some_and(|look| at(20) <= look && look < at(21)));
        assert_eq!(opaques(pending.expire(at(31))), [1, 3]);
        assert_eq!(pending.len(), 1);
        assert_eq!(opaques(pending.take_all()), [4]);
        assert!(pending.look().is_none());
    }
}
