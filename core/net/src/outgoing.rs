//! Bytes on their way out: small pieces are gathered, large ones are passed on as they are.

use crate::service::Response;
use crate::spare::Spare;
use bytes::{Buf, Bytes, BytesMut};
use ferromq_protocol::Command;
use ferromq_protocol::header::FieldSource;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;

/// Bodies from this size on are not copied.
const COPY_BELOW: usize = 512;
/// Most headers are shorter.
const USUAL_HEAD: usize = 512;
/// How many pieces one write takes: more the system refuses.
const MOST: usize = 1024;

/// A part of an answer's body.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// A file that has the same bytes, and from which byte on: a socket takes them from there.
    pub file: Option<(Arc<File>, u64)>,
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Piece { bytes, file: None }
    }
}

/// What a gathering write takes.
pub(crate) type Slices<'a> = SmallVec<[IoSlice<'a>; 40]>;

thread_local! {
    /// For short answers.
    static SPARE: Spare = const { Spare::new() };
}

/// A queue of bytes to write.
#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Piece>,
    tail: BytesMut,
    length: usize,
}

impl Outgoing {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Gives its memory back, if nothing waits: what is written next on this thread goes there.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            let tail = std::mem::take(self).tail;
            SPARE.with(|spare| spare.keep(tail));
        }
    }

    #[inline]
    pub(crate) fn push_response<F: FieldSource>(&mut self, response: Response<F>) {
        if response.chunks.is_empty() {
            return self.push_command(response.command);
        }
        let body_length = response.chunks.iter().map(|piece| piece.bytes.len()).sum();
        self.push_head(&response.command, body_length);
        response.chunks.into_iter().for_each(|piece| self.push_body(piece));
    }

    #[inline]
    pub(crate) fn push_command<F: FieldSource>(&mut self, command: Command<F>) {
        self.push_head(&command, command.body.len());
        self.push_body(command.body.into());
    }

    fn push_head<F: FieldSource>(&mut self, command: &Command<F>, body_length: usize) {
        // At once, instead of by and by as the header is written.
        let small = if body_length < COPY_BELOW { body_length } else { 0 };
        SPARE.with(|spare| spare.lend(&mut self.tail));
        self.tail.reserve(USUAL_HEAD + small);
        let before = self.tail.len();
        command.encode_head(body_length, &mut self.tail);
        self.length += self.tail.len() - before;
    }

    #[inline]
    fn push_body(&mut self, piece: Piece) {
        if piece.bytes.is_empty() {
            return;
        }
        self.length += piece.bytes.len();
        if piece.bytes.len() < COPY_BELOW {
            self.tail.extend_from_slice(&piece.bytes);
        } else {
            self.close_tail();
            self.pieces.push_back(piece);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze().into());
        }
    }

    /// Moves everything of `other` behind what is here.
    pub(crate) fn append(&mut self, other: &mut Outgoing) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            return std::mem::swap(self, other);
        }
        self.close_tail();
        other.close_tail();
        self.length += other.length;
        self.pieces.append(&mut other.pieces);
        other.length = 0;
    }

    /// The first pieces, for a gathering write.
    pub(crate) fn slices(&self) -> Slices<'_> {
        let pieces = self.pieces.iter().map(|piece| IoSlice::new(&piece.bytes));
        pieces.chain(self.tail()).take(MOST).collect()
    }

    /// As [`slices`](Self::slices), up to the first piece that is in a file; and whether that follows.
    pub(crate) fn slices_before_file(&self) -> (Slices<'_>, bool) {
        let before = self.pieces.iter().take_while(|piece| piece.file.is_none());
        let mut slices: Slices<'_> =
            before.take(MOST).map(|piece| IoSlice::new(&piece.bytes)).collect();
        let next = self.pieces.get(slices.len());
        if next.is_none() && slices.len() < MOST {
            slices.extend(self.tail());
        }
        let file_follows = next.is_some_and(|piece| piece.file.is_some());
        (slices, file_follows)
    }

    fn tail(&self) -> Option<IoSlice<'_>> {
        (!self.tail.is_empty()).then(|| IoSlice::new(&self.tail))
    }

    /// The file of the first piece, where in it that begins, and its length.
    pub(crate) fn file(&self) -> Option<(&Arc<File>, u64, usize)> {
        let first = self.pieces.front()?;
        first.file.as_ref().map(|(file, at)| (file, *at, first.bytes.len()))
    }

    /// The first piece goes out from memory, as if it were in no file.
    pub(crate) fn forget_file(&mut self) {
        if let Some(first) = self.pieces.front_mut() {
            first.file = None;
        }
    }

    /// Forgets the first `written` bytes.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.length -= written;
        while written > 0 {
            let Some(first) = self.pieces.front_mut() else {
                return self.tail.advance(written);
            };
            if first.bytes.len() > written {
                first.bytes.advance(written);
                if let Some((_, at)) = &mut first.file {
                    *at += written as u64;
                }
                return;
            }
            written -= first.bytes.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(outgoing: &mut Outgoing, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outgoing.is_empty() {
            let bytes: Vec<u8> =
                outgoing.slices().iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = step.min(bytes.len());
            all.extend_from_slice(&bytes[..taken]);
            outgoing.advance(taken);
        }
        all
    }

    proptest! {
        #[test]
        fn bytes_leave_in_order(bodies in proptest::collection::vec(0usize..9000, 1..8), split in 0usize..8, step in 1usize..5000) {
            let commands: Vec<_> = bodies
                .iter()
                .map(|n| Command::request(34).with_body(vec![*n as u8; *n]))
                .collect();
            let expected: Vec<u8> = commands.iter().flat_map(|c| c.encode().to_vec()).collect();
            let (mut first, mut second) = (Outgoing::default(), Outgoing::default());
            for (index, mut command) in commands.into_iter().enumerate() {
                match index {
                    i if i < split => first.push_command(command),
                    i if i % 2 == 0 => second.push_command(command),
                    _ => {
                        let body = std::mem::take(&mut command.body);
                        let middle = body.len() / 2;
                        let chunks = vec![body.slice(..middle).into(), body.slice(middle..).into()];
                        second.push_response(Response { command, chunks });
                    }
                }
            }
            first.append(&mut second);
            prop_assert!(second.is_empty());
            prop_assert_eq!(first.len(), expected.len());
            prop_assert_eq!(drain(&mut first, step), expected);
        }
    }
}
