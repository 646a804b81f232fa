//! Pulls that wait for messages: woken by the append that they wait for, or when their time is up.

use crate::inner::Inner;
use crate::pull::HeldPull;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How exactly deadlines are kept.
const TICK: Duration = Duration::from_millis(100);
/// So many pulls are answered before their connections write the answers: few enough that all this is still
/// in the processor's cache then.
const PORTION: usize = 64;

/// The pulls by their numbers, and where each is found by what may end its wait.
#[derive(Default)]
struct Waiting {
    /// Boxed: a table has room for more than it holds.
    pulls: HashMap<u64, Box<HeldPull>>,
    /// By topic: the queue and the pull.
    queues: HashMap<Box<str>, BTreeSet<(i32, u64)>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// The connection and the pull.
    connections: BTreeSet<(u64, u64)>,
}

impl Waiting {
    fn put(&mut self, number: u64, pull: HeldPull) {
        let of_queue = (pull.queue_id(), number);
        match self.queues.get_mut(pull.topic()) {
            Some(queues) => _ = queues.insert(of_queue),
            None => _ = self.queues.insert(pull.topic().into(), BTreeSet::from([of_queue])),
        }
        self.deadlines.insert((pull.deadline(), number));
        self.connections.insert((pull.connection().id(), number));
        self.pulls.insert(number, Box::new(pull));
    }

    fn take(&mut self, number: u64) -> Option<HeldPull> {
        let pull = self.pulls.remove(&number)?;
        self.deadlines.remove(&(pull.deadline(), number));
        self.connections.remove(&(pull.connection().id(), number));
        if let Some(queues) = self.queues.get_mut(pull.topic()) {
            queues.remove(&(pull.queue_id(), number));
            if queues.is_empty() {
                self.queues.remove(pull.topic());
            }
        }
        Some(*pull)
    }

    /// The pulls of a queue that wait for something before `next_offset`.
    fn waking(&self, topic: &str, queue_id: i32, next_offset: i64) -> Vec<u64> {
        let of_topic = self.queues.get(topic).into_iter();
        let of_queue =
            of_topic.flat_map(|queues| queues.range((queue_id, 0)..=(queue_id, u64::MAX)));
        let waits =
            |number: &u64| self.pulls.get(number).is_some_and(|pull| pull.offset() < next_offset);
        of_queue.map(|(_, number)| *number).filter(waits).collect()
    }
}

/// Every pull that waits.
#[derive(Default)]
pub(crate) struct LongPolling {
    waiting: Mutex<Waiting>,
    /// How many there are: without any, nobody takes the lock.
    count: AtomicUsize,
    next: AtomicU64,
    first: Notify,
}

impl LongPolling {
    /// How many pulls wait.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Holds a pull until a message arrives, its time is up, or its connection ends.
    pub(crate) fn hold(&self, broker: &Arc<Inner>, mut pull: HeldPull) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let queue = broker.store.queue(pull.topic(), pull.queue_id());
            let (offset, connection) = (pull.offset(), pull.connection().clone());
            self.put(number, pull);
            // A connection that ended, or a message that arrived, between the read and now found
            // nobody to tell.
            if !connection.is_open() {
                self.take(|_| vec![number]);
                return;
            }
            let end = queue.map_or(0, |queue| broker.store.max_offset(&queue).unwrap_or(0));
            if end <= offset {
                return;
            }
            // Whoever else has taken it by now sees to it.
            let Some(taken) = self.take(|_| vec![number]).pop() else { return };
            match taken.retry(broker) {
                Some(again) => pull = again,
                None => return,
            }
        }
    }

    fn put(&self, number: u64, pull: HeldPull) {
        let mut waiting = self.waiting.lock();
        waiting.put(number, pull);
        if self.count.fetch_add(1, Ordering::SeqCst) == 0 {
            self.first.notify_one();
        }
    }

    fn take(&self, choose: impl FnOnce(&Waiting) -> Vec<u64>) -> Vec<HeldPull> {
        let mut waiting = self.waiting.lock();
        let numbers = choose(&waiting);
        let taken: Vec<_> = numbers.into_iter().filter_map(|number| waiting.take(number)).collect();
        self.count.fetch_sub(taken.len(), Ordering::SeqCst);
        taken
    }

    /// Messages up to `next_offset` can be read.
    pub(crate) fn arrived(
        &self,
        broker: &Arc<Inner>,
        topic: &str,
        queue_id: i32,
        next_offset: i64,
    ) {
        if self.count() == 0 {
            return;
        }
        for pull in self.take(|waiting| waiting.waking(topic, queue_id, next_offset)) {
            if let Some(again) = pull.retry(broker) {
                self.hold(broker, again);
            }
        }
    }

    /// The topic is gone: whoever waits for its messages need not.
    pub(crate) fn topic_deleted(&self, broker: &Arc<Inner>, topic: &str) {
        let of_topic = |waiting: &Waiting| {
            let queues = waiting.queues.get(topic).into_iter().flatten();
            queues.map(|(_, number)| *number).collect()
        };
        self.take(of_topic).into_iter().for_each(|pull| pull.finish(broker));
    }

    /// The connection has ended: nobody reads its answers.
    pub(crate) fn closed(&self, connection: u64) {
        if self.count() == 0 {
            return;
        }
        let of_connection = |waiting: &Waiting| {
            let numbers = waiting.connections.range((connection, 0)..=(connection, u64::MAX));
            numbers.map(|(_, number)| *number).collect()
        };
        drop(self.take(of_connection));
    }

    /// Answers every pull with what there is, for the end of the broker.
    pub(crate) fn answer_all(&self, broker: &Arc<Inner>) {
        let all = self.take(|waiting| waiting.pulls.keys().copied().collect());
        all.into_iter().for_each(|pull| pull.finish(broker));
    }

    /// Answers pulls whose time is up, at most [`PORTION`] of them. `true` when there may be more.
    fn expire(&self, broker: &Arc<Inner>, now: Instant) -> bool {
        let due = |waiting: &Waiting| {
            let deadlines = waiting.deadlines.iter();
            let due = deadlines.take_while(|(deadline, _)| *deadline <= now);
            due.take(PORTION).map(|(_, number)| *number).collect()
        };
        let due = self.take(due);
        let more = due.len() == PORTION;
        due.into_iter().for_each(|pull| pull.finish(broker));
        more
    }
}

