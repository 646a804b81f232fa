//! Mapped files: the only `unsafe` of the store.
#![allow(unsafe_code)]

use crate::disk::{Segment, Words};
use crate::os_disk;
use memmap2::{Advice, MmapRaw, UncheckedAdvice};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

const PAGE: usize = 4096;

/// Zeros are written in pieces of this size: neither an append nor anybody who wants the core waits longer than for
/// one.
const PIECE: usize = 64 << 10;

/// Pages are found in pieces of this size: one takes some 15 µs, and others may want the core meanwhile.
const FOUND_AT_ONCE: usize = 16 << 10;

static ZEROS: [u8; PIECE] = [0; PIECE];

/// Whoever writes more than so many bytes a second is in a hurry to have pages.
const HURRY: f64 = (128 << 20) as f64;

/// All of a file, mapped.
struct Map {
    raw: MmapRaw,
    /// Whether the system reads ahead of what is touched.
    reads_ahead: AtomicBool,
}

impl Map {
    fn new(file: &File) -> io::Result<Self> {
        Ok(Map { raw: MmapRaw::map_raw(file)?, reads_ahead: AtomicBool::new(true) })
    }

    /// Says whether the system is to read ahead: where a page is missing it then finds as many as the disk is set to,
    /// 8 MiB on some, in pieces of up to 2 MiB. That is cheap for each page, but takes milliseconds in which
    /// it does not let go of the core, on the thread that touched the page.
    fn read_ahead(&self, ahead: bool) {
        if self.reads_ahead.swap(ahead, Ordering::Relaxed) != ahead {
            // Nothing depends on it but time.
            let _ = self.raw.advise(if ahead { Advice::Normal } else { Advice::Random });
        }
    }

    /// Has the system find pages for what is going to be written. In a hurry it goes about it as cheaply as it
    /// can; else nobody waits longer for this core than a small piece takes.
    fn find_pages(&self, range: Range<usize>, hurry: bool) {
        self.read_ahead(hurry);
        // `PopulateWrite` is not there before Linux 5.14; then writes find the pages themselves.
        if hurry {
            let _ = self.advise_range(Advice::PopulateWrite, range.start, range.len());
            return;
        }
        for start in range.clone().step_by(FOUND_AT_ONCE) {
            let length = FOUND_AT_ONCE.min(range.end - start);
            // All pages of the piece at once, then their places in the process's tables, one by one.
            let _ = self.advise_range(Advice::WillNeed, start, length);
            let _ = self.advise_range(Advice::PopulateWrite, start, length);
            std::thread::yield_now();
        }
    }
}

impl Deref for Map {
    type Target = MmapRaw;

    fn deref(&self) -> &MmapRaw {
        &self.raw
    }
}

/// Longer records are written faster than memory can be asked for ahead of them.
const LONGEST_WANTED: usize = 2048;

/// What a processor brings at once, in bytes.
pub(crate) const LINE: usize = 64;

/// Asks the processor for memory that will be written, without waiting. Changes nothing, and does nothing
/// where there is no memory.
#[inline(always)]
pub(crate) fn want(start: *const u8, length: usize) {
    for at in (0..length).step_by(LINE) {
        let line = start.wrapping_add(at);
        // SAFETY: a hint, for any address.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
        }
        // SAFETY: likewise.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!("prfm pstl1keep, [{}]", in(reg) line, options(nostack, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    }
}

/// A mapped log segment.
///
/// Soundness rests on one rule: bytes below `published` are never written, bytes above it are
/// never read. `published` only grows while the segment is shared; it shrinks in `truncate`, which
/// has the segment for itself.
pub(crate) struct MappedSegment {
    map: Map,
    file: Arc<File>,
    published: AtomicUsize,
    /// Whose pages the process has let go of, from the start.
    let_go: AtomicUsize,
    /// Held while unpublished bytes are written, so that no two writes overlap.
    writing: Mutex<()>,
    /// Whether appends are written to the file, not through the map. Both change the same memory, but a
    /// page of the map is made read-only by every sync, and then a write to it is a fault.
    often_synced: AtomicBool,
    /// When pages were asked for, and from where on: the last two times, since the first two come together.
    asked: Mutex<[Option<(Instant, usize)>; 2]>,
}

