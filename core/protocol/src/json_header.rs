//! The JSON header, serialize type 0 (protocol §1.2).
//!
//! Reading works inside the received bytes: escapes are resolved in place (the result is never
//! longer), so that a field of the command is a span of the header it came in.

use crate::command::{Command, FrameError, Serialization};
use crate::fields::{FieldSpans, Fields};
use crate::language::Language;
use crate::pairs::Span;
use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use std::borrow::Cow;

/// How deep unknown members may nest before they are taken for an attack.
const MAX_DEPTH: usize = 32;

/// What it reads is `None` when it is malformed; `reason` then says how.
struct Reader<'a> {
    bytes: &'a mut [u8],
    position: usize,
    reason: &'static str,
}

/// A scalar, or the text of whatever else stood there.
enum Value {
    Null,
    Text(Span),
    Bare(Span),
}

/// Every byte of a word set to one value.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks bytes that are zero by their highest bits; those above the first that is may be wrong.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(all(1)) & !word & all(0x80)
}

/// The first quote or backslash from `start` on.
fn stop_at(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let is_stop = |byte: u8| byte == b'"' || byte == b'\\';
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let stops = zeros(word ^ all(b'"')) | zeros(word ^ all(b'\\'));
        if stops != 0 {
            return Some(at + stops.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| is_stop(*byte)).map(|length| at + length)
}

impl Reader<'_> {
    /// Nothing, and why.
    #[cold]
    fn fail<T>(&mut self, reason: &'static str) -> Option<T> {
        self.reason = reason;
        None
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.position)? {
                byte if byte > b' ' => return Some(byte),
                b' ' | b'\t' | b'\r' | b'\n' => self.position += 1,
                byte => return Some(byte),
            }
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Option<()> {
        if self.eat(byte) { Some(()) } else { self.fail(reason) }
    }

    /// Calls `member` with the span of each key of the object at hand; it must take the value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, Span) -> Option<()>) -> Option<()> {
        self.expect(b'{', "expected an object")?;
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.expect(b':', "expected a colon")?;
            member(self, key)?;
            if self.eat(b'}') {
                return Some(());
            }
            self.expect(b',', "expected a comma or the end of the object")?;
        }
    }

    /// Takes a string and leaves its unescaped text at the returned place.
    fn string(&mut self) -> Option<Span> {
        if self.bytes.get(self.position) != Some(&b'"') {
            return self.fail("expected a string");
        }
        self.position += 1;
        let start = self.position;
        // The common case first: up to the closing quote nothing needs to move.
        let Some(stop) = stop_at(self.bytes, start) else {
            return self.fail("a string does not end");
        };
        if self.bytes[stop] == b'\\' {
            return self.escaped_string(start, stop);
        }
        self.position = stop + 1;
        Some(Span::new(start..stop))
    }

    /// Takes the rest of a string that has an escape at `stop`.
    fn escaped_string(&mut self, start: usize, mut stop: usize) -> Option<Span> {
        let mut end = stop;
        loop {
            self.position = stop + 1;
            if self.bytes[stop] == b'"' {
                // What is left of the escapes may be parts of characters.
                self.bytes[end..stop].fill(b' ');
                return Some(Span::new(start..end));
            }
            end = self.escape(end)?;
            let Some(next) = stop_at(self.bytes, self.position) else {
                return self.fail("a string does not end");
            };
            self.bytes.copy_within(self.position..next, end);
            end += next - self.position;
            stop = next;
        }
    }

    /// Resolves the escape after a backslash, writes it at `end` and returns the new end.
    fn escape(&mut self, end: usize) -> Option<usize> {
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
        Some(end + length)
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.bytes.get(self.position..self.position + 2) != Some(b"\\u") {
            return Some(char::REPLACEMENT_CHARACTER);
        }
        self.position += 2;
        let second = self.hex4()?;
        let pair = 0x10000 + ((first - 0xD800) << 10) + second.wrapping_sub(0xDC00);
        let valid = (0xDC00..0xE000).contains(&second);
        Some(char::from_u32(pair).filter(|_| valid).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.position..).and_then(|rest| rest.first_chunk::<4>());
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |value, digit| {
                let digit = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    b'A'..=b'F' => digit - b'A' + 10,
                    _ => return None,
                };
                Some(value << 4 | u32::from(digit))
            })
        });
        match value {
            Some(value) => {
                self.position += 4;
                Some(value)
            }
            None => self.fail("expected four hexadecimal digits"),
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek() {
            Some(b'"') => Some(Value::Text(self.string()?)),
            Some(b'{' | b'[') if depth == 0 => self.fail("nested too deeply"),
            Some(b'{') => {
                let start = self.position;
                self.object(|reader, _| reader.value(depth - 1).map(|_| ()))?;
                Some(Value::Bare(Span::new(start..self.position)))
            }
            Some(b'[') => self.array(depth - 1),
            Some(_) => self.bare(),
            None => self.fail("expected a value"),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
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
        Some(Value::Bare(Span::new(start..self.position)))
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Option<Value> {
        let start = self.position;
        let is_bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        while self.bytes.get(self.position).is_some_and(is_bare) {
            self.position += 1;
        }
        match &self.bytes[start..self.position] {
            b"" => self.fail("expected a value"),
            b"null" => Some(Value::Null),
            _ => Some(Value::Bare(Span::new(start..self.position))),
        }
    }

    /// A whole number, bare or in quotes; 0 for null.
    fn integer(&mut self) -> Option<i32> {
        let span = match self.value(0)? {
            Value::Null => return Some(0),
            Value::Text(span) | Value::Bare(span) => span,
        };
        match decimal(&self.bytes[span.range()]) {
            Some(number) => Some(number),
            None => self.fail("expected a 32-bit number"),
        }
    }

    fn text(&self, span: Span) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes[span.range()])
    }

    fn remark(&mut self) -> Option<Option<Cow<'static, str>>> {
        Some(match self.value(0)? {
            Value::Null => None,
            Value::Text(span) | Value::Bare(span) => Some(Cow::Owned(self.text(span).into_owned())),
        })
    }

    fn language(&mut self) -> Option<Language> {
        Some(match self.value(0)? {
            Value::Null => Language::UNKNOWN,
            Value::Text(name) => Language::from_name(&self.text(name)),
            Value::Bare(ordinal) => Language(self.text(ordinal).parse().unwrap_or(0xFF)),
        })
    }

    fn ext_fields(&mut self, pairs: &mut FieldSpans) -> Option<()> {
        if self.peek() == Some(b'n') {
            return self.bare().map(|_| ());
        }
        self.object(|reader, key| {
            match reader.value(MAX_DEPTH)? {
                Value::Null => {}
                Value::Text(value) | Value::Bare(value) => pairs.push((key, value)),
            }
            Some(())
        })
    }

    /// The whole header.
    fn header(&mut self, command: &mut Command, pairs: &mut FieldSpans) -> Option<()> {
        self.object(|reader, key| {
            // Which member it is must be known before the value is read, as reading moves bytes.
            match Member::of(&reader.bytes[key.range()]) {
                Member::ExtFields => reader.ext_fields(pairs)?,
                Member::Code => command.code = reader.integer()?,
                Member::Opaque => command.opaque = reader.integer()?,
                Member::Flag => command.flag = reader.integer()?,
                Member::Version => command.version = reader.integer()?,
                Member::Language => command.language = reader.language()?,
                Member::Remark => command.remark = reader.remark()?,
                Member::Other => {
                    reader.value(MAX_DEPTH)?;
                }
            }
            Some(())
        })?;
        match self.peek() {
            None => Some(()),
            Some(_) => self.fail("something follows the header object"),
        }
    }
}

