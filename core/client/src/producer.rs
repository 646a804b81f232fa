//! Sending messages (protocol §7).

mod latency;

use crate::config::{ClientConfig, ProducerConfig};
use crate::error::{Error, ReadAnswer};
use crate::instance::Instance;
use crate::message::{Message, SendReceipt, SendStatus};
use crate::route::Route;
use crate::statistics::{ProducerStatistics, Sends};
use bytes::Bytes;
use ferromq_model::{MessageQueue, flags, names};
use ferromq_protocol::Command;
use ferromq_protocol::batch::{self, BatchEntry};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::compression::Compression;
use ferromq_protocol::headers::{SendMessageRequestV2, SendMessageResponse};
use ferromq_protocol::properties::{self, Properties, key};
use ferromq_protocol::tags::java_string_hash;
use latency::Latencies;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};

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
    sends: Sends,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    closed: AtomicBool,
}

/// What a message becomes on the wire, once for all attempts.
struct Prepared {
    topic: String,
    flag: i32,
    sys_flag: i32,
    properties: String,
    body: Bytes,
    message_id: String,
    /// How many messages, when they are a batch.
    batch: Option<usize>,
    /// For messages to a retry topic: how often they failed, and how often they may.
    reconsumed: (i32, Option<i32>),
}

/// Response codes after which another broker may do better.
fn is_retried(code: i32) -> bool {
    matches!(
        code,
        response::TOPIC_NOT_EXIST
            | response::SERVICE_NOT_AVAILABLE
            | response::SYSTEM_ERROR
            | response::SYSTEM_BUSY
            | response::NO_PERMISSION
            | response::NO_BUYER_ID
            | response::NOT_IN_CURRENT_UNIT
            | response::GO_AWAY
    )
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
            sends: Sends::default(),
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
        self.inner.send(prepared, self.inner.timeout()).await
    }

    /// Hands a message over to be sent in the background. Waits only while too many messages or
    /// bytes are on their way; the result comes from the future returned.
    ///
    /// # Errors
    /// What is wrong with the message, or [`Error::Closed`].
    pub async fn send_in_background(&self, message: Message) -> Result<Sending, Error> {
        let prepared = self.inner.prepare(message)?;
        let permits = self.inner.permits(&prepared).await?;
        let inner = self.inner.clone();
        Ok(Sending(tokio::spawn(async move {
            let _on_its_way = permits;
            inner.send(prepared, inner.timeout()).await
        })))
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
        Box::pin(self.inner.send(prepared, self.inner.timeout())).await
    }

    /// Sends a message without waiting for an answer; it may be lost.
    ///
    /// # Errors
    /// What is wrong with the message, or that no broker can be reached.
    pub async fn send_oneway(&self, message: Message) -> Result<(), Error> {
        let prepared = self.inner.prepare(message)?;
        let limit = self.inner.timeout();
        let route = self.inner.route_within(&prepared.topic, limit, limit).await?;
        let queue = self.inner.select(&route, &prepared.topic, None)?;
        let address = self.inner.instance.master(&queue.broker_name)?;
        let request = self.inner.request(&prepared, &queue);
        self.inner.instance.send(&address, request).await?;
        self.inner.sends.sent_oneway();
        Ok(())
    }

    /// Sends several messages of one topic as one. They get neighbouring offsets of one queue, and
    /// either all are stored or none.
    ///
    /// # Errors
    /// As [`send`](Self::send); also for messages that differ in topic, or are delayed.
    pub async fn send_batch(&self, messages: Vec<Message>) -> Result<SendReceipt, Error> {
        let prepared = self.inner.prepare_batch(messages)?;
        self.inner.send(prepared, self.inner.timeout()).await
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
        self.inner.counted(&prepared, self.inner.send_once(&prepared, queue)).await
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

    /// Waits for messages in the background, then leaves. Closing twice does nothing.
    pub async fn close(&self) {
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let all = self.inner.config.back_pressure_for_async_send_num as u32;
        // Bounded: every send ends with its timeout.
        if let Ok(permits) = self.inner.messages.acquire_many(all).await {
            // Given back they would let in a send that came too late.
            permits.forget();
        }
        self.inner.messages.close();
        self.inner.instance.remove_producer(&self.inner.config.group).await;
    }
}

