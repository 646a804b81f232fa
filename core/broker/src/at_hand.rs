//! What a thread has at hand: for sends the settings, and topics that it stored messages in lately; for pulls
//! those who read lately.
//!
//! To look up a topic, its queue and its statistics, and to count each message, is to write to memory that other
//! threads write to as well, and that processors then take from each other. So a thread looks a topic up once, as
//! long as topics do not change, and counts for itself what arrives together.

mod readers;

pub(crate) use readers::{KnownReaders, Reader};

use crate::answer::Failure;
use crate::append::{Stored, append_to, no_queue};
use crate::clock::now_ms;
use crate::inner::Inner;
use crate::marks::Marks;
use crate::stats::{Puts, Stats, TopicStats};
use arc_swap::{ArcSwap, Cache};
use ferromq_model::names;
use ferromq_protocol::body::TopicConfig;
use ferromq_store::{NewRecords, Queue};
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use std::cell::{RefCell, RefMut};
use std::sync::Arc;
use thread_local::ThreadLocal;

/// The most topics that are at hand, and the most readers.
const MOST: usize = 1024;

/// What each of the threads has that handle the requests of connections.
#[derive(Default)]
pub(crate) struct Threads(ThreadLocal<RefCell<AtHand>>);

impl Threads {
    /// What this thread has, for one request.
    pub(crate) fn this(&self, broker: &Inner) -> RefMut<'_, AtHand> {
        self.0.get_or(|| RefCell::new(AtHand::new(broker))).borrow_mut()
    }

    /// Adds what this thread has counted to the statistics. Must precede the answers.
    pub(crate) fn settle(&self, stats: &Stats) {
        if let Some(at_hand) = self.0.get() {
            at_hand.borrow_mut().topics.settle(stats);
        }
    }
}

/// What one thread has.
pub(crate) struct AtHand {
    pub(crate) marks: Cache<Arc<ArcSwap<Marks>>, Arc<Marks>>,
    pub(crate) topics: KnownTopics,
    pub(crate) readers: KnownReaders,
    /// Memory in which records are laid out.
    pub(crate) records: NewRecords,
}

impl AtHand {
    /// Nothing yet.
    pub(crate) fn new(broker: &Inner) -> Self {
        AtHand {
            marks: Cache::new(broker.marks.clone()),
            topics: KnownTopics::default(),
            readers: KnownReaders::default(),
            records: NewRecords::new(),
        }
    }
}

/// Topics that were looked up.
#[derive(Default)]
pub(crate) struct KnownTopics {
    topics: IndexMap<Box<str>, KnownTopic, RandomState>,
    /// Which of them have been asked for since the statistics have all that was counted.
    asked_for: Vec<usize>,
}

impl KnownTopics {
    /// A topic, if there is one of that name that would outlive a crash.
    #[inline]
    pub(crate) fn find(&mut self, broker: &Inner, name: &str) -> Option<&mut KnownTopic> {
        let as_of = broker.topics.changes();
        let known = self.topics.get_full(name).filter(|(_, _, topic)| topic.as_of == as_of);
        let place = match known.map(|(place, ..)| place) {
            Some(place) => place,
            None => self.look_up(broker, name, as_of)?,
        };
        let (_, topic) = self.topics.get_index_mut(place)?;
        if !std::mem::replace(&mut topic.asked_for, true) {
            self.asked_for.push(place);
        }
        Some(topic)
    }

    #[cold]
    fn look_up(&mut self, broker: &Inner, name: &str, as_of: u64) -> Option<usize> {
        // Places change, and statistics may be others.
        self.settle(&broker.stats);
        let Some(topic) = KnownTopic::look_up(broker, name, as_of) else {
            self.topics.swap_remove(name);
            return None;
        };
        if self.topics.len() >= MOST {
            self.topics.clear();
        }
        Some(self.topics.insert_full(name.into(), topic).0)
    }

    /// Adds what was counted to the statistics: to those of the broker once, for all topics.
    pub(crate) fn settle(&mut self, stats: &Stats) {
        let (mut of_users, mut of_system) = (Puts::default(), Puts::default());
        for place in self.asked_for.drain(..) {
            if let Some((_, topic)) = self.topics.get_index_mut(place) {
                topic.asked_for = false;
                let puts = std::mem::take(&mut topic.puts);
                topic.stats.put_all(&puts);
                *(if topic.is_system { &mut of_system } else { &mut of_users }) += &puts;
            }
        }
        stats.put_all(false, &of_users);
        stats.put_all(true, &of_system);
    }
}

/// A topic that was looked up.
pub(crate) struct KnownTopic {
    pub(crate) config: Arc<TopicConfig>,
    /// At which [change](crate::topics::TopicTable::changes) of the topics it was looked up.
    as_of: u64,
    queues: KnownQueues,
    stats: Arc<TopicStats>,
    is_system: bool,
    /// What the statistics do not have yet.
    puts: Puts,
    asked_for: bool,
}

impl KnownTopic {
    fn look_up(broker: &Inner, name: &str, as_of: u64) -> Option<Self> {
        let config = broker.topics.get(name).filter(|_| !broker.topics.is_unsaved(name))?;
        Some(KnownTopic {
            config,
            as_of,
            queues: KnownQueues::default(),
            stats: broker.stats.topic(name),
            is_system: names::is_system_topic(name),
            puts: Puts::default(),
            asked_for: false,
        })
    }

    /// Stores records in one of its queues, as [`append`](crate::append::append) does.
    pub(crate) fn append(
        &mut self,
        broker: &Inner,
        queue_id: i32,
        records: &mut NewRecords,
    ) -> Result<Stored, Failure> {
        // Of what arrives together, one begins when the one before had its place: the clock takes longer to read
        // than a message to copy.
        let start = match self.puts.requests {
            0 => now_ms(),
            _ => self.puts.last,
        };
        let stored = append_to(broker, self.queue(broker, queue_id)?, records, start)?;
        self.puts.requests += 1;
        self.puts.messages += records.len() as i64;
        self.puts.bytes += records.byte_length() as i64;
        self.puts.last = stored.appended.store_timestamp;
        match stored.took {
            ..=0 => self.puts.at_once += 1,
            took => broker.stats.broker().put_took(took, 1),
        }
        Ok(stored)
    }

    /// Adds what was counted to the statistics.
    pub(crate) fn settle(&mut self, stats: &Stats) {
        let puts = std::mem::take(&mut self.puts);
        self.stats.put_all(&puts);
        stats.put_all(self.is_system, &puts);
    }

    fn queue(&mut self, broker: &Inner, id: i32) -> Result<&Arc<Queue>, Failure> {
        let topic = &self.config.topic_name;
        self.queues.get(broker, topic, id).ok_or_else(|| no_queue(topic, id))
    }
}

/// Queues of a topic that were needed, by number.
#[derive(Default)]
struct KnownQueues(Vec<Option<Arc<Queue>>>);

impl KnownQueues {
    /// One of them; `None` if there can be none of that number.
    fn get(&mut self, broker: &Inner, topic: &str, id: i32) -> Option<&Arc<Queue>> {
        let place = usize::try_from(id).ok()?;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        let queue = &mut self.0[place];
        if queue.is_none() {
            *queue = broker.store.queue(topic, id);
        }
        queue.as_ref()
    }
}

#[cfg(test)]
mod tests;
