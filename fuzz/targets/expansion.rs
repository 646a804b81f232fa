//! Compressed bodies and compressed registrations.
#![no_main]

use ferromq_protocol::body::RegisterBrokerBody;
use ferromq_protocol::compression::Compression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    match kind % 4 {
        0 => drop(Compression::Zlib.expand(bytes, 1 << 20)),
        1 => drop(Compression::Lz4.expand(bytes, 1 << 20)),
        2 => drop(Compression::Zstd.expand(bytes, 1 << 20)),
        _ => drop(RegisterBrokerBody::decode(bytes, kind & 128 != 0)),
    }
});