/// A share of what may be on its way: of messages, and of bytes.
type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A message that is sent in the background. Dropped, it is sent all the same.
pub struct Sending(JoinHandle<Result<SendReceipt, Error>>);

impl Future for Sending {
    type Output = Result<SendReceipt, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = |ended: Result<Self::Output, JoinError>| ended.unwrap_or(Err(Error::Closed));
        Pin::new(&mut self.0).poll(context).map(ended)
    }
}

/// How an attempt failed.
enum Attempt {
    /// Another broker may do better.
    Again(Error),
    /// No other broker would.
    Final(Error),
}

impl Attempt {
    fn into_error(self) -> Error {
        match self {
            Attempt::Again(error) | Attempt::Final(error) => error,
        }
    }
}

impl Inner {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.send_msg_timeout)
    }

    /// Waits while too much is on its way.
    async fn permits(&self, prepared: &Prepared) -> Result<Permits, Error> {
        let acquire = async |semaphore: &Arc<Semaphore>, count| {
            semaphore.clone().acquire_many_owned(count).await.map_err(|_| Error::Closed)
        };
        let bytes = prepared.body.len().clamp(1, self.config.back_pressure_for_async_send_size);
        Ok((acquire(&self.messages, 1).await?, acquire(&self.bytes, bytes as u32).await?))
    }

    fn prepare(&self, message: Message) -> Result<Prepared, Error> {
        self.check(&message.topic, message.body.len())?;
        let mut own = message.properties;
        let message_id = self.identify(&mut own);
        let (mut body, mut sys_flag) = (message.body, 0);
        if body.len() >= self.config.compress_msg_body_over_howmuch {
            let level = self.config.compress_level as u32;
            if let Ok(smaller) = Compression::Zlib.compress(&body, level) {
                body = smaller.into();
                sys_flag |= Compression::Zlib.flags();
            }
        }
        let mut reconsumed = (0, None);
        if message.topic.starts_with(names::RETRY_PREFIX) {
            let mut number = |name| own.remove(name).and_then(|text| text.parse().ok());
            reconsumed =
                (number(key::RECONSUME_TIME).unwrap_or(0), number(key::MAX_RECONSUME_TIMES));
        }
        Ok(Prepared {
            topic: message.topic,
            flag: message.flag,
            sys_flag,
            properties: encode(&own)?,
            body,
            message_id,
            batch: None,
            reconsumed,
        })
    }

    fn prepare_batch(&self, messages: Vec<Message>) -> Result<Prepared, Error> {
        let topic = messages.first().map(|message| message.topic.clone()).unwrap_or_default();
        let refused = |reason: &str| Err(Error::InvalidArgument(format!("a batch {reason}")));
        let count = messages.len();
        let (mut body, mut ids) = (Vec::new(), Vec::with_capacity(count));
        for message in messages {
            if message.topic != topic {
                return refused("holds messages of one topic only");
            }
            if message.properties.get(key::DELAY).is_some() {
                return refused("cannot be delayed");
            }
            let mut own = message.properties;
            ids.push(self.identify(&mut own));
            let properties = encode(&own)?;
            let entry =
                BatchEntry { flag: message.flag, body: &message.body, properties: &properties };
            batch::push(&mut body, entry);
        }
        if topic.starts_with(names::RETRY_PREFIX) {
            return refused("cannot be sent to a retry topic");
        }
        self.check(&topic, body.len())?;
        // No id for the batch itself: a 4.9 broker would put it over the ids of its messages.
        let mut own = Properties::new();
        own.set(key::WAIT, "true");
        Ok(Prepared {
            topic,
            flag: 0,
            sys_flag: 0,
            properties: encode(&own)?,
            body: body.into(),
            message_id: ids.join(","),
            batch: Some(count),
            reconsumed: (0, None),
        })
    }

    fn check(&self, topic: &str, length: usize) -> Result<(), Error> {
        self.check_open()?;
        names::check_topic(topic)?;
        if names::is_send_forbidden(topic) {
            return Err(Error::InvalidArgument(format!(
                "sending to the system topic `{topic}` is forbidden"
            )));
        }
        let max = self.config.max_message_size;
        if length == 0 || length > max {
            return Err(Error::InvalidArgument(format!(
                "a body must have 1 to {max} bytes, this one has {length}"
            )));
        }
        Ok(())
    }

    /// Gives a message its id and the properties that every message has.
    fn identify(&self, own: &mut Properties) -> String {
        let id = match own.get(key::UNIQUE_KEY) {
            Some(id) => id.to_string(),
            None => self.instance.ids.next(),
        };
        own.set(key::UNIQUE_KEY, id.as_str());
        own.set(key::WAIT, "true");
        id
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// The route to send to. Also for sends that were accepted before the producer was closed.
    async fn route(&self, topic: &str) -> Result<Arc<Route>, Error> {
        let route =
            self.instance.publish_route(topic, self.config.default_topic_queue_nums).await?;
        match route.writable.is_empty() {
            true => Err(Error::NoWritableQueue { topic: topic.to_string() }),
            false => Ok(route),
        }
    }

    /// The next queue in turn, preferably not of the broker that has just failed.
    fn select(
        &self,
        route: &Route,
        topic: &str,
        failed: Option<&str>,
    ) -> Result<MessageQueue, Error> {
        let queues = &route.writable;
        let turn = self.next_queue.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            (0..queues.len()).map(|step| (step, &queues[turn.wrapping_add(step) % queues.len()]))
        };
        let other =
            |(_, queue): &(usize, &MessageQueue)| Some(queue.broker_name.as_str()) != failed;
        let fast = |(_, queue): &(usize, &MessageQueue)| {
            !self.config.send_latency_fault_enable || self.latencies.is_fast(&queue.broker_name)
        };
        let (skipped, queue) = in_turn()
            .find(|queue| other(queue) && fast(queue))
            .or_else(|| in_turn().find(other))
            .or_else(|| in_turn().next())
            .ok_or_else(|| Error::NoWritableQueue { topic: topic.to_string() })?;
        // The turn goes on behind it: or else the first queue after a broker that is down would get
        // its share too.
        self.next_queue.fetch_add(skipped, Ordering::Relaxed);
        Ok(queue.clone())
    }

    /// The route to send to, if it is known within what is `left` of the time given.
    async fn route_within(
        &self,
        topic: &str,
        left: Duration,
        given: Duration,
    ) -> Result<Arc<Route>, Error> {
        let route = tokio::time::timeout(left, self.route(topic)).await;
        route.unwrap_or_else(|_| Err(timed_out(topic, given, "no name server has answered")))
    }

    /// Does what sends a message, and counts what becomes of it.
    async fn counted(
        &self,
        prepared: &Prepared,
        send: impl Future<Output = Result<SendReceipt, Error>>,
    ) -> Result<SendReceipt, Error> {
        let on_the_way = self.sends.begin(prepared.batch.unwrap_or(1), prepared.body.len());
        let sent = send.await;
        on_the_way.end(sent.is_ok());
        sent
    }

    /// Sends to this queue, and tries no other.
    async fn send_once(
        &self,
        prepared: &Prepared,
        queue: &MessageQueue,
    ) -> Result<SendReceipt, Error> {
        let (start, limit) = (Instant::now(), self.timeout());
        self.route_within(&prepared.topic, limit, limit).await?;
        let left = limit.saturating_sub(start.elapsed());
        self.attempt(prepared, queue, left).await.map_err(Attempt::into_error)
    }

    async fn send(&self, prepared: Prepared, timeout: Duration) -> Result<SendReceipt, Error> {
        self.counted(&prepared, self.send_somewhere(&prepared, timeout)).await
    }

    /// Sends within `timeout`, all attempts together. An attempt may take all that is left of it,
    /// as in Apache's client: a broker that takes a message but does not answer uses up the time
    /// of the others, since whether it stored the message is not known until then.
    async fn send_somewhere(
        &self,
        prepared: &Prepared,
        timeout: Duration,
    ) -> Result<SendReceipt, Error> {
        let deadline = Instant::now() + timeout;
        let attempts = 1 + self.config.retry_times_when_send_failed;
        let mut last: Option<Error> = None;
        let mut failed: Option<String> = None;
        for attempt in 0..attempts {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let route = self.route_within(&prepared.topic, left, timeout).await?;
            let queue = self.select(&route, &prepared.topic, failed.as_deref())?;
            let left = deadline.saturating_duration_since(Instant::now());
            if attempt > 0 {
                self.sends.retried();
            }
            match self.attempt(prepared, &queue, left).await {
                Ok(receipt)
                    if receipt.status != SendStatus::Ok
                        && self.config.retry_another_broker_when_not_store_ok
                        && attempt + 1 < attempts =>
                {
                    failed = Some(queue.broker_name);
                }
                Ok(receipt) => return Ok(receipt),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again(error)) => {
                    tracing::debug!(%queue, %error, attempt, "send failed; trying another broker");
                    failed = Some(queue.broker_name);
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if Instant::now() < deadline => Err(error),
            last => {
                let last =
                    last.map_or("no broker was reached".to_string(), |last| last.to_string());
                Err(timed_out(&prepared.topic, timeout, last))
            }
        }
    }

    async fn attempt(
        &self,
        prepared: &Prepared,
        queue: &MessageQueue,
        timeout: Duration,
    ) -> Result<SendReceipt, Attempt> {
        let address = self.instance.master(&queue.broker_name).map_err(Attempt::Again)?;
        let start = Instant::now();
        let answer = self.instance.invoke(&address, self.request(prepared, queue), timeout).await;
        self.latencies.note(&queue.broker_name, start.elapsed(), answer.is_ok());
        let answer = answer.map_err(Attempt::Again)?;
        let status = match answer.code {
            response::SUCCESS => SendStatus::Ok,
            response::FLUSH_DISK_TIMEOUT => SendStatus::FlushDiskTimeout,
            response::FLUSH_SLAVE_TIMEOUT => SendStatus::FlushSlaveTimeout,
            response::SLAVE_NOT_AVAILABLE => SendStatus::SlaveNotAvailable,
            code => {
                let remark = answer.remark().to_string();
                let error = Error::Refused { operation: "a send", address, code, remark };
                return Err(if is_retried(code) {
                    Attempt::Again(error)
                } else {
                    Attempt::Final(error)
                });
            }
        };
        let header: SendMessageResponse<'_> =
            answer.header().sent_by(&address).map_err(Attempt::Final)?;
        Ok(SendReceipt {
            status,
            message_id: prepared.message_id.clone(),
            offset_message_id: header.msg_id.to_string(),
            queue: MessageQueue { queue_id: header.queue_id, ..queue.clone() },
            queue_offset: header.queue_offset,
        })
    }

    fn request(&self, prepared: &Prepared, queue: &MessageQueue) -> Command {
        let born = SystemTime::now().duration_since(UNIX_EPOCH);
        let header = SendMessageRequestV2 {
            producer_group: &self.config.group,
            topic: &prepared.topic,
            default_topic: names::DEFAULT_TOPIC,
            default_topic_queue_nums: self.config.default_topic_queue_nums,
            queue_id: queue.queue_id,
            sys_flag: prepared.sys_flag & !flags::message::TRANSACTION_MASK,
            born_timestamp: born.map_or(0, |since| since.as_millis() as i64),
            flag: prepared.flag,
            properties: Some(&prepared.properties),
            reconsume_times: Some(prepared.reconsumed.0),
            unit_mode: Some(false),
            max_reconsume_times: prepared.reconsumed.1,
            batch: Some(prepared.batch.is_some()),
            broker_name: Some(&queue.broker_name),
        };
        let code = match prepared.batch {
            Some(_) => code::SEND_BATCH_MESSAGE,
            None => code::SEND_MESSAGE_V2,
        };
        Command::request_with(code, &header).with_body(prepared.body.clone())
    }
}

fn timed_out(topic: &str, given: Duration, last: impl Into<String>) -> Error {
    Error::Timeout {
        operation: format!("sending to topic `{topic}`"),
        millis: given.as_millis() as u64,
        last: last.into(),
    }
}

fn encode(own: &Properties) -> Result<String, Error> {
    for (name, value) in own.iter() {
        if [name, value]
            .iter()
            .any(|text| text.contains([properties::NAME_END, properties::PAIR_END]))
        {
            return Err(Error::InvalidArgument(format!(
                "property `{name}` contains one of the characters U+0001 and U+0002, which separate properties"
            )));
        }
    }
    let text = own.encode();
    match text.len() > properties::MAX_LENGTH {
        true => Err(Error::InvalidArgument(format!(
            "the properties have {} bytes, at most {} fit a message",
            text.len(),
            properties::MAX_LENGTH
        ))),
        false => Ok(text),
    }
}
