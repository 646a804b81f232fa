//! What a consume queue's files consist of (store §3).

/// An entry's length in bytes.
pub(crate) const ENTRY: u64 = 20;
/// The size that marks an entry which stands for no message.
const NO_MESSAGE: i32 = i32::MAX;

/// One entry of a consume queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the record is in the commit log.
    pub physical_offset: i64,
    /// The record's length in bytes.
    pub size: i32,
    /// The hash of the tags, or when to deliver a delayed message.
    pub tags_code: i64,
}

impl Entry {
    /// An entry that stands for no message.
    pub(crate) const BLANK: Entry = Entry { physical_offset: 0, size: NO_MESSAGE, tags_code: 0 };

    pub(crate) fn decode(bytes: &[u8]) -> Option<Entry> {
        let (physical, rest) = bytes.split_first_chunk::<8>()?;
        let (size, tags) = rest.split_first_chunk::<4>()?;
        Some(Entry {
            physical_offset: i64::from_be_bytes(*physical),
            size: i32::from_be_bytes(*size),
            tags_code: i64::from_be_bytes(*tags.first_chunk()?),
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut bytes = [0; ENTRY as usize];
        bytes[..8].copy_from_slice(&self.physical_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        out.extend_from_slice(&bytes);
    }

    /// Whether the entry has been written at all.
    pub(crate) fn is_written(&self) -> bool {
        self.physical_offset >= 0 && self.size > 0
    }

    /// Whether the entry stands for a message.
    pub fn is_message(&self) -> bool {
        self.is_written() && self.size != NO_MESSAGE
    }

    /// Where the record ends.
    pub fn end(&self) -> i64 {
        self.physical_offset + i64::from(self.size)
    }
}