impl MappedSegment {
    /// Maps all of `file`. Everything before `published` counts as written. Space behind the rest must
    /// be reserved, here or by `truncate`, before anything is written there: touching a page without
    /// it would end the process.
    pub(crate) fn new(file: File, published: usize) -> io::Result<Self> {
        os_disk::forget_access_times(&file);
        let map = Map::new(&file)?;
        if published == 0 {
            // What is there already is read first, by recovery.
            map.read_ahead(false);
        }
        Ok(MappedSegment {
            map,
            file: Arc::new(file),
            published: AtomicUsize::new(published),
            let_go: AtomicUsize::new(0),
            writing: Mutex::new(()),
            often_synced: AtomicBool::new(false),
            asked: Mutex::default(),
        })
    }

    /// Whether it is written so fast that pages are wanted as cheaply as they can be had: those from `start` on are
    /// wanted now.
    fn is_in_a_hurry(&self, start: usize) -> bool {
        let now = Instant::now();
        let mut asked = self.asked.lock();
        let [before, last] = *asked;
        *asked = [last, Some((now, start))];
        before.is_some_and(|(time, from)| {
            start.saturating_sub(from) as f64 > HURRY * (now - time).as_secs_f64()
        })
    }

    /// Takes pages that were written out of the process's tables; their bytes stay in the page cache, and
    /// come back with the next look at them. A sync makes each page of the tables read-only by itself, and
    /// interrupts the other processors for each.
    fn let_go_of_pages(&self, end: usize) {
        let from = self.let_go.fetch_max(end - end % PAGE, Ordering::Relaxed);
        if from < end - end % PAGE {
            // To the end of the file: pages that were made ready are in the tables, too.
            // SAFETY: the map is shared and of a file, so that no byte changes, for readers and writers neither.
            let _ = unsafe {
                self.map.unchecked_advise_range(
                    UncheckedAdvice::DontNeed,
                    from,
                    self.length() - from,
                )
            };
        }
    }

    /// Writes zeros where nothing is published, and has the system begin to bring them to the disk.
    fn write_zeros(&self, range: Range<usize>) {
        for start in range.clone().step_by(ZEROS.len()) {
            let _writing = self.writing.lock();
            // The writer may have been here meanwhile.
            let part = start.max(self.published())..(start + ZEROS.len()).min(range.end);
            if !part.is_empty()
                && self.file.write_all_at(&ZEROS[..part.len()], part.start as u64).is_err()
            {
                return;
            }
        }
        begin_to_write(&self.file, range);
    }
}

/// How many pages of a file are in memory, or on their way there: a look at where they would be, and not at each of
/// them. `None` where the system does not tell (Linux before 6.5).
fn count_cached(file: &File, range: &Range<usize>) -> Option<u64> {
    const CACHESTAT: libc::c_long = 451;
    let range = [range.start as u64, (range.end - range.start) as u64];
    let mut counted = [0u64; 5];
    // SAFETY: the call reads two words and writes five, which live until it returns; the descriptor is open as long
    // as `file` is borrowed.
    let result = unsafe {
        libc::syscall(
            CACHESTAT,
            file.as_raw_fd(),
            range.as_ptr(),
            counted.as_mut_ptr(),
            0 as libc::c_uint,
        )
    };
    (result == 0).then_some(counted[0])
}

