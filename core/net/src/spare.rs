//! Memory that the connections of a thread use in turn, so that one that waits holds none.

use bytes::BytesMut;
use std::cell::Cell;

/// No more than so many bytes are kept.
const MOST: usize = 16 << 10;

/// What one kind of use has left, for the next. One for each thread.
pub(crate) struct Spare(Cell<Option<BytesMut>>);

impl Spare {
    pub(crate) const fn new() -> Self {
        Spare(Cell::new(None))
    }

    /// Gives `bytes` this memory, if they have none.
    pub(crate) fn lend(&self, bytes: &mut BytesMut) {
        if bytes.capacity() == 0 {
            *bytes = self.0.take().unwrap_or_default();
        }
    }

    /// Keeps the memory of `bytes` for others, unless it is much.
    pub(crate) fn keep(&self, bytes: BytesMut) {
        if (1..=MOST).contains(&bytes.capacity()) {
            self.0.set(Some(bytes));
        }
    }
}
