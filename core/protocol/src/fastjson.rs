//! JSON as fastjson 1.x writes and reads it (protocol §1.12).
//!
//! Apache's servers and clients write map keys that are no strings without quotes: `{0:"a"}`, and
//! even `{{"brokerName":"b","queueId":0,"topic":"T"}:5}`. Some of their readers accept nothing
//! else. This module writes that dialect, standard JSON where a peer asks for it, and reads both.

use ferromq_model::MessageQueue;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use thiserror::Error;

/// A body that is not what it should be.
#[derive(Debug, Error)]
#[error("the body is no valid {kind}: {source}")]
pub struct BodyError {
    /// The type that was expected.
    pub kind: &'static str,
    /// What was wrong.
    pub source: serde_json::Error,
}

/// Writes fastjson's dialect, compact.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    write(value, Dialect::new(CompactFormatter))
}

/// Writes fastjson's dialect with tabs, as the broker's table files have it.
pub fn to_pretty<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    write(value, Dialect::new(PrettyFormatter::with_indent(b"\t")))
}

/// Writes standard JSON in ASCII, which route bodies are in for clients since 4.9.4.
pub fn to_standard_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    write(value, Ascii)
}

fn write<T: Serialize + ?Sized>(value: &T, formatter: impl Formatter) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Bodies are structures of ours, whose keys are text, numbers and queues: always writable.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "{written:?}");
    out
}

/// Reads either dialect. Unknown members are ignored.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, BodyError> {
    let standard = match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) if error.is_data() => Err(error),
        Err(_) => serde_json::from_slice(&standardise(text)),
    };
    standard.map_err(|source| BodyError { kind: std::any::type_name::<T>(), source })
}

thread_local! {
    /// Whether the key being written is a queue. A serializer hears of nothing but its text, and a
    /// mark in that text could as well come from a stranger's map.
    static QUEUE_AS_KEY: Cell<bool> = const { Cell::new(false) };
}

/// A queue as the key of a map.
struct QueueKey<'a>(&'a MessageQueue);

impl Serialize for QueueKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(self.0).map_err(serde::ser::Error::custom)?;
        QUEUE_AS_KEY.set(true);
        let written = serializer.serialize_str(&text);
        QUEUE_AS_KEY.set(false);
        written
    }
}

/// A map keyed by queues, written with objects as keys.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueMap<V>(pub BTreeMap<MessageQueue, V>);

impl<V> Default for QueueMap<V> {
    fn default() -> Self {
        QueueMap(BTreeMap::new())
    }
}

impl<V> FromIterator<(MessageQueue, V)> for QueueMap<V> {
    fn from_iter<I: IntoIterator<Item = (MessageQueue, V)>>(pairs: I) -> Self {
        QueueMap(pairs.into_iter().collect())
    }
}

impl<V: Serialize> Serialize for QueueMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (queue, value) in &self.0 {
            map.serialize_entry(&QueueKey(queue), value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for QueueMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Queues<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Queues<V> {
            type Value = QueueMap<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map keyed by message queues")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut queues = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    let queue = serde_json::from_str(&key).map_err(serde::de::Error::custom)?;
                    queues.insert(queue, value);
                }
                Ok(QueueMap(queues))
            }
        }
        deserializer.deserialize_map(Queues(PhantomData))
    }
}

/// Where the formatter is with respect to a map key.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    /// Not in a key.
    Outside,
    /// In a key of which nothing is written yet.
    Begun,
    /// In an ordinary key.
    Quoted,
    /// In a key that is written without quotes.
    Bare,
}

struct Dialect<F> {
    layout: F,
    key: Key,
}

impl<F: Formatter> Dialect<F> {
    fn new(layout: F) -> Self {
        Dialect { layout, key: Key::Outside }
    }

    /// Writes the opening quote of a key that turned out to be an ordinary one.
    fn quote<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.key == Key::Begun {
            self.key = Key::Quoted;
            writer.write_all(b"\"")?;
        }
        Ok(())
    }
}

macro_rules! bare_numbers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            if self.key == Key::Begun {
                self.key = Key::Bare;
            }
            self.layout.$method(writer, value)
        }
    )*};
}

macro_rules! delegate {
    ($($method:ident($($first:ident)?)),*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $first: bool)?) -> io::Result<()> {
            self.layout.$method(writer $(, $first)?)
        }
    )*};
}

impl<F: Formatter> Formatter for Dialect<F> {
    bare_numbers!(write_i32: i32, write_i64: i64, write_u32: u32, write_u64: u64);
    delegate!(
        begin_array(),
        end_array(),
        begin_array_value(first),
        end_array_value(),
        begin_object(),
        end_object(),
        end_object_value()
    );

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.key = Key::Begun;
        self.layout.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.key = Key::Outside;
        writer.write_all(b":")
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.key {
            // A number has no quotes; `quote` adds those of a text.
            Key::Begun if QUEUE_AS_KEY.get() => self.key = Key::Bare,
            Key::Begun => {}
            _ => writer.write_all(b"\"")?,
        }
        Ok(())
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.quote(writer)?;
        if self.key == Key::Bare { Ok(()) } else { writer.write_all(b"\"") }
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        self.quote(writer)?;
        writer.write_all(text.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match (self.key, escape) {
            (Key::Bare, CharEscape::Quote) => writer.write_all(b"\""),
            (Key::Bare, CharEscape::ReverseSolidus) => writer.write_all(b"\\"),
            (_, escape) => {
                self.quote(writer)?;
                self.layout.write_char_escape(writer, escape)
            }
        }
    }
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for character in text.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04X}")?;
                }
            }
        }
        Ok(())
    }
}

