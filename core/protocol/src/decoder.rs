//! Frames of one connection, each of which is likely to be like one before.

use crate::command::{Command, Frame, FrameError};
use crate::fields::{FieldSpans, Fields};
use crate::json_header::{self, Head};
use crate::shape::Shape;
use bytes::{Bytes, BytesMut};
use std::fmt;

/// One in so many headers of no known shape has its shape remembered: most that are remembered are then
/// such as come often, and learning costs next to nothing where no two are alike.
const LEARN_EVERY: u32 = 32;
/// So many shapes are remembered: requests of two kinds, or one kind with numbers of different lengths.
const MOST_SHAPES: usize = 4;
/// Longer headers, in bytes, are not remembered.
const LONGEST: usize = 4096;

/// Takes commands out of what a connection brings, as [`Command::decode`] does, only quicker: JSON
/// headers that have the shape of one before are compared with it.
///
/// It needs some KiB once more than a few frames have come, until it is told that they
/// [pause](Decoder::pause).
#[derive(Default)]
pub struct Decoder {
    shapes: Vec<Shape>,
    /// How many headers had no known shape.
    strangers: u32,
}

impl Decoder {
    /// Takes the first complete frame out of `buffer`; see [`Command::decode`].
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Command>, FrameError> {
        let Some(frame) = Frame::take(buffer)? else {
            return Ok(None);
        };
        if frame.kind != 0 {
            return frame.read_other().map(Some);
        }
        for shape in &self.shapes {
            if let Some(opaque) = shape.fits(&frame.header) {
                let fields = shape.fields(frame.header)?;
                return Ok(Some(shape.head(opaque).command(fields, frame.body)));
            }
        }
        self.read(frame.header, frame.body).map(Some)
    }

    /// Forgets the shapes of headers, and gives their memory back: nothing came for a while.
    pub fn pause(&mut self) {
        *self = Decoder::default();
    }

    /// Reads a header of no known shape.
    fn read(&mut self, header: BytesMut, body: Bytes) -> Result<Command, FrameError> {
        self.strangers = self.strangers.wrapping_add(1);
        if self.strangers.is_multiple_of(LEARN_EVERY) && header.len() <= LONGEST {
            return self.learn(header, body);
        }
        json_header::read(header, body)
    }

    /// Reads a header, and remembers its shape.
    #[cold]
    fn learn(&mut self, mut header: BytesMut, body: Bytes) -> Result<Command, FrameError> {
        let raw = header.to_vec();
        let (mut head, mut pairs) = (Head::default(), FieldSpans::new());
        json_header::parse(&mut header, &mut head, &mut pairs)?;
        if let Some(shape) = Shape::of(&raw, &header, &head, &pairs) {
            // One for each length: what fits no more will not come again. Else the oldest goes.
            let known = self.shapes.iter().position(|known| known.length() == shape.length());
            let full = (self.shapes.len() == MOST_SHAPES).then_some(0);
            if let Some(index) = known.or(full) {
                self.shapes.remove(index);
            }
            self.shapes.push(shape);
        }
        let text = json_header::text(header)?;
        Ok(head.command(Fields::of_header(text, pairs), body))
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self.shapes.iter().map(Shape::length).collect();
        f.debug_struct("Decoder").field("shapes of lengths", &lengths).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn frame(opaque: i32, value: &str) -> Bytes {
        let mut command = Command::request(10);
        command.opaque = opaque;
        command.fields = [("topic", "T"), ("i", value)].into_iter().collect();
        command.encode()
    }

    /// Decodes both ways, and returns what came out of it.
    fn decode(decoder: &mut Decoder, frame: &[u8]) -> Result<Option<Command>, FrameError> {
        let (mut buffer, mut again) = (BytesMut::from(frame), BytesMut::from(frame));
        let decoded = decoder.decode(&mut buffer);
        assert_eq!(decoded, Command::decode(&mut again));
        assert_eq!(buffer, again);
        decoded
    }

    #[test]
    fn few_shapes_are_remembered_and_none_after_a_pause() {
        let mut decoder = Decoder::default();
        for number in 0..5000 {
            decode(&mut decoder, &frame(number, &"x".repeat(number as usize % 7))).unwrap();
            assert!(decoder.shapes.len() <= MOST_SHAPES);
        }
        assert_eq!(decoder.shapes.len(), MOST_SHAPES);
        decoder.pause();
        assert!(decoder.shapes.is_empty());
        for number in 1..LEARN_EVERY as i32 {
            decode(&mut decoder, &frame(number, "x")).unwrap();
        }
        assert!(decoder.shapes.is_empty());
    }

    #[test]
    fn headers_of_two_kinds_in_turns_are_both_known() {
        let mut decoder = Decoder::default();
        let strangers_after = |decoder: &mut Decoder, numbers: std::ops::Range<i32>| {
            for number in numbers {
                let value = if number % 2 == 0 { "one" } else { "a\u{1}b\u{2}" };
                decode(decoder, &frame(number, value)).unwrap();
            }
            decoder.strangers
        };
        let learnt = strangers_after(&mut decoder, 1000..1100);
        assert_eq!(strangers_after(&mut decoder, 1100..9000), learnt);
    }

    #[test]
    fn very_long_headers_are_not_remembered() {
        let mut decoder = Decoder::default();
        for number in 1000..1100 {
            decode(&mut decoder, &frame(number, &"x".repeat(LONGEST))).unwrap();
        }
        assert!(decoder.shapes.is_empty());
    }

    proptest! {
        #[test]
        fn decodes_as_without_a_memory(
            frames in proptest::collection::vec((0usize..3, 1000..1100, any::<Index>(), any::<u8>(), 0..9), 100..300),
        ) {
            let mut decoder = Decoder::default();
            for (kind, number, at, byte, odd) in frames {
                let mut frame = frame(number, ["one", "a\u{1}b\u{2}", "a longer one"][kind]).to_vec();
                if odd == 0 {
                    let at = at.index(frame.len());
                    frame[at] = byte;
                }
                let _ = decode(&mut decoder, &frame);
            }
        }
    }
}
