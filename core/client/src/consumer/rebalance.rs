//! Sharing the queues of the subscribed topics among the members of the group (protocol §8.2), and
//! the locks that consuming in order needs (§8.8).

use super::core::{Core, now_ms};
use crate::error::{Error, ReadAnswer};
use crate::instance::group_members;
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::Command;
use ferromq_protocol::body::{ConsumeFromWhere, LockBatchRequest, LockBatchResponse, MessageModel};
use ferromq_protocol::code::request as code;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{OffsetResponse, QueueRequest, SearchOffsetRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How soon to try again when not every queue could be taken.
const UNBALANCED: Duration = Duration::from_secs(1);
const LOCK_PERIOD: Duration = Duration::from_secs(20);
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How far back a group without progress starts that wants messages since a time, in ms.
const HALF_AN_HOUR: i64 = 30 * 60 * 1000;

/// Shares queues again and again: at intervals, and at once when told.
pub(crate) async fn run(core: Arc<Core>) {
    let interval = Duration::from_millis(core.config.rebalance_interval);
    let mut absent = UNBALANCED;
    loop {
        let pause = match rebalance(&core).await {
            Balance::Complete => interval,
            // Less and less often: a broker that makes no retry topics is not to be asked for ever.
            Balance::NotThereYet => {
                absent = (absent * 2).min(interval.max(UNBALANCED));
                absent / 2
            }
            Balance::Incomplete => UNBALANCED.min(interval),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.rebalance_now.notified() => {}
        }
    }
}

/// How well queues are shared, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Balance {
    /// Everything is as it should be.
    Complete,
    /// The group's retry topic has not been made yet, which may take for ever.
    NotThereYet,
    /// Queues that are this consumer's could not be taken.
    Incomplete,
}

async fn rebalance(core: &Arc<Core>) -> Balance {
    let topics: Vec<String> = core.subscriptions.read().keys().cloned().collect();
    let mut balance = Balance::Complete;
    for topic in &topics {
        let of_topic = rebalance_topic(core, topic).await.unwrap_or_else(|error| {
            tracing::warn!(group = core.group(), topic, %error, "queues cannot be shared; trying again");
            Balance::Incomplete
        });
        balance = balance.max(of_topic);
    }
    let stale: Vec<MessageQueue> = {
        let (queues, subscriptions) = (core.queues.lock(), core.subscriptions.read());
        // Without subscriptions, queues that are there all the same were assigned by the application.
        let gone = |queue: &&MessageQueue| {
            !subscriptions.is_empty() && !subscriptions.contains_key(&queue.topic)
        };
        queues.keys().filter(gone).cloned().collect()
    };
    for queue in stale {
        if !core.remove_queue(&queue).await {
            balance = Balance::Incomplete;
        }
    }
    balance
}

async fn rebalance_topic(core: &Arc<Core>, topic: &str) -> Result<Balance, Error> {
    let Some(route) = core.instance.route(topic).await? else {
        // The broker makes the retry topic when it first hears of the group; other topics come
        // with the next refresh of routes.
        return Ok(match topic.starts_with(names::RETRY_PREFIX) {
            true => Balance::NotThereYet,
            false => Balance::Complete,
        });
    };
    let mut queues = route.readable.clone();
    queues.sort();
    let mine = match core.model {
        MessageModel::Broadcasting => queues,
        MessageModel::Clustering => {
            let pick = now_ms() as usize;
            let Some(address) = route.any_broker(pick).map(str::to_string) else {
                return Ok(Balance::Incomplete);
            };
            let ask = || group_members(&core.instance, &address, core.group());
            let mut members = ask().await?;
            if !members.iter().flatten().any(|member| *member == core.instance.id) {
                // The broker has lost us, by a restart most likely.
                core.instance.heartbeat_all().await;
                members = ask().await?;
            }
            let Some(members) = members else { return Ok(Balance::Incomplete) };
            core.allocation.allocate(&core.instance.id, &queues, &members)
        }
    };
    Ok(match take_over(core, topic, mine.into_iter().collect()).await {
        true => Balance::Complete,
        false => Balance::Incomplete,
    })
}

/// Gives up queues that are no longer ours and begins with new ones.
async fn take_over(core: &Arc<Core>, topic: &str, mine: BTreeSet<MessageQueue>) -> bool {
    let (mut held, gone): (BTreeSet<MessageQueue>, BTreeSet<MessageQueue>) = {
        let queues = core.queues.lock();
        let of_topic = queues.iter().filter(|(queue, _)| queue.topic == topic);
        let (stay, go): (Vec<_>, Vec<_>) =
            of_topic.partition(|(queue, process)| mine.contains(*queue) && !process.is_leaving());
        let names = |queues: Vec<(&MessageQueue, _)>| {
            queues.into_iter().map(|(queue, _)| queue.clone()).collect()
        };
        (names(stay), names(go))
    };
    let mut complete = true;
    for queue in gone {
        if core.remove_queue(&queue).await {
            tracing::info!(group = core.group(), %queue, "queue given up");
        } else {
            complete = false;
            held.insert(queue);
        }
    }
    let new: Vec<MessageQueue> = mine.difference(&held).cloned().collect();
    if new.is_empty() {
        return complete;
    }
    let needs_lock = core.is_orderly() && core.model == MessageModel::Clustering;
    let locked = match needs_lock {
        true => lock(core, &new).await,
        false => new.iter().cloned().collect(),
    };
    complete &= locked.len() == new.len();
    for queue in new.into_iter().filter(|queue| locked.contains(queue)) {
        core.offsets.forget(&queue);
        match start_offset(core, &queue).await {
            Ok(offset) => {
                let subscribed = |topic: &str| core.subscriptions.read().contains_key(topic);
                if core.add_queue(queue.clone(), offset, needs_lock, subscribed) {
                    tracing::info!(group = core.group(), %queue, offset, "queue taken over");
                } else if needs_lock {
                    unlock(core, &[queue]).await;
                }
            }
            Err(error) => {
                tracing::warn!(group = core.group(), %queue, %error, "no start offset; trying again");
                complete = false;
            }
        }
    }
    complete
}

