//! What a thread has at hand: for sends the settings, and topics that it stored messages in lately; for pulls
//! those who read lately.
//!
//! To look up a topic, its queue and its statistics, and to count each message, is to write to memory that other
//! threads write to as well, and that processors then take from each other. So a thread looks a topic up once, as
//! long as topics do not change, and counts for itself what arrives together.

mod gathered;
mod readers;

pub(crate) use gathered::{Gathered, GatheredSend};
pub(crate) use readers::{KnownReaders, Reader};

use crate::answer::Failure;
use crate::append::no_queue;
use crate::inner::Inner;
use crate::marks::Marks;
use crate::stats::{Puts, Stats, TopicStats};
use arc_swap::{ArcSwap, Cache};
use ferromq_model::names;
use ferromq_net::{Answers, Connection};
use ferromq_protocol::body::TopicConfig;
use ferromq_store::Queue;
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

    /// Stores and answers the sends that this thread has gathered. What else came over the connection
    /// is handled after them.
    pub(crate) fn store(
        &self,
        broker: &Arc<Inner>,
        connection: &Arc<Connection>,
        answers: &mut Answers<'_>,
    ) {
        if let Some(at_hand) = self.0.get() {
            at_hand.borrow_mut().store(broker, connection, answers);
        }
    }

    /// Does what is left to do when all that came together is handled: stores what was gathered, and adds what
    /// was counted to the statistics. Must precede the answers.
    pub(crate) fn finish(
        &self,
        broker: &Arc<Inner>,
        connection: &Arc<Connection>,
        answers: &mut Answers<'_>,
    ) {
        if let Some(at_hand) = self.0.get() {
            let mut at_hand = at_hand.borrow_mut();
            at_hand.store(broker, connection, answers);
            at_hand.topics.settle(&broker.stats);
        }
    }

    /// How many bytes this thread has gathered.
    pub(crate) fn gathered(&self) -> usize {
        self.0.get().map_or(0, |at_hand| at_hand.borrow().gathered.length())
    }
}

/// What one thread has.
pub(crate) struct AtHand {
    pub(crate) marks: Cache<Arc<ArcSwap<Marks>>, Arc<Marks>>,
    pub(crate) topics: KnownTopics,
    pub(crate) readers: KnownReaders,
    pub(crate) gathered: Gathered,
}

impl AtHand {
    /// Nothing yet.
    pub(crate) fn new(broker: &Inner) -> Self {
        AtHand {
            marks: Cache::new(broker.marks.clone()),
            topics: KnownTopics::default(),
            readers: KnownReaders::default(),
            gathered: Gathered::default(),
        }
    }

    /// Stores and answers what was gathered.
    pub(crate) fn store(
        &mut self,
        broker: &Arc<Inner>,
        connection: &Arc<Connection>,
        answers: &mut Answers<'_>,
    ) {
        if !self.gathered.is_empty() {
            self.gathered.store(broker, connection, &mut self.topics, self.marks.load(), answers);
        }
    }
}

/// Topics that were looked up.
#[derive(Default)]
pub(crate) struct KnownTopics {
    topics: IndexMap<Box<str>, KnownTopic, RandomState>,
    /// Which of them have counted something that the statistics do not have yet.
    counting: Vec<usize>,
}

impl KnownTopics {
    /// A topic, if there is one of that name that would outlive a crash, and its place among those at hand.
    #[inline]
    pub(crate) fn find(&mut self, broker: &Inner, name: &str) -> Option<(usize, &mut KnownTopic)> {
        let as_of = broker.topics.changes();
        let known = self.topics.get_full(name).filter(|(_, _, topic)| topic.as_of == as_of);
        let place = match known.map(|(place, ..)| place) {
            Some(place) => place,
            None => self.look_up(broker, name, as_of)?,
        };
        self.topics.get_index_mut(place).map(|(_, topic)| (place, topic))
    }

    /// The topic at a place, if it is still of that name.
    fn at(&mut self, place: usize, name: &str) -> Option<&mut KnownTopic> {
        let (known, topic) = self.topics.get_index_mut(place)?;
        if **known != *name {
            return None;
        }
        if !std::mem::replace(&mut topic.counts, true) {
            self.counting.push(place);
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
        for place in self.counting.drain(..) {
            if let Some((_, topic)) = self.topics.get_index_mut(place) {
                topic.counts = false;
                let puts = std::mem::take(&mut topic.puts);
                topic.stats.put_all(&puts);
                *(if topic.is_system { &mut of_system } else { &mut of_users }) += &puts;
            }
        }
        stats.put_all(false, &of_users);
        stats.put_all(true, &of_system);
    }
}

/// What one request has stored.
struct Counted {
    messages: i64,
    bytes: i64,
    /// When, in ms, and how many ms that took.
    at: i64,
    took: i64,
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
    counts: bool,
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
            counts: false,
        })
    }

    fn count(&mut self, stats: &Stats, stored: &Counted) {
        self.puts.requests += 1;
        self.puts.messages += stored.messages;
        self.puts.bytes += stored.bytes;
        self.puts.last = stored.at;
        match stored.took {
            ..=0 => self.puts.at_once += 1,
            took => stats.broker().put_took(took, 1),
        }
    }

    /// One of its queues.
    pub(crate) fn queue(&mut self, broker: &Inner, id: i32) -> Result<OwnQueue, Failure> {
        let topic = &self.config.topic_name;
        self.queues.get(broker, topic, id).cloned().ok_or_else(|| no_queue(topic, id))
    }
}

/// A queue, with references to it that this thread alone counts.
pub(crate) type OwnQueue = Arc<Arc<Queue>>;

/// Queues of a topic that were needed, by number.
#[derive(Default)]
struct KnownQueues(Vec<Option<OwnQueue>>);

impl KnownQueues {
    /// One of them; `None` if there can be none of that number.
    fn get(&mut self, broker: &Inner, topic: &str, id: i32) -> Option<&OwnQueue> {
        let place = usize::try_from(id).ok()?;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        let queue = &mut self.0[place];
        if queue.is_none() {
            *queue = broker.store.queue(topic, id).map(Arc::new);
        }
        queue.as_ref()
    }
}

#[cfg(test)]
mod tests;
