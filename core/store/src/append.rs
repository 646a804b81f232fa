//! Storing records: one critical section decides where those go that come together, fills that in, and copies
//! them.

use crate::commit_log::{Appending, BUSY, BUSY_ERROR};
use crate::entry::Entry;
use crate::error::AppendError;
use crate::new_records::{Mark, NewRecords, Part};
use crate::queue::{Queue, State};
use crate::store::Store;
use ferromq_protocol::record;
use parking_lot::MappedMutexGuard;
use std::borrow::Borrow;
use std::slice;
use std::sync::Arc;

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The queue offset; of several messages the first.
    pub queue_offset: i64,
    /// The physical offset; of several messages the first.
    pub physical_offset: i64,
    /// Where the last record ends: what has to be on disk for all to be.
    pub end: i64,
    /// When it was stored, in ms.
    pub store_timestamp: i64,
    /// The tags code of the queue's entry; of several messages the first.
    pub tags_code: i64,
}

/// Records that are to be stored in a queue, among others.
pub struct Append<Q = Arc<Queue>> {
    queue: Q,
    from: Mark,
    to: Mark,
    outcome: Result<Appended, AppendError>,
}

impl<Q: Borrow<Arc<Queue>>> Append<Q> {
    /// For those that were laid out between two marks.
    pub fn new(queue: Q, from: Mark, to: Mark) -> Self {
        Append { queue, from, to, outcome: Err(BUSY_ERROR) }
    }

    /// The queue.
    pub fn queue(&self) -> &Arc<Queue> {
        self.queue.borrow()
    }

    /// How long each of its records is, in bytes, in their order, where they are laid out.
    pub fn lengths(&self, records: &NewRecords) -> impl ExactSizeIterator<Item = usize> {
        records.lengths(self.from, self.to)
    }

    /// How many bytes its records have together.
    pub fn byte_length(&self) -> usize {
        self.from.bytes_until(self.to)
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.from.records_until(self.to)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of it. Without a call of [`Store::append_all`] it is not stored.
    ///
    /// # Errors
    /// It was not stored.
    pub fn outcome(&self) -> Result<Appended, AppendError> {
        self.outcome.clone()
    }
}

impl Store {
    /// Stores records in a queue, one after the other. They can be read at once, or with
    /// synchronous flush once they are on disk. With that they are in this process's memory alone until
    /// [`when_flushed`](Self::when_flushed), or a flush that serves
    /// [those who come together](Self::when_flushed_together): one write for all of these.
    ///
    /// # Errors
    /// Nothing was stored then.
    pub fn append(
        &self,
        queue: &Arc<Queue>,
        records: &mut NewRecords,
    ) -> Result<Appended, AppendError> {
        let mut append = Append::new(queue, Mark::default(), records.mark());
        self.append_all(records, slice::from_mut(&mut append));
        append.outcome
    }

    /// As [`append`](Self::append), of all that was laid out for several queues, one after the other: whoever
    /// stores many records at once waits for the log once, and so do others for them. `appends` are all of
    /// `records`, in their order; each has an [outcome](Append::outcome) then.
    pub fn append_all<Q: Borrow<Arc<Queue>>>(
        &self,
        records: &mut NewRecords,
        appends: &mut [Append<Q>],
    ) {
        if let Err(error) = self.try_append_all(records, appends) {
            appends.iter_mut().for_each(|append| append.outcome = Err(error.clone()));
        }
    }

    /// An error says that nothing at all was stored.
    fn try_append_all<Q: Borrow<Arc<Queue>>>(
        &self,
        records: &mut NewRecords,
        appends: &mut [Append<Q>],
    ) -> Result<(), AppendError> {
        for append in &*appends {
            // From the files, if it must be, while nobody waits. An error is found again below.
            append.queue().prepare();
        }
        let mut log = self.inner.log.appending()?;
        // While nobody else appends or syncs: what is not refused here, a sync after that brings to the disk.
        if let Some(reason) = self.inner.health.refusal() {
            return Err(AppendError::NotWritable(reason));
        }
        match self.append_to(&mut log, records, appends) {
            Err(AppendError::TooLarge { .. } | AppendError::NotWritable(_))
                if appends.len() > 1 =>
            {
                // Due to one of them, which is found out by storing each by itself.
                for append in &mut *appends {
                    let append = slice::from_mut(append);
                    if let Err(error) = self.append_to(&mut log, records, append) {
                        append[0].outcome = Err(error);
                    }
                }
            }
            outcome => outcome?,
        }
        drop(log);
        self.flusher.appended();
        self.inner.queue_bell.ring();
        self.inner.index_bell.ring();
        Ok(())
    }

