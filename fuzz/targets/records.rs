//! Stored messages, property strings, message ids.
#![no_main]

use bytes::Bytes;
use ferromq_protocol::message_id::{offset_id, parse_offset_id};
use ferromq_protocol::properties::Properties;
use ferromq_protocol::record::{MAGIC_V1, MAGIC_V2, StoredMessage, records};
use libfuzzer_sys::fuzz_target;

fn check(bytes: Bytes) {
    for record in records(&bytes).flatten() {
        let _ = record.verify();
        let _ = StoredMessage::decode(&bytes, &record);
    }
}

fuzz_target!(|input: &[u8]| {
    check(Bytes::copy_from_slice(input));
    // With a size and a magic that fit, so that the rest is looked at.
    if input.len() >= 8 {
        for magic in [MAGIC_V1, MAGIC_V2] {
            let mut bytes = input.to_vec();
            bytes[..4].copy_from_slice(&(input.len() as u32).to_be_bytes());
            bytes[4..8].copy_from_slice(&magic.to_be_bytes());
            check(bytes.into());
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let properties = Properties::parse(text);
        assert_eq!(Properties::parse(&properties.encode()), properties);
        if let Some((host, offset)) = parse_offset_id(text) {
            assert_eq!(parse_offset_id(&offset_id(host, offset)), Some((host, offset)));
        }
    }
});
