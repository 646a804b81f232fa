//! A counter that can tell what it counted in the last minute, hour and day.
//!
//! It costs nothing while nothing is counted: a window's edge is noted by the first count after it.
//! That is exact, because between two counts the sum does not change.

use ferromq_protocol::body::{BrokerStatsData, StatsWindow};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};

/// The sum and the number of calls at the start of a slot of time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    start: i64,
    sum: i64,
    calls: i64,
}

/// How long a window is and how finely it moves, in ms.
struct Window {
    slot: i64,
    length: i64,
}

const MINUTE: Window = Window { slot: 10_000, length: 60_000 };
const HOUR: Window = Window { slot: 600_000, length: 3_600_000 };
const DAY: Window = Window { slot: 3_600_000, length: 86_400_000 };

#[derive(Debug, Default)]
struct Marks {
    minute: VecDeque<Mark>,
    hour: VecDeque<Mark>,
    day: VecDeque<Mark>,
}

/// One statistic. Times are passed in, in ms.
#[derive(Debug, Default)]
pub struct Counter {
    sum: AtomicI64,
    calls: AtomicI64,
    /// When the slot of the finest window ends; before that a count is two additions.
    next_mark: AtomicI64,
    marks: Mutex<Marks>,
}

impl Counter {
    /// Counts `value`.
    pub fn add(&self, value: i64, now: i64) {
        self.add_all(value, 1, now);
    }

    /// Counts the sum of what several calls would have counted.
    pub fn add_all(&self, sum: i64, calls: i64, now: i64) {
        if now >= self.next_mark.load(Ordering::Relaxed) {
            self.mark(now);
        }
        self.sum.fetch_add(sum, Ordering::Relaxed);
        self.calls.fetch_add(calls, Ordering::Relaxed);
    }

    fn mark(&self, now: i64) {
        let mut marks = self.marks.lock();
        if now < self.next_mark.load(Ordering::Relaxed) {
            return;
        }
        let (sum, calls) = (self.sum.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed));
        let Marks { minute, hour, day } = &mut *marks;
        for (marks, window) in [(minute, MINUTE), (hour, HOUR), (day, DAY)] {
            let start = now - now.rem_euclid(window.slot);
            if marks.back().is_none_or(|last| last.start < start) {
                marks.push_back(Mark { start, sum, calls });
            }
            while marks.front().is_some_and(|first| first.start < start - window.length) {
                marks.pop_front();
            }
        }
        let next = now - now.rem_euclid(MINUTE.slot) + MINUTE.slot;
        self.next_mark.store(next, Ordering::Relaxed);
    }

    /// Everything ever counted.
    pub fn total(&self) -> i64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// Whether anything was ever counted.
    pub fn used(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    /// What each window holds.
    pub fn windows(&self, now: i64) -> BrokerStatsData {
        let marks = self.marks.lock();
        BrokerStatsData {
            stats_day: self.window(&marks.day, &DAY, now),
            stats_hour: self.window(&marks.hour, &HOUR, now),
            stats_minute: self.window(&marks.minute, &MINUTE, now),
        }
    }

    /// What was counted a second during the last minute.
    pub fn tps(&self, now: i64) -> f64 {
        self.window(&self.marks.lock().minute, &MINUTE, now).tps
    }

    fn window(&self, marks: &VecDeque<Mark>, window: &Window, now: i64) -> StatsWindow {
        let begin = now - now.rem_euclid(window.slot) - window.length;
        // Nothing was counted between the window's begin and its first mark.
        let Some(first) = marks.iter().find(|mark| mark.start >= begin) else {
            return StatsWindow::default();
        };
        let sum = self.sum.load(Ordering::Relaxed) - first.sum;
        let calls = self.calls.load(Ordering::Relaxed) - first.calls;
        // A counter younger than the window is measured over its own age.
        let young = first.calls == 0;
        let elapsed = now - if young { first.start } else { begin };
        StatsWindow {
            avgpt: if calls > 0 { sum as f64 / calls as f64 } else { 0.0 },
            sum,
            tps: sum as f64 * 1000.0 / elapsed.max(1000) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not at an edge of any window.
    const START: i64 = 1_700_000_003_000;

    #[test]
    fn a_minute_moves_in_steps_of_ten_seconds() {
        let counter = Counter::default();
        assert!(!counter.used());
        for second in 0..120 {
            counter.add(5, START + second * 1000);
        }
        let now = START + 119_000;
        let minute = counter.windows(now).stats_minute;
        assert!((300..=350).contains(&minute.sum), "{minute:?}");
        assert!((minute.tps - 5.0).abs() < 0.1, "{minute:?}");
        assert_eq!(minute.avgpt, 5.0);
        let hour = counter.windows(now).stats_hour;
        assert_eq!(hour.sum, 600);
        assert_eq!(counter.total(), 600);
    }

    #[test]
    fn what_is_idle_runs_out_of_its_windows() {
        let counter = Counter::default();
        counter.add(100, START);
        counter.add(20, START + 50_000);
        assert_eq!(counter.windows(START + 60_000).stats_minute.sum, 120);
        assert_eq!(counter.windows(START + 75_000).stats_minute.sum, 20);
        let later = counter.windows(START + 200_000);
        assert_eq!(later.stats_minute, StatsWindow::default());
        assert_eq!(later.stats_hour.sum, 120);
        counter.add(1, START + 7_200_000);
        let much_later = counter.windows(START + 7_200_000);
        assert_eq!(much_later.stats_minute.sum, 1);
        assert_eq!(much_later.stats_hour.sum, 1);
        assert_eq!(much_later.stats_day.sum, 121);
        assert_eq!(counter.windows(START + 3 * 86_400_000).stats_day, StatsWindow::default());
    }
}
