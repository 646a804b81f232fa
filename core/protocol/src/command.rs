//! A command: one request or response, and how it becomes a frame (protocol §1.1 to §1.7).

use crate::fields::Fields;
use crate::header::{FieldSource, Header, HeaderError};
use crate::language::Language;
use crate::{binary, json_header, json_writer};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::atomic::{AtomicI32, Ordering};
use thiserror::Error;

/// The largest frame in bytes, its length field included.
pub const MAX_FRAME: usize = 16_777_216;
/// Set in `flag` of a response.
pub const FLAG_RESPONSE: i32 = 1;
/// Set in `flag` of a request that wants no answer.
pub const FLAG_ONEWAY: i32 = 2;
/// The protocol version that FerroMQ speaks: RocketMQ 5.3.3 (protocol §1.6).
pub const CURRENT_VERSION: i32 = 479;
/// The first version that wants standard JSON in route bodies: 4.9.4.
pub const VERSION_4_9_4: i32 = 401;
/// RocketMQ 5.0.0.
pub const VERSION_5_0_0: i32 = 413;

/// How a header is written. A response is written as its request was (protocol §1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serialization {
    /// A JSON object; what every client understands.
    #[default]
    Json,
    /// RocketMQ's binary header, serialize type 1.
    Binary,
}

/// Why bytes are no frame. The only remedy is to close the connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The length field is above the limit.
    #[error("a frame of {length} bytes exceeds the limit of {MAX_FRAME}")]
    TooLong {
        /// The whole frame, in bytes.
        length: usize,
    },
    /// The length fields contradict each other.
    #[error("a header of {header} bytes does not fit a frame of {length}")]
    HeaderTooLong {
        /// The header's length as claimed.
        header: usize,
        /// What follows the length field, in bytes.
        length: usize,
    },
    /// Neither JSON nor binary.
    #[error("unknown header serialization {0}")]
    UnknownSerialization(u8),
    /// The header cannot be read.
    #[error("malformed {kind} header at byte {position}: {reason}")]
    Malformed {
        /// `JSON` or `binary`.
        kind: &'static str,
        /// Where in the header.
        position: usize,
        /// What was wrong.
        reason: &'static str,
    },
}

/// One request or response.
///
/// Its fields are laid out as text pairs, or come from a typed header when the command is written, which
/// takes half the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Command<F = Fields> {
    /// A [request code](crate::code::request) or a [response code](crate::code::response).
    pub code: i32,
    /// The sender's language.
    pub language: Language,
    /// The sender's protocol version.
    pub version: i32,
    /// Matches a response with its request; counted by the sender of the request.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`] and [`FLAG_ONEWAY`].
    pub flag: i32,
    /// Text for people; pull responses have their status here.
    pub remark: Option<Cow<'static, str>>,
    /// How the header is written.
    pub serialization: Serialization,
    /// The typed header as text pairs, or what else gives them.
    pub fields: F,
    /// Everything after the header.
    pub body: Bytes,
}

fn next_opaque() -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Command {
    /// A request without fields, with an opaque number of its own.
    pub fn request(code: i32) -> Self {
        Command::request_of(code, Fields::new())
    }

    /// A request with a typed header.
    pub fn request_with(code: i32, header: &impl FieldSource) -> Self {
        Command::request_of(code, header).laid_out()
    }

    /// A successful answer with a typed header.
    pub fn success(&self, header: &impl FieldSource) -> Self {
        self.response_of(crate::code::response::SUCCESS, header).laid_out()
    }

    /// A successful answer with a body.
    pub fn success_body(&self, body: impl Into<Bytes>) -> Self {
        self.response(crate::code::response::SUCCESS).with_body(body)
    }

    /// Adds the fields of a typed header.
    pub fn with_header(mut self, header: &impl FieldSource) -> Self {
        header.put_into(&mut self.fields);
        self
    }

    /// Reads the typed header.
    pub fn header<'a, H: Header<'a>>(&'a self) -> Result<H, HeaderError> {
        H::decode(&self.fields)
    }
}

impl<F> Command<F> {
    fn of(code: i32, fields: F) -> Self {
        Command {
            code,
            language: Language::RUST,
            version: CURRENT_VERSION,
            opaque: 0,
            flag: 0,
            remark: None,
            serialization: Serialization::Json,
            fields,
            body: Bytes::new(),
        }
    }

    /// A request whose fields come from `fields`, with an opaque number of its own.
    pub fn request_of(code: i32, fields: F) -> Self {
        Command { opaque: next_opaque(), ..Command::of(code, fields) }
    }

    /// An answer to this request, in the request's own serialization.
    pub fn response(&self, code: i32) -> Command {
        self.response_of(code, Fields::new())
    }

