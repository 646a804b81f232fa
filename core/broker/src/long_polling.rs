//! Pulls that wait for messages: woken by the append that they wait for, or when their time is up.

use crate::inner::Inner;
use crate::pull::HeldPull;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How exactly deadlines are kept.
const TICK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Waiting {
    /// By topic, queue and the pull's own number.
    queues: HashMap<String, HashMap<i32, Vec<(u64, HeldPull)>>>,
    deadlines: BTreeMap<(Instant, u64), (String, i32)>,
}

/// Every pull that waits.
#[derive(Default)]
pub(crate) struct LongPolling {
    waiting: Mutex<Waiting>,
    count: AtomicUsize,
    next: AtomicU64,
    first: Notify,
}

impl LongPolling {
    /// Holds a pull until a message arrives or `deadline`.
    pub(crate) fn hold(&self, broker: &Arc<Inner>, pull: HeldPull, deadline: Instant) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (topic, queue_id, offset) = (pull.topic().to_string(), pull.queue_id(), pull.offset());
        {
            let mut waiting = self.waiting.lock();
            waiting.deadlines.insert((deadline, number), (topic.clone(), queue_id));
            let queues = waiting.queues.entry(topic.clone()).or_default();
            queues.entry(queue_id).or_default().push((number, pull));
            if self.count.fetch_add(1, Ordering::SeqCst) == 0 {
                self.first.notify_one();
            }
        }
        // A message that arrived between the read and now woke nobody.
        let end = broker.log().max_offset(&topic, queue_id).unwrap_or(0);
        if end > offset {
            self.arrived(broker, &topic, queue_id, end);
        }
    }

    /// Messages up to `next_offset` can be read.
    pub(crate) fn arrived(
        &self,
        broker: &Arc<Inner>,
        topic: &str,
        queue_id: i32,
        next_offset: i64,
    ) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let woken = {
            let mut waiting = self.waiting.lock();
            let queues = waiting.queues.get_mut(topic);
            let Some(held) = queues.and_then(|queues| queues.get_mut(&queue_id)) else { return };
            let woken: Vec<_> =
                held.extract_if(.., |(_, pull)| pull.offset() < next_offset).collect();
            self.forget(&mut waiting, topic, queue_id, &woken);
            woken
        };
        for (_, pull) in woken {
            if let Some((pull, deadline)) = pull.retry(broker) {
                self.hold(broker, pull, deadline);
            }
        }
    }

    /// The topic is gone: whoever waits for its messages need not.
    pub(crate) fn topic_deleted(&self, broker: &Arc<Inner>, topic: &str) {
        let gone: Vec<(u64, HeldPull)> = {
            let mut waiting = self.waiting.lock();
            let queues = waiting.queues.remove(topic).unwrap_or_default();
            let gone: Vec<_> = queues.into_values().flatten().collect();
            for (number, pull) in &gone {
                waiting.deadlines.remove(&(pull.deadline(), *number));
            }
            self.count.fetch_sub(gone.len(), Ordering::SeqCst);
            gone
        };
        gone.into_iter().for_each(|(_, pull)| pull.finish(broker));
    }

    fn forget(&self, waiting: &mut Waiting, topic: &str, queue_id: i32, gone: &[(u64, HeldPull)]) {
        for (number, pull) in gone {
            waiting.deadlines.remove(&(pull.deadline(), *number));
        }
        self.count.fetch_sub(gone.len(), Ordering::SeqCst);
        if let Some(queues) = waiting.queues.get_mut(topic) {
            if queues.get(&queue_id).is_some_and(Vec::is_empty) {
                queues.remove(&queue_id);
            }
            if queues.is_empty() {
                waiting.queues.remove(topic);
            }
        }
    }

    /// Answers every pull with what there is, for the end of the broker.
    pub(crate) fn answer_all(&self, broker: &Arc<Inner>) {
        self.expire(broker, None);
    }

    /// Answers every pull whose time is up; all of them if `now` is `None`.
    fn expire(&self, broker: &Arc<Inner>, now: Option<Instant>) {
        loop {
            let expired = {
                let mut waiting = self.waiting.lock();
                let Some(((deadline, number), place)) = waiting.deadlines.pop_first() else {
                    return;
                };
                if now.is_some_and(|now| deadline > now) {
                    waiting.deadlines.insert((deadline, number), place);
                    return;
                }
                let (topic, queue_id) = place;
                let queues = waiting.queues.get_mut(&topic);
                let held = queues.and_then(|queues| queues.get_mut(&queue_id));
                let at = held.and_then(|held| {
                    let at = held.iter().position(|(other, _)| *other == number)?;
                    Some(held.swap_remove(at))
                });
                let gone: Vec<_> = at.into_iter().collect();
                self.forget(&mut waiting, &topic, queue_id, &gone);
                gone
            };
            expired.into_iter().for_each(|(_, pull)| pull.finish(broker));
        }
    }
}

/// Answers pulls whose time is up. Sleeps while none waits.
pub(crate) async fn run(broker: Arc<Inner>) {
    let polling = &broker.long_polling;
    loop {
        if polling.count.load(Ordering::SeqCst) == 0 {
            polling.first.notified().await;
        }
        tokio::time::sleep(TICK).await;
        polling.expire(&broker, Some(Instant::now()));
    }
}
