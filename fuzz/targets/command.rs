//! Frames in both serialisations: what was read can be written and read again.
#![no_main]

use bytes::{BufMut, BytesMut};
use ferromq_protocol::command::frame_length;
use ferromq_protocol::{Command, Language};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(BytesMut::from(data));
    // A header by itself gets a frame around it, so that its lengths need not be guessed.
    for kind in 0..2 {
        let mut frame = BytesMut::new();
        frame.put_u32(4 + data.len() as u32);
        frame.put_u32(kind << 24 | data.len() as u32);
        frame.put_slice(data);
        check(frame);
    }
});

fn check(mut buffer: BytesMut) {
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
}
