//! Compressed bodies of each kind, and compressed registrations of brokers.
#![no_main]

use ferromq_protocol::body::RegisterBrokerBody;
use ferromq_protocol::compression::Compression;
use libfuzzer_sys::fuzz_target;

/// Far more than the input can be, to meet bombs as well.
const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    for kind in [Compression::Zlib, Compression::Lz4, Compression::Zstd] {
        if let Ok(plain) = kind.expand(data, LIMIT) {
            assert!(plain.len() <= LIMIT);
        }
    }
    for with_mappings in [false, true] {
        if let Ok(body) = RegisterBrokerBody::decode(data, with_mappings) {
            let _ = body.deflate();
        }
    }
});