    /// Stores all or none of some appends that follow one another.
    fn append_to<Q: Borrow<Arc<Queue>>>(
        &self,
        log: &mut Appending<'_>,
        records: &mut NewRecords,
        appends: &mut [Append<Q>],
    ) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (appends.first(), appends.last()) else { return Ok(()) };
        let laid = records.between(first.from, last.to);
        let limit = self.inner.config.max_message_size as usize + 65_536;
        if let Some(part) = laid.parts.iter().find(|part| part.length > limit) {
            return Err(AppendError::TooLarge { length: part.length, limit });
        }
        let (start, store_timestamp) = log.place(laid.bytes.len())?;
        let given = give_places(&mut *laid.bytes, laid.parts, appends, start, store_timestamp);
        if let Err(error) = given {
            appends.iter().for_each(|append| append.queue().set_next(None));
            return Err(error);
        }
        log.put(&laid, store_timestamp);
        let mut parts = laid.parts;
        for append in appends {
            let (of_this, rest) = parts.split_at(append.len());
            parts = rest;
            if let Err(error) = self.enter(append, of_this) {
                append.queue().set_next(None);
                append.outcome = Err(error);
            }
        }
        Ok(())
    }

    /// Enters records that are in the log in their queue.
    fn enter<Q: Borrow<Arc<Queue>>>(
        &self,
        append: &Append<Q>,
        parts: &[Part],
    ) -> Result<(), AppendError> {
        let Ok(Appended { physical_offset: mut at, store_timestamp, .. }) = append.outcome else {
            return Ok(());
        };
        // However long that takes: the records are in the log.
        let mut state = if_there(append.queue(), append.queue().state().map_err(not_writable)?)?;
        // Whoever says how far the queues are, which is no further than a sync found the end of the log,
        // finds this one on the list: no sync looks at the end while the log is held.
        if !std::mem::replace(&mut state.listed, true) {
            self.inner.queues.list(append.queue());
        }
        for part in parts {
            let tags_code = part.tags.at(store_timestamp);
            state.push(Entry { physical_offset: at, size: part.length as i32, tags_code });
            at += part.length as i64;
        }
        Ok(())
    }
}

/// Fills in where records go that are stored at `start`, and says it in the outcomes.
fn give_places<Q: Borrow<Arc<Queue>>>(
    mut bytes: &mut [u8],
    mut parts: &[Part],
    appends: &mut [Append<Q>],
    start: i64,
    store_timestamp: i64,
) -> Result<(), AppendError> {
    let mut at = start;
    for append in appends {
        let queue_offset = match append.queue().next() {
            Some(offset) if !append.queue().is_in_use() => offset,
            // Who has it may wait for the disk, and nobody else may wait for that.
            known => {
                let state = state_of(append.queue())?;
                known.unwrap_or_else(|| state.end())
            }
        };
        append.queue().set_next(Some(queue_offset + append.len() as i64));
        let physical_offset = at;
        let (of_this, others) = parts.split_at(append.len());
        for (offset, part) in (queue_offset..).zip(of_this) {
            let (record, behind) = bytes.split_at_mut(part.length);
            record::place(record, offset, at, store_timestamp);
            at += part.length as i64;
            bytes = behind;
        }
        parts = others;
        let tags_code = of_this.first().map_or(0, |part| part.tags.at(store_timestamp));
        append.outcome =
            Ok(Appended { queue_offset, physical_offset, end: at, store_timestamp, tags_code });
    }
    Ok(())
}

/// The state of a queue, unless others have it for long.
fn state_of(queue: &Queue) -> Result<MappedMutexGuard<'_, State>, AppendError> {
    let state = queue.state_within(BUSY).map_err(not_writable)?.ok_or(BUSY_ERROR)?;
    if_there(queue, state)
}

/// The state of a queue whose topic has not been deleted.
fn if_there<'a>(
    queue: &Queue,
    state: MappedMutexGuard<'a, State>,
) -> Result<MappedMutexGuard<'a, State>, AppendError> {
    match state.gone {
        true => Err(not_writable(format!("the topic {} was just deleted", queue.topic()))),
        false => Ok(state),
    }
}

fn not_writable(reason: impl ToString) -> AppendError {
    AppendError::NotWritable(reason.to_string())
}