    /// An answer with a remark.
    pub fn failure(&self, code: i32, remark: impl Into<Cow<'static, str>>) -> Command {
        let mut response = self.response(code);
        response.remark = Some(remark.into());
        response
    }

    /// An answer to this request, in the request's own serialization, whose fields come from `fields`.
    pub fn response_of<G>(&self, code: i32, fields: G) -> Command<G> {
        Command {
            flag: FLAG_RESPONSE,
            opaque: self.opaque,
            serialization: self.serialization,
            ..Command::of(code, fields)
        }
    }

    /// The same without fields, remark and body: what is needed to answer it.
    pub fn head(&self) -> Command<()> {
        Command {
            flag: self.flag,
            opaque: self.opaque,
            serialization: self.serialization,
            ..Command::of(self.code, ())
        }
    }

    /// The same with other fields.
    pub fn with_fields<G>(self, fields: G) -> Command<G> {
        let Command { code, language, version, opaque, flag, remark, serialization, body, .. } =
            self;
        Command { code, language, version, opaque, flag, remark, serialization, fields, body }
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Marks a request as one that wants no answer.
    pub fn oneway(mut self) -> Self {
        self.flag |= FLAG_ONEWAY;
        self
    }

    /// Whether this is a response.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether the sender wants no answer.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    /// The remark, or nothing.
    pub fn remark(&self) -> &str {
        self.remark.as_deref().unwrap_or_default()
    }
}

impl<F: FieldSource> Command<F> {
    /// The same with its fields as text pairs.
    pub fn laid_out(self) -> Command {
        let mut fields = Fields::new();
        self.fields.put_into(&mut fields);
        self.with_fields(fields)
    }

    /// Appends the frame's length fields and header to `out`; a body of `body_length` bytes must
    /// follow.
    pub fn encode_head(&self, body_length: usize, out: &mut BytesMut) {
        let start = out.len();
        out.put_u64(0);
        match self.serialization {
            Serialization::Json => json_writer::write(self, out),
            Serialization::Binary => binary::write(self, out),
        }
        let header_length = out.len() - start - 8;
        let length = (4 + header_length + body_length) as u32;
        let kind = match self.serialization {
            Serialization::Json => 0u32,
            Serialization::Binary => 1,
        };
        let word = kind << 24 | header_length as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4..start + 8].copy_from_slice(&word.to_be_bytes());
    }

    /// The whole frame.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256 + self.body.len());
        self.encode_head(self.body.len(), &mut out);
        out.extend_from_slice(&self.body);
        out.freeze()
    }
}

impl Command {
    /// Takes the first complete frame out of `buffer`.
    ///
    /// `None` when more bytes are needed. The command keeps the frame's bytes; nothing is copied,
    /// and nothing is allocated that the peer has not sent. Whoever takes many from one connection does
    /// so with a [`Decoder`](crate::Decoder).
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Command>, FrameError> {
        let Some(frame) = Frame::take(buffer)? else {
            return Ok(None);
        };
        match frame.kind {
            0 => json_header::read(frame.header, frame.body).map(Some),
            _ => frame.read_other().map(Some),
        }
    }
}

/// A frame whose header is still to be read.
pub(crate) struct Frame {
    /// How the header is written: 0 for JSON.
    pub(crate) kind: u8,
    pub(crate) header: BytesMut,
    pub(crate) body: Bytes,
}

impl Frame {
    /// Takes the first frame out of `buffer`, if all of it is there.
    #[inline(always)]
    pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(length) = frame_length(buffer)? else {
            return Ok(None);
        };
        if buffer.len() < length {
            return Ok(None);
        }
        let mut frame = buffer.split_to(length);
        let word = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let header_length = (word & 0x00FF_FFFF) as usize;
        if header_length > length - 8 {
            return Err(FrameError::HeaderTooLong { header: header_length, length: length - 4 });
        }
        let body = frame.split_off(8 + header_length).freeze();
        frame.advance(8);
        Ok(Some(Frame { kind: (word >> 24) as u8, header: frame, body }))
    }

    /// Reads a header that is not JSON.
    #[inline(always)]
    pub(crate) fn read_other(self) -> Result<Command, FrameError> {
        match self.kind {
            1 => binary::read(self.header, self.body),
            kind => Err(FrameError::UnknownSerialization(kind)),
        }
    }
}

