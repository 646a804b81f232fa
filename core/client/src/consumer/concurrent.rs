//! Handling messages side by side (protocol §8.6 and §8.7).

use super::core::{Core, Sink, now_ms};
use super::process_queue::ProcessQueue;
use super::{Consumed, Listener, retry};
use crate::message::ReceivedMessage;
use crate::statistics::count;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a message rests that could be neither handled nor sent back.
const LOCAL_RETRY: Duration = Duration::from_secs(5);

/// Messages that the listener gets at once, all of one queue.
type Batch = (Arc<ProcessQueue>, Vec<ReceivedMessage>);

pub(crate) struct Concurrent {
    pub(crate) listener: Listener,
    batch: usize,
    width: usize,
    work: Mutex<Work>,
}

/// Messages begin to be handled in the order in which they came: what is committed is everything
/// before the first that is not handled, so that of a queue that is handled here and there much would
/// come again after a close. One line and as many workers as messages may be handled at once keep
/// that order; a task for each message would leave it to the runtime.
#[derive(Default)]
struct Work {
    waiting: VecDeque<Batch>,
    /// How many workers look for batches.
    working: usize,
    workers: JoinSet<()>,
    /// Those that wait to put messages back in line.
    resting: JoinSet<()>,
    finished: bool,
}

impl Concurrent {
    pub(crate) fn new(listener: Listener, width: usize, batch: usize) -> Self {
        Concurrent { listener, batch, width, work: Mutex::default() }
    }

    pub(crate) fn deliver(
        &self,
        core: &Arc<Core>,
        process: &Arc<ProcessQueue>,
        messages: Vec<ReceivedMessage>,
    ) {
        let mut messages = messages.into_iter();
        let mut work = self.work.lock();
        if work.finished {
            return;
        }
        let before = work.waiting.len();
        loop {
            let batch: Vec<ReceivedMessage> = messages.by_ref().take(self.batch).collect();
            if batch.is_empty() {
                break;
            }
            work.waiting.push_back((process.clone(), batch));
        }
        let new = (work.waiting.len() - before).min(self.width - work.working);
        while work.workers.try_join_next().is_some() {}
        for _ in 0..new {
            work.workers.spawn(work_off(core.clone()));
        }
        work.working += new;
    }

    /// The first batch of a queue that was not given up; `None` ends the worker that asks.
    fn next(&self) -> Option<Batch> {
        let mut work = self.work.lock();
        // Under the lock: a later message of a queue that is just given up must not be taken when an
        // earlier one was left.
        while let Some((process, messages)) = work.waiting.pop_front() {
            if !process.is_dropped() {
                return Some((process, messages));
            }
        }
        work.working -= 1;
        None
    }

    /// Puts messages back in line, after a while.
    fn rest(&self, core: &Arc<Core>, process: Arc<ProcessQueue>, messages: Vec<ReceivedMessage>) {
        let core = core.clone();
        let mut work = self.work.lock();
        if work.finished {
            return;
        }
        while work.resting.try_join_next().is_some() {}
        work.resting.spawn(async move {
            tokio::time::sleep(LOCAL_RETRY).await;
            if let Sink::Concurrent(sink) = &core.sink {
                sink.deliver(&core, &process, messages);
            }
        });
    }

    /// Waits for what is being handled; what has not begun is left to others.
    pub(crate) async fn finish(&self, patience: Duration) {
        let (mut workers, mut resting) = {
            let mut work = self.work.lock();
            work.finished = true;
            work.waiting.clear();
            (std::mem::take(&mut work.workers), std::mem::take(&mut work.resting))
        };
        let all = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("messages are still being handled; they will be delivered again");
        }
        workers.shutdown().await;
        resting.shutdown().await;
    }
}

/// Handles batches until none waits.
async fn work_off(core: Arc<Core>) {
    let Sink::Concurrent(sink) = &core.sink else { return };
    while let Some((process, messages)) = sink.next() {
        let failed = handle(&core, sink, &process, messages).await;
        if !failed.is_empty() && !process.is_dropped() {
            sink.rest(&core, process, failed);
        }
    }
}

/// Has messages handled, and returns those that could be neither handled nor sent back.
async fn handle(
    core: &Arc<Core>,
    sink: &Concurrent,
    process: &ProcessQueue,
    messages: Vec<ReceivedMessage>,
) -> Vec<ReceivedMessage> {
    let patience = Duration::from_secs(core.config.consume_timeout * 60);
    let call = super::call(&sink.listener, core.group(), messages.clone());
    let consumed = match tokio::time::timeout(patience, call).await {
        Ok(consumed) => consumed,
        Err(_) => {
            tracing::warn!(group = core.group(), queue = %process.queue, minutes = core.config.consume_timeout,
                "handling a message takes too long; it is sent back");
            Consumed::Later { delay_level: 3 }
        }
    };
    process.last_consume.store(now_ms(), Ordering::Relaxed);
    let done: Vec<i64> = messages.iter().map(|message| message.queue_offset).collect();
    let failed = match consumed {
        Consumed::Success => {
            count(&core.receipts.handled, messages.len());
            Vec::new()
        }
        Consumed::Later { delay_level } => {
            count(&core.receipts.returned, messages.len());
            retry_later(core, messages, delay_level).await
        }
    };
    let kept: Vec<i64> = failed.iter().map(|message| message.queue_offset).collect();
    core.settled(process, done.into_iter().filter(|offset| !kept.contains(offset)));
    failed
}

/// Sends messages back, and returns those for which even that failed.
async fn retry_later(
    core: &Arc<Core>,
    messages: Vec<ReceivedMessage>,
    delay_level: i32,
) -> Vec<ReceivedMessage> {
    let mut failed = Vec::new();
    for mut message in messages {
        if !retry::give_back(core, &mut message, delay_level).await {
            failed.push(message);
        }
    }
    failed
}
