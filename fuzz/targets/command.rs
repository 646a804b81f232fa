//! Frames in both serialisations: what was read can be written and read again, and a connection that has
//! read others like it reads the same.
#![no_main]

use bytes::{BufMut, BytesMut};
use ferromq_protocol::command::frame_length;
use ferromq_protocol::{Command, Decoder, Language};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(BytesMut::from(data));
    // A header by itself gets a frame around it, so that its lengths need not be guessed.
    for kind in 0..2 {
        check(frame(kind, data));
    }
    // Two headers of one length that differ where the bytes in between say.
    if let Some((&changes, rest)) = data.split_first()
        && let Some((changes, header)) = rest.split_at_checked(3 * usize::from(changes % 8))
    {
        check_alike(header, changes);
    }
});

fn frame(kind: u32, header: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u32(4 + header.len() as u32);
    frame.put_u32(kind << 24 | header.len() as u32);
    frame.put_slice(header);
    frame
}

/// `changes` are places of two bytes, each with what is to be there.
fn check_alike(header: &[u8], changes: &[u8]) {
    let mut other = header.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(byte) = other.get_mut(at) {
            *byte = change[2];
        }
    }
    let mut decoder = Decoder::default();
    // Not the first of its kind is remembered.
    for _ in 0..32 {
        if decoder.decode(&mut frame(0, header)).is_err() {
            return;
        }
    }
    for header in [header, &other] {
        assert_eq!(decoder.decode(&mut frame(0, header)), Command::decode(&mut frame(0, header)));
    }
}

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