/// Has the system begin to bring a range of a file to the disk; an empty one goes on to the file's end. Without
/// waiting: who waits here is told of failures that the next sync is to find.
pub(crate) fn begin_to_write(file: &File, range: Range<usize>) {
    // SAFETY: no memory is involved; the descriptor is open as long as `file`.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            range.start as i64,
            range.len() as i64,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

impl Segment for MappedSegment {
    fn length(&self) -> usize {
        self.map.len()
    }

    fn published(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    fn append(&self, at: usize, bytes: &[u8], end: usize) {
        let writing = self.writing.lock();
        let written = at.checked_add(bytes.len()).is_some_and(|written| written <= end);
        assert!(
            at >= self.published() && written && end <= self.length(),
            "write outside the free part"
        );
        let by_call = self.often_synced.load(Ordering::Relaxed)
            && self.file.write_all_at(bytes, at as u64).is_ok();
        if !by_call {
            // SAFETY: the range is inside the map (just checked) and above `published`, where nobody
            // reads; the lock keeps other writers away. `bytes` is a live slice that cannot overlap it,
            // since slices of the map end at `published`.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    self.map.as_mut_ptr().add(at),
                    bytes.len(),
                );
            }
        }
        self.published.store(end, Ordering::Release);
        drop(writing);
        if !by_call && bytes.len() <= LONGEST_WANTED {
            // The next record is likely to be as long, and comes soon: it would wait for that memory.
            want(self.map.as_ptr().wrapping_add(end), bytes.len().min(self.length() - end));
        }
    }

    fn make_ready(&self, range: Range<usize>, often_synced: bool) {
        assert!(range.start <= range.end && range.end <= self.length(), "a range outside the file");
        self.often_synced.store(often_synced, Ordering::Relaxed);
        if often_synced {
            // The first write to a block is one to the file system's journal too, which the sync then
            // waits for. So the first write is this one, and the journal's part serves all of the range.
            return self.write_zeros(range);
        }
        let hurry = self.is_in_a_hurry(range.start);
        self.map.find_pages(range, hurry);
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        assert!(
            range.start <= range.end && range.end <= self.published(),
            "slice of unpublished bytes"
        );
        // SAFETY: the range is inside the map and published, so its bytes do not change while
        // `self` is borrowed; the map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(range.start), range.len()) }
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }

    fn sync(&self, end: usize) -> io::Result<()> {
        if !self.often_synced.load(Ordering::Relaxed) {
            self.let_go_of_pages(end);
        }
        // The descriptor's sync covers mapped writes too, and reports errors of write-back that
        // happened since the last one, which msync may not.
        self.file.sync_data()
    }

    fn reserve(&self) -> io::Result<()> {
        os_disk::reserve(&self.file, self.length() as u64)
    }

    fn is_cached(&self, range: Range<usize>) -> bool {
        assert!(range.end <= self.length(), "a range outside the file");
        let start = range.start - range.start % PAGE;
        let mut pages = vec![0u8; (range.end - start).div_ceil(PAGE)];
        // SAFETY: the range is inside the map (just checked) and begins at a page; there is a byte
        // for each of its pages.
        let known = unsafe {
            libc::mincore(
                self.map.as_mut_ptr().add(start).cast(),
                range.end - start,
                pages.as_mut_ptr().cast(),
            )
        };
        known != 0 || pages.iter().all(|page| page & 1 == 1)
    }

    fn is_still_cached(&self, range: Range<usize>) -> bool {
        assert!(range.end <= self.length(), "a range outside the file");
        let pages = range.end.div_ceil(PAGE) - range.start / PAGE;
        count_cached(&self.file, &range) == Some(pages as u64) || self.is_cached(range)
    }

    fn fetch(&self, range: Range<usize>) {
        let length = range.end - range.start;
        // All of it is asked for before the first page is waited for.
        let _ = self.map.advise_range(Advice::WillNeed, range.start, length);
        let populated = self.map.advise_range(Advice::PopulateRead, range.start, length);
        // Kernels before 5.14. Any other failure is left to whoever reads.
        if populated.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            for page in self.slice(range).chunks(PAGE) {
                std::hint::black_box(page[0]);
            }
        }
    }

    fn truncate(&mut self, end: usize) -> io::Result<()> {
        self.reserve()?;
        let length = self.length();
        // Only what may hold something: a segment's unwritten part is not read for this.
        for part in os_disk::written_parts(&self.file, end as u64..length as u64)? {
            let part = part.start as usize..part.end as usize;
            // SAFETY: `&mut self` means that nobody else reads or writes; the range is inside the map.
            let bytes = unsafe {
                std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(part.start), part.len())
            };
            // Pages that are zero stay untouched, so that nothing is written for them.
            for page in bytes.chunks_mut(PAGE) {
                if page.iter().any(|byte| *byte != 0) {
                    page.fill(0);
                }
            }
        }
        *self.published.get_mut() = end;
        // No more than that: what is before it may be a lot, and is not this function's business.
        self.map.flush_range(end, length - end)
    }
}

