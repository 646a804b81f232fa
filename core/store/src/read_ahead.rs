//! Reading ahead in a file: whoever reads a backlog wants the entries of one pull after the other, and a call
//! for each costs more than copying them.

use parking_lot::Mutex;
use std::ops::Range;

/// So many bytes are read at once where one read has followed another.
const AHEAD: u64 = 8 << 10;

/// What has been read of one file, and goes with it. All of it must be written for good.
#[derive(Default)]
pub(crate) struct ReadAhead(Mutex<State>);

#[derive(Default)]
struct State {
    /// Bytes of the file.
    bytes: Vec<u8>,
    /// Where in it they begin.
    at: u64,
    /// Where the last read ended.
    end: u64,
}

impl State {
    /// A range, if it is here.
    fn get(&self, range: &Range<u64>) -> Option<&[u8]> {
        let start = range.start.checked_sub(self.at)? as usize;
        self.bytes.get(start..start + (range.end - range.start) as usize)
    }
}

impl ReadAhead {
    /// Gives a range to `take`. What is not here is read with `read`, from the range's start on: all of it, and
    /// when it follows what was read last, more of what is before `written`; but what cannot be had does not
    /// matter then.
    ///
    /// # Errors
    /// What `read` fails with.
    pub(crate) fn read<E>(
        &self,
        range: Range<u64>,
        written: u64,
        read: impl Fn(&mut [u8]) -> Result<(), E>,
        take: impl FnOnce(&[u8]),
    ) -> Result<(), E> {
        let follows = {
            let mut state = self.0.lock();
            let follows = state.end == range.start;
            state.end = range.end;
            if let Some(bytes) = state.get(&range) {
                take(bytes);
                return Ok(());
            }
            follows
        };
        let length = (range.end - range.start) as usize;
        // Without the lock: whoever must not wait for the disk must not wait for those who do.
        let more = AHEAD.min(written.saturating_sub(range.start)) as usize;
        if follows && more > length {
            let mut bytes = vec![0; more];
            if read(&mut bytes).is_ok() {
                take(&bytes[..length]);
                let mut state = self.0.lock();
                (state.bytes, state.at) = (bytes, range.start);
                return Ok(());
            }
        }
        let mut bytes = vec![0; length];
        read(&mut bytes)?;
        take(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A file of which so much is in memory, and the reads that it saw.
    struct Seen {
        ahead: ReadAhead,
        in_memory: u64,
        reads: RefCell<Vec<Range<u64>>>,
    }

    impl Seen {
        fn new(in_memory: u64) -> Self {
            Seen { ahead: ReadAhead::default(), in_memory, reads: RefCell::default() }
        }

        fn byte(at: u64) -> u8 {
            (at % 251) as u8
        }

        fn read(&self, range: Range<u64>, written: u64) -> Result<(), &'static str> {
            let mut taken = None;
            let read = |bytes: &mut [u8]| {
                let end = range.start + bytes.len() as u64;
                self.reads.borrow_mut().push(range.start..end);
                assert!(end <= written.max(range.end));
                if end > self.in_memory {
                    return Err("not in memory");
                }
                bytes.iter_mut().zip(range.start..).for_each(|(byte, at)| *byte = Seen::byte(at));
                Ok(())
            };
            self.ahead.read(range.clone(), written, read, |bytes| taken = Some(bytes.to_vec()))?;
            assert_eq!(taken.unwrap(), range.map(Seen::byte).collect::<Vec<_>>());
            Ok(())
        }

        fn reads(&self) -> Vec<(u64, u64)> {
            self.reads.take().into_iter().map(|read| (read.start, read.end)).collect()
        }
    }

    #[test]
    fn reads_that_follow_each_other_share_one() {
        let file = Seen::new(u64::MAX);
        for read in 10..40 {
            file.read(read * 640..(read + 1) * 640, 1 << 20).unwrap();
        }
        let (first, ahead) = ((6400, 7040), |from: u64| (from, from + AHEAD));
        assert_eq!(file.reads(), [first, ahead(7040), ahead(14_720), ahead(22_400)]);
    }

    #[test]
    fn reads_here_and_there_take_what_they_ask_for() {
        let file = Seen::new(u64::MAX);
        for at in [5_000, 90_000, 5_640, 90_640] {
            file.read(at..at + 640, 1 << 20).unwrap();
        }
        let reads = file.reads();
        assert_eq!(reads.len(), 4);
        assert!(reads.iter().all(|(start, end)| end - start == 640));
    }

    #[test]
    fn nothing_is_read_that_may_still_change() {
        let file = Seen::new(u64::MAX);
        file.read(0..640, 700).unwrap();
        file.read(640..700, 700).unwrap();
        file.read(700..1340, 2_000).unwrap();
        assert_eq!(file.reads(), [(0, 700), (700, 2_000)]);
    }

    #[test]
    fn what_is_not_in_memory_is_missed_only_when_it_is_wanted() {
        let file = Seen::new(1_000);
        file.read(0..640, 1 << 20).unwrap();
        assert_eq!(file.reads(), [(0, AHEAD), (0, 640)]);
        file.read(640..1_280, 1 << 20).unwrap_err();
        file.read(640..900, 1 << 20).unwrap();
    }

    #[test]
    fn a_read_longer_than_that_is_one_read() {
        let file = Seen::new(u64::MAX);
        file.read(0..3 * AHEAD, 1 << 20).unwrap();
        assert_eq!(file.reads(), [(0, 3 * AHEAD)]);
    }
}
