//! Consuming messages as they come (protocol §8).

mod concurrent;
pub(crate) mod core;
pub(crate) mod mailbox;
mod offsets;
mod orderly;
mod polled;
pub(crate) mod process_queue;
pub(crate) mod pull_loop;
pub(crate) mod rebalance;
mod requests;
mod retry;

use crate::allocate::Allocation;
use crate::config::{ClientConfig, ConsumerConfig};
use crate::error::Error;
use crate::instance::Instance;
use crate::instance::async_trait::Boxed;
use crate::message::ReceivedMessage;
use crate::statistics::ConsumerStatistics;
use concurrent::Concurrent;
use core::{Core, Sink, now_ms};
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::body::MessageModel;
use ferromq_protocol::properties::key;
use orderly::Orderly;
pub use polled::{Consumer, Delivery};
use requests::GroupMember;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What became of the messages that a listener got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumed {
    /// They were handled.
    Success,
    /// They were not: they come again later, and after too many failures become dead letters. In
    /// order, the queue rests for a moment and they come again at once.
    Later {
        /// The delay level; 0 lets the broker choose a longer one each time, and a negative one
        /// makes dead letters of them.
        delay_level: i32,
    },
}

impl Consumed {
    /// Not handled; the broker chooses when they come again.
    pub const LATER: Consumed = Consumed::Later { delay_level: 0 };
}

/// Handles messages. One that panics has not handled them.
pub(crate) type Listener = Arc<dyn Fn(Vec<ReceivedMessage>) -> Boxed<Consumed> + Send + Sync>;

/// Makes messages what an application should see.
fn present(group: &str, messages: &mut [ReceivedMessage]) {
    let (retry, now) = (names::retry_topic(group), now_ms().to_string());
    for message in messages {
        if message.topic == retry
            && let Some(topic) = message.properties.get(key::RETRY_TOPIC)
        {
            message.topic = topic.to_string();
        }
        message.properties.set(key::CONSUME_START_TIME, now.as_str());
    }
}

/// Calls a listener with messages as it should see them.
async fn call(listener: &Listener, group: &str, mut messages: Vec<ReceivedMessage>) -> Consumed {
    present(group, &mut messages);
    let listener = listener.clone();
    // A task of its own, so that a panic is an answer and not an end; called in it, as the listener may panic
    // before it has made its future.
    match AbortOnDrop(tokio::spawn(async move { listener(messages).await })).await {
        Ok(consumed) => consumed,
        Err(error) => {
            tracing::error!(group, %error, "a listener panicked; its messages come again");
            Consumed::LATER
        }
    }
}

/// Ends the task when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts a push consumer together; see [`PushConsumer::builder`].
pub struct PushConsumerBuilder {
    client: ClientConfig,
    config: ConsumerConfig,
    subscriptions: Vec<(String, String)>,
    listener: Option<Listener>,
    in_order: bool,
    allocation: Option<Allocation>,
}

impl PushConsumerBuilder {
    /// Subscribes to a topic: `*` for everything, or tags such as `TagA || TagB`.
    pub fn subscribe(mut self, topic: impl Into<String>, tags: impl Into<String>) -> Self {
        self.subscriptions.push((topic.into(), tags.into()));
        self
    }

