//! RocketMQ's wire and record formats: bytes in, bytes out.
//!
//! - [`command`]: frames, with JSON and binary headers; [`decoder`]: those of one connection;
//! - [`mod@headers`]: the typed headers of every request;
//! - [`body`]: JSON bodies, with [`fastjson`]'s departures from the standard;
//! - [`record`]: the stored message, on disk and in pull responses.
//!
//! No I/O. Nothing here panics on input or allocates what a length field merely claims.

pub mod batch;
mod binary;
pub mod body;
pub mod code;
pub mod command;
pub mod compression;
mod decimal;
pub mod decoder;
pub mod fastjson;
pub mod fields;
pub mod header;
pub mod headers;
mod json_header;
mod json_writer;
pub mod language;
pub mod message_id;
mod pairs;
pub mod properties;
pub mod record;
mod scan;
mod shape;
pub mod tags;

pub use command::{Command, FrameError, Serialization};
pub use decoder::Decoder;
pub use language::Language;
