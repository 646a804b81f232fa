//! Consuming as a member of a group, with messages that the application polls and settles one by
//! one: what a push consumer is for languages in which nobody should be called back.

use super::core::{Core, Sink, now_ms};
use super::mailbox::{Mailbox, Source, deadline};
use super::orderly::Orderly;
use super::process_queue::ProcessQueue;
use super::{Consumed, Listener, PushConsumer, launch, present, retry};
use crate::config::{ClientConfig, ConsumerConfig};
use crate::error::Error;
use crate::message::ReceivedMessage;
use crate::statistics::{ConsumerStatistics, count};
use ferromq_model::MessageQueue;
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long a message rests that was not handled and could not be sent back either.
const LOCAL_RETRY: Duration = Duration::from_secs(5);

/// Who hears what became of a message.
#[derive(Clone)]
pub(crate) enum Settlement {
    /// The queue it was pulled from: each message is settled by itself.
    Queue(Arc<Core>, Arc<ProcessQueue>),
    /// Somebody who waits for all messages of a run.
    Turn(Arc<Turn>),
}

impl Source for Settlement {
    fn is_gone(&self) -> bool {
        match self {
            Settlement::Queue(_, process) => process.is_dropped(),
            Settlement::Turn(turn) => turn.is_over(),
        }
    }
}

/// A run of messages that is handled or not as a whole.
pub(crate) struct Turn {
    left: AtomicUsize,
    outcome: Mutex<(Consumed, Option<oneshot::Sender<Consumed>>)>,
}

impl Turn {
    fn new(count: usize) -> (Arc<Turn>, oneshot::Receiver<Consumed>) {
        let (sender, receiver) = oneshot::channel();
        let outcome = Mutex::new((Consumed::Success, Some(sender)));
        (Arc::new(Turn { left: AtomicUsize::new(count), outcome }), receiver)
    }

    fn is_over(&self) -> bool {
        self.outcome.lock().1.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn settle(&self, consumed: Consumed) {
        let mut outcome = self.outcome.lock();
        if consumed != Consumed::Success {
            outcome.0 = consumed;
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(sender) = outcome.1.take()
        {
            // Nobody hears it when the queue went elsewhere in the meantime.
            let _ = sender.send(outcome.0);
        }
    }
}

/// What a consumer holds for its application.
pub(crate) struct Polled {
    mailbox: Arc<Mailbox<Settlement>>,
    pub(crate) listener: Listener,
    /// Messages on their way back to the broker.
    returning: Mutex<JoinSet<()>>,
}

impl Polled {
    fn new(mailbox: Arc<Mailbox<Settlement>>) -> Self {
        let listener = mailbox_listener(&mailbox);
        Polled { mailbox, listener, returning: Mutex::default() }
    }

    pub(crate) fn deliver(
        &self,
        core: &Arc<Core>,
        process: &Arc<ProcessQueue>,
        messages: Vec<ReceivedMessage>,
    ) {
        self.mailbox.put(Settlement::Queue(core.clone(), process.clone()), messages);
    }

    /// Waits for messages on their way back. Those in the application's hands are left to others.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.mailbox.close();
        let mut returning = std::mem::take(&mut *self.returning.lock());
        let all = async { while returning.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("messages could not be sent back in time; they will be delivered again");
        }
    }
}

/// Hands messages to whoever polls, and waits until they are settled. What is not settled when the
/// consumer closes has not been handled.
fn mailbox_listener(mailbox: &Arc<Mailbox<Settlement>>) -> Listener {
    let mailbox = mailbox.clone();
    Arc::new(move |messages| {
        let mailbox = mailbox.clone();
        Box::pin(async move {
            let (turn, outcome) = Turn::new(messages.len());
            mailbox.put(Settlement::Turn(turn), messages);
            tokio::select! {
                outcome = outcome => outcome.unwrap_or(Consumed::LATER),
                () = mailbox.closed() => Consumed::LATER,
            }
        })
    })
}

/// Receives messages, together with the other members of its group, for an application that polls.
///
/// Each message that is polled must be settled: [`Delivery::ack`] when it was handled,
/// [`Delivery::retry_later`] when it is to come again. Progress never passes a message that is not
/// settled. Dropping the consumer closes it in the background.
pub struct Consumer {
    push: PushConsumer,
    mailbox: Arc<Mailbox<Settlement>>,
}

impl Consumer {
    /// Joins the group and begins to receive. Each subscription is a topic with `*` or tags such as
    /// `TagA || TagB`. With `ordered`, the next messages of a queue (up to
    /// `consumeMessageBatchMaxSize`) come when those before them are settled.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for missing or wrong settings, [`Error::NameServersDown`].
    pub async fn start(
        client: ClientConfig,
        config: ConsumerConfig,
        subscriptions: &[(&str, &str)],
        ordered: bool,
    ) -> Result<Consumer, Error> {
        let mailbox: Arc<Mailbox<Settlement>> = Arc::default();
        let sink = match ordered {
            false => Sink::Polled(Polled::new(mailbox.clone())),
            true => {
                // As many queues side by side as there are: nobody handles anything on a task here.
                let (width, batch) = (u16::MAX.into(), config.consume_message_batch_max_size);
                Sink::Orderly(Orderly::new(mailbox_listener(&mailbox), width, batch))
            }
        };
        let subscriptions =
            subscriptions.iter().map(|(topic, tags)| (topic.to_string(), tags.to_string()));
        let push = launch(client, config, subscriptions.collect(), None, sink).await?;
        Ok(Consumer { push, mailbox })
    }