/// Answers pulls whose time is up. Sleeps while none waits.
pub(crate) async fn run(broker: Arc<Inner>) {
    let polling = &broker.long_polling;
    loop {
        if polling.count() == 0 {
            polling.first.notified().await;
        }
        tokio::time::sleep(TICK).await;
        let now = Instant::now();
        while polling.expire(&broker, now) {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::MainPort;
    use crate::testing::{Pair, TestBroker, broker};
    use ferromq_model::flags::pull::{SUBSCRIPTION, SUSPEND};
    use ferromq_net::{Reply, Responder, Service};
    use ferromq_protocol::Command;
    use ferromq_protocol::code::request;
    use ferromq_protocol::headers::PullMessageRequest;

    /// How long the pulls here may wait.
    const WAIT: Duration = Duration::from_secs(600);

    /// A broker with a topic whose queues need no look at the disk any more.
    fn looked_at(topic: &str, queues: i32) -> TestBroker {
        let broker = broker();
        broker.topic(topic, queues);
        (0..queues).for_each(|queue| _ = broker.log().max_offset(topic, queue));
        broker
    }

    fn waits(topic: &str, queue_id: i32) -> Command {
        let header = PullMessageRequest {
            consumer_group: "G",
            topic,
            queue_id,
            queue_offset: 0,
            max_msg_nums: 32,
            sys_flag: SUBSCRIPTION | SUSPEND,
            commit_offset: 0,
            suspend_timeout_millis: WAIT.as_millis() as i64,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: None,
            max_msg_bytes: None,
            request_source: None,
            broker_name: None,
        };
        Command::request_with(request::PULL_MESSAGE, &header)
    }

    fn pull(port: &MainPort, pair: &Pair, request: Command) -> Reply {
        let responder = Responder::new(&pair.connection, &request);
        responder.handle(|writer| port.handle(&pair.connection, &request, writer))
    }

    #[tokio::test]
    async fn a_connection_takes_its_pulls_along_when_it_ends() {
        let broker = looked_at("T", 2);
        let port = MainPort(broker.broker.clone());
        let (one, two) = (Pair::new().await, Pair::new().await);
        for (pair, queue) in [(&one, 0), (&one, 1), (&two, 0)] {
            assert_eq!(pull(&port, pair, waits("T", queue)), Reply::Later);
        }
        assert_eq!(broker.long_polling.count(), 3);
        port.closed(&one.connection);
        assert_eq!(broker.long_polling.count(), 1);
        port.closed(&two.connection);
        let waiting = broker.long_polling.waiting.lock();
        assert!(waiting.pulls.is_empty() && waiting.deadlines.is_empty());
        assert!(waiting.queues.is_empty() && waiting.connections.is_empty());
    }

    #[tokio::test]
    async fn pulls_expire_a_few_at_a_time_and_none_too_early() {
        let broker = looked_at("T", 1);
        let port = MainPort(broker.broker.clone());
        let pair = Pair::new().await;
        let (count, before) = (2 * PORTION + 1, Instant::now());
        for _ in 0..count {
            assert_eq!(pull(&port, &pair, waits("T", 0)), Reply::Later);
        }
        let after = Instant::now();
        let polling = &broker.long_polling;
        assert!(!polling.expire(&broker.broker, before + WAIT - Duration::from_nanos(1)));
        assert_eq!(polling.count(), count);
        assert!(polling.expire(&broker.broker, after + WAIT));
        assert_eq!(polling.count(), count - PORTION);
        assert!(polling.expire(&broker.broker, after + WAIT));
        assert!(!polling.expire(&broker.broker, after + WAIT));
        assert_eq!(polling.count(), 0);
    }

    #[tokio::test]
    async fn a_pull_of_a_connection_that_has_ended_does_not_wait() {
        let broker = looked_at("T", 1);
        let pair = Pair::new().await;
        pair.connection.close();
        let port = MainPort(broker.broker.clone());
        assert_eq!(pull(&port, &pair, waits("T", 0)), Reply::Later);
        assert_eq!(broker.long_polling.count(), 0);
    }
}
