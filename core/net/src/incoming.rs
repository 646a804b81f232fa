//! Bytes that have come, as far as they are no whole frame yet.

use crate::spare::Spare;
use bytes::BytesMut;

/// The least and the most that one read asks for, in bytes.
const SIZES: (usize, usize) = (1 << 10, 256 << 10);

thread_local! {
    /// For small reads.
    static SPARE: Spare = const { Spare::new() };
}

/// What a connection reads into. It reads as much at once as lately arrived at once, so that a busy connection
/// makes few system calls, and one that waits holds nothing.
pub(crate) struct Incoming {
    pub(crate) bytes: BytesMut,
    size: usize,
}

impl Incoming {
    pub(crate) fn new() -> Self {
        Incoming { bytes: BytesMut::new(), size: SIZES.0 }
    }

    /// Makes room for the next read, and returns how much there is.
    pub(crate) fn make_room(&mut self) -> usize {
        SPARE.with(|spare| spare.lend(&mut self.bytes));
        self.bytes.reserve(self.size);
        self.bytes.capacity() - self.bytes.len()
    }

    /// A read has brought so much.
    pub(crate) fn adapt(&mut self, length: usize) {
        let (least, most) = SIZES;
        if length >= self.size {
            self.size = (self.size * 2).min(most);
        } else if length < self.size / 8 {
            self.size = (self.size / 2).max(least);
        }
    }

    /// Whether little has come lately.
    pub(crate) fn is_little(&self) -> bool {
        self.size == SIZES.0
    }

    /// Whether as much has come at once as one read may bring.
    pub(crate) fn is_most(length: usize) -> bool {
        length >= SIZES.1
    }

    /// Leaves its memory to others, if nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            SPARE.with(|spare| spare.keep(std::mem::take(&mut self.bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_holds_nothing() {
        let (mut one, mut other) = (Incoming::new(), Incoming::new());
        assert!(one.make_room() >= SIZES.0);
        let memory = one.bytes.as_ptr();
        one.release();
        assert_eq!(one.bytes.capacity(), 0);
        other.make_room();
        assert_eq!(other.bytes.as_ptr(), memory, "connections share it");
        other.bytes.extend_from_slice(b"a part of a frame");
        other.release();
        assert_eq!(&other.bytes[..], b"a part of a frame");
        one.make_room();
        assert_ne!(one.bytes.as_ptr(), memory);
    }

    #[test]
    fn reads_grow_and_shrink_with_what_arrives() {
        let mut incoming = Incoming::new();
        for _ in 0..20 {
            incoming.adapt(incoming.size);
        }
        assert_eq!(incoming.size, SIZES.1);
        for _ in 0..20 {
            incoming.adapt(1);
        }
        assert!(incoming.is_little());
    }
}
