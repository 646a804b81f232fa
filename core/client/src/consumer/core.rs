//! What push and pull consumers have in common: subscriptions, the queues allocated to them, and
//! their progress.

use super::concurrent::Concurrent;
use super::mailbox::Mailbox;
use super::offsets::Offsets;
use super::orderly::Orderly;
use super::polled::Polled;
use super::process_queue::ProcessQueue;
use super::{pull_loop, rebalance};
use crate::allocate::Allocation;
use crate::config::ConsumerConfig;
use crate::error::Error;
use crate::instance::Instance;
use crate::message::ReceivedMessage;
use crate::statistics::{ConsumerStatistics, QueueStatistics, Receipts, count};
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::body::{
    ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel, SubscriptionData,
};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Where messages go.
pub(crate) enum Sink {
    Concurrent(Concurrent),
    Orderly(Orderly),
    /// Polled and settled one by one.
    Polled(Polled),
    /// Polled and committed by offset.
    Buffer(Mailbox<Arc<ProcessQueue>>),
}

pub(crate) struct Core {
    pub(crate) instance: Arc<Instance>,
    pub(crate) config: ConsumerConfig,
    pub(crate) model: MessageModel,
    pub(crate) from_where: ConsumeFromWhere,
    pub(crate) allocation: Allocation,
    pub(crate) subscriptions: RwLock<BTreeMap<String, SubscriptionData>>,
    pub(crate) queues: Mutex<BTreeMap<MessageQueue, Arc<ProcessQueue>>>,
    pub(crate) offsets: Offsets,
    pub(crate) sink: Sink,
    /// Where tasks run that are started from threads of the application.
    pub(crate) runtime: Handle,
    pub(crate) rebalance_now: Notify,
    pub(crate) started: i64,
    /// Whether queues that come are paused.
    pub(crate) paused: AtomicBool,
    closed: AtomicBool,
    /// Who closes takes it; it is dropped when all is over, which is what others who close wait for.
    ending: Mutex<Option<watch::Sender<()>>>,
    ended: watch::Receiver<()>,
    pub(crate) receipts: Receipts,
    /// Every task of this consumer; closing ends them.
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

impl Core {
    pub(crate) fn new(
        instance: Arc<Instance>,
        config: ConsumerConfig,
        allocation: Option<Allocation>,
        sink: Sink,
    ) -> Result<Self, Error> {
        let refused = |key: &str, value: &str, expected: &str| {
            Err(Error::InvalidArgument(format!("{key} cannot be `{value}`: expected {expected}")))
        };
        let model = match config.message_model.as_str() {
            "CLUSTERING" => MessageModel::Clustering,
            "BROADCASTING" => MessageModel::Broadcasting,
            other => return refused("messageModel", other, "CLUSTERING or BROADCASTING"),
        };
        let from_where = match config.consume_from_where.as_str() {
            "CONSUME_FROM_LAST_OFFSET" => ConsumeFromWhere::LastOffset,
            "CONSUME_FROM_FIRST_OFFSET" => ConsumeFromWhere::FirstOffset,
            "CONSUME_FROM_TIMESTAMP" => ConsumeFromWhere::Timestamp,
            other => {
                return refused(
                    "consumeFromWhere",
                    other,
                    "CONSUME_FROM_LAST_OFFSET, CONSUME_FROM_FIRST_OFFSET or CONSUME_FROM_TIMESTAMP",
                );
            }
        };
        let allocation = match allocation {
            Some(allocation) => allocation,
            None => Allocation::named(&config.allocate_strategy)?,
        };
        let offsets = match model {
            MessageModel::Clustering => Offsets::remote(&config.group),
            MessageModel::Broadcasting => {
                Offsets::local(&config.group, offsets_file(&instance, &config))?
            }
        };
        let (ending, ended) = watch::channel(());
        Ok(Core {
            instance,
            model,
            from_where,
            allocation,
            subscriptions: RwLock::default(),
            queues: Mutex::default(),
            offsets,
            sink,
            runtime: Handle::current(),
            rebalance_now: Notify::new(),
            started: now_ms(),
            paused: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ending: Mutex::new(Some(ending)),
            ended,
            receipts: Receipts::default(),
            tasks: Mutex::default(),
            config,
        })
    }

    pub(crate) fn group(&self) -> &str {
        &self.config.group
    }

    pub(crate) fn is_orderly(&self) -> bool {
        matches!(self.sink, Sink::Orderly(_))
    }

