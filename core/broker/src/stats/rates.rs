//! Rates over the last 10, 60 and 600 seconds, as the tools show them for a broker.

use std::sync::atomic::{AtomicI64, Ordering};

const SLOTS: usize = 601;

struct Slot {
    second: AtomicI64,
    count: AtomicI64,
}

/// Counts by the second for ten minutes.
pub struct Rate {
    slots: Box<[Slot]>,
}

impl Default for Rate {
    fn default() -> Self {
        let slot = || Slot { second: AtomicI64::new(0), count: AtomicI64::new(0) };
        Rate { slots: (0..SLOTS).map(|_| slot()).collect() }
    }
}

impl Rate {
    /// Counts `value` at `now` (ms).
    pub fn add(&self, value: i64, now: i64) {
        let second = now.div_euclid(1000);
        let slot = &self.slots[second.rem_euclid(SLOTS as i64) as usize];
        let held = slot.second.load(Ordering::Acquire);
        if held == second {
            slot.count.fetch_add(value, Ordering::Relaxed);
        } else if held < second
            && slot
                .second
                .compare_exchange(held, second, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            // A count of another thread between these two steps may be lost: this is a rate.
            slot.count.store(value, Ordering::Relaxed);
        } else {
            slot.count.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// What was counted a second in the last `seconds` whole seconds.
    pub fn over(&self, seconds: i64, now: i64) -> f64 {
        let last = now.div_euclid(1000);
        let inside = |slot: &&Slot| {
            let second = slot.second.load(Ordering::Acquire);
            second < last && second >= last - seconds
        };
        let slots = self.slots.iter().filter(inside);
        let sum: i64 = slots.map(|slot| slot.count.load(Ordering::Relaxed)).sum();
        sum as f64 / seconds as f64
    }
}

/// The rates over 10, 60 and 600 seconds of everything in `rates`, separated by blanks.
pub fn triple(rates: &[&Rate], now: i64) -> String {
    let over = |seconds| rates.iter().map(|rate| rate.over(seconds, now)).sum::<f64>();
    format!("{} {} {}", over(10), over(60), over(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_whole_seconds() {
        let rate = Rate::default();
        let start = 1_700_000_000_000;
        for ms in (0..20_000).step_by(100) {
            rate.add(1, start + ms);
        }
        let now = start + 20_000;
        assert_eq!(triple(&[&rate], now), format!("10 {} {}", 200.0 / 60.0, 200.0 / 600.0));
        assert_eq!(rate.over(10, now + 700_000), 0.0);
        rate.add(3, now + 700_000);
        assert_eq!(rate.over(10, now + 701_000), 0.3);
    }
}
