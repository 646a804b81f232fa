//! Sending messages (protocol §7).

mod attempts;
mod latency;
mod prepared;

use crate::config::{ClientConfig, ProducerConfig};
use crate::error::Error;
use crate::instance::Instance;
use crate::message::{Message, SendReceipt};
use crate::statistics::{ProducerStatistics, Sends};
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::properties::key;
use ferromq_protocol::tags::java_string_hash;
use latency::Latencies;
use prepared::Prepared;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Sends messages; cheap to clone, and usable from any task.
///
/// Messages of a topic go round-robin to its queues. When a broker fails, a send goes to another
/// one, twice by default, within its timeout.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    instance: Arc<Instance>,
    config: ProducerConfig,
    next_queue: AtomicUsize,
    latencies: Latencies,
    sends: Arc<Sends>,
    /// For messages in the background that have to wait for more than an answer.
    runtime: Handle,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Producer {
    /// Starts a producer.
    ///
    /// # Errors
    /// [`Error::NoNameServer`], [`Error::InvalidArgument`] for a bad group name.
    pub async fn start(client: ClientConfig, config: ProducerConfig) -> Result<Self, Error> {
        names::check_group(&config.group)?;
        let seat = Instance::join(&client, None)?;
        let instance = seat.instance();
        instance.add_producer(&config.group);
        let start = instance.ids.next();
        let inner = Inner {
            next_queue: AtomicUsize::new(java_string_hash(&start) as u32 as usize),
            latencies: Latencies::default(),
            sends: Arc::default(),
            runtime: Handle::current(),
            messages: Arc::new(Semaphore::new(config.back_pressure_for_async_send_num)),
            bytes: Arc::new(Semaphore::new(config.back_pressure_for_async_send_size)),
            closed: AtomicBool::new(false),
            instance,
            config,
        };
        Ok(Producer { inner: Arc::new(inner) })
    }

    /// Sends a message and waits until a broker has it.
    ///
    /// # Errors
    /// The last attempt's; see [`Error`].
    pub async fn send(&self, message: Message) -> Result<SendReceipt, Error> {
        let prepared = self.inner.prepare(message)?;
        self.inner.send(prepared).await
    }

    /// Hands a message over to be sent in the background. Waits only while too many messages or
    /// bytes are on their way; the result comes from the future returned.
    ///
    /// # Errors
    /// What is wrong with the message, or [`Error::Closed`].
    pub async fn send_in_background(&self, message: Message) -> Result<Sending, Error> {
        let (told, sent) = oneshot::channel();
        self.accept(message).await?.send(move |outcome| drop(told.send(outcome)));
        Ok(Sending(sent))
    }

    /// The first half of [`send_in_background`](Self::send_in_background), for those who need no future for
    /// the second. Unless too much is on its way it is over when it is first polled, which may be done
    /// anywhere, also outside of the runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn accept(&self, message: Message) -> Result<Accepted, Error> {
        let prepared = self.inner.prepare(message)?;
        let permits = self.inner.permits(&prepared).await?;
        Ok(Accepted { inner: self.inner.clone(), prepared, permits })
    }

    /// [`send_in_background`](Self::send_in_background) and its result in one, for callers that make
    /// a task of every send: bounded in the same way, and [`close`](Self::close) waits for it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_bounded(&self, message: Message) -> Result<SendReceipt, Error> {
        let prepared = self.inner.prepare(message)?;
        let _on_its_way = self.inner.permits(&prepared).await?;
        // Boxed: or else whoever makes a task of it would move its whole state several times.
        Box::pin(self.inner.send(prepared)).await
    }

    /// Sends a message without waiting for an answer; it may be lost.
    ///
    /// # Errors
    /// What is wrong with the message, or that no broker can be reached.
    pub async fn send_oneway(&self, message: Message) -> Result<(), Error> {
        let prepared = self.inner.prepare(message)?;
        self.inner.send_oneway(prepared).await
    }

    /// Sends several messages of one topic as one. They get neighbouring offsets of one queue, and
    /// either all are stored or none.
    ///
    /// # Errors
    /// As [`send`](Self::send); also for messages that differ in topic, or are delayed.
    pub async fn send_batch(&self, messages: Vec<Message>) -> Result<SendReceipt, Error> {
        let prepared = self.inner.prepare_batch(messages)?;
        self.inner.send(prepared).await
    }

    /// Sends a message to a queue of your choice; no other is tried.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_to(
        &self,
        message: Message,
        queue: &MessageQueue,
    ) -> Result<SendReceipt, Error> {
        if queue.topic != message.topic {
            return Err(Error::InvalidArgument(format!(
                "the message's topic `{}` is not the queue's, `{}`",
                message.topic, queue.topic
            )));
        }
        let prepared = self.inner.prepare(message)?;
        self.inner.send_to(prepared, queue).await
    }

    /// Sends a message to the queue that `ordering_key` stands for: messages with one key keep
    /// their order as long as the topic's queues stay the same. No other queue is tried.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_ordered(
        &self,
        mut message: Message,
        ordering_key: &str,
    ) -> Result<SendReceipt, Error> {
        message.properties.set(key::SHARDING_KEY, ordering_key);
        let queues = self.queues(&message.topic).await?;
        // As Java's selector: the remainder's absolute value.
        let index = (java_string_hash(ordering_key) % queues.len() as i32).unsigned_abs() as usize;
        self.send_to(message, &queues[index]).await
    }

    /// The queues that messages of a topic can be sent to; never empty.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`], [`Error::NoWritableQueue`].
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, Error> {
        self.inner.check_open()?;
        Ok(self.inner.route(topic).await?.writable.clone())
    }

    /// What this producer has counted.
    pub fn statistics(&self) -> ProducerStatistics {
        let Inner { instance, config, sends, .. } = &*self.inner;
        sends.describe(&instance.id, &config.group, instance.open_connections())
    }

    /// Waits for messages in the background, then leaves. Whoever closes again waits too, and goes on with it
    /// if the first has given up waiting.
    pub async fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        let all = self.inner.config.back_pressure_for_async_send_num as u32;
        // Bounded: every send ends with its timeout.
        let Ok(permits) = self.inner.messages.acquire_many(all).await else { return };
        // Given back they would let in a send that came too late.
        permits.forget();
        self.inner.messages.close();
        self.inner.instance.remove_producer(&self.inner.config.group).await;
    }
}

