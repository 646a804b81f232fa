//! A batch of messages as one piece of memory, which `ts/message.ts` reads field by field when it
//! is asked for them. Making a JavaScript object of every field would cost more than receiving.
//!
//! The layout, little-endian: the count (u32); where each message begins (u32 each); then each
//! message, as `put` writes it. Bodies of [`EXTERNAL`] bytes and more are not in it: they stay where
//! they were received, and JavaScript sees them there.

use crate::port::Answer;
use bytes::Bytes;
use ferromq::ReceivedMessage;
use napi::bindgen_prelude::{Buffer, BufferSlice};
use napi::{Env, sys};
use napi_derive::napi;

/// From here on a copy costs more than a buffer of its own.
const EXTERNAL: usize = 4096;

/// Messages on their way to JavaScript.
#[derive(Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    large: Vec<Bytes>,
}

/// What JavaScript gets of them.
#[napi(object, object_from_js = false)]
pub struct PackedMessages<'env> {
    pub packed: Buffer,
    pub large: Vec<BufferSlice<'env>>,
}

impl Packed {
    pub fn new<'a>(messages: impl ExactSizeIterator<Item = &'a ReceivedMessage>) -> Self {
        let count = messages.len();
        let mut packed = Packed::default();
        packed.bytes.extend((count as u32).to_le_bytes());
        packed.bytes.resize(4 + 4 * count, 0);
        for (index, message) in messages.enumerate() {
            let start = (packed.bytes.len() as u32).to_le_bytes();
            packed.bytes[4 + 4 * index..8 + 4 * index].copy_from_slice(&start);
            packed.put(message);
        }
        packed
    }

    fn put(&mut self, message: &ReceivedMessage) {
        let body = &message.body;
        let large = body.len() >= EXTERNAL;
        let (born_host, store_host) =
            (message.born_host.to_string(), message.store_host.to_string());
        let properties = message.properties.encode();
        let texts: [&str; 8] = [
            &message.topic,
            &message.queue.broker_name,
            &message.message_id,
            &message.offset_message_id,
            &born_host,
            &store_host,
            &properties,
            &message.queue.topic,
        ];
        let bytes = &mut self.bytes;
        bytes.extend((message.born_timestamp as f64).to_le_bytes());
        bytes.extend((message.store_timestamp as f64).to_le_bytes());
        bytes.extend(message.queue_offset.to_le_bytes());
        bytes.extend(message.queue.queue_id.to_le_bytes());
        bytes.extend(message.flag.to_le_bytes());
        bytes.extend(message.reconsume_times.to_le_bytes());
        bytes.extend(if large { self.large.len() as u32 } else { u32::MAX }.to_le_bytes());
        for text in texts {
            bytes.extend((text.len() as u32).to_le_bytes());
        }
        bytes.extend((body.len() as u32).to_le_bytes());
        for text in texts {
            bytes.extend(text.as_bytes());
        }
        if large {
            self.large.push(body.clone());
        } else {
            bytes.extend(&body[..]);
        }
    }

    pub fn into_messages(self, env: &Env) -> napi::Result<PackedMessages<'_>> {
        let large = self.large.into_iter().map(|body| external(env, body));
        Ok(PackedMessages { packed: self.bytes.into(), large: large.collect::<Result<_, _>>()? })
    }
}

/// A buffer over memory of Rust, which lives as long as JavaScript sees it. Copied where the
/// runtime forbids such buffers.
fn external(env: &Env, body: Bytes) -> napi::Result<BufferSlice<'_>> {
    let (start, length) = (body.as_ptr().cast_mut(), body.len());
    // SAFETY: the bytes stay where they are until the last count of them is gone, and the buffer
    // keeps one. Rust does not write to them.
    unsafe { BufferSlice::from_external(env, start, length, body, |_, body| drop(body)) }
}

impl Answer for Packed {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        crate::port::to_js(env, self.into_messages(env)?)
    }
}