    pub(crate) fn consume_type(&self) -> ConsumeType {
        match self.sink {
            Sink::Buffer(_) => ConsumeType::Actively,
            _ => ConsumeType::Passively,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// After how many failures a message is given up.
    pub(crate) fn max_reconsume_times(&self) -> i32 {
        match self.config.max_reconsume_times {
            -1 if self.is_orderly() => i32::MAX,
            -1 => 16,
            times => times,
        }
    }

    pub(crate) fn subscribe(&self, topic: &str, expression: &str) -> Result<(), Error> {
        names::check_topic(topic)?;
        let subscription = SubscriptionData::by_tags(topic, expression, now_ms());
        self.subscriptions.write().insert(topic.to_string(), subscription);
        Ok(())
    }

    /// Gives up a topic and its queues.
    pub(crate) async fn unsubscribe(&self, topic: &str) {
        if self.subscriptions.write().remove(topic).is_none() {
            return;
        }
        let queues: Vec<MessageQueue> =
            self.queues.lock().keys().filter(|queue| queue.topic == topic).cloned().collect();
        for queue in queues {
            self.remove_queue(&queue).await;
        }
        self.instance.heartbeat_all().await;
    }

    pub(crate) fn subscription(&self, topic: &str) -> Option<SubscriptionData> {
        self.subscriptions.read().get(topic).cloned()
    }

    pub(crate) fn heartbeat(&self) -> ConsumerData {
        ConsumerData {
            consume_from_where: self.from_where,
            consume_type: self.consume_type(),
            group_name: self.group().to_string(),
            message_model: self.model,
            subscription_data_set: self.subscriptions.read().values().cloned().collect(),
            unit_mode: false,
        }
    }

    /// Starts a task that ends with the consumer.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        if !self.is_closed() {
            tasks.spawn_on(task, &self.runtime);
        }
    }

