//! Consuming messages when the application asks for them (protocol §8.11).

use crate::config::{ClientConfig, ConsumerConfig};
use crate::consumer::core::{Core, Sink};
use crate::consumer::mailbox::{Mailbox, deadline};
use crate::consumer::process_queue::ProcessQueue;
use crate::consumer::{begin, close_in_background, rebalance};
use crate::error::Error;
use crate::instance::Instance;
use crate::message::ReceivedMessage;
use crate::statistics::{ConsumerStatistics, count};
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::code::request as code;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Receives messages by polling. Either subscribe to topics and share their queues with the group,
/// or assign queues yourself; not both.
pub struct PullConsumer {
    core: Arc<Core>,
    last_commit: Mutex<Instant>,
    /// Progress of what was polled, which a commit makes the group's; each with what was held of the queue
    /// then, which may be somebody else's since.
    polled: Mutex<HashMap<MessageQueue, (Arc<ProcessQueue>, i64)>>,
}

impl PullConsumer {
    /// Starts a consumer that has no queues yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for wrong settings.
    pub async fn start(client: ClientConfig, config: ConsumerConfig) -> Result<Self, Error> {
        names::check_group(&config.group)?;
        let seat = Instance::join(&client, Some(&config.group))?;
        let core =
            Arc::new(Core::new(seat.instance(), config, None, Sink::Buffer(Mailbox::default()))?);
        begin(&core).await?;
        Ok(PullConsumer { core, last_commit: Mutex::new(Instant::now()), polled: Mutex::default() })
    }

    fn mailbox(&self) -> &Mailbox<Arc<ProcessQueue>> {
        match &self.core.sink {
            Sink::Buffer(mailbox) => mailbox,
            // Made with a mailbox in `start`.
            _ => unreachable!("a pull consumer has a mailbox"),
        }
    }

    /// Subscribes to a topic and shares its queues with the group.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a bad topic name, [`Error::NameServersDown`].
    pub async fn subscribe(&self, topic: &str, tags: &str) -> Result<(), Error> {
        self.check_open()?;
        self.core.subscribe(topic, tags)?;
        self.core.instance.refresh(topic).await?;
        self.core.instance.heartbeat_all().await;
        self.core.rebalance_now.notify_one();
        Ok(())
    }

