//! Reading the JSON header, serialize type 0 (protocol §1.2).
//!
//! Reading works inside the received bytes: escapes are resolved in place (the result is never
//! longer), so that a field of the command is a span of the header it came in.

use crate::command::{Command, FrameError, Serialization};
use crate::decimal;
use crate::fields::{FieldSpans, Fields};
use crate::language::Language;
use crate::pairs::Span;
use crate::scan::{first_of, first_of_behind, move_down};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use std::borrow::Cow;

/// What ends a string, and what begins an escape.
pub(crate) const STOPS: [u8; 2] = *b"\"\\";
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

impl Reader<'_> {
    /// Nothing, and why.
    #[cold]
    fn fail<T>(&mut self, reason: &'static str) -> Option<T> {
        self.reason = reason;
        None
    }

    /// The next byte that is no blank.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        match self.bytes.get(self.position) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.skip_blanks(),
        }
    }

    #[cold]
    fn skip_blanks(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.position)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.position += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline(always)]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8, reason: &'static str) -> Option<()> {
        if self.eat(byte) { Some(()) } else { self.fail(reason) }
    }

    /// Calls `member` for each member of the object at hand; it must take key and value.
    #[inline(always)]
    fn object(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'{', "expected an object")?;
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            member(self)?;
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b'}') => {
                    self.position += 1;
                    return Some(());
                }
                _ => return self.fail("expected a comma or the end of the object"),
            }
        }
    }

    /// Takes the key of a member, and the colon.
    #[inline(always)]
    fn key(&mut self) -> Option<Span> {
        self.peek();
        let key = self.string()?;
        self.expect(b':', "expected a colon")?;
        Some(key)
    }

    /// Takes a string and leaves its unescaped text at the returned place.
    #[inline(always)]
    fn string(&mut self) -> Option<Span> {
        if self.bytes.get(self.position) != Some(&b'"') {
            return self.fail("expected a string");
        }
        self.position += 1;
        let start = self.position;
        // The common case first: up to the closing quote nothing needs to move.
        let stop = first_of(self.bytes, start, STOPS);
        match self.bytes.get(stop) {
            Some(b'"') => {
                self.position = stop + 1;
                Some(Span::new(start..stop))
            }
            Some(_) => self.escaped_string(start, stop),
            None => self.fail("a string does not end"),
        }
    }

    /// Takes the rest of a string that has an escape at `stop`.
    #[inline(never)]
    fn escaped_string(&mut self, start: usize, mut stop: usize) -> Option<Span> {
        let mut end = stop;
        while self.bytes[stop] == b'\\' {
            self.position = stop + 1;
            end = self.escape(end)?;
            let Some((next, moved)) = move_down(self.bytes, self.position, end, STOPS) else {
                return self.fail("a string does not end");
            };
            (stop, end) = (next, moved);
        }
        // What is left of the escapes may be parts of characters.
        self.bytes[end..stop].fill(b' ');
        self.position = stop + 1;
        Some(Span::new(start..end))
    }

    /// Resolves the escape after a backslash, writes it at `end` and returns the new end.
    fn escape(&mut self, end: usize) -> Option<usize> {
        // What separates properties, and so what most escapes are.
        if let Some([b'u', b'0', b'0', b'0', digit @ (b'1' | b'2')]) =
            self.bytes.get(self.position..).and_then(|rest| rest.first_chunk::<5>())
        {
            self.bytes[end] = digit - b'0';
            self.position += 5;
            return Some(end + 1);
        }
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
                self.object(|reader| {
                    reader.key()?;
                    reader.value(depth - 1).map(|_| ())
                })?;
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
        if let Some((number, length)) = digits(&self.bytes[self.position..]) {
            self.position += length;
            return Some(number);
        }
        let span = match self.value(0)? {
            Value::Null => return Some(0),
            Value::Text(span) | Value::Bare(span) => span,
        };
        let number = decimal::parse(span.of_bytes(self.bytes));
        match number.and_then(|number| number.try_into().ok()) {
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
            Value::Text(name) => std::str::from_utf8(name.of_bytes(self.bytes))
                .map_or(Language::UNKNOWN, Language::from_name),
            Value::Bare(ordinal) => Language(self.text(ordinal).parse().unwrap_or(0xFF)),
        })
    }

    /// Takes pairs of strings, each with another one behind it, as long as there is neither a blank nor
    /// an escape: nearly everything that comes.
    fn plain_pairs(&mut self, pairs: &mut FieldSpans) {
        let bytes = &*self.bytes;
        if bytes.get(self.position) != Some(&b'"') {
            return;
        }
        let mut key = self.position + 1;
        let mut key_end = first_of(bytes, key, STOPS);
        while let Some(value_end) = first_of_behind(bytes, key_end, b"\":\"", STOPS)
            && let Some(next_end) = first_of_behind(bytes, value_end, b"\",\"", STOPS)
        {
            pairs.push((Span::new(key..key_end), Span::new(key_end + 3..value_end)));
            (key, key_end) = (value_end + 3, next_end);
        }
        self.position = key - 1;
    }

    fn ext_fields(&mut self, pairs: &mut FieldSpans) -> Option<()> {
        if self.peek() == Some(b'n') {
            return self.bare().map(|_| ());
        }
        self.object(|reader| {
            reader.plain_pairs(pairs);
            let key = reader.key()?;
            match reader.value(MAX_DEPTH)? {
                Value::Null => {}
                Value::Text(value) | Value::Bare(value) => pairs.push((key, value)),
            }
            Some(())
        })
    }

    /// Takes the key of a header's member: which it is must be known before the value is read, as
    /// reading moves bytes.
    #[inline(always)]
    fn member(&mut self) -> Option<Member> {
        // As nearly everyone writes them.
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        for (key, member) in MEMBERS {
            if rest.starts_with(key) {
                self.position += key.len();
                return Some(member);
            }
        }
        let key = self.key()?;
        Some(Member::of(key.of_bytes(self.bytes)))
    }

    /// The whole header.
    fn header(&mut self, command: &mut Head, pairs: &mut FieldSpans) -> Option<()> {
        self.object(|reader| {
            match reader.member()? {
                Member::ExtFields => reader.ext_fields(pairs)?,
                Member::Code => command.code = reader.integer()?,
                Member::Opaque => {
                    let start = reader.position;
                    command.opaque = reader.integer()?;
                    command.opaque_at = Span::new(start..reader.position);
                }
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

/// A number without a sign that a comma or the end of an object follows, and its length.
fn digits(text: &[u8]) -> Option<(i32, usize)> {
    let mut number = 0;
    // So many digits fit.
    for (length, byte) in text.iter().take(10).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let ends = length > 0 && matches!(byte, b',' | b'}');
            return ends.then_some((number, length));
        }
        if length == 9 {
            return None;
        }
        number = number * 10 + i32::from(digit);
    }
    None
}

/// Keys with what stands around them.
const MEMBERS: [(&[u8], Member); 7] = [
    (b"\"flag\":", Member::Flag),
    (b"\"language\":", Member::Language),
    (b"\"opaque\":", Member::Opaque),
    (b"\"serializeTypeCurrentRPC\":", Member::Other),
    (b"\"version\":", Member::Version),
    (b"\"code\":", Member::Code),
    (b"\"extFields\":", Member::ExtFields),
];

/// The members of a header.
#[derive(Clone, Copy)]
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

/// What a header says beside the ext fields.
#[derive(Clone)]
pub(crate) struct Head {
    code: i32,
    language: Language,
    version: i32,
    pub(crate) opaque: i32,
    /// Where that stood.
    pub(crate) opaque_at: Span,
    flag: i32,
    remark: Option<Cow<'static, str>>,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            code: 0,
            language: Language::UNKNOWN,
            version: 0,
            opaque: 0,
            opaque_at: Span::default(),
            flag: 0,
            remark: None,
        }
    }
}

