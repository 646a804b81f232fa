//! Records on their way to a reader: slices of the mapped log.

use crate::disk::Segment;
use bytes::Bytes;
use std::fs::File;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// From so many bytes on a slice tells where it is in its file.
const LONG: usize = 16 << 10;

/// Records that follow each other in the log, without copying them.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The records.
    pub bytes: Bytes,
    /// The file that holds them, and from which byte on, when they are so many that the system had
    /// better pass them on by itself.
    pub file: Option<(Arc<File>, u64)>,
}

impl Deref for Chunk {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// What is published of a segment: one handle for all slices that a reader takes of it.
pub(crate) struct Held {
    base: i64,
    bytes: Bytes,
    file: Option<Arc<File>>,
}

impl Held {
    pub(crate) fn new(base: i64, segment: &Arc<dyn Segment>) -> Self {
        let published = Published { end: segment.published(), segment: segment.clone() };
        Held { base, bytes: Bytes::from_owner(published), file: segment.file().cloned() }
    }

    /// A range of the log, if all of it is here.
    pub(crate) fn slice(&self, offset: i64, length: usize) -> Option<Chunk> {
        let start = usize::try_from(offset - self.base).ok()?;
        let range = start..start.checked_add(length)?;
        let bytes = (range.end <= self.bytes.len()).then(|| self.bytes.slice(range))?;
        let file = self.file.as_ref().filter(|_| length >= LONG);
        Some(Chunk { bytes, file: file.map(|file| (file.clone(), start as u64)) })
    }
}

/// Published bytes of a segment, which stays mapped as long as this lives.
struct Published {
    segment: Arc<dyn Segment>,
    end: usize,
}

impl AsRef<[u8]> for Published {
    fn as_ref(&self) -> &[u8] {
        self.segment.slice(Range { start: 0, end: self.end })
    }
}
