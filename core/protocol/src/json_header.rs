//! The JSON header, serialize type 0 (protocol §1.2).
//!
//! Reading works inside the received bytes: escapes are resolved in place (the result is never
//! longer), so that a field of the command is a span of the header it came in.

use crate::command::{Command, FrameError, Serialization};
use crate::fields::{Fields, Span};
use crate::language::Language;
use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;

/// How deep unknown members may nest before they are taken for an attack.
const MAX_DEPTH: usize = 32;

struct Reader<'a> {
    bytes: &'a mut [u8],
    position: usize,
}

/// A scalar, or the text of whatever else stood there.
enum Value {
    Null,
    Text(Range<usize>),
    Bare(Range<usize>),
}

impl Reader<'_> {
    fn fail<T>(&self, reason: &'static str) -> Result<T, FrameError> {
        Err(FrameError::Malformed { kind: "JSON", position: self.position, reason })
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.position) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.position += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), FrameError> {
        if self.eat(byte) { Ok(()) } else { self.fail(reason) }
    }

    /// Calls `member` with the span of each key of the object at hand; it must take the value.
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Range<usize>) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        self.expect(b'{', "expected an object")?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.expect(b':', "expected a colon")?;
            member(self, key)?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',', "expected a comma or the end of the object")?;
        }
    }

    /// Takes a string and leaves its unescaped text at the returned place.
    fn string(&mut self) -> Result<Range<usize>, FrameError> {
        if self.bytes.get(self.position) != Some(&b'"') {
            return self.fail("expected a string");
        }
        self.position += 1;
        let start = self.position;
        // The common case first: up to the closing quote nothing needs to move.
        while let Some(byte) = self.bytes.get(self.position) {
            match byte {
                b'"' => {
                    self.position += 1;
                    return Ok(start..self.position - 1);
                }
                b'\\' => return self.escaped_string(start),
                _ => self.position += 1,
            }
        }
        self.fail("a string does not end")
    }

    fn escaped_string(&mut self, start: usize) -> Result<Range<usize>, FrameError> {
        let mut end = self.position;
        while let Some(&byte) = self.bytes.get(self.position) {
            self.position += 1;
            match byte {
                b'"' => return Ok(start..end),
                b'\\' => end = self.escape(end)?,
                byte => {
                    self.bytes[end] = byte;
                    end += 1;
                }
            }
        }
        self.fail("a string does not end")
    }

    /// Resolves the escape after a backslash, writes it at `end` and returns the new end.
    fn escape(&mut self, end: usize) -> Result<usize, FrameError> {
        let Some(&byte) = self.bytes.get(self.position) else {
            return self.fail("a string does not end");
        };
        self.position += 1;
        let character = match byte {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => self.unicode_escape()?,
            b'"' | b'\\' | b'/' | b'\'' => char::from(byte),
            _ => return self.fail("unknown escape"),
        };
        let length = character.len_utf8();
        character.encode_utf8(&mut self.bytes[end..end + length]);
        Ok(end + length)
    }

    fn unicode_escape(&mut self) -> Result<char, FrameError> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.bytes.get(self.position..self.position + 2) != Some(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.position += 2;
        let second = self.hex4()?;
        let pair = 0x10000 + ((first - 0xD800) << 10) + second.wrapping_sub(0xDC00);
        let valid = (0xDC00..0xE000).contains(&second);
        Ok(char::from_u32(pair).filter(|_| valid).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, FrameError> {
        let digits = self.bytes.get(self.position..self.position + 4);
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |value, d| Some(value << 4 | char::from(*d).to_digit(16)?))
        });
        match value {
            Some(value) => {
                self.position += 4;
                Ok(value)
            }
            None => self.fail("expected four hexadecimal digits"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, FrameError> {
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{' | b'[') if depth == 0 => self.fail("nested too deeply"),
            Some(b'{') => {
                let start = self.position;
                self.object(|reader, _| reader.value(depth - 1).map(drop))?;
                Ok(Value::Bare(start..self.position))
            }
            Some(b'[') => self.array(depth - 1),
            Some(_) => self.bare(),
            None => self.fail("expected a value"),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, FrameError> {
        let start = self.position;
        self.position += 1;
        if !self.eat(b']') {
            loop {
                self.value(depth)?;
                if self.eat(b']') {
                    break;
                }
                self.expect(b',', "expected a comma or the end of the array")?;
            }
        }
        Ok(Value::Bare(start..self.position))
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<Value, FrameError> {
        let start = self.position;
        let is_bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        while self.bytes.get(self.position).is_some_and(is_bare) {
            self.position += 1;
        }
        match &self.bytes[start..self.position] {
            b"" => self.fail("expected a value"),
            b"null" => Ok(Value::Null),
            _ => Ok(Value::Bare(start..self.position)),
        }
    }

    /// A whole number, bare or in quotes; `None` for null.
    fn integer(&mut self) -> Result<Option<i32>, FrameError> {
        let range = match self.value(0)? {
            Value::Null => return Ok(None),
            Value::Text(range) | Value::Bare(range) => range,
        };
        let text = std::str::from_utf8(&self.bytes[range]).unwrap_or_default();
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => self.fail("expected a 32-bit number"),
        }
    }

    fn text(&self, range: Range<usize>) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes[range])
    }

    fn language(&mut self) -> Result<Language, FrameError> {
        Ok(match self.value(0)? {
            Value::Null => Language::UNKNOWN,
            Value::Text(name) => Language::from_name(&self.text(name)),
            Value::Bare(ordinal) => Language(self.text(ordinal).parse().unwrap_or(0xFF)),
        })
    }
}

pub(crate) fn read(mut header: BytesMut) -> Result<Command, FrameError> {
    if let Err(error) = std::str::from_utf8(&header) {
        let position = error.valid_up_to();
        return Err(FrameError::Malformed { kind: "JSON", position, reason: "not UTF-8" });
    }
    let mut command = Command {
        code: 0,
        language: Language::UNKNOWN,
        version: 0,
        opaque: 0,
        flag: 0,
        remark: None,
        serialization: Serialization::Json,
        fields: Fields::new(),
        body: Bytes::new(),
    };
    let mut pairs = SmallVec::<[(Span, Span); 16]>::new();
    let mut reader = Reader { bytes: &mut header, position: 0 };
    reader.object(|reader, key| {
        // Which member it is must be known before the value is read, as reading moves bytes.
        let is = |name: &[u8]| reader.bytes[key.clone()] == *name;
        if is(b"extFields") {
            return ext_fields(reader, &mut pairs);
        } else if is(b"code") {
            command.code = reader.integer()?.unwrap_or(0);
        } else if is(b"opaque") {
            command.opaque = reader.integer()?.unwrap_or(0);
        } else if is(b"flag") {
            command.flag = reader.integer()?.unwrap_or(0);
        } else if is(b"version") {
            command.version = reader.integer()?.unwrap_or(0);
        } else if is(b"language") {
            command.language = reader.language()?;
        } else if is(b"remark") {
            command.remark = match reader.value(0)? {
                Value::Null => None,
                Value::Text(range) | Value::Bare(range) => {
                    Some(Cow::Owned(reader.text(range).into_owned()))
                }
            };
        } else {
            reader.value(MAX_DEPTH)?;
        }
        Ok(())
    })?;
    if reader.peek().is_some() {
        return reader.fail("something follows the header object");
    }
    command.fields = Fields::of_header(header, pairs);
    Ok(command)
}

fn ext_fields(
    reader: &mut Reader<'_>,
    pairs: &mut SmallVec<[(Span, Span); 16]>,
) -> Result<(), FrameError> {
    if reader.peek() == Some(b'n') {
        return reader.bare().map(drop);
    }
    reader.object(|reader, key| {
        match reader.value(MAX_DEPTH)? {
            Value::Null => {}
            Value::Text(value) | Value::Bare(value) => {
                pairs.push((Span::new(key), Span::new(value)));
            }
        }
        Ok(())
    })
}

/// Appends the header with its members in alphabetical order, as Apache's clients do.
pub(crate) fn write(command: &Command, out: &mut BytesMut) {
    let mut digits = itoa::Buffer::new();
    out.put_slice(b"{\"code\":");
    out.put_slice(digits.format(command.code).as_bytes());
    if !command.fields.is_empty() {
        out.put_slice(b",\"extFields\":{");
        for (index, (key, value)) in command.fields.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            write_string(key, out);
            out.put_u8(b':');
            write_string(value, out);
        }
        out.put_u8(b'}');
    }
    out.put_slice(b",\"flag\":");
    out.put_slice(digits.format(command.flag).as_bytes());
    if let Some(language) = command.language.name() {
        out.put_slice(b",\"language\":\"");
        out.put_slice(language.as_bytes());
        out.put_u8(b'"');
    }
    out.put_slice(b",\"opaque\":");
    out.put_slice(digits.format(command.opaque).as_bytes());
    if let Some(remark) = &command.remark {
        out.put_slice(b",\"remark\":");
        write_string(remark, out);
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.put_slice(digits.format(command.version).as_bytes());
    out.put_u8(b'}');
}

fn write_string(text: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            0..0x20 | 0x7F => b'u',
            _ => continue,
        };
        out.put_slice(&bytes[written..index]);
        out.put_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let (high, low) = (byte >> 4, byte & 15);
            out.put_slice(&[b'0', b'0', HEX[usize::from(high)], HEX[usize::from(low)]]);
        }
        written = index + 1;
    }
    out.put_slice(&bytes[written..]);
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Command, FrameError> {
        read(BytesMut::from(text))
    }

    #[test]
    fn reads_what_other_clients_write() {
        let command = parse(
            r#" { "code" : 310 , "language":"GO","version":317,"opaque":9,"flag":0,"remark":null,
              "extFields":{"i":"KEYS\u0001k\u0002","n":12,"b":true,"x":null,"s":"\ud83d\ude00\/\"","u":"ü"},"other":[{"a":[1,{}]},"]"]}"#,
        )
        .unwrap();
        assert_eq!((command.code, command.language, command.version), (310, Language::GO, 317));
        assert_eq!(command.remark, None);
        let fields: Vec<_> = command.fields.iter().collect();
        assert_eq!(
            fields,
            [("i", "KEYS\u{1}k\u{2}"), ("n", "12"), ("b", "true"), ("s", "😀/\""), ("u", "ü")]
        );
    }

    #[test]
    fn strange_but_harmless() {
        assert_eq!(parse(r#"{"language":3,"code":"17","extFields":null}"#).unwrap().code, 17);
        assert_eq!(parse(r#"{"language":"KLINGON"}"#).unwrap().language, Language::UNKNOWN);
        let command = parse(r#"{"extFields":{"lone":"\ud800x"}}"#).unwrap();
        assert_eq!(command.fields.get("lone"), Some("\u{FFFD}x"));
    }

    #[test]
    fn malformed_headers_are_named() {
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"code\":1.5}",
            "{\"a\":\"\\q\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"",
            "{} x",
            "{\"code\":99999999999}",
            "{\"a\":[1 2]}",
        ] {
            assert!(matches!(parse(bad), Err(FrameError::Malformed { .. })), "{bad}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(matches!(parse(&deep), Err(FrameError::Malformed { .. })));
    }
}