/// A share of what may be on its way: of messages, and of bytes.
type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A message that may be sent now. Dropped, it is not sent.
pub struct Accepted {
    inner: Arc<Inner>,
    prepared: Prepared,
    permits: Permits,
}

impl Accepted {
    /// Sends it. `done` is told what became of it, as a rule on a thread of the runtime: it must neither
    /// block nor take long.
    pub fn send(self, done: impl FnOnce(Result<SendReceipt, Error>) + Send + 'static) {
        self.inner.send_then(self.prepared, self.permits, done);
    }
}

/// A message that is sent in the background. Dropped, it is sent all the same.
pub struct Sending(oneshot::Receiver<Result<SendReceipt, Error>>);

impl Future for Sending {
    type Output = Result<SendReceipt, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Untold, the runtime has ended.
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or(Err(Error::Closed)))
    }
}

impl Inner {
    /// Waits while too much is on its way.
    async fn permits(&self, prepared: &Prepared) -> Result<Permits, Error> {
        let acquire = async |semaphore: &Arc<Semaphore>, count| {
            semaphore.clone().acquire_many_owned(count).await.map_err(|_| Error::Closed)
        };
        let bytes = prepared.body.len().clamp(1, self.config.back_pressure_for_async_send_size);
        Ok((acquire(&self.messages, 1).await?, acquire(&self.bytes, bytes as u32).await?))
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }
}