    /// Up to `max` messages, as many as there are, waiting up to `timeout` for the first. Empty when
    /// none came. May be called from several tasks at once.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn poll(&self, max: usize, timeout: Duration) -> Result<Vec<Delivery>, Error> {
        let deadline = deadline(timeout);
        loop {
            let deliveries = self.take(max.max(1));
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            if self.mailbox.is_closed() {
                return Err(Error::Closed);
            }
            if !self.mailbox.arrival(deadline).await {
                return Ok(Vec::new());
            }
        }
    }

    fn take(&self, max: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while deliveries.len() < max
            && let Some((settlement, mut messages)) = self.mailbox.take(max - deliveries.len())
        {
            present(self.push.core.group(), &mut messages);
            if let Settlement::Queue(_, process) = &settlement {
                process.last_consume.store(now_ms(), Ordering::Relaxed);
            }
            let delivery = |message| Delivery {
                message: Arc::new(message),
                settlement: Some(settlement.clone()),
            };
            deliveries.extend(messages.into_iter().map(delivery));
        }
        deliveries
    }

    /// Returns when a poll would not wait, or when the consumer is closed: for event loops that are
    /// to be woken.
    pub async fn ready(&self) {
        self.mailbox.filled().await;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// The id by which brokers know this consumer.
    pub fn client_id(&self) -> &str {
        self.push.client_id()
    }

    /// The queues that are this consumer's at present.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.push.queues()
    }

    /// As [`PushConsumer::subscribe`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a bad topic name, [`Error::NameServersDown`].
    pub async fn subscribe(&self, topic: &str, tags: &str) -> Result<(), Error> {
        self.push.subscribe(topic, tags).await
    }

    /// As [`PushConsumer::unsubscribe`].
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), Error> {
        self.push.unsubscribe(topic).await
    }

    /// Pulls no more messages until [`resume`](Self::resume); those held can still be polled.
    pub fn pause(&self) {
        self.push.pause();
    }

    /// Pulls messages again.
    pub fn resume(&self) {
        self.push.resume();
    }

    /// What this consumer has counted, and what it holds.
    pub fn statistics(&self) -> ConsumerStatistics {
        self.push.statistics()
    }

    /// Stores the group's progress now, instead of at the next turn of the clock, and waits until brokers have
    /// it. What one cannot be told is in the log, and is stored at that turn.
    pub async fn commit(&self) {
        self.push.core.commit().await;
    }

    /// Commits what was settled and leaves the group. Messages that are not settled come again, to
    /// this or another member. Polls that wait end with [`Error::Closed`]. Whoever closes again waits
    /// for the same.
    pub async fn close(&self) {
        // First of all: whoever waits for messages to be settled would wait for nothing.
        self.mailbox.close();
        self.push.close().await;
    }
}