    /// Starts the periodic work: sharing queues, storing progress, renewing locks.
    pub(crate) fn start(self: &Arc<Self>) {
        self.spawn(rebalance::run(self.clone()));
        let (core, every) = (self.clone(), self.config_persist_interval());
        self.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                core.persist().await;
            }
        });
        if self.is_orderly() && self.model == MessageModel::Clustering {
            self.spawn(rebalance::renew_locks(self.clone()));
        }
    }

    fn config_persist_interval(&self) -> Duration {
        Duration::from_millis(self.instance.config.persist_consumer_offset_interval)
    }

    /// Has the progress of the queues that are this consumer's stored, without waiting for an answer.
    pub(crate) async fn persist(&self) {
        self.offsets.persist(&self.instance, &self.own_queues(), false).await;
    }

    /// Stores that progress, and waits until the brokers have it: for whoever asks for it.
    pub(crate) async fn commit(&self) {
        self.offsets.persist(&self.instance, &self.own_queues(), true).await;
    }

    fn own_queues(&self) -> Vec<MessageQueue> {
        self.queues.lock().keys().cloned().collect()
    }

    /// Begins with a queue at `offset`, if that is still `wanted` of its topic.
    pub(crate) fn add_queue(
        self: &Arc<Self>,
        queue: MessageQueue,
        offset: i64,
        locked: bool,
        wanted: impl FnOnce(&str) -> bool,
    ) -> bool {
        let process = Arc::new(ProcessQueue::new(queue.clone(), offset));
        process.set_locked(locked);
        {
            let mut queues = self.queues.lock();
            // Both are looked at under the lock: whoever gives up a topic, or pauses, takes it after
            // having said so.
            if !wanted(&queue.topic) {
                return false;
            }
            process.pause(self.paused.load(Ordering::Acquire));
            queues.insert(queue, process.clone());
        }
        self.work_on(&process);
        true
    }

    /// Goes on with a queue at `offset`, whatever was held of it; returns whether it is still held.
    /// Nothing that is being handled can commit over the new offset.
    pub(crate) fn move_queue(self: &Arc<Self>, old: &Arc<ProcessQueue>, offset: i64) -> bool {
        let process = Arc::new(ProcessQueue::new(old.queue.clone(), offset));
        process.set_locked(old.is_locked());
        {
            let mut queues = self.queues.lock();
            process.pause(old.is_paused());
            match queues.get_mut(&old.queue) {
                Some(held) if Arc::ptr_eq(held, old) => *held = process.clone(),
                // Given up or moved by somebody else in the meantime.
                _ => return false,
            }
            old.drop_queue();
            self.offsets.set(&old.queue, offset);
        }
        self.work_on(&process);
        true
    }

    fn work_on(self: &Arc<Self>, process: &Arc<ProcessQueue>) {
        self.spawn(pull_loop::run(self.clone(), process.clone()));
        if let Sink::Orderly(_) = self.sink {
            self.spawn(Orderly::run(self.clone(), process.clone()));
        }
    }

    /// Gives a queue up: stores its progress and forgets what is held of it. Returns whether that is done: in
    /// order, what is being handled is waited for, and whoever shares queues is told when it is over.
    pub(crate) async fn remove_queue(&self, queue: &MessageQueue) -> bool {
        if self.is_orderly() && self.model == MessageModel::Clustering {
            let held = self.queues.lock().get(queue).cloned();
            if held.is_some_and(|process| !process.leave()) {
                return false;
            }
        }
        let Some(process) = self.queues.lock().remove(queue) else { return true };
        process.drop_queue();
        self.offsets.persist(&self.instance, std::slice::from_ref(queue), false).await;
        self.offsets.forget(queue);
        if self.is_orderly() && self.model == MessageModel::Clustering {
            rebalance::unlock(self, std::slice::from_ref(queue)).await;
        }
        true
    }

    /// Hands pulled messages on.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        process: &Arc<ProcessQueue>,
        messages: Vec<ReceivedMessage>,
    ) {
        count(&self.receipts.received, messages.len());
        count(&self.receipts.received_bytes, messages.iter().map(|m| m.body.len()).sum());
        if !self.is_orderly() {
            process.note(&messages);
        }
        match &self.sink {
            Sink::Concurrent(sink) => sink.deliver(self, process, messages),
            Sink::Orderly(_) => process.add(messages),
            Sink::Polled(sink) => sink.deliver(self, process, messages),
            Sink::Buffer(mailbox) => mailbox.put(process.clone(), messages),
        }
    }

    /// Forgets messages of a queue that were handled, and notes the progress.
    pub(crate) fn settled(&self, process: &ProcessQueue, offsets: impl IntoIterator<Item = i64>) {
        let offset = process.remove(offsets);
        process.unless_lost(|| self.offsets.advance(&process.queue, offset));
    }

    /// What this consumer has counted, and what it holds.
    pub(crate) fn statistics(&self) -> ConsumerStatistics {
        let queue = |(queue, process): (&MessageQueue, &Arc<ProcessQueue>)| {
            let (buffered, bytes, _) = process.load();
            // What a subscription leaves out is passed by progress alone.
            let known = self.offsets.known(queue).unwrap_or(0);
            let (consumer, broker) = (known.max(process.position()), process.broker_offset());
            QueueStatistics {
                topic: queue.topic.clone(),
                broker_name: queue.broker_name.clone(),
                queue_id: queue.queue_id,
                buffered: buffered as u64,
                buffered_bytes: bytes as u64,
                pull_offset: process.pull_offset.load(Ordering::Relaxed),
                consumer_offset: consumer,
                broker_offset: broker,
                lag: broker.map(|broker| (broker - consumer).max(0)),
            }
        };
        let queues = self.queues.lock().iter().map(queue).collect();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Receipts { received, received_bytes, handled, returned, pull_failures } =
            &self.receipts;
        ConsumerStatistics {
            r#type: match self.sink {
                Sink::Buffer(_) => "pullConsumer",
                _ => "consumer",
            },
            client_id: self.instance.id.clone(),
            group: self.group().to_string(),
            timestamp: now_ms(),
            received: read(received),
            received_bytes: read(received_bytes),
            handled: read(handled),
            returned: read(returned),
            pull_failures: read(pull_failures),
            queues,
            connections: self.instance.open_connections(),
        }
    }

    /// Ends everything: waits for messages being handled, stores progress, tells the brokers. Whoever closes again
    /// waits for the same.
    pub(crate) async fn close(self: &Arc<Self>) {
        let ending = self.ending.lock().take();
        if let Some(ending) = ending {
            self.closed.store(true, Ordering::Release);
            let core = self.clone();
            // A task of its own: when nobody waits for it any more, the group must not keep a member that
            // handles nothing.
            self.runtime.spawn(async move {
                core.end().await;
                drop(ending);
            });
        }
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    async fn end(&self) {
        let queues: Vec<Arc<ProcessQueue>> = self.queues.lock().values().cloned().collect();
        match &self.sink {
            Sink::Concurrent(sink) => {
                queues.iter().for_each(|process| process.finish());
                sink.finish(Duration::from_millis(self.config.await_termination)).await;
            }
            Sink::Orderly(sink) => {
                queues.iter().for_each(|process| process.finish());
                sink.finish(Duration::from_millis(self.config.await_termination)).await;
            }
            Sink::Polled(sink) => {
                queues.iter().for_each(|process| process.finish());
                sink.finish(Duration::from_millis(self.config.await_termination)).await;
            }
            Sink::Buffer(mailbox) => mailbox.close(),
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.shutdown().await;
        self.persist().await;
        let owned: Vec<MessageQueue> = self.queues.lock().keys().cloned().collect();
        if self.is_orderly() && self.model == MessageModel::Clustering {
            rebalance::unlock(self, &owned).await;
        }
        self.queues.lock().clear();
        self.instance.remove_consumer(self.group()).await;
    }
}

fn offsets_file(instance: &Instance, config: &ConsumerConfig) -> PathBuf {
    let folder = match config.local_offset_store_dir.as_str() {
        "" => std::env::home_dir().unwrap_or_default().join(".rocketmq_offsets"),
        folder => PathBuf::from(folder),
    };
    // The process must not be part of it: progress is to survive a restart.
    let ip = instance.id.split('@').next().unwrap_or_default();
    let client = format!("{ip}@{}", instance.config.instance_name);
    folder.join(client).join(&config.group).join("offsets.json")
}