/// Quotes the keys that fastjson leaves bare. Anything else passes unchanged, so that the standard
/// parser has the last word on what is malformed.
fn standardise(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    // For each open container whether it is an object.
    let mut open: Vec<bool> = Vec::new();
    let mut key_next = false;
    let mut position = 0;
    while let Some(&byte) = text.get(position) {
        if byte == b'"' {
            let end = string_end(text, position);
            out.extend_from_slice(&text[position..end]);
            position = end;
            key_next = false;
            continue;
        }
        if key_next && !byte.is_ascii_whitespace() && byte != b'}' {
            let end = bare_key_end(text, position);
            let key = String::from_utf8_lossy(&text[position..end]);
            // A text can always be written as a JSON string.
            out.extend(serde_json::to_vec(key.trim_end()).unwrap_or_default());
            position = end;
            key_next = false;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                open.push(byte == b'{');
                key_next = byte == b'{';
            }
            b'}' | b']' => {
                open.pop();
                key_next = false;
            }
            b',' => key_next = open.last() == Some(&true),
            _ => {}
        }
        out.push(byte);
        position += 1;
    }
    out
}

/// The position after the string that starts at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(&byte) = text.get(position) {
        match byte {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    text.len()
}

/// The position after a bare key: a number up to the colon, or an object up to its closing brace.
fn bare_key_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut position = start;
    while let Some(&byte) = text.get(position) {
        match byte {
            b'"' => {
                position = string_end(text, position);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return position + depth,
            b'}' | b']' => depth -= 1,
            b':' if depth == 0 => return position,
            _ => {}
        }
        position += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numeric_keys_are_bare() {
        let map: BTreeMap<i64, &str> = [(0, "10.0.0.1:10911"), (1, "é\n")].into();
        assert_eq!(to_vec(&map), "{0:\"10.0.0.1:10911\",1:\"é\\n\"}".as_bytes());
        assert_eq!(to_standard_vec(&map), br#"{"0":"10.0.0.1:10911","1":"\u00E9\n"}"#);
        let nested: BTreeMap<&str, BTreeMap<i32, i64>> = [("T@G", [(0, 5)].into())].into();
        assert_eq!(to_vec(&nested), br#"{"T@G":{0:5}}"#);
        assert_eq!(to_pretty(&nested), b"{\n\t\"T@G\":{\n\t\t0:5\n\t}\n}");
        for text in [&br#"{"T@G":{0:5}}"#[..], br#"{"T@G":{"0":5}}"#, b"{\"T@G\" : {\n\t0 : 5 } }"]
        {
            assert_eq!(
                from_slice::<BTreeMap<String, BTreeMap<i32, i64>>>(text).unwrap()["T@G"][&0],
                5
            );
        }
    }

    #[test]
    fn queue_keys_are_objects() {
        let map: QueueMap<i64> = [(MessageQueue::new("T", "b-a", 3), 5)].into_iter().collect();
        let text = br#"{{"brokerName":"b-a","queueId":3,"topic":"T"}:5}"#;
        assert_eq!(to_vec(&map), text);
        assert_eq!(from_slice::<QueueMap<i64>>(text).unwrap(), map);
        let quoted = br#"{"{\"brokerName\":\"b-a\",\"queueId\":3,\"topic\":\"T\"}":5}"#;
        assert_eq!(from_slice::<QueueMap<i64>>(quoted).unwrap(), map);
        assert_eq!(from_slice::<QueueMap<i64>>(b"{}").unwrap(), QueueMap::default());
    }

    #[test]
    fn no_text_passes_for_a_queue_as_key() {
        for key in ["\u{1}", "\u{1}{", "\u{1}x\"", "\u{1}{\"brokerName\":\"b\"}:1,\"x"] {
            let map: BTreeMap<String, i32> = [(key.to_string(), 1)].into();
            for text in [to_vec(&map), to_pretty(&map), to_standard_vec(&map)] {
                let read: BTreeMap<String, i32> = from_slice(&text).unwrap();
                assert_eq!(read, map, "{}", String::from_utf8_lossy(&text));
            }
        }
        // A key as text does not make the key after it bare, or the other way round.
        let queues: QueueMap<i64> = [(MessageQueue::new("T", "b", 3), 5)].into_iter().collect();
        let standard = to_standard_vec(&queues);
        assert_eq!(standard, br#"{"{\"brokerName\":\"b\",\"queueId\":3,\"topic\":\"T\"}":5}"#);
        assert_eq!(to_vec(&BTreeMap::from([("a", 1)])), br#"{"a":1}"#);
    }

    #[test]
    fn malformed_bodies_are_errors() {
        for bad in [&b"{{"[..], b"{0", b"{0:}", b"", b"{{}:", b"}", b"{\"a\\"] {
            assert!(
                from_slice::<BTreeMap<i32, i64>>(bad).is_err(),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    proptest! {
        #[test]
        fn any_key_survives(map: BTreeMap<String, BTreeMap<i32, String>>) {
            prop_assert_eq!(&from_slice::<BTreeMap<String, BTreeMap<i32, String>>>(&to_vec(&map)).unwrap(), &map);
            prop_assert_eq!(&from_slice::<BTreeMap<String, BTreeMap<i32, String>>>(&to_pretty(&map)).unwrap(), &map);
        }

        #[test]
        fn garbage_never_panics(text in "[{}\\[\\]:,\"0a\\\\ ]{0,40}") {
            let _ = from_slice::<QueueMap<i64>>(text.as_bytes());
            let _ = from_slice::<BTreeMap<i32, BTreeMap<i32, i64>>>(text.as_bytes());
        }
    }
}
