//! Ctrl-C: what runs is ended in order, and everything that was started is taken down.

use ferromq_interop::Problem;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes ctrl-C, SIGTERM and SIGHUP over.
pub fn listen() -> Result<(), Problem> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .map_err(|e| Problem::Wrong(format!("signals cannot be taken over: {e}")))
}

/// Whether the run is to end.
pub fn asked() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// An error once the run is to end.
pub fn check() -> Result<(), Problem> {
    match asked() {
        true => Err(Problem::Wrong("interrupted".to_owned())),
        false => Ok(()),
    }
}

/// Sleeps, unless the run is to end.
pub fn rest(duration: std::time::Duration) -> Result<(), Problem> {
    let until = std::time::Instant::now() + duration;
    loop {
        check()?;
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(std::time::Duration::from_millis(50)));
    }
}
