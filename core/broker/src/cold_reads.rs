//! Pulls of messages that are not in memory.
//!
//! They wait for the disk, and on a connection's task they would make everyone else on the same
//! thread wait with them: sends, pulls of new messages, heartbeats. So they are served aside, in the
//! order in which they came, by a few threads: more would only make the disk jump about.

use crate::inner::Inner;
use crate::pull::HeldPull;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most pulls that wait for the disk at the same time.
pub(crate) const MOST: usize = 4;

#[derive(Default)]
struct State {
    waiting: VecDeque<HeldPull>,
    threads: usize,
}

/// The pulls that are served aside.
#[derive(Default)]
pub(crate) struct ColdReads {
    state: Mutex<State>,
}

impl ColdReads {
    /// Serves a pull as soon as there is a thread for it. How many may wait is bounded by what a
    /// connection may have open.
    pub(crate) fn serve(&self, broker: &Arc<Inner>, pull: HeldPull) {
        let mut state = self.state.lock();
        state.waiting.push_back(pull);
        if state.threads < MOST {
            state.threads += 1;
            let broker = broker.clone();
            tokio::task::spawn_blocking(move || serve(&broker));
        }
    }

    fn next(&self) -> Option<HeldPull> {
        let mut state = self.state.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }
}

fn serve(broker: &Arc<Inner>) {
    while let Some(pull) = broker.cold_reads.next() {
        pull.read_and_answer(broker);
    }
}

#[cfg(test)]
mod tests;
