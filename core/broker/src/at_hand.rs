//! What a thread has at hand: for sends the settings, and topics that it stored messages in lately; for pulls
//! those who read lately.
//!
//! To look up a topic, its queue and its statistics, and to count each message, is to write to memory that other
//! threads write to as well, and that processors then take from each other. So a thread looks a topic up once, as
//! long as topics do not change, and counts for itself what arrives together.

mod gathered;
mod readers;

pub(crate) use gathered::{Destination, Gathered, GatheredSend};
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
use smallvec::SmallVec;
use std::cell::{RefCell, RefMut};
use std::num::NonZeroU32;
use std::sync::Arc;
use thread_local::ThreadLocal;

/// The most topics that are at hand, and the most readers. A read may bring some more topics.
const MOST: usize = 1024;
/// The most queues of them, those included whose topics have changed since they were looked up.
const MOST_QUEUES: usize = 16 << 10;

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
            at_hand.topics.begin_anew_if_many();
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

/// Topics that were looked up, and what goes with them. With a hundred topics each is in no near cache any more when the
/// next message for it comes, so a send looks at little of it.
#[derive(Default)]
pub(crate) struct KnownTopics {
    topics: IndexMap<Box<str>, KnownTopic, RandomState>,
    /// Those of their queues that were needed.
    queues: Vec<Arc<Queue>>,
    counted: Vec<CountedOf>,
}

/// What a topic has counted that the statistics do not have yet.
struct CountedOf {
    /// The topic's place.
    topic: usize,
    puts: Puts,
}

impl KnownTopics {
    /// The place of a topic among those at hand, if there is one of that name that would outlive a crash. It stays
    /// there until all that came together is handled.
    #[inline]
    pub(crate) fn find(&mut self, broker: &Inner, name: &str) -> Option<usize> {
        let as_of = broker.topics.changes();
        match self.topics.get_full(name) {
            Some((place, _, topic)) if topic.as_of == as_of => Some(place),
            _ => self.look_up(broker, name, as_of),
        }
    }

    #[cold]
    fn look_up(&mut self, broker: &Inner, name: &str, as_of: u64) -> Option<usize> {
        // Statistics may be others.
        self.settle(&broker.stats);
        let topic = KnownTopic::look_up(broker, name, as_of)?;
        Some(self.topics.insert_full(name.into(), topic).0)
    }

    /// The topic at a place.
    pub(crate) fn topic(&self, place: usize) -> &KnownTopic {
        &self.topics[place]
    }

    /// The place of a queue of the topic at a place.
    #[inline]
    pub(crate) fn queue(
        &mut self,
        broker: &Inner,
        place: usize,
        id: i32,
    ) -> Result<usize, Failure> {
        match self.topics[place].queues.get(id as usize) {
            Some(Some(queue)) => Ok(queue.get() as usize - 1),
            _ => self.look_up_queue(broker, place, id),
        }
    }

    #[cold]
    fn look_up_queue(&mut self, broker: &Inner, place: usize, id: i32) -> Result<usize, Failure> {
        let topic = &mut self.topics[place];
        let name = &topic.config.topic_name;
        let queue = broker.store.queue(name, id).ok_or_else(|| no_queue(name, id))?;
        if topic.queues.len() <= id as usize {
            topic.queues.resize(id as usize + 1, None);
        }
        self.queues.push(queue);
        topic.queues[id as usize] = NonZeroU32::new(self.queues.len() as u32);
        Ok(self.queues.len() - 1)
    }

    /// The queues, by their places, and what else there is.
    fn apart(&mut self) -> (&[Arc<Queue>], Counting<'_>) {
        (&self.queues, Counting { topics: &mut self.topics, counted: &mut self.counted })
    }

    /// Adds what was counted to the statistics.
    pub(crate) fn settle(&mut self, stats: &Stats) {
        self.apart().1.settle(stats);
    }

    /// Forgets them, if they are many. Places change.
    fn begin_anew_if_many(&mut self) {
        if self.topics.len() > MOST || self.queues.len() > MOST_QUEUES {
            *self = KnownTopics::default();
        }
    }
}

/// Topics at hand that count.
struct Counting<'a> {
    topics: &'a mut IndexMap<Box<str>, KnownTopic, RandomState>,
    counted: &'a mut Vec<CountedOf>,
}

impl Counting<'_> {
    /// Counts what a request has stored in the topic at a place.
    fn count(&mut self, topic: usize, stats: &Stats, stored: &Counted) {
        let counted = &mut *self.counted;
        let place = *self.topics[topic].counted.get_or_insert_with(|| {
            counted.push(CountedOf { topic, puts: Puts::default() });
            counted.len() - 1
        });
        let puts = &mut counted[place].puts;
        puts.requests += 1;
        puts.messages += stored.messages;
        puts.bytes += stored.bytes;
        puts.last = stored.at;
        match stored.took {
            ..=0 => puts.at_once += 1,
            took => stats.broker().put_took(took, 1),
        }
    }

    /// Adds what was counted to the statistics: to those of the broker once, for all topics.
    fn settle(&mut self, stats: &Stats) {
        let (mut of_users, mut of_system) = (Puts::default(), Puts::default());
        for CountedOf { topic, puts } in self.counted.drain(..) {
            let topic = &mut self.topics[topic];
            topic.counted = None;
            topic.stats.put_all(&puts);
            *(if topic.is_system { &mut of_system } else { &mut of_users }) += &puts;
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
    /// How many queues that has.
    pub(crate) queue_count: i32,
    is_system: bool,
    /// At which [change](crate::topics::TopicTable::changes) of the topics it was looked up.
    as_of: u64,
    /// The places of its queues among those at hand, counted from one, by number.
    queues: SmallVec<[Option<NonZeroU32>; 4]>,
    stats: Arc<TopicStats>,
    /// The place of what it has counted.
    counted: Option<usize>,
}

impl KnownTopic {
    fn look_up(broker: &Inner, name: &str, as_of: u64) -> Option<Self> {
        let config = broker.topics.get(name).filter(|_| !broker.topics.is_unsaved(name))?;
        Some(KnownTopic {
            queue_count: config.queue_count(),
            config,
            is_system: names::is_system_topic(name),
            as_of,
            queues: SmallVec::new(),
            stats: broker.stats.topic(name),
            counted: None,
        })
    }
}

#[cfg(test)]
mod tests;
