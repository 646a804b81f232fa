//! A page cache that is full, as on a machine that has run for a day.
//!
//! There a new page of a log is an old page of the cache. On a virtual machine that was just started, or whose
//! host takes back what is free, it is one that the host hands out at the first touch, which costs many times as much
//! as all else that a server does for a message; whoever writes most messages then pays most.

use crate::interrupt;
use crate::machine;
use ferromq_interop::Problem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So much stays free: what programs allocate in a moment, and some, so that the system need not look for it.
const SPARE: u64 = 512 << 20;
/// What is read at once.
const PIECE: usize = 1 << 20;

/// Fills the page cache, with a file that is one hole: it takes memory, and nothing of the disk.
pub struct PageCache {
    hole: File,
    /// Bytes.
    length: u64,
    /// Where the next piece is read. What was read longest ago is forgotten first.
    position: u64,
}

impl PageCache {
    /// With a file as large as the memory, without a name, in this directory.
    pub fn new(directory: &Path) -> Result<Self, Problem> {
        let length = machine::memory() / PIECE as u64 * PIECE as u64;
        let failed = |source| Problem::File { path: directory.to_owned(), source };
        let hole = tempfile::tempfile_in(directory).map_err(failed)?;
        hole.set_len(length).map_err(failed)?;
        Ok(PageCache { hole, length, position: 0 })
    }

    /// Reads until little memory is free, the whole file at most: where the system keeps no cache of a hole, or not
    /// for us, nothing is gained.
    pub fn fill(&mut self) -> Result<(), Problem> {
        self.fill_until(|| machine::free_memory() <= SPARE)
    }

    fn fill_until(&mut self, enough: impl Fn() -> bool) -> Result<(), Problem> {
        let mut piece = vec![0; PIECE];
        for _ in 0..self.length / PIECE as u64 {
            if enough() {
                break;
            }
            interrupt::check()?;
            self.read(&mut piece).map_err(Problem::io("filling the page cache"))?;
        }
        Ok(())
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<()> {
        self.hole.read_exact_at(piece, self.position)?;
        self.position = (self.position + PIECE as u64) % self.length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_file_is_read_around_and_takes_no_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = PageCache::new(directory.path()).unwrap();
        cache.length = 3 * PIECE as u64;
        let looks = Cell::new(0);
        let enough = |after: u32| {
            looks.set(0);
            let looks = &looks;
            move || looks.replace(looks.get() + 1) == after
        };

        cache.fill_until(enough(2)).unwrap();
        assert_eq!(cache.position, 2 * PIECE as u64);
        cache.fill_until(enough(2)).unwrap();
        assert_eq!(
            cache.position, PIECE as u64,
            "it goes on where it was, and begins anew at the end"
        );
        cache.fill_until(|| false).unwrap();
        assert_eq!(cache.position, PIECE as u64, "no more than the whole file");
        assert_eq!(cache.hole.metadata().unwrap().blocks(), 0);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}