/// Where to begin with a queue: at the stored progress, or as the settings say (protocol §8.4).
pub(crate) async fn start_offset(core: &Core, queue: &MessageQueue) -> Result<i64, Error> {
    if let Some(stored) = core.offsets.load(&core.instance, queue).await? {
        return Ok(stored);
    }
    let retry = queue.topic.starts_with(names::RETRY_PREFIX);
    match core.from_where {
        ConsumeFromWhere::FirstOffset => Ok(0),
        ConsumeFromWhere::LastOffset if retry => Ok(0),
        ConsumeFromWhere::Timestamp if !retry => {
            let time = match core.config.consume_timestamp {
                0 => now_ms() - HALF_AN_HOUR,
                time => time,
            };
            offset_at(core, queue, time).await
        }
        ConsumeFromWhere::LastOffset | ConsumeFromWhere::Timestamp => {
            queue_offset(core, queue, code::GET_MAX_OFFSET).await
        }
    }
}

/// GET_MAX_OFFSET or GET_MIN_OFFSET.
pub(crate) async fn queue_offset(
    core: &Core,
    queue: &MessageQueue,
    code: i32,
) -> Result<i64, Error> {
    let header = QueueRequest {
        topic: &queue.topic,
        queue_id: queue.queue_id,
        committed: None,
        broker_name: Some(&queue.broker_name),
    };
    offset_of(core, queue, Command::request_with(code, &header)).await
}

/// The offset of a queue at a time in ms.
pub(crate) async fn offset_at(core: &Core, queue: &MessageQueue, time: i64) -> Result<i64, Error> {
    let header = SearchOffsetRequest {
        topic: &queue.topic,
        queue_id: queue.queue_id,
        timestamp: time,
        boundary_type: None,
        broker_name: Some(&queue.broker_name),
    };
    offset_of(core, queue, Command::request_with(code::SEARCH_OFFSET_BY_TIMESTAMP, &header)).await
}

async fn offset_of(core: &Core, queue: &MessageQueue, request: Command) -> Result<i64, Error> {
    let (address, _) = core.instance.reader(&queue.broker_name, 0)?;
    let answer = core.instance.ask(&address, request, core.instance.timeout()).await?;
    Ok(answer.header::<OffsetResponse>().sent_by(&address)?.offset)
}

fn by_broker(queues: &[MessageQueue]) -> BTreeMap<&str, Vec<MessageQueue>> {
    let mut brokers: BTreeMap<&str, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        brokers.entry(&queue.broker_name).or_default().push(queue.clone());
    }
    brokers
}

fn lock_request(core: &Core, code: i32, mq_set: Vec<MessageQueue>) -> Command {
    let body = LockBatchRequest {
        client_id: core.instance.id.clone(),
        consumer_group: core.group().to_string(),
        mq_set,
        only_this_broker: false,
    };
    Command::request(code).with_body(fastjson::to_vec(&body))
}

/// Locks queues at their brokers and returns those that are ours now.
async fn lock(core: &Core, queues: &[MessageQueue]) -> BTreeSet<MessageQueue> {
    try_lock(core, queues).await.0
}

/// Locks queues; returns those that are ours now, and the brokers that did not answer.
async fn try_lock(
    core: &Core,
    queues: &[MessageQueue],
) -> (BTreeSet<MessageQueue>, BTreeSet<String>) {
    let (mut locked, mut unanswered) = (BTreeSet::new(), BTreeSet::new());
    for (broker, queues) in by_broker(queues) {
        let asked = async {
            let address = core.instance.master(broker)?;
            let request = lock_request(core, code::LOCK_BATCH_MQ, queues);
            let answer = core.instance.ask(&address, request, LOCK_TIMEOUT).await?;
            fastjson::from_slice::<LockBatchResponse>(&answer.body).sent_by(&address)
        };
        match asked.await {
            Ok(answer) => locked.extend(answer.lock_ok_mq_set),
            Err(error) => {
                tracing::warn!(group = core.group(), broker, %error, "queues not locked");
                unanswered.insert(broker.to_string());
            }
        }
    }
    (locked, unanswered)
}

/// Releases queues, without waiting for an answer.
pub(crate) async fn unlock(core: &Core, queues: &[MessageQueue]) {
    for (broker, queues) in by_broker(queues) {
        let request = lock_request(core, code::UNLOCK_BATCH_MQ, queues);
        let sent = match core.instance.master(broker) {
            Ok(address) => core.instance.send(&address, request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(group = core.group(), broker, %error, "queues not unlocked; they expire");
        }
    }
}

/// Renews the locks of all queues now and then.
pub(crate) async fn renew_locks(core: Arc<Core>) {
    loop {
        let all_locked = core.queues.lock().values().all(|process| process.is_locked());
        tokio::time::sleep(if all_locked { LOCK_PERIOD } else { UNBALANCED }).await;
        let queues: Vec<MessageQueue> = core.queues.lock().keys().cloned().collect();
        let (locked, unanswered) = try_lock(&core, &queues).await;
        for (queue, process) in core.queues.lock().iter() {
            // A lock lasts, even when its broker cannot be reached for a moment.
            if queues.contains(queue) && !unanswered.contains(&queue.broker_name) {
                process.set_locked(locked.contains(queue));
            }
        }
    }
}