/// Reads a header; `body` is what follows it.
pub(crate) fn read(mut header: BytesMut, body: Bytes) -> Result<Command, FrameError> {
    let (mut head, mut pairs) = (Head::default(), FieldSpans::new());
    parse(&mut header, &mut head, &mut pairs)?;
    let text = text(header)?;
    Ok(head.command(Fields::of_header(text, pairs), body))
}

/// Reads a header into `head` and `pairs`, whose text it then is.
pub(crate) fn parse(
    header: &mut [u8],
    head: &mut Head,
    pairs: &mut FieldSpans,
) -> Result<(), FrameError> {
    let mut reader = Reader { bytes: header, position: 0, reason: "" };
    match reader.header(head, pairs) {
        Some(()) => Ok(()),
        None => {
            let Reader { position, reason, .. } = reader;
            Err(FrameError::Malformed { kind: "JSON", position, reason })
        }
    }
}

/// The text of a header whose escapes are resolved.
#[inline]
pub(crate) fn text(header: BytesMut) -> Result<ByteString, FrameError> {
    ByteString::try_from(header).map_err(|error| {
        let position = error.valid_up_to();
        FrameError::Malformed { kind: "JSON", position, reason: "not UTF-8" }
    })
}

impl Head {
    /// The command with these ext fields.
    #[inline(always)]
    pub(crate) fn command(self, fields: Fields, body: Bytes) -> Command {
        let Head { code, language, version, opaque, opaque_at: _, flag, remark } = self;
        let serialization = Serialization::Json;
        Command { code, language, version, opaque, flag, remark, serialization, fields, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Command, FrameError> {
        read(BytesMut::from(text), Bytes::new())
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