    /// Handles messages side by side.
    pub fn listen<F>(
        mut self,
        listener: impl Fn(Vec<ReceivedMessage>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Consumed> + Send + 'static,
    {
        self.listener = Some(Arc::new(move |messages| Box::pin(listener(messages))));
        self.in_order = false;
        self
    }

    /// Handles the messages of each queue one after the other.
    pub fn listen_in_order<F>(
        self,
        listener: impl Fn(Vec<ReceivedMessage>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Consumed> + Send + 'static,
    {
        PushConsumerBuilder { in_order: true, ..self.listen(listener) }
    }

    /// Shares queues in a way that the setting `allocateMessageQueueStrategy` cannot name.
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = Some(allocation);
        self
    }

    /// Connects and begins to consume.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for missing or wrong settings, [`Error::NameServersDown`].
    pub async fn start(self) -> Result<PushConsumer, Error> {
        let Some(listener) = self.listener else {
            return Err(Error::InvalidArgument("a push consumer needs a listener".to_string()));
        };
        let (width, batch) =
            (self.config.consume_thread, self.config.consume_message_batch_max_size);
        let sink = match self.in_order {
            true => Sink::Orderly(Orderly::new(listener, width, batch)),
            false => Sink::Concurrent(Concurrent::new(listener, width, batch)),
        };
        launch(self.client, self.config, self.subscriptions, self.allocation, sink).await
    }
}

/// Starts a consumer whose messages go to `sink`.
async fn launch(
    client: ClientConfig,
    config: ConsumerConfig,
    subscriptions: Vec<(String, String)>,
    allocation: Option<Allocation>,
    sink: Sink,
) -> Result<PushConsumer, Error> {
    names::check_group(&config.group)?;
    if subscriptions.is_empty() {
        return Err(Error::InvalidArgument("a consumer needs a subscription".to_string()));
    }
    let seat = Instance::join(&client, Some(&config.group))?;
    let core = Arc::new(Core::new(seat.instance(), config, allocation, sink)?);
    for (topic, tags) in &subscriptions {
        core.subscribe(topic, tags)?;
    }
    if core.model == MessageModel::Clustering {
        core.subscribe(&names::retry_topic(core.group()), "*")?;
    }
    begin(&core).await?;
    Ok(PushConsumer { core })
}

/// Makes the routes known, tells the brokers, and starts the work.
pub(crate) async fn begin(core: &Arc<Core>) -> Result<(), Error> {
    if !core.instance.add_consumer(Arc::new(GroupMember(core.clone()))) {
        return Err(Error::InvalidArgument(format!(
            "another consumer of group `{}` uses this client",
            core.group()
        )));
    }
    let entered = Entered(core);
    let topics: Vec<String> = core.subscriptions.read().keys().cloned().collect();
    for topic in topics {
        if let Err(error) = core.instance.refresh(&topic).await {
            core.close().await;
            return Err(error);
        }
    }
    core.instance.heartbeat_all().await;
    core.start();
    std::mem::forget(entered);
    Ok(())
}

/// A consumer that has entered its group and not begun. When whoever starts it gives up waiting it leaves
/// again: or else the group would keep a member that takes its share of the queues and handles nothing.
struct Entered<'a>(&'a Arc<Core>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        close_in_background(self.0);
    }
}

/// Receives messages and hands them to a listener, together with the other members of its group.
/// Dropping it closes it in the background; only [`close`](Self::close) can wait for that.
pub struct PushConsumer {
    core: Arc<Core>,
}

impl PushConsumer {
    /// Begins to put a consumer together.
    pub fn builder(client: ClientConfig, config: ConsumerConfig) -> PushConsumerBuilder {
        PushConsumerBuilder {
            client,
            config,
            subscriptions: Vec::new(),
            listener: None,
            in_order: false,
            allocation: None,
        }
    }

    /// The id by which brokers know this consumer.
    pub fn client_id(&self) -> &str {
        &self.core.instance.id
    }

    /// The queues that are this consumer's at present.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.core.queues.lock().keys().cloned().collect()
    }

    /// Subscribes to another topic, or to other tags of one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a bad topic name, [`Error::NameServersDown`].
    pub async fn subscribe(&self, topic: &str, tags: &str) -> Result<(), Error> {
        if self.core.is_closed() {
            return Err(Error::Closed);
        }
        self.core.subscribe(topic, tags)?;
        self.core.instance.refresh(topic).await?;
        self.core.instance.heartbeat_all().await;
        self.core.rebalance_now.notify_one();
        Ok(())
    }

    /// Consumes a topic no more.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), Error> {
        if self.core.is_closed() {
            return Err(Error::Closed);
        }
        self.core.unsubscribe(topic).await;
        Ok(())
    }

    /// Pulls no more messages until [`resume`](Self::resume); those held are still handled.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Pulls messages again.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        self.core.paused.store(paused, Ordering::Release);
        self.core.queues.lock().values().for_each(|process| process.pause(paused));
    }

    /// What this consumer has counted, and what it holds.
    pub fn statistics(&self) -> ConsumerStatistics {
        self.core.statistics()
    }

    /// Waits for messages being handled, for `awaitTerminationMillisWhenShutdown` at most, commits, and leaves the
    /// group: what has not begun to be handled comes to others, and what was handled does not come again. Whoever
    /// closes again waits for the same, and giving up waiting stops nothing of it.
    pub async fn close(&self) {
        self.core.close().await;
    }
}

impl Drop for PushConsumer {
    fn drop(&mut self) {
        close_in_background(&self.core);
    }
}

/// Closes a consumer that its owner has dropped.
pub(crate) fn close_in_background(core: &Arc<Core>) {
    if !core.is_closed() {
        let core = core.clone();
        core.runtime.clone().spawn(async move { core.close().await });
    }
}