/// A whole number of 32 bits.
fn decimal(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0, |value: i64, byte| {
        Some(value * 10 + digit(byte)?).filter(|value| *value <= 1 << 31)
    })?;
    i32::try_from(if negative { -value } else { value }).ok()
}

/// The members of a header.
enum Member {
    ExtFields,
    Code,
    Opaque,
    Flag,
    Version,
    Language,
    Remark,
    Other,
}

impl Member {
    fn of(key: &[u8]) -> Self {
        match key {
            b"extFields" => Member::ExtFields,
            b"code" => Member::Code,
            b"opaque" => Member::Opaque,
            b"flag" => Member::Flag,
            b"version" => Member::Version,
            b"language" => Member::Language,
            b"remark" => Member::Remark,
            _ => Member::Other,
        }
    }
}

pub(crate) fn read(mut header: BytesMut) -> Result<Command, FrameError> {
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
    let mut pairs = FieldSpans::new();
    let mut reader = Reader { bytes: &mut header, position: 0, reason: "" };
    if reader.header(&mut command, &mut pairs).is_none() {
        let Reader { position, reason, .. } = reader;
        return Err(FrameError::Malformed { kind: "JSON", position, reason });
    }
    let header = ByteString::try_from(header).map_err(|error| {
        let position = error.valid_up_to();
        FrameError::Malformed { kind: "JSON", position, reason: "not UTF-8" }
    })?;
    command.fields = Fields::of_header(header, pairs);
    Ok(command)
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

/// What stands after the backslash for a byte that cannot stand for itself; 0 for those that can.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x7F] = b'u';
    escapes[0x08] = b'b';
    escapes[0x09] = b't';
    escapes[0x0A] = b'n';
    escapes[0x0C] = b'f';
    escapes[0x0D] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// The first byte that cannot stand for itself.
fn escape_at(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let clean = words.iter().take_while(|eight| {
        let word = u64::from_le_bytes(**eight);
        let below_space = word.wrapping_sub(all(0x20)) & !word & all(0x80);
        let odd = zeros(word ^ all(b'"')) | zeros(word ^ all(b'\\')) | zeros(word ^ all(0x7F));
        below_space | odd == 0
    });
    let clean = clean.count() * 8;
    match rest.is_empty() && clean == bytes.len() {
        true => None,
        false => {
            let odd = bytes[clean..].iter().position(|byte| ESCAPES[usize::from(*byte)] != 0);
            odd.map(|at| clean + at)
        }
    }
}

fn write_string(text: &str, out: &mut BytesMut) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.put_u8(b'"');
    while let Some(at) = escape_at(rest) {
        let (byte, escape) = (rest[at], ESCAPES[usize::from(rest[at])]);
        out.put_slice(&rest[..at]);
        out.put_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let (high, low) = (byte >> 4, byte & 15);
            out.put_slice(&[b'0', b'0', HEX[usize::from(high)], HEX[usize::from(low)]]);
        }
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
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