/// The length in bytes of the frame at the start of `buffer`, as soon as it can be told. A length
/// out of range is refused before anything is reserved for it.
pub fn frame_length(buffer: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length + 4 > MAX_FRAME {
        return Err(FrameError::TooLong { length: length + 4 });
    }
    if length < 4 {
        return Err(FrameError::HeaderTooLong { header: 0, length });
    }
    Ok(Some(length + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn json_request_of_the_specification() {
        let header = br#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":401}"#;
        let mut frame = BytesMut::from(&hex("0000007f 0000007b")[..]);
        frame.extend_from_slice(header);
        let original = frame.clone();
        let command = Command::decode(&mut frame).unwrap().unwrap();
        assert_eq!((command.code, command.opaque, command.version), (105, 7, 401));
        assert_eq!(command.fields.get("topic"), Some("T"));
        assert_eq!(command.encode(), original);
    }

    #[test]
    fn binary_request_of_the_specification() {
        let bytes = hex(
            "00000029 01000023 0069 00 0191 00000007 00000000 00000002 6869 0000000c 0005 746f706963 00000001 54 0102",
        );
        let mut frame = BytesMut::from(&bytes[..]);
        let command = Command::decode(&mut frame).unwrap().unwrap();
        assert_eq!(command.serialization, Serialization::Binary);
        assert_eq!(command.remark(), "hi");
        assert_eq!(command.fields.get("topic"), Some("T"));
        assert_eq!(&command.body[..], [1, 2]);
        assert_eq!(command.encode(), bytes);
    }

    #[test]
    fn half_a_character_is_no_text_even_beside_its_other_half() {
        let bytes = hex(
            "00000021 0100001d 0069 00 0191 00000007 00000000 00000000 00000008 0001 c3 00000001 a9",
        );
        let error = Command::decode(&mut BytesMut::from(&bytes[..])).unwrap_err();
        assert!(
            matches!(error, FrameError::Malformed { reason: "text is not UTF-8", .. }),
            "{error}"
        );
    }

    #[test]
    fn waits_for_the_whole_frame_and_leaves_what_follows() {
        let frame = Command::request(34).with_body(&b"abc"[..]).encode();
        let mut buffer = BytesMut::new();
        for byte in &frame[..frame.len() - 1] {
            buffer.put_u8(*byte);
            assert_eq!(Command::decode(&mut buffer).unwrap(), None);
        }
        buffer.put_u8(frame[frame.len() - 1]);
        buffer.put_slice(b"rest");
        assert_eq!(&Command::decode(&mut buffer).unwrap().unwrap().body[..], b"abc");
        assert_eq!(&buffer[..], b"rest");
    }

    #[test]
    fn impossible_lengths_are_refused_before_the_bytes_arrive() {
        let decode = |text| Command::decode(&mut BytesMut::from(&hex(text)[..])).unwrap_err();
        assert_eq!(decode("00fffffd"), FrameError::TooLong { length: 16_777_217 });
        assert!(matches!(decode("ffffffff"), FrameError::TooLong { .. }));
        assert!(matches!(decode("00000003"), FrameError::HeaderTooLong { .. }));
        assert!(matches!(decode("00000006 000000ff 0102"), FrameError::HeaderTooLong { .. }));
        assert_eq!(decode("00000004 02000000"), FrameError::UnknownSerialization(2));
    }

    prop_compose! {
        fn any_command()(
            code in any::<i16>(), language in 0u8..14, version in 0i32..1000, opaque: i32, flag in 0i32..4,
            remark in proptest::option::of("[^\u{0}]{1,20}"),
            pairs in proptest::collection::vec(("[a-z]{1,5}", "\\PC{1,20}|[\u{1}\u{2}\"\\\\/\n]{1,6}"), 0..20),
            body: Vec<u8>, binary: bool,
        ) -> Command {
            Command {
                code: code.into(), language: Language(language), version, opaque, flag,
                remark: remark.map(Cow::Owned),
                serialization: if binary { Serialization::Binary } else { Serialization::Json },
                fields: pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
                body: body.into(),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(command in any_command()) {
            let mut frame = BytesMut::from(&command.encode()[..]);
            let decoded = Command::decode(&mut frame).unwrap().unwrap();
            prop_assert!(frame.is_empty());
            prop_assert_eq!(decoded, command);
        }

        #[test]
        fn damaged_frames_never_panic(command in any_command(), at: proptest::sample::Index, value: u8) {
            let mut frame = BytesMut::from(&command.encode()[..]);
            let at = at.index(frame.len());
            frame[at] = value;
            let _ = Command::decode(&mut frame);
        }

        #[test]
        fn arbitrary_headers_never_panic(kind in 0u8..2, header: Vec<u8>) {
            let mut frame = BytesMut::new();
            frame.put_u32(4 + header.len() as u32);
            frame.put_u32(u32::from(kind) << 24 | header.len() as u32);
            frame.put_slice(&header);
            let _ = Command::decode(&mut frame);
        }
    }
}
