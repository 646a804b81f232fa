//! The place at the end of the commit log at which records are written.

use crate::commit_log::LogSegment;
use crate::keys::NewKeys;

/// When so many bytes are held back, they are written, in any case.
const MOST_HELD_BACK: usize = 256 << 10;

/// Where the log is written, and what has not come there yet.
pub(crate) struct Writer {
    pub(crate) segment: Option<LogSegment>,
    /// Where the next record goes.
    pub(crate) position: i64,
    /// Records before that which are not written yet.
    held_back: Vec<u8>,
    pub(crate) asked_for_next: bool,
    /// Up to where pages have been asked for.
    pub(crate) ready: i64,
    /// Keys that the index has not taken yet.
    pub(crate) keys: NewKeys,
}

impl Writer {
    /// Nothing is open yet.
    pub(crate) fn at(position: i64, keys: NewKeys) -> Self {
        Writer {
            segment: None,
            position,
            held_back: Vec::new(),
            asked_for_next: false,
            ready: position,
            keys,
        }
    }

    /// Puts bytes at the end of the segment. What may be held back is written with what follows.
    pub(crate) fn put(&mut self, bytes: &[u8], hold_back: bool) {
        if hold_back {
            self.held_back.extend_from_slice(bytes);
        } else if let Some(segment) = &self.segment {
            segment.append(self.position, bytes, self.position + bytes.len() as i64);
        }
        self.position += bytes.len() as i64;
        if self.held_back.len() >= MOST_HELD_BACK {
            self.write();
            // A batch may be large, and memory is kept.
            self.held_back.shrink_to(MOST_HELD_BACK);
        }
    }

    /// Writes what was held back.
    pub(crate) fn write(&mut self) {
        if let Some(segment) = &self.segment
            && !self.held_back.is_empty()
        {
            let start = self.position - self.held_back.len() as i64;
            segment.append(start, &self.held_back, self.position);
            self.held_back.clear();
        }
    }

    /// Goes on at `position`, where `segment` begins or has room.
    pub(crate) fn go_on(&mut self, position: i64, segment: Option<LogSegment>) {
        (self.segment, self.position) = (segment, position);
        (self.asked_for_next, self.ready) = (false, position);
    }
}
