//! Sends that came together over a connection, laid out and not stored yet.
//!
//! Threads that store at the same time take the log from each other, and the memory with which it is kept. With
//! each message that costs as much as the message; so those that are there already are stored together, at latest when all
//! that came together is handled.

use super::{Counted, Counting, KnownTopics};
use crate::append::{Flushed, Stored, announce, not_stored};
use crate::clock::now_ms;
use crate::inner::Inner;
use crate::marks::Marks;
use crate::send::refused;
use ferromq_net::{Answers, Connection, Responder};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::SendMessageResponse;
use ferromq_protocol::message_id::{OffsetId, offset_ids};
use ferromq_store::{Append, FlushOutcome, Mark, NewRecords, Queue};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// As many sends as are stored together at most: with more of them there is nothing to gain.
const MOST: usize = 32;
/// Behind so many bytes none is gathered: copying them takes longer than what is saved.
const MOST_BYTES: usize = 64 << 10;

/// Those of one connection.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Whose they are. What another one has left that ended in the midst of it was not stored, and is not.
    connection: Option<Arc<Connection>>,
    records: NewRecords,
    sends: Vec<GatheredSend>,
    /// Where their records are laid out.
    places: Vec<Range<Mark>>,
    /// Their unique keys, one after the other.
    unique_keys: String,
}

/// One of them: what is needed to count and answer it.
pub(crate) struct GatheredSend {
    pub(crate) request: Command<()>,
    pub(crate) to: Destination,
    pub(crate) queue_id: i32,
    pub(crate) unique_key: Option<Range<usize>>,
    /// Whether it is answered when the disk has it.
    pub(crate) waits: bool,
}

/// Where it goes.
pub(crate) enum Destination {
    /// Its topic and its queue, by their places among those at hand.
    AtHand { topic: usize, queue: usize },
    /// To another topic than it was sent to.
    Elsewhere(Arc<Queue>),
}

impl Gathered {
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// How many bytes their records have.
    pub(crate) fn length(&self) -> usize {
        self.records.byte_length()
    }

    /// Whether they are to be stored before others come.
    pub(crate) fn is_full(&self) -> bool {
        self.sends.len() >= MOST || self.length() >= MOST_BYTES
    }

    /// Where the records of a connection's next send are laid out.
    pub(crate) fn records_for(&mut self, connection: &Arc<Connection>) -> &mut NewRecords {
        if !self.are_of(connection) {
            self.clear();
            self.connection = Some(connection.clone());
        }
        &mut self.records
    }

    /// Adds a send whose records were laid out from that mark on.
    pub(crate) fn add(&mut self, from: Mark, send: GatheredSend) {
        let to = self.records.mark();
        self.sends.push(send);
        self.places.push(from..to);
    }

    /// Notes a unique key for an answer.
    pub(crate) fn note_key(&mut self, key: &str) -> Range<usize> {
        let start = self.unique_keys.len();
        self.unique_keys.push_str(key);
        start..self.unique_keys.len()
    }

    /// Stores and answers them, if they are the connection's.
    pub(super) fn store(
        &mut self,
        broker: &Arc<Inner>,
        connection: &Arc<Connection>,
        topics: &mut KnownTopics,
        marks: &Marks,
        answers: &mut Answers<'_>,
    ) {
        if self.are_of(connection) {
            let start = now_ms();
            let (queues, mut counting) = topics.apart();
            let appends = self.sends.iter().zip(&self.places).map(|(send, place)| {
                let queue = match &send.to {
                    Destination::AtHand { queue, .. } => &queues[*queue],
                    Destination::Elsewhere(queue) => queue,
                };
                Append::new(queue, place.start, place.end)
            });
            let mut appends: Vec<_> = appends.collect();
            broker.store.append_all(&mut self.records, &mut appends);
            self.count(broker, &mut counting, &appends, start);
            let all = self.sends.iter().zip(&appends);
            all.for_each(|(send, append)| {
                self.answer(broker, connection, marks, send, append, answers);
            });
        }
        self.clear();
    }

