//! Handling the messages of a queue one after the other (protocol §8.8).

use super::core::{Core, Sink, now_ms};
use super::process_queue::ProcessQueue;
use super::{Consumed, Listener, retry};
use crate::message::ReceivedMessage;
use crate::statistics::count;
use ferromq_protocol::body::MessageModel;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;

const UNLOCKED: Duration = Duration::from_millis(100);

pub(crate) struct Orderly {
    pub(crate) listener: Listener,
    batch: usize,
    width: u32,
    permits: Semaphore,
}

impl Orderly {
    pub(crate) fn new(listener: Listener, width: usize, batch: usize) -> Self {
        Orderly { listener, batch, width: width as u32, permits: Semaphore::new(width) }
    }

    /// Handles a queue's messages until the queue is dropped.
    pub(crate) async fn run(core: Arc<Core>, process: Arc<ProcessQueue>) {
        let Sink::Orderly(sink) = &core.sink else { return };
        while !process.is_dropped() {
            if core.model == MessageModel::Clustering && !process.is_locked() {
                tokio::time::sleep(UNLOCKED).await;
                continue;
            }
            let messages = process.take(sink.batch);
            if messages.is_empty() {
                process.changed.notified().await;
                continue;
            }
            let Ok(permit) = sink.permits.acquire().await else { return };
            if !process.begin_handling() {
                return;
            }
            let consumed = super::call(&sink.listener, core.group(), messages.clone()).await;
            process.last_consume.store(now_ms(), Ordering::Relaxed);
            let settled = match consumed {
                Consumed::Success => {
                    count(&core.receipts.handled, messages.len());
                    true
                }
                Consumed::Later { .. } => {
                    count(&core.receipts.returned, messages.len());
                    give_up(&core, &messages).await
                }
            };
            if !settled {
                process.put_back(|message| message.reconsume_times += 1);
            } else if let Some(offset) = process.settle() {
                process.unless_lost(|| core.offsets.advance(&process.queue, offset));
            }
            // Only now: closing waits for the permit before it stores progress.
            drop(permit);
            if process.end_handling() {
                core.rebalance_now.notify_one();
                return;
            }
            if !settled {
                let pause = core.config.suspend_current_queue_time;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }

    /// Waits for what is being handled.
    pub(crate) async fn finish(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.permits.acquire_many(self.width)).await.is_err() {
            tracing::warn!("messages are still being handled; they will be delivered again");
        }
        self.permits.close();
    }
}

/// Whether all of these messages have failed too often and are in other hands now.
async fn give_up(core: &Arc<Core>, messages: &[ReceivedMessage]) -> bool {
    let max = core.max_reconsume_times();
    if messages.iter().any(|message| message.reconsume_times < max) {
        return false;
    }
    for message in messages {
        if core.model == MessageModel::Broadcasting {
            tracing::warn!(group = core.group(), queue = %message.queue, "a broadcast message was not handled; it is skipped");
        } else if let Err(error) = retry::send_to_retry_topic(core, message).await {
            tracing::warn!(group = core.group(), queue = %message.queue, %error, "a message cannot be sent back");
            return false;
        }
    }
    true
}
