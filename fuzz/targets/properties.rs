//! Property strings, message ids and tag hashes.
#![no_main]

use ferromq_protocol::message_id::{offset_id, parse_offset_id};
use ferromq_protocol::properties::{Properties, append, find};
use ferromq_protocol::tags::java_string_hash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let properties = Properties::parse(text);
    for (name, value) in properties.iter() {
        assert_eq!(find(text, name), Some(value));
    }
    assert_eq!(Properties::parse(&properties.encode()), properties);
    let mut longer = text.to_string();
    append(&mut longer, "name", "value");
    assert_eq!(find(&longer, "name"), Some("value"));

    if let Some((broker, offset)) = parse_offset_id(text) {
        assert_eq!(parse_offset_id(&offset_id(broker, offset)), Some((broker, offset)));
    }
    java_string_hash(text);
});
