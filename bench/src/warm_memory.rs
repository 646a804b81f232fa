//! Memory that has been touched, for whoever is measured to take.
//!
//! The host of a virtual machine may hand out memory when it is touched for the first time, and take back within
//! seconds what is free. Each new page of the page cache then costs many times what it costs on a machine
//! that has run for a while, and whoever writes most messages pays most. So this process holds touched memory,
//! and lets go of as much as the others take.

use crate::interrupt;
use crate::machine;
use ferromq_interop::Problem;
use memmap2::{Advice, MmapMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is let go of at once.
const PIECE: usize = 32 << 20;
/// So much more than at first is free while others take memory.
const AHEAD: u64 = 96 << 20;
/// How often the free memory is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Touched memory. One thread looks after it.
pub struct WarmMemory {
    shared: Arc<Shared>,
    pieces: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    held: Mutex<Vec<MmapMut>>,
    /// Bytes that shall be free.
    wanted: AtomicU64,
    ended: AtomicBool,
}

impl WarmMemory {
    /// Up to so many bytes of it; nothing yet.
    pub fn new(bytes: u64) -> Result<Self, Problem> {
        let shared = Arc::new(Shared::default());
        let run = {
            let shared = shared.clone();
            move || shared.run()
        };
        let thread = std::thread::Builder::new()
            .name("warm-memory".to_owned())
            .spawn(run)
            .map_err(Problem::io("starting a thread"))?;
        Ok(WarmMemory { shared, pieces: bytes as usize / PIECE, thread: Some(thread) })
    }

    /// Takes hold of what was let go, and from now on lets go of as much as others take.
    pub fn hold(&self) -> Result<(), Problem> {
        self.shared.wanted.store(0, Ordering::Relaxed);
        while self.shared.held().len() < self.pieces {
            interrupt::check()?;
            let piece = touched().map_err(Problem::io("touching memory"))?;
            self.shared.held().push(piece);
        }
        self.shared.wanted.store(machine::free_memory() + AHEAD, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for WarmMemory {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn held(&self) -> std::sync::MutexGuard<'_, Vec<MmapMut>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            std::thread::sleep(INTERVAL);
            while machine::free_memory() < self.wanted.load(Ordering::Relaxed) {
                if self.held().pop().is_none() {
                    break;
                }
            }
        }
    }
}

/// A piece of memory, all of it touched.
fn touched() -> std::io::Result<MmapMut> {
    let mut piece = MmapMut::map_anon(PIECE)?;
    // In large pages if there are any, as large pieces of the page cache come from such.
    let _ = piece.advise(Advice::HugePage);
    piece.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_others_take_is_let_go() {
        let memory = WarmMemory::new(2 * PIECE as u64).unwrap();
        memory.hold().unwrap();
        assert_eq!(memory.shared.held().len(), 2);
        memory.shared.wanted.store(u64::MAX, Ordering::Relaxed);
        let end = Instant::now() + Duration::from_secs(60);
        while !memory.shared.held().is_empty() {
            assert!(Instant::now() < end, "memory is still held");
            std::thread::yield_now();
        }
        memory.hold().unwrap();
        assert_eq!(memory.shared.held().len(), 2);
    }
}
