//! A load that has been measured, in one go or in several turns.

use super::engine::Observed;
use super::options::Common;
use super::report::Run;
use super::tally::Tally;
use super::usage::Usage;
use std::time::Duration;

/// From the end of the warm-up to the last answer.
pub fn interval(tally: &Tally, warm_up: Duration) -> Duration {
    Duration::from_nanos(tally.last_answer).saturating_sub(warm_up)
}

/// What was counted, and what processes used meanwhile.
pub struct Measured {
    /// What was counted.
    pub tally: Tally,
    /// What processes used.
    pub observed: Observed,
    /// From the first message that counts to the last answer.
    pub interval: Duration,
}

impl Measured {
    /// A load whose measured interval began after `warm_up`.
    pub fn new(tally: Tally, observed: Observed, warm_up: Duration) -> Self {
        let interval = interval(&tally, warm_up);
        Measured { tally, observed, interval }
    }

    /// What is told of it.
    pub fn run(&self, common: &Common) -> Run {
        Run::over(&self.tally, &self.observed, self.interval, common)
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        match self.interval.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.tally.messages as f64 / seconds,
        }
    }

    /// Adds a later turn of the same load. What happened between the two is in neither.
    pub fn then(&mut self, later: Measured) {
        self.tally.add(&later.tally);
        self.interval += later.interval;
        let Observed { server, client } = later.observed;
        add(&mut self.observed.client, client);
        self.observed.server = match (self.observed.server, server) {
            (Some(mut sum), Some(more)) => {
                add(&mut sum, more);
                Some(sum)
            }
            _ => None,
        };
    }
}

/// Lets the end of a sum be where `more` ended, and what adds up between begin and end be that of
/// both.
fn add(sum: &mut (Usage, Usage), (before, after): (Usage, Usage)) {
    let so_far = sum.1;
    sum.1 = Usage {
        user: so_far.user + after.user.saturating_sub(before.user),
        system: so_far.system + after.system.saturating_sub(before.system),
        written: so_far.written + after.written.saturating_sub(before.written),
        ..after
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(begin: u64, messages: u64) -> Measured {
        let at = |seconds: u64| Usage {
            user: Duration::from_secs(seconds),
            written: seconds * 100,
            rss: seconds,
            ..Usage::default()
        };
        let tally = Tally { messages, last_answer: 3_000_000_000, ..Tally::default() };
        let used = (at(begin), at(begin + 1));
        let observed = Observed { server: Some(used), client: used };
        Measured::new(tally, observed, Duration::from_secs(1))
    }

    #[test]
    fn turns_add_up_without_what_lies_between_them() {
        let mut all = turn(10, 100);
        assert_eq!(all.rate(), 50.0);
        all.then(turn(20, 500));
        assert_eq!((all.tally.messages, all.interval), (600, Duration::from_secs(4)));
        assert_eq!(all.rate(), 150.0);
        let (before, after) = all.observed.server.unwrap();
        assert_eq!(after.user - before.user, Duration::from_secs(2));
        assert_eq!(after.written - before.written, 200);
        assert_eq!(after.rss, 21);
    }
}