    fn are_of(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|of| Arc::ptr_eq(of, connection))
    }

    fn clear(&mut self) {
        self.connection = None;
        self.records.clear();
        self.sends.clear();
        self.places.clear();
        self.unique_keys.clear();
    }

    /// Counts what was stored, which began at a time in ms.
    fn count(
        &self,
        broker: &Inner,
        counting: &mut Counting<'_>,
        appends: &[Append<&Arc<Queue>>],
        start: i64,
    ) {
        for (send, append) in self.sends.iter().zip(appends) {
            let Ok(appended) = append.outcome() else { continue };
            let stored = Counted {
                messages: append.len() as i64,
                bytes: append.byte_length() as i64,
                at: appended.store_timestamp,
                took: appended.store_timestamp - start,
            };
            match &send.to {
                Destination::AtHand { topic, .. } => {
                    counting.count(*topic, &broker.stats, &stored);
                }
                Destination::Elsewhere(queue) => {
                    broker.stats.put(queue.topic(), stored.messages, stored.bytes, stored.at);
                    broker.stats.broker().put_took(stored.took, 1);
                }
            }
        }
        if self.sends.iter().any(|send| send.waits) {
            // Whoever syncs may answer before others that came together are handled.
            counting.settle(&broker.stats);
        }
    }

    fn answer(
        &self,
        broker: &Arc<Inner>,
        connection: &Arc<Connection>,
        marks: &Marks,
        send: &GatheredSend,
        append: &Append<&Arc<Queue>>,
        answers: &mut Answers<'_>,
    ) {
        let request = &send.request;
        let appended = match append.outcome() {
            Ok(appended) => appended,
            Err(error) => {
                let failure = not_stored(broker, error);
                answers.to(request).write(refused(broker, request, failure));
                return;
            }
        };
        let (queue, queue_id) = (append.queue(), send.queue_id);
        let offset = appended.physical_offset;
        let first = OffsetId::new(broker.store_host, offset);
        let all = (append.len() > 1)
            .then(|| ids_from(broker.store_host, offset, append.lengths(&self.records)));
        let header = SendMessageResponse {
            msg_id: all.as_deref().unwrap_or(first.as_str()),
            queue_id,
            queue_offset: appended.queue_offset,
            transaction_id: send.unique_key.clone().map(|place| &self.unique_keys[place]),
            batch_uniq_id: None,
            recall_handle: None,
        };
        let response = request.response_of(response::SUCCESS, (header, &marks.answer));
        let stored = Stored::new(appended, append.len());
        if !send.waits {
            answers.to(request).write(response);
            return announce(broker, queue.topic(), queue_id, &stored, None);
        }
        let flushed =
            when_flushed(broker, Responder::new(connection, request), response.laid_out());
        announce(broker, queue.topic(), queue_id, &stored, Some(flushed));
    }
}

/// Answers when the disk has it.
fn when_flushed(broker: &Arc<Inner>, responder: Responder, mut response: Command) -> Flushed {
    broker.waiting_for_disk.fetch_add(1, Ordering::Relaxed);
    let waiting = broker.clone();
    Box::new(move |outcome| {
        waiting.waiting_for_disk.fetch_sub(1, Ordering::Relaxed);
        settle(&mut response, outcome);
        responder.send(response);
    })
}

/// The offset ids of messages that were stored one after the other from `start` on.
fn ids_from(
    host: SocketAddr,
    mut start: i64,
    lengths: impl ExactSizeIterator<Item = usize>,
) -> String {
    let starts = lengths.map(|length| {
        let this = start;
        start += length as i64;
        this
    });
    offset_ids(host, starts)
}

/// What a send that waited for the disk is answered. A failed sync means that the message may be
/// lost: it is not answered as stored.
fn settle(response: &mut Command, outcome: FlushOutcome) {
    match outcome {
        FlushOutcome::Flushed => {}
        FlushOutcome::TimedOut => response.code = response::FLUSH_DISK_TIMEOUT,
        FlushOutcome::Failed => {
            response.code = response::SERVICE_NOT_AVAILABLE;
            response.remark = Some(Cow::Borrowed("the message could not be written to disk"));
        }
    }
}

#[cfg(test)]
mod tests;
