//! The codec alone.

use crate::{Failure, frames};
use bytes::{Bytes, BytesMut};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{SendMessageRequestV2, SendMessageResponse};
use ferromq_protocol::{Command, Decoder, Serialization};
use std::hint::black_box;

pub(crate) fn read_send_json(count: usize) -> Result<(), Failure> {
    read(&frames::send(0, 128, Serialization::Json), count)
}

pub(crate) fn read_send_binary(count: usize) -> Result<(), Failure> {
    read(&frames::send(0, 128, Serialization::Binary), count)
}

/// As a connection reads what is like what came before.
pub(crate) fn read_send_alike(count: usize) -> Result<(), Failure> {
    let frames: Vec<Bytes> =
        (0..2048).map(|number| frames::send(number, 128, Serialization::Json)).collect();
    let mut decoder = Decoder::default();
    for frame in frames.iter().cycle().take(count) {
        let mut input = BytesMut::from(&frame[..]);
        let command = decoder.decode(&mut input)?.ok_or("no frame")?;
        let header: SendMessageRequestV2<'_> = command.header()?;
        black_box(header.born_timestamp);
    }
    Ok(())
}

fn read(frame: &Bytes, count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        let mut input = BytesMut::from(&frame[..]);
        let command = Command::decode(&mut input)?.ok_or("no frame")?;
        let header: SendMessageRequestV2<'_> = command.header()?;
        black_box(header.born_timestamp);
    }
    Ok(())
}

pub(crate) fn write_reply(count: usize) -> Result<(), Failure> {
    let request = Command::request(request::SEND_MESSAGE_V2);
    let mut out = BytesMut::with_capacity(4096);
    for _ in 0..count {
        out.clear();
        let header = SendMessageResponse {
            msg_id: "7F00000100002A9F0000000000001000",
            queue_id: 3,
            queue_offset: 4711,
            transaction_id: Some("7F00000100002A139A554E05F0E50000"),
            batch_uniq_id: None,
            recall_handle: None,
        };
        request.response_of(0, &header).encode_head(0, &mut out);
        black_box(out.len());
    }
    Ok(())
}
