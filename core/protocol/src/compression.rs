//! Compressed bodies (protocol §5.3).

use ferromq_model::flags::message;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::io::{self, Read, Write};
use thiserror::Error;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// A zlib stream: what every client reads.
    #[default]
    Zlib,
    /// An LZ4 frame; for clients since 4.9.4.
    Lz4,
    /// A Zstandard frame; for clients since 4.9.4.
    Zstd,
}

/// A body that cannot be expanded.
#[derive(Debug, Error)]
pub enum CompressionError {
    /// The bytes are no stream of this kind.
    #[error("the body is no valid {kind:?} stream: {source}")]
    Malformed {
        /// What the message says it is.
        kind: Compression,
        /// What was wrong.
        source: io::Error,
    },
    /// Refused before it fills the memory.
    #[error("the body expands to more than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

impl Compression {
    /// What a message's flags say; bodies of old clients have no type and are zlib.
    pub fn of_flags(sys_flag: i32) -> Option<Self> {
        if sys_flag & message::COMPRESSED == 0 {
            return None;
        }
        Some(match sys_flag & message::COMPRESSION_MASK {
            message::COMPRESSION_LZ4 => Compression::Lz4,
            message::COMPRESSION_ZSTD => Compression::Zstd,
            _ => Compression::Zlib,
        })
    }

    /// The flags of a message compressed so.
    pub fn flags(self) -> i32 {
        message::COMPRESSED
            | match self {
                Compression::Zlib => message::COMPRESSION_ZLIB,
                Compression::Lz4 => message::COMPRESSION_LZ4,
                Compression::Zstd => message::COMPRESSION_ZSTD,
            }
    }

    /// Compresses a body; `level` is that of zlib, 0 to 9, or of Zstandard.
    pub fn compress(self, body: &[u8], level: u32) -> io::Result<Vec<u8>> {
        match self {
            Compression::Zlib => {
                let mut out = Vec::with_capacity(body.len() / 2);
                ZlibEncoder::new(body, flate2::Compression::new(level.min(9)))
                    .read_to_end(&mut out)?;
                Ok(out)
            }
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(body)?;
                encoder.finish().map_err(io::Error::other)
            }
            Compression::Zstd => zstd::encode_all(body, level as i32),
        }
    }

    /// Expands a body, to at most `limit` bytes.
    pub fn expand(self, body: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        match self {
            Compression::Zlib => self.read(ZlibDecoder::new(body), limit),
            Compression::Lz4 => self.read(lz4_flex::frame::FrameDecoder::new(Whole(body)), limit),
            Compression::Zstd => {
                let malformed = |source| CompressionError::Malformed { kind: self, source };
                self.read(zstd::Decoder::new(body).map_err(malformed)?, limit)
            }
        }
    }

    fn read(self, stream: impl Read, limit: usize) -> Result<Vec<u8>, CompressionError> {
        let mut out = Vec::new();
        let length = stream
            .take(limit as u64 + 1)
            .read_to_end(&mut out)
            .map_err(|source| CompressionError::Malformed { kind: self, source })?;
        if length > limit { Err(CompressionError::TooLong { limit }) } else { Ok(out) }
    }
}

/// Bytes whose end is an error: the LZ4 decoder takes a frame that stops between two blocks for a
/// whole one, and asks for nothing after a frame's end mark.
struct Whole<'a>(&'a [u8]);

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.is_empty() && !buffer.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "the stream ends early")),
            false => self.0.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 3] = [Compression::Zlib, Compression::Lz4, Compression::Zstd];

    #[test]
    fn flags_name_the_kind() {
        for kind in ALL {
            assert_eq!(Compression::of_flags(kind.flags()), Some(kind));
        }
        assert_eq!(Compression::of_flags(1), Some(Compression::Zlib));
        assert_eq!(Compression::of_flags(0x300), None);
    }

    #[test]
    fn a_bomb_is_refused() {
        for kind in ALL {
            let bomb = kind.compress(&vec![0; 1 << 20], 5).unwrap();
            assert!(matches!(kind.expand(&bomb, 1 << 16), Err(CompressionError::TooLong { .. })));
        }
    }

    proptest! {
        #[test]
        fn round_trip(body: Vec<u8>, garbage: Vec<u8>) {
            for kind in ALL {
                let compressed = kind.compress(&body, 5).unwrap();
                prop_assert_eq!(&kind.expand(&compressed, body.len()).unwrap(), &body);
                let _ = kind.expand(&garbage, 1 << 16);
            }
        }
    }
}
