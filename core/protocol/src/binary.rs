//! The binary header, serialize type 1 (protocol §1.3).
//!
//! As with JSON, fields of what was read are spans of the received bytes. What is no text between them
//! is made blank, so that all of them are checked for UTF-8 at once.

use crate::command::{Command, FrameError, Serialization};
use crate::fields::{FieldSpans, Fields};
use crate::header::{FieldKey, FieldSink, FieldSource};
use crate::language::Language;
use crate::pairs::Span;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use std::borrow::Cow;
use std::ops::Range;

/// Reads positions of a header front to back; lengths are believed only as far as bytes exist.
struct Cursor<'a> {
    bytes: &'a mut [u8],
    position: usize,
}

impl Cursor<'_> {
    fn fail(&self, reason: &'static str) -> FrameError {
        FrameError::Malformed { kind: "binary", position: self.position, reason }
    }

    fn take(&mut self, length: usize) -> Result<Range<usize>, FrameError> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.fail("a length goes beyond the end"))?;
        let range = self.position..end;
        self.position = end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let range = self.take(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[range]);
        Ok(array)
    }

    fn int(&mut self) -> Result<i32, FrameError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<usize, FrameError> {
        usize::try_from(self.int()?).map_err(|_| self.fail("a length is negative"))
    }

    /// Takes a text whose length is before it in `N` bytes, and makes the length blank.
    fn text<const N: usize>(&mut self) -> Result<Range<usize>, FrameError> {
        let start = self.position;
        let bytes: [u8; N] = self.array()?;
        self.bytes[start..self.position].fill(b' ');
        let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if N == 4 && bytes[0] > 0x7F {
            return Err(self.fail("a length is negative"));
        }
        self.take(length)
    }
}

/// Reads a header; `body` is what follows it.
pub(crate) fn read(mut header: BytesMut, body: Bytes) -> Result<Command, FrameError> {
    let end = header.len();
    let mut cursor = Cursor { bytes: &mut header, position: 0 };
    let code = i16::from_be_bytes(cursor.array()?).into();
    let [language] = cursor.array()?;
    let version = i16::from_be_bytes(cursor.array()?).into();
    let opaque = cursor.int()?;
    let flag = cursor.int()?;
    let remark_length = cursor.length()?;
    let remark = cursor.take(remark_length)?;
    let remark = match remark.is_empty() {
        true => None,
        false => Some(Cow::Owned(String::from_utf8_lossy(&cursor.bytes[remark]).into_owned())),
    };
    let block = cursor.length()?;
    if block != end - cursor.position {
        return Err(cursor.fail("the ext field block does not end with the header"));
    }
    let start = cursor.position;
    let span = |range: &Range<usize>| Span::new(range.start - start..range.end - start);
    let mut pairs = FieldSpans::new();
    while cursor.position < end {
        let (key, value) = (cursor.text::<2>()?, cursor.text::<4>()?);
        // Empty keys and values mean "null" to peers since 4.9.4.
        if !key.is_empty() && !value.is_empty() {
            pairs.push((span(&key), span(&value)));
        }
    }
    header.advance(start);
    let text = ByteString::try_from(header).map_err(|error| {
        let position = start + error.valid_up_to();
        FrameError::Malformed { kind: "binary", position, reason: "text is not UTF-8" }
    })?;
    Ok(Command {
        code,
        language: Language(language),
        version,
        opaque,
        flag,
        remark,
        serialization: Serialization::Binary,
        fields: Fields::of_header(text, pairs),
        body,
    })
}

/// Appends the header.
pub(crate) fn write<F: FieldSource>(command: &Command<F>, out: &mut BytesMut) {
    // Both are 16 bits wide here; larger codes need the JSON header.
    out.put_i16(command.code as i16);
    out.put_u8(command.language.0);
    out.put_i16(command.version as i16);
    out.put_i32(command.opaque);
    out.put_i32(command.flag);
    let remark = command.remark().as_bytes();
    out.put_i32(remark.len() as i32);
    out.put_slice(remark);
    let block = out.len();
    out.put_i32(0);
    command.fields.put_into(&mut BinaryFields(out));
    let length = (out.len() - block - 4) as i32;
    out[block..block + 4].copy_from_slice(&length.to_be_bytes());
}

/// Writes fields one after the other.
struct BinaryFields<'a>(&'a mut BytesMut);

impl BinaryFields<'_> {
    fn push(&mut self, key: &str, value: &str) {
        let BinaryFields(out) = self;
        out.put_u16(key.len() as u16);
        out.put_slice(key.as_bytes());
        out.put_i32(value.len() as i32);
        out.put_slice(value.as_bytes());
    }
}

impl FieldSink for BinaryFields<'_> {
    fn put(&mut self, key: FieldKey, value: &str) {
        self.push(key.name(), value);
    }

    fn put_plain(&mut self, key: FieldKey, value: &str) {
        self.push(key.name(), value);
    }

    fn put_all(&mut self, fields: &Fields) {
        fields.iter().for_each(|(key, value)| self.push(key, value));
    }
}
