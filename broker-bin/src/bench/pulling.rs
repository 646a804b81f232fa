//! Pulls of a queue: one on its way at a time, what comes back checked record by record.

use super::answer::{Answer, NEXT_BEGIN_OFFSET};
use super::frames::{PullFrame, opaque, place_and_turn};
use super::tally::reasons;
use ferromq_protocol::code::response;
use ferromq_protocol::record::{MAGIC_V1, MAGIC_V2, MIN_LENGTH};

/// A queue that is pulled.
pub struct PullQueue {
    frame: PullFrame,
    id: i32,
    /// The offset to pull next.
    pub next: i64,
    turn: u16,
    /// Since when an answer is waited for, in ns.
    pub asked: Option<u64>,
}

/// What a pull brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Records.
    Found,
    /// Nothing yet, or a better offset.
    Nothing,
    /// No answer to the pull at hand.
    Strange,
    /// A response code that ends it.
    Refused(i32),
    /// Records that are not what was asked for, and why.
    Wrong(&'static str),
}

/// The place of the answer's queue among those of its connection.
pub fn place(answer: &Answer<'_>) -> Option<usize> {
    place_and_turn(answer.opaque).map(|(place, _)| usize::from(place))
}

impl PullQueue {
    /// Pulls a queue with this frame from `next` on.
    pub fn new(frame: PullFrame, id: i32, next: i64) -> Self {
        PullQueue { frame, id, next, turn: 0, asked: None }
    }

    /// Adds a pull; `place` is the queue's among those of its connection.
    pub fn ask(&mut self, place: usize, out: &mut Vec<u8>, now: u64) {
        self.turn = self.turn.wrapping_add(1);
        self.asked = Some(now);
        self.frame.write(out, opaque(place as u16, self.turn), self.next);
    }

    /// Takes an answer, and gives each of its records to `each`.
    pub fn take(&mut self, answer: &Answer<'_>, each: impl FnMut(&[u8])) -> Pulled {
        let turn = place_and_turn(answer.opaque).map(|(_, turn)| turn);
        if self.asked.is_none() || turn != Some(self.turn & 0x3FFF) {
            return Pulled::Strange;
        }
        self.asked = None;
        let next = answer.number(&NEXT_BEGIN_OFFSET);
        match answer.code {
            response::SUCCESS => self.walk(answer.body, next, each),
            response::PULL_NOT_FOUND
            | response::PULL_RETRY_IMMEDIATELY
            | response::PULL_OFFSET_MOVED => {
                self.next = next.unwrap_or(self.next);
                Pulled::Nothing
            }
            code => Pulled::Refused(code),
        }
    }

    /// Records must follow each other, without gap between the one asked for and the next to ask.
    fn walk(&mut self, body: &[u8], next: Option<i64>, mut each: impl FnMut(&[u8])) -> Pulled {
        let mut rest = body;
        while !rest.is_empty() {
            let Some((record, offset)) = record(rest, self.id) else {
                self.next = next.unwrap_or(self.next);
                return Pulled::Wrong(reasons::WRONG_RECORD);
            };
            if offset != self.next {
                self.next = next.unwrap_or(self.next);
                return Pulled::Wrong(reasons::WRONG_OFFSET);
            }
            each(record);
            self.next += 1;
            rest = &rest[record.len()..];
        }
        if body.is_empty() || next != Some(self.next) {
            self.next = next.unwrap_or(self.next);
            return Pulled::Wrong(reasons::WRONG_OFFSET);
        }
        Pulled::Found
    }
}

/// The first record of `bytes` and its queue offset, if it looks like one of this queue.
fn record(bytes: &[u8], queue: i32) -> Option<(&[u8], i64)> {
    let int = |at: usize| Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let total = int(0)? as u32 as usize;
    let magic = int(4)?;
    let fits = total >= MIN_LENGTH && (magic == MAGIC_V1 || magic == MAGIC_V2);
    if !fits || int(12)? != queue {
        return None;
    }
    let offset = i64::from_be_bytes(*bytes.get(20..)?.first_chunk()?);
    Some((bytes.get(..total)?, offset))
}

/// Shares out `all` over `parts`, so that each has about as many.
pub fn share_out<T>(all: impl IntoIterator<Item = T>, parts: usize) -> Vec<Vec<T>> {
    let mut shares: Vec<Vec<T>> = (0..parts).map(|_| Vec::new()).collect();
    for (index, one) in all.into_iter().enumerate() {
        shares[index % parts].push(one);
    }
    shares
}
