//! What of a log segment is known to be in memory.
//!
//! Whoever must not wait for the disk has to ask the system before it reads what was not written lately, and
//! for a reader of a backlog that would be a call for every pull. So the system is asked about a megabyte at
//! once, and what it says is believed for a moment. Should it take pages back within that moment, a read or
//! two waits for the disk after all.
//!
//! To ask whether the disk has brought each page takes as long as anything that a reader's pull needs. What was
//! written here, or was all there when the system was last asked, can only be missing if it was taken back,
//! which is asked much quicker: the pages are counted. That counts those that the disk is bringing as well, so
//! once pages of a segment are fetched, each part of it has to be found whole again.

use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The system is asked about so many bytes at once.
const PART: usize = 1 << 20;
/// So long an answer is believed, in ms.
const MOMENT: u32 = 50;

/// What was found out about one segment, and goes with it.
pub(crate) struct Residency {
    /// How long the segment is, in bytes.
    length: usize,
    /// Of each part when the system was last asked, in ms, and in the lowest bit whether all of it was in
    /// memory. What is 0 says that it was not, which is never wrong: then the system is asked.
    parts: OnceLock<Box<[AtomicU32]>>,
    /// Whether all of it is written by this process, and was in memory then.
    written_here: bool,
}

/// What the system is asked about a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether it is in memory.
    Is,
    /// Whether it still is.
    IsStill,
}

/// A clock of milliseconds that costs next to nothing, and begins anew after 24 days.
pub(crate) fn now() -> u32 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    (time.tv_sec as u32).wrapping_mul(1000).wrapping_add(time.tv_nsec as u32 / 1_000_000)
}

impl Residency {
    /// Nothing yet, of a segment of so many bytes.
    pub(crate) fn new(length: usize, written_here: bool) -> Self {
        Residency { length, parts: OnceLock::new(), written_here }
    }

    fn parts(&self, first: u32) -> &[AtomicU32] {
        let parts = || (0..self.length.div_ceil(PART)).map(|_| AtomicU32::new(first)).collect();
        self.parts.get_or_init(parts)
    }

    /// Pages of the segment are brought into memory, or have been: to be told before and after.
    pub(crate) fn forget(&self) {
        self.parts(0).iter().for_each(|part| part.store(0, Ordering::Relaxed));
    }

