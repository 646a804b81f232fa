//! Handling messages side by side (protocol §8.6 and §8.7).

use super::core::{Core, now_ms};
use super::process_queue::ProcessQueue;
use super::{Consumed, Listener, retry};
use crate::message::ReceivedMessage;
use crate::statistics::count;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a message rests that could be neither handled nor sent back.
const LOCAL_RETRY: Duration = Duration::from_secs(5);

pub(crate) struct Concurrent {
    pub(crate) listener: Listener,
    batch: usize,
    width: u32,
    permits: Arc<Semaphore>,
    handling: parking_lot::Mutex<JoinSet<()>>,
}

impl Concurrent {
    pub(crate) fn new(listener: Listener, width: usize, batch: usize) -> Self {
        let permits = Arc::new(Semaphore::new(width));
        let handling = parking_lot::Mutex::default();
        Concurrent { listener, batch, width: width as u32, permits, handling }
    }

    pub(crate) fn deliver(
        &self,
        core: &Arc<Core>,
        process: &Arc<ProcessQueue>,
        messages: Vec<ReceivedMessage>,
    ) {
        let mut handling = self.handling.lock();
        while handling.try_join_next().is_some() {}
        for batch in messages.chunks(self.batch) {
            handling.spawn(handle(core.clone(), process.clone(), batch.to_vec()));
        }
    }

    /// Waits for what is being handled; what has not begun is left to others.
    pub(crate) async fn finish(&self, patience: Duration) {
        let all = self.permits.acquire_many(self.width);
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("messages are still being handled; they will be delivered again");
        }
        self.permits.close();
        let mut handling = std::mem::take(&mut *self.handling.lock());
        handling.shutdown().await;
    }
}

async fn handle(core: Arc<Core>, process: Arc<ProcessQueue>, messages: Vec<ReceivedMessage>) {
    let super::core::Sink::Concurrent(sink) = &core.sink else { return };
    let mut messages = messages;
    loop {
        let Ok(permit) = sink.permits.acquire().await else { return };
        if process.is_dropped() {
            return;
        }
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
                retry_later(&core, messages, delay_level).await
            }
        };
        let kept: Vec<i64> = failed.iter().map(|message| message.queue_offset).collect();
        core.settled(&process, done.into_iter().filter(|offset| !kept.contains(offset)));
        // Only now: closing waits for the permit before it stores progress.
        drop(permit);
        if failed.is_empty() || process.is_dropped() {
            return;
        }
        messages = failed;
        tokio::time::sleep(LOCAL_RETRY).await;
    }
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
