//! Frames with JSON and binary headers: what is decoded can be encoded and decoded again.
#![no_main]

use bytes::{BufMut, BytesMut};
use ferromq_protocol::Command;
use libfuzzer_sys::fuzz_target;

fn check(mut input: BytesMut) {
    while let Ok(Some(command)) = Command::decode(&mut input) {
        let mut again = BytesMut::from(&command.encode()[..]);
        let decoded = Command::decode(&mut again);
        assert!(matches!(decoded, Ok(Some(_))), "{decoded:?} of {command:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(BytesMut::from(bytes));
    // A header by itself gets a frame around it, so that the lengths need not be guessed.
    for kind in 0..2u32 {
        let mut frame = BytesMut::new();
        frame.put_u32(4 + bytes.len() as u32);
        frame.put_u32(kind << 24 | bytes.len() as u32);
        frame.put_slice(bytes);
        check(frame);
    }
});
