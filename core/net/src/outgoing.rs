//! Bytes on their way out: small pieces are gathered, large ones are passed on as they are.

use crate::service::Response;
use bytes::{Buf, Bytes, BytesMut};
use ferromq_protocol::Command;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Bodies from this size on are not copied.
const COPY_BELOW: usize = 4096;
/// How many pieces one write takes.
pub(crate) const SLICES: usize = 64;

/// A queue of bytes to write.
#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
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

    /// Gives its memory back, if nothing waits.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Outgoing::default();
        }
    }

    pub(crate) fn push_response(&mut self, response: Response) {
        let Response { mut command, chunks } = response;
        if chunks.is_empty() {
            return self.push_command(&mut command);
        }
        let body_length = chunks.iter().map(Bytes::len).sum();
        self.push_head(&command, body_length);
        chunks.into_iter().for_each(|chunk| self.push_body(chunk));
    }

    pub(crate) fn push_command(&mut self, command: &mut Command) {
        self.push_head(command, command.body.len());
        self.push_body(std::mem::take(&mut command.body));
    }

    fn push_head(&mut self, command: &Command, body_length: usize) {
        let before = self.tail.len();
        command.encode_head(body_length, &mut self.tail);
        self.length += self.tail.len() - before;
    }

    fn push_body(&mut self, body: Bytes) {
        self.length += body.len();
        if body.len() < COPY_BELOW {
            self.tail.extend_from_slice(&body);
        } else {
            self.close_tail();
            self.pieces.push_back(body);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
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
    pub(crate) fn slices<'a>(&'a mut self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        self.close_tail();
        let count = self.pieces.len().min(SLICES);
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        count
    }

    /// Forgets the first `written` bytes.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.length -= written;
        while written > 0 {
            let Some(first) = self.pieces.front_mut() else {
                return;
            };
            if first.len() > written {
                return first.advance(written);
            }
            written -= first.len();
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
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = outgoing.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.iter().copied()).collect();
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
                    i if i < split => first.push_command(&mut command),
                    i if i % 2 == 0 => second.push_command(&mut command),
                    _ => {
                        let body = std::mem::take(&mut command.body);
                        let middle = body.len() / 2;
                        let chunks = vec![body.slice(..middle), body.slice(middle..)];
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