/// A message that its consumer must settle. One that is dropped without it comes again later.
pub struct Delivery {
    message: Arc<ReceivedMessage>,
    settlement: Option<Settlement>,
}

impl Delivery {
    /// The message, for whoever keeps it beyond its settling.
    pub fn message(&self) -> Arc<ReceivedMessage> {
        self.message.clone()
    }

    /// The message was handled and does not come again, but after a crash or a rebalance.
    pub fn ack(mut self) {
        match self.settlement.take() {
            Some(Settlement::Queue(core, process)) => {
                handled(&core, &process, [self.message.queue_offset]);
            }
            Some(Settlement::Turn(turn)) => turn.settle(Consumed::Success),
            None => {}
        }
    }

    /// The message was not handled and comes again: after the time of `delay_level`, or one that the
    /// broker chooses when it is 0; a negative level makes a dead letter of it. In order, the queue
    /// rests for `suspendCurrentQueueTimeMillis` instead, and goes on with this message.
    pub fn retry_later(mut self, delay_level: i32) {
        self.give_back(delay_level);
    }

    fn give_back(&mut self, delay_level: i32) {
        match self.settlement.take() {
            Some(Settlement::Queue(core, process)) => {
                let Sink::Polled(polled) = &core.sink else { return };
                if core.is_closed() || process.is_dropped() {
                    return;
                }
                count(&core.receipts.returned, 1);
                let task =
                    return_to_broker(core.clone(), process, self.message.clone(), delay_level);
                let mut returning = polled.returning.lock();
                while returning.try_join_next().is_some() {}
                returning.spawn_on(task, &core.runtime);
            }
            Some(Settlement::Turn(turn)) => turn.settle(Consumed::Later { delay_level }),
            None => {}
        }
    }

    /// Acknowledges many messages with less work than one at a time.
    pub fn ack_all(deliveries: impl IntoIterator<Item = Delivery>) {
        let mut run: Option<(Arc<Core>, Arc<ProcessQueue>, Vec<i64>)> = None;
        for mut delivery in deliveries {
            match delivery.settlement.take() {
                Some(Settlement::Queue(core, process)) => match &mut run {
                    Some((_, same, offsets)) if Arc::ptr_eq(same, &process) => {
                        offsets.push(delivery.message.queue_offset);
                    }
                    _ => {
                        let next = (core, process, vec![delivery.message.queue_offset]);
                        if let Some((core, process, offsets)) = run.replace(next) {
                            handled(&core, &process, offsets);
                        }
                    }
                },
                Some(Settlement::Turn(turn)) => turn.settle(Consumed::Success),
                None => {}
            }
        }
        if let Some((core, process, offsets)) = run {
            handled(&core, &process, offsets);
        }
    }
}

impl Deref for Delivery {
    type Target = ReceivedMessage;

    fn deref(&self) -> &ReceivedMessage {
        &self.message
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.give_back(0);
    }
}

/// Notes messages that the application has handled.
fn handled<T>(core: &Core, process: &ProcessQueue, offsets: T)
where
    T: IntoIterator<Item = i64, IntoIter: ExactSizeIterator>,
{
    let offsets = offsets.into_iter();
    count(&core.receipts.handled, offsets.len());
    core.settled(process, offsets);
}

/// Sends a message back; one for which even that fails is delivered here again.
async fn return_to_broker(
    core: Arc<Core>,
    process: Arc<ProcessQueue>,
    message: Arc<ReceivedMessage>,
    delay_level: i32,
) {
    let mut message = Arc::unwrap_or_clone(message);
    if retry::give_back(&core, &mut message, delay_level).await {
        core.settled(&process, [message.queue_offset]);
        return;
    }
    tokio::time::sleep(LOCAL_RETRY).await;
    if let Sink::Polled(polled) = &core.sink {
        polled.deliver(&core, &process, vec![message]);
    }
}
