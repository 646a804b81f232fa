//! Whether the store takes messages.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

const DISK_FULL: u8 = 1;
const FAILED: u8 = 2;
const CLOSED: u8 = 4;

/// Reasons not to take messages; reading goes on whatever they are.
#[derive(Default)]
pub(crate) struct Health {
    flags: AtomicU8,
    failure: Mutex<Option<String>>,
}

impl Health {
    /// The reason not to take messages, if there is one.
    pub(crate) fn refusal(&self) -> Option<String> {
        let flags = self.flags.load(Ordering::Acquire);
        if flags == 0 {
            return None;
        }
        Some(match flags {
            flags if flags & CLOSED != 0 => "it is closed".to_string(),
            flags if flags & FAILED != 0 => self.failure.lock().clone().unwrap_or_default(),
            _ => "the disk is full".to_string(),
        })
    }

    pub(crate) fn failed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & FAILED != 0
    }

    /// A failure after which nothing may be promised any more, until a restart has looked at what
    /// is on disk.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(reason, "the store takes no more messages; check the disk, then restart");
        self.failure.lock().get_or_insert(reason);
        self.flags.fetch_or(FAILED, Ordering::AcqRel);
    }

    pub(crate) fn set_disk_full(&self, full: bool) {
        let before = match full {
            true => self.flags.fetch_or(DISK_FULL, Ordering::AcqRel),
            false => self.flags.fetch_and(!DISK_FULL, Ordering::AcqRel),
        };
        match (before & DISK_FULL != 0, full) {
            (false, true) => tracing::error!("the disk is nearly full: no more messages are taken"),
            (true, false) => tracing::info!("the disk has room again: messages are taken"),
            _ => {}
        }
    }

    pub(crate) fn close(&self) {
        self.flags.fetch_or(CLOSED, Ordering::AcqRel);
    }
}
