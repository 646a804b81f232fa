//! An ordered list of text pairs in one buffer: what message properties are made of, and what a pair is
//! of ext fields.
//!
//! What was received stays where it arrived; what is being built is appended to a buffer. Either way a
//! pair is two spans, so that neither reading nor adding one allocates.

use bytestring::ByteString;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

/// What is reserved for the text of a list that is being built: enough for most.
const USUAL_LENGTH: usize = 256;

/// Where a piece of text lies in the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `range`. Headers are below 16 MiB, so 32 bits always hold it.
    pub(crate) fn new(range: Range<usize>) -> Self {
        Span { start: range.start as u32, end: range.end as u32 }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The same piece of a text that was put behind `start` bytes of another.
    pub(crate) fn moved(self, start: usize) -> Self {
        Span { start: self.start + start as u32, end: self.end + start as u32 }
    }

    /// Appends `piece` to `text`.
    pub(crate) fn appended(text: &mut String, piece: &str) -> Self {
        let start = text.len();
        text.push_str(piece);
        Span::new(start..text.len())
    }

    /// What lies there in `text`.
    pub(crate) fn of(self, text: &str) -> &str {
        // Spans begin and end at characters; an empty text is the answer to a broken promise.
        text.get(self.range()).unwrap_or_default()
    }

    /// As [`of`](Self::of), where the bytes will do.
    pub(crate) fn of_bytes(self, text: &[u8]) -> &[u8] {
        text.get(self.range()).unwrap_or_default()
    }
}

/// The buffer that spans point into.
#[derive(Clone)]
enum Text {
    /// As it arrived.
    Received(ByteString),
    /// What is being built.
    Built(String),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Text::Received(text) => text,
            Text::Built(text) => text,
        }
    }

    /// The text, to append to.
    fn growing(&mut self) -> &mut String {
        loop {
            match self {
                Text::Built(text) => return text,
                Text::Received(received) => {
                    let mut text = String::with_capacity(received.len() + USUAL_LENGTH);
                    text.push_str(received);
                    *self = Text::Built(text);
                }
            }
        }
    }
}

/// Spans of the pairs; most lists need no allocation for them.
pub(crate) type Spans<const N: usize> = SmallVec<[(Span, Span); N]>;

/// Pairs of text in their order; `N` of them lie in the structure itself.
#[derive(Clone)]
pub(crate) struct TextPairs<const N: usize> {
    text: Text,
    spans: Spans<N>,
}

impl<const N: usize> Default for TextPairs<N> {
    fn default() -> Self {
        TextPairs { text: Text::Built(String::new()), spans: SmallVec::new() }
    }
}

impl<const N: usize> TextPairs<N> {
    /// Pairs that lie in `text`.
    pub(crate) fn received(text: ByteString, spans: Spans<N>) -> Self {
        TextPairs { text: Text::Received(text), spans }
    }

    /// Pairs that lie in `text`, to which others may be added.
    pub(crate) fn built(text: String, spans: Spans<N>) -> Self {
        TextPairs { text: Text::Built(text), spans }
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.spans.iter().map(|(key, value)| (self.text_at(*key), self.text_at(*value)))
    }

    pub(crate) fn push(&mut self, key: &str, value: &str) {
        let key = self.append(key);
        let value = self.append(value);
        self.spans.push((key, value));
    }

    /// Where the first pair of this name is.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        self.spans.iter().position(|(name, _)| self.text_at(*name) == key)
    }

    /// Gives the pair at `index` another value.
    pub(crate) fn replace(&mut self, index: usize, value: &str) {
        let value = self.append(value);
        if let Some((_, old)) = self.spans.get_mut(index) {
            *old = value;
        }
    }

    /// Takes the pair at `index` out, and returns its value.
    pub(crate) fn remove(&mut self, index: usize) -> &str {
        let (_, value) = self.spans.remove(index);
        self.text_at(value)
    }

    fn append(&mut self, text: &str) -> Span {
        let all = self.text.growing();
        if all.capacity() == 0 {
            all.reserve(USUAL_LENGTH);
        }
        Span::appended(all, text)
    }

    fn text_at(&self, span: Span) -> &str {
        span.of(self.text.as_str())
    }
}

impl<const N: usize> fmt::Debug for TextPairs<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<const N: usize> PartialEq for TextPairs<N> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<const N: usize> Eq for TextPairs<N> {}
