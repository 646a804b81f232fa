//! What a thread has at hand for pulls: groups that read topics lately.

use super::MOST;
use crate::answer::Failure;
use crate::config::BrokerConfig;
use crate::inner::Inner;
use crate::offsets::Progress;
use crate::send::FAQ;
use crate::stats::GroupStats;
use ferromq_model::{names, perm};
use ferromq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
use ferromq_protocol::code::response;
use ferromq_store::{Queue, ReadResult};
use foldhash::fast::RandomState;
use indexmap::{Equivalent, IndexMap};
use std::sync::Arc;

/// Readers that were looked up.
#[derive(Default)]
pub(crate) struct KnownReaders {
    readers: IndexMap<(Box<str>, Box<str>), Reader, RandomState>,
    /// At which [change](crate::topics::TopicTable::changes) of topics and groups.
    as_of: u64,
}

/// The names of a reader, to find it by. They hash as the key does.
#[derive(Hash)]
struct Names<'a> {
    topic: &'a str,
    group: &'a str,
}

impl Equivalent<(Box<str>, Box<str>)> for Names<'_> {
    fn equivalent(&self, (topic, group): &(Box<str>, Box<str>)) -> bool {
        self.topic == &**topic && self.group == &**group
    }
}

impl KnownReaders {
    /// A group that may read a topic.
    ///
    /// # Errors
    /// It may not, or there is no such group or topic.
    #[inline]
    pub(crate) fn find(
        &mut self,
        broker: &Inner,
        config: &BrokerConfig,
        group: &str,
        topic: &str,
    ) -> Result<&mut Reader, Failure> {
        let as_of = broker.topics.changes();
        if self.as_of != as_of {
            self.readers.clear();
            self.as_of = as_of;
        }
        let place = match self.readers.get_index_of(&Names { topic, group }) {
            Some(place) => place,
            None => self.look_up(broker, config, group, topic)?,
        };
        Ok(&mut self.readers[place])
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.readers.len()
    }

    #[cold]
    fn look_up(
        &mut self,
        broker: &Inner,
        config: &BrokerConfig,
        group: &str,
        topic: &str,
    ) -> Result<usize, Failure> {
        let reader = Reader::look_up(broker, config, group, topic)?;
        if self.readers.len() >= MOST {
            self.readers.clear();
        }
        Ok(self.readers.insert_full((topic.into(), group.into()), reader).0)
    }
}

/// A group that reads a topic.
pub(crate) struct Reader {
    pub(crate) topic: Arc<TopicConfig>,
    pub(crate) group: Arc<SubscriptionGroupConfig>,
    is_system: bool,
    queues: KnownQueues,
    /// Once it has found messages: tools do not show what never has.
    found: Option<(Arc<GroupStats>, Arc<Progress>)>,
}

impl Reader {
    fn look_up(
        broker: &Inner,
        config: &BrokerConfig,
        group: &str,
        topic: &str,
    ) -> Result<Self, Failure> {
        let forbidden = |remark| Failure::new(response::NO_PERMISSION, remark);
        let settings = broker.groups.get_or_create(config, group).ok_or_else(|| {
            let remark = format!("subscription group [{group}] does not exist, {FAQ}");
            Failure::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
        })?;
        if !settings.consume_enable {
            return Err(forbidden(format!("subscription group no permission, {group}")));
        }
        let found = broker.topics.get(topic).ok_or_else(|| {
            let remark = format!("topic[{topic}] not exist, apply first please!{FAQ}");
            Failure::new(response::TOPIC_NOT_EXIST, remark)
        })?;
        if !perm::readable(found.perm) {
            return Err(forbidden(format!("the topic[{topic}] pulling message is forbidden")));
        }
        Ok(Reader {
            topic: found,
            group: settings,
            is_system: names::is_system_topic(topic),
            queues: KnownQueues::default(),
            found: None,
        })
    }

    /// One of the topic's queues.
    pub(crate) fn queue(&mut self, broker: &Inner, id: i32) -> Option<&Arc<Queue>> {
        self.queues.get(broker, &self.topic.topic_name, id)
    }

    /// Notes what the group has found in a queue, in the statistics and in its progress.
    pub(crate) fn has_found(&mut self, broker: &Inner, queue: i32, result: &ReadResult, now: i64) {
        let names = (&self.group.group_name, &self.topic.topic_name);
        let look_up =
            || (broker.stats.group(names.0, names.1), broker.offsets.progress(names.0, names.1));
        let (stats, progress) = self.found.get_or_insert_with(look_up);
        broker.stats.get_of(stats, self.is_system, result.count.into(), result.bytes as i64, now);
        progress.pulled(queue, result.next_offset);
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