/// A mapped file of words. Every access is atomic, so anyone may read and write at any time.
pub(crate) struct MappedWords {
    map: Map,
}

impl MappedWords {
    /// Maps all of `file`, whose space must be reserved.
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let map = Map::new(file)?;
        map.read_ahead(false);
        Ok(MappedWords { map })
    }

    fn words(&self) -> &[AtomicU32] {
        // SAFETY: all of the map and no more, which is aligned, as maps start at a page; all accesses
        // to this memory in this process are atomic; the map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast(), self.count()) }
    }
}

impl Words for MappedWords {
    fn count(&self) -> usize {
        self.map.len() / 4
    }

    fn load(&self, index: usize) -> u32 {
        u32::from_be(self.words()[index].load(Ordering::Acquire))
    }

    fn store(&self, index: usize, value: u32) {
        self.words()[index].store(value.to_be(), Ordering::Release);
    }

    fn make_ready(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.count(), "a range outside the file");
        let bytes = range.start * 4..range.end * 4;
        // As much is asked for as has come in one go.
        let hurry = bytes.len() > PIECE;
        self.map.find_pages(bytes, hurry);
    }

    fn touch(&self, indexes: &[usize]) {
        let words = indexes.iter().filter_map(|index| self.words().get(*index));
        // No load depends on another, so that a processor has many on their way.
        std::hint::black_box(words.fold(0, |all, word| all ^ word.load(Ordering::Relaxed)));
    }

    fn store_all(&self, index: usize, values: &[u32]) {
        for (word, value) in self.words()[index..][..values.len()].iter().zip(values) {
            word.store(value.to_be(), Ordering::Release);
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.map.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::os_disk::OsDisk;

    const MIB: usize = 1 << 20;

    /// How many pages of a range are in memory.
    fn found(segment: &MappedSegment, range: Range<usize>) -> usize {
        range.step_by(PAGE).filter(|page| segment.is_cached(*page..page + PAGE)).count()
    }

    fn segment() -> (tempfile::TempDir, MappedSegment) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("00000000000000000000");
        drop(OsDisk.create_segment(&path, 32 * MIB as u64).unwrap());
        let file = File::options().read(true).write(true).open(path).unwrap();
        (directory, MappedSegment::new(file, 0).unwrap())
    }

    #[test]
    fn without_a_hurry_no_more_pages_are_found_than_were_asked_for() {
        let (_directory, segment) = segment();
        segment.append(0, b"on a page that nobody has made ready", PAGE);
        assert_eq!(found(&segment, PAGE..32 * MIB), 0);
        segment.make_ready(PAGE..MIB, false);
        assert!(segment.is_cached(0..MIB));
        for mib in 1..4 {
            segment.map.find_pages(mib * MIB..(mib + 1) * MIB, false);
        }
        assert!(segment.is_cached(0..4 * MIB));
        assert_eq!(found(&segment, 4 * MIB..32 * MIB), 0);
    }

    #[test]
    fn a_hurry_is_over_when_it_is_over() {
        let (_directory, segment) = segment();
        segment.map.find_pages(0..MIB, true);
        assert!(segment.is_cached(0..MIB));
        // What the system has read ahead says where it is to go on; it does not.
        let ahead = found(&segment, MIB..32 * MIB) * PAGE;
        let end = 2 * MIB + ahead;
        segment.map.find_pages(MIB..end, false);
        assert!(segment.is_cached(0..end));
        assert_eq!(found(&segment, end..32 * MIB), 0);
    }

    #[test]
    fn who_asks_for_much_within_a_moment_is_in_a_hurry() {
        let (_directory, segment) = segment();
        let terabyte = 1 << 40;
        assert!(!segment.is_in_a_hurry(0));
        assert!(!segment.is_in_a_hurry(terabyte), "the first two come together");
        assert!(segment.is_in_a_hurry(terabyte));
        assert!(!segment.is_in_a_hurry(terabyte), "nothing since the one before the last");
    }
}
