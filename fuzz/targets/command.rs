//! Frames in both serialisations: what was read can be written and read again.
#![no_main]

use bytes::BytesMut;
use ferromq_protocol::command::frame_length;
use ferromq_protocol::{Command, Language};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(mut command)) = Command::decode(&mut buffer) {
        // The JSON header has names of languages only.
        if command.language.name().is_none() {
            command.language = Language::UNKNOWN;
        }
        let written = command.encode();
        assert_eq!(frame_length(&written), Ok(Some(written.len())));
        let mut again = BytesMut::from(&written[..]);
        assert_eq!(Command::decode(&mut again), Ok(Some(command)));
        assert!(again.is_empty());
    }
});
