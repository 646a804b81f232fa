//! Pulling one queue, again and again (protocol §8.5).

use super::core::{Core, Sink, now_ms};
use super::process_queue::ProcessQueue;
use crate::error::{Error, ReadAnswer};
use crate::message::ReceivedMessage;
use crate::statistics::count;
use ferromq_model::flags;
use ferromq_protocol::Command;
use ferromq_protocol::body::{MessageModel, SubscriptionData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{PullMessageRequest, PullMessageResponse};
use ferromq_protocol::properties::key;
use ferromq_protocol::record::{StoredMessage, records};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const FULL: Duration = Duration::from_millis(50);
const FLOW_CONTROL: Duration = Duration::from_millis(20);
const PROBLEM: Duration = Duration::from_secs(1);
const SUSPEND: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(30);
/// The id of a master.
const MASTER: i64 = 0;
/// Bytes asked for at once.
const MAX_BYTES: i32 = 256 << 10;

/// Pulls until the queue is dropped.
pub(crate) async fn run(core: Arc<Core>, process: Arc<ProcessQueue>) {
    let suggested = AtomicI64::new(MASTER);
    while !process.is_dropped() {
        let pause = match obstacle(&core, &process) {
            Some(pause) => pause,
            None => match pull(&core, &process, &suggested).await {
                Ok(pause) => pause,
                Err(error) => {
                    if !process.is_dropped() {
                        count(&core.receipts.pull_failures, 1);
                        tracing::warn!(group = core.group(), queue = %process.queue, %error, "pull failed; trying again");
                    }
                    PROBLEM
                }
            },
        };
        if pause == FULL {
            // Not longer than until there is room: a fast application is not to be held up.
            let _ = tokio::time::timeout(FULL, process.room.notified()).await;
        } else if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// How long to wait when pulling would be no use now.
fn obstacle(core: &Core, process: &ProcessQueue) -> Option<Duration> {
    let config = &core.config;
    let (count, bytes, span) = process.load();
    if process.is_paused() {
        return Some(PROBLEM);
    }
    if count > config.pull_threshold_for_queue || bytes >> 20 > config.pull_threshold_size_for_queue
    {
        return Some(FULL);
    }
    match &core.sink {
        Sink::Concurrent(_) | Sink::Polled(_) if span > config.consume_concurrently_max_span => {
            Some(FULL)
        }
        Sink::Orderly(_) if core.model == MessageModel::Clustering && !process.is_locked() => {
            Some(PROBLEM)
        }
        _ => None,
    }
}

/// Pulls once; returns how long to wait before the next time.
async fn pull(
    core: &Arc<Core>,
    process: &Arc<ProcessQueue>,
    suggested: &AtomicI64,
) -> Result<Duration, Error> {
    let queue = &process.queue;
    let Some(subscription) = core.subscription(&queue.topic).or_else(|| assigned(core, process))
    else {
        return Ok(PROBLEM);
    };
    let (address, is_master) =
        core.instance.reader(&queue.broker_name, suggested.load(Ordering::Relaxed))?;
    let offset = process.pull_offset.load(Ordering::Acquire);
    let answer = {
        let request = request(core, process, &subscription, offset, is_master);
        let answer = core.instance.invoke(&address, request, TIMEOUT).await;
        // A slave that does not answer is not asked again: the master has all that it has.
        answer.inspect_err(|_| suggested.store(MASTER, Ordering::Relaxed))?
    };
    if process.is_dropped() || process.pull_offset.load(Ordering::Acquire) != offset {
        // Given up, or moved elsewhere in the meantime.
        return Ok(Duration::ZERO);
    }
    process.last_pull.store(now_ms(), Ordering::Relaxed);
    match answer.code {
        response::SUCCESS
        | response::PULL_NOT_FOUND
        | response::PULL_RETRY_IMMEDIATELY
        | response::PULL_OFFSET_MOVED => {
            let header: PullMessageResponse = answer.header().sent_by(&address)?;
            suggested.store(header.suggest_which_broker_id, Ordering::Relaxed);
            process.max_offset.store(header.max_offset, Ordering::Relaxed);
            accept(core, process, &subscription, &header, &answer, &address)
        }
        response::FLOW_CONTROL => Ok(FLOW_CONTROL),
        code => {
            if matches!(code, response::SUBSCRIPTION_NOT_EXIST | response::SUBSCRIPTION_NOT_LATEST)
            {
                core.instance.heartbeat_all().await;
            }
            let remark = answer.remark().to_string();
            Err(Error::Refused { operation: "a pull", address, code, remark })
        }
    }
}

/// The subscription of a queue that the application assigned itself.
fn assigned(core: &Core, process: &ProcessQueue) -> Option<SubscriptionData> {
    match &core.sink {
        Sink::Buffer(_) => Some(SubscriptionData::by_tags(process.queue.topic.as_str(), "*", 0)),
        _ => None,
    }
}

fn request(
    core: &Core,
    process: &ProcessQueue,
    subscription: &SubscriptionData,
    offset: i64,
    is_master: bool,
) -> Command {
    let queue = &process.queue;
    let clustering = core.model == MessageModel::Clustering;
    let committed =
        core.offsets.known(queue).filter(|offset| *offset > 0 && clustering && is_master);
    let mut sys_flag = flags::pull::SUSPEND;
    let mut text = None;
    match core.sink {
        Sink::Buffer(_) => {
            sys_flag |= flags::pull::SUBSCRIPTION | flags::pull::LITE_PULL;
            text = Some(subscription.sub_string.as_str());
        }
        _ if committed.is_some() => sys_flag |= flags::pull::COMMIT_OFFSET,
        _ => {}
    }
    let header = PullMessageRequest {
        consumer_group: core.group(),
        topic: &queue.topic,
        queue_id: queue.queue_id,
        queue_offset: offset,
        max_msg_nums: core.config.pull_batch_size,
        sys_flag,
        commit_offset: committed.unwrap_or(0),
        suspend_timeout_millis: SUSPEND.as_millis() as i64,
        subscription: text,
        sub_version: subscription.sub_version,
        expression_type: Some(&subscription.expression_type),
        max_msg_bytes: Some(MAX_BYTES),
        request_source: None,
        broker_name: Some(&queue.broker_name),
    };
    Command::request_with(code::PULL_MESSAGE, &header)
}

fn accept(
    core: &Arc<Core>,
    process: &Arc<ProcessQueue>,
    subscription: &SubscriptionData,
    header: &PullMessageResponse,
    answer: &Command,
    address: &str,
) -> Result<Duration, Error> {
    let interval = Duration::from_millis(core.config.pull_interval);
    let next = header.next_begin_offset;
    match answer.code {
        response::SUCCESS => {
            let messages = decode(process, subscription, header, answer, address)?;
            process.pull_offset.store(next, Ordering::Release);
            match messages.is_empty() {
                true => skip(core, process, next),
                false => core.deliver(process, messages),
            }
            Ok(interval)
        }
        response::PULL_OFFSET_MOVED => {
            tracing::warn!(group = core.group(), queue = %process.queue, offset = next,
                remark = answer.remark(), "the broker moves the queue elsewhere");
            core.move_queue(process, next);
            Ok(Duration::ZERO)
        }
        _ => {
            process.pull_offset.store(next, Ordering::Release);
            skip(core, process, next);
            Ok(Duration::ZERO)
        }
    }
}

/// Commits past messages that are not for us.
fn skip(core: &Core, process: &ProcessQueue, next: i64) {
    let is_push = !matches!(core.sink, Sink::Buffer(_));
    if is_push && process.is_empty() && next > 0 {
        process.unless_lost(|| core.offsets.advance(&process.queue, next));
    }
}

fn decode(
    process: &ProcessQueue,
    subscription: &SubscriptionData,
    header: &PullMessageResponse,
    answer: &Command,
    address: &str,
) -> Result<Vec<ReceivedMessage>, Error> {
    let mut messages = Vec::new();
    for record in records(&answer.body) {
        let stored = record
            .map(|record| StoredMessage::decode(&answer.body, &record))
            .map_err(|error| Error::malformed(address, error))?;
        if !subscription.matches(stored.properties.get(key::TAGS)) {
            continue;
        }
        let mut message = ReceivedMessage::new(stored, &process.queue.broker_name);
        message.properties.set_number(key::MIN_OFFSET, header.min_offset);
        message.properties.set_number(key::MAX_OFFSET, header.max_offset);
        messages.push(message);
    }
    Ok(messages)
}