    /// Whether a range is in memory, of a segment of which so much is `published`. What is not known is found
    /// out with `ask`, which is not asked about anything behind that: it would have been written only just now.
    pub(crate) fn is_cached(
        &self,
        range: Range<usize>,
        published: usize,
        now: u32,
        ask: impl Fn(Range<usize>, Question) -> bool,
    ) -> bool {
        let long_ago = now.wrapping_sub(MOMENT) << 1;
        let parts = self.parts(long_ago | u32::from(self.written_here));
        let known = |part: usize| {
            let Some(known) = parts.get(part) else { return false };
            let last = known.load(Ordering::Relaxed);
            if (now << 1).wrapping_sub(last & !1) < MOMENT << 1 {
                return last & 1 == 1;
            }
            let question = if last & 1 == 1 { Question::IsStill } else { Question::Is };
            let whole = ask(part * PART..((part + 1) * PART).min(published), question);
            known.store(now << 1 | u32::from(whole), Ordering::Relaxed);
            whole
        };
        let mut parts = range.start / PART..range.end.div_ceil(PART);
        parts.all(known) || ask(range, Question::Is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    const MIB: usize = 1 << 20;

    /// A segment of four parts, and a system that is asked about it.
    struct Asked {
        residency: Residency,
        cold: RefCell<Range<usize>>,
        asked: RefCell<Vec<Range<usize>>>,
        last: Cell<Question>,
    }

    impl Asked {
        fn new(cold: Range<usize>) -> Self {
            let (cold, asked) = (RefCell::new(cold), RefCell::default());
            let residency = Residency::new(4 * MIB, false);
            Asked { residency, cold, asked, last: Cell::new(Question::Is) }
        }

        fn is_cached(&self, range: Range<usize>, now: u32) -> bool {
            self.residency.is_cached(range, 4 * MIB, now, |range, question| {
                self.asked.borrow_mut().push(range.clone());
                self.last.set(question);
                let cold = self.cold.borrow();
                range.end <= cold.start || range.start >= cold.end
            })
        }

        fn asked(&self) -> Vec<(usize, usize)> {
            pairs(&self.asked)
        }
    }

    fn pairs(asked: &RefCell<Vec<Range<usize>>>) -> Vec<(usize, usize)> {
        asked.take().into_iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn one_question_serves_the_reads_of_a_moment() {
        let segment = Asked::new(0..0);
        for read in 0..20 {
            assert!(segment.is_cached(read * 40_000..(read + 1) * 40_000, 1_000));
        }
        assert_eq!(segment.asked(), [(0, MIB)]);
        assert!(segment.is_cached(MIB - 10..MIB + 10, 1_000 + MOMENT - 1));
        assert_eq!(segment.asked(), [(MIB, 2 * MIB)]);
        assert!(segment.is_cached(3 * MIB + 1..4 * MIB, 1_000));
        assert_eq!(segment.asked(), [(3 * MIB, 4 * MIB)]);
    }

    #[test]
    fn what_the_system_took_back_is_noticed_after_a_moment() {
        let segment = Asked::new(0..0);
        assert!(segment.is_cached(0..100, 1_007));
        segment.cold.replace(0..MIB);
        assert!(segment.is_cached(0..100, 1_007 + MOMENT - 1), "believed");
        assert!(!segment.is_cached(0..100, 1_007 + MOMENT));
        assert!(!segment.is_cached(0..100, 1_007 + MOMENT), "nor is it said to be there again");
        segment.cold.replace(0..0);
        assert!(segment.is_cached(0..100, 1_007 + MOMENT), "fetched meanwhile");
    }

    #[test]
    fn a_part_that_is_not_whole_is_asked_about_read_by_read() {
        let segment = Asked::new(MIB - 10..MIB);
        assert!(segment.is_cached(0..100, 1_005));
        assert_eq!(segment.asked(), [(0, MIB), (0, 100)]);
        assert!(!segment.is_cached(MIB - 100..MIB, 1_006));
        assert_eq!(segment.asked(), [(MIB - 100, MIB)]);
    }

    #[test]
    fn the_clock_may_begin_anew() {
        let segment = Asked::new(0..0);
        let end = (1 << 31) - 1;
        assert!(segment.is_cached(0..100, end));
        segment.cold.replace(0..MIB);
        assert!(segment.is_cached(0..100, end.wrapping_add(2)), "believed");
        assert!(!segment.is_cached(0..100, end.wrapping_add(MOMENT)));
    }

    #[test]
    fn nothing_is_asked_about_what_is_not_published() {
        let residency = Residency::new(4 * MIB, false);
        let asked = RefCell::new(Vec::new());
        let is_cached = |range: Range<usize>, published| {
            residency.is_cached(range, published, 1_000, |range, _| {
                asked.borrow_mut().push(range);
                true
            })
        };
        assert!(is_cached(0..100, 200));
        assert!(is_cached(300..400, 400), "only just written");
        assert!(is_cached(MIB..MIB + 100, 2 * MIB));
        assert_eq!(pairs(&asked), [(0, 200), (MIB, 2 * MIB)]);
    }

    #[test]
    fn what_was_all_there_is_asked_whether_it_still_is() {
        let segment = Asked::new(0..0);
        let asks = |now| {
            segment.is_cached(0..100, now);
            segment.last.get()
        };
        assert_eq!(asks(1_000), Question::Is);
        assert_eq!(asks(1_000 + MOMENT), Question::IsStill);
        assert_eq!(asks(90_000), Question::IsStill);
        assert!(segment.is_cached(MIB..MIB + 100, 90_000));
        assert_eq!(segment.last.get(), Question::Is, "another part");
        segment.cold.replace(0..MIB);
        asks(91_000);
        segment.cold.replace(0..0);
        assert_eq!(asks(91_000 + MOMENT), Question::Is, "fetched meanwhile, or on its way");
    }

    #[test]
    fn after_a_fetch_pages_that_are_on_their_way_are_not_taken_for_there() {
        let segment = Asked::new(0..0);
        assert!(segment.is_cached(0..2 * MIB, 1_000));
        segment.residency.forget();
        for part in 0..2 {
            assert!(segment.is_cached(part * MIB..part * MIB + 100, 1_001));
            assert_eq!(segment.last.get(), Question::Is);
        }
    }

    #[test]
    fn what_was_written_here_was_there() {
        let asked = Cell::new(Question::Is);
        let first_question = |residency: &Residency| {
            assert!(residency.is_cached(0..100, 4 * MIB, 7, |_, question| {
                asked.set(question);
                true
            }));
            asked.get()
        };
        assert_eq!(first_question(&Residency::new(4 * MIB, true)), Question::IsStill);
        assert_eq!(first_question(&Residency::new(4 * MIB, false)), Question::Is);
        let fetched = Residency::new(4 * MIB, true);
        fetched.forget();
        assert_eq!(first_question(&fetched), Question::Is);
    }
}