    /// Reads a topic's queues no more.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), Error> {
        self.check_open()?;
        self.core.unsubscribe(topic).await;
        Ok(())
    }

    /// Reads these queues and no others, from the group's progress on.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there are subscriptions; otherwise as requests to brokers.
    pub async fn assign(&self, queues: &[MessageQueue]) -> Result<(), Error> {
        self.check_open()?;
        if !self.core.subscriptions.read().is_empty() {
            return Err(Error::InvalidArgument(
                "a consumer that subscribes cannot assign queues".to_string(),
            ));
        }
        let held: Vec<MessageQueue> = self.core.queues.lock().keys().cloned().collect();
        for queue in held.iter().filter(|queue| !queues.contains(queue)) {
            self.core.remove_queue(queue).await;
        }
        for queue in queues.iter().filter(|queue| !held.contains(queue)) {
            self.core.instance.route(&queue.topic).await?;
            let offset = rebalance::start_offset(&self.core, queue).await?;
            self.core.add_queue(queue.clone(), offset, false, |_| true);
        }
        Ok(())
    }

    /// The queues of a topic.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`], [`Error::NameServersDown`].
    pub async fn topic_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, Error> {
        let route = self.core.instance.route(topic).await?;
        let route = route.ok_or_else(|| Error::TopicNotFound { topic: topic.to_string() })?;
        Ok(route.readable.clone())
    }

    /// The queues that are read at present.
    pub fn assignment(&self) -> Vec<MessageQueue> {
        self.core.queues.lock().keys().cloned().collect()
    }

    /// Up to `max` messages of one queue, waiting up to `timeout` for the first. Empty when none
    /// came. With `autoCommit`, what was polled before counts as handled.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn poll(&self, max: usize, timeout: Duration) -> Result<Vec<ReceivedMessage>, Error> {
        Ok(self.poll_some(max, timeout).await?.map_or_else(Vec::new, |(_, messages)| messages))
    }

    /// As [`poll`](Self::poll), for those who may have to give the messages back.
    ///
    /// # Errors
    /// As there.
    pub async fn poll_held(
        self: &Arc<Self>,
        max: usize,
        timeout: Duration,
    ) -> Result<HeldMessages, Error> {
        let polled = self.poll_some(max, timeout).await?;
        Ok(HeldMessages(polled.map(|(process, messages)| (self.clone(), process, messages))))
    }

    async fn poll_some(
        &self,
        max: usize,
        timeout: Duration,
    ) -> Result<Option<(Arc<ProcessQueue>, Vec<ReceivedMessage>)>, Error> {
        self.check_open()?;
        if self.core.config.auto_commit {
            self.commit_now_and_then().await;
        }
        let deadline = deadline(timeout);
        loop {
            if let Some((process, messages)) = self.mailbox().take(max.max(1)) {
                let offset = process.remove(messages.iter().map(|message| message.queue_offset));
                self.polled.lock().insert(process.queue.clone(), (process.clone(), offset));
                count(&self.core.receipts.handled, messages.len());
                return Ok(Some((process, messages)));
            }
            self.check_open()?;
            if !self.mailbox().arrival(deadline).await {
                return Ok(None);
            }
        }
    }

    fn put_back(&self, process: Arc<ProcessQueue>, messages: Vec<ReceivedMessage>) {
        let mut polled = self.polled.lock();
        process.note(&messages);
        let position = process.position();
        if let Some((same, offset)) = polled.get_mut(&process.queue)
            && Arc::ptr_eq(same, &process)
        {
            *offset = position.min(*offset);
        }
        // Another poll may have counted them as handled.
        if self.core.offsets.known(&process.queue).is_some_and(|known| known > position) {
            process.unless_lost(|| self.core.offsets.set(&process.queue, position));
        }
        drop(polled);
        self.mailbox().put_back(process, messages);
    }

    /// What was polled last counts as not handled: neither the next poll nor [`close`](Self::close) commits it.
    /// For applications that failed to handle it.
    pub fn forget_polled(&self) {
        self.polled.lock().clear();
    }

    async fn commit_now_and_then(&self) {
        let period =
            Duration::from_millis(self.core.instance.config.persist_consumer_offset_interval);
        let due = {
            let mut last = self.last_commit.lock();
            let due = last.elapsed() >= period;
            if due {
                *last = Instant::now();
            }
            due
        };
        self.note_polled();
        if due {
            self.core.persist().await;
        }
    }

    fn note_polled(&self) {
        for (queue, (process, offset)) in self.polled.lock().drain() {
            process.unless_lost(|| self.core.offsets.set(&queue, offset));
        }
    }

    /// Makes what was polled the group's progress, and waits until brokers have it. What one cannot be told is in
    /// the log, and is stored with the next commit.
    pub async fn commit(&self) {
        self.note_polled();
        self.core.commit().await;
    }

    /// The group's progress in a queue; `None` when it never committed.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, Error> {
        self.core.instance.route(&queue.topic).await?;
        self.core.offsets.load(&self.core.instance, queue).await
    }

    /// Goes on in a queue at `offset`, which must be within it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a queue not read or an offset outside it.
    pub async fn seek(&self, queue: &MessageQueue, offset: i64) -> Result<(), Error> {
        let process = self.core.queues.lock().get(queue).cloned();
        let not_assigned =
            || Error::InvalidArgument(format!("queue {queue} is not assigned to this consumer"));
        let Some(process) = process else { return Err(not_assigned()) };
        let min = rebalance::queue_offset(&self.core, queue, code::GET_MIN_OFFSET).await?;
        let max = rebalance::queue_offset(&self.core, queue, code::GET_MAX_OFFSET).await?;
        if offset < min || offset > max {
            return Err(Error::InvalidArgument(format!(
                "offset {offset} is outside of queue {queue}, which has {min} to {max}"
            )));
        }
        self.polled.lock().remove(queue);
        // Anew, since a pull that waits for messages at the old offset must not delay the new one.
        match self.core.move_queue(&process, offset) {
            true => Ok(()),
            false => Err(not_assigned()),
        }
    }

    /// Goes on at a queue's first message.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub async fn seek_to_begin(&self, queue: &MessageQueue) -> Result<(), Error> {
        let offset = rebalance::queue_offset(&self.core, queue, code::GET_MIN_OFFSET).await?;
        self.seek(queue, offset).await
    }

    /// Goes on behind a queue's last message.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub async fn seek_to_end(&self, queue: &MessageQueue) -> Result<(), Error> {
        let offset = rebalance::queue_offset(&self.core, queue, code::GET_MAX_OFFSET).await?;
        self.seek(queue, offset).await
    }

    /// The offset of a queue at a time in ms since the epoch.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn offset_for_timestamp(
        &self,
        queue: &MessageQueue,
        time: i64,
    ) -> Result<i64, Error> {
        self.core.instance.route(&queue.topic).await?;
        rebalance::offset_at(&self.core, queue, time).await
    }

    /// Pulls no more messages of these queues.
    pub fn pause(&self, queues: &[MessageQueue]) {
        self.set_paused(queues, true);
    }

    /// Pulls messages of these queues again.
    pub fn resume(&self, queues: &[MessageQueue]) {
        self.set_paused(queues, false);
    }

    fn set_paused(&self, queues: &[MessageQueue], paused: bool) {
        let held = self.core.queues.lock();
        queues.iter().filter_map(|queue| held.get(queue)).for_each(|process| process.pause(paused));
    }

    /// What this consumer has counted, and what it holds.
    pub fn statistics(&self) -> ConsumerStatistics {
        self.core.statistics()
    }

    /// Commits what was polled if `autoCommit` is on, and leaves. Whoever closes again waits for the same.
    pub async fn close(&self) {
        if self.core.config.auto_commit {
            self.note_polled();
        }
        self.core.close().await;
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.core.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }
}

/// Messages on their way to the application. Dropped before they are taken, as when the one who polled does
/// not wait for them any more, they are polled again.
pub struct HeldMessages(Option<(Arc<PullConsumer>, Arc<ProcessQueue>, Vec<ReceivedMessage>)>);

impl HeldMessages {
    /// The messages, which have arrived.
    pub fn take(mut self) -> Vec<ReceivedMessage> {
        self.0.take().map_or_else(Vec::new, |(_, _, messages)| messages)
    }
}

impl Drop for HeldMessages {
    fn drop(&mut self) {
        if let Some((consumer, process, messages)) = self.0.take() {
            consumer.put_back(process, messages);
        }
    }
}

impl Drop for PullConsumer {
    fn drop(&mut self) {
        close_in_background(&self.core);
    }
}
