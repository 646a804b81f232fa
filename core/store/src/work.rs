//! Who does the work behind the appends.

use crate::error::StoreError;
use std::io;
use std::thread::{Builder, JoinHandle};

/// Whether the store has threads of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One for each kind of work.
    OnThreads,
    /// None: whoever opened the store does the work step by step, so that a test can do it again
    /// in the same order.
    ByHand,
}

impl Work {
    /// How many keys may be on their way into the index in memory. By hand so few that some have to be read
    /// from the log.
    pub(crate) fn keys_in_memory(self) -> usize {
        match self {
            Work::OnThreads => 128 << 10,
            Work::ByHand => 8,
        }
    }

    /// Starts a thread, if there are any.
    ///
    /// # Errors
    /// When the system gives none.
    pub(crate) fn start(
        self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<Option<JoinHandle<()>>, StoreError> {
        match self {
            Work::ByHand => Ok(None),
            Work::OnThreads => {
                let failed = |source: io::Error| StoreError::Thread { name: name.into(), source };
                Builder::new().name(name.into()).spawn(run).map(Some).map_err(failed)
            }
        }
    }
}
