//! Sending.

use crate::failure::Failure;
use crate::port::{Abort, Answer, Limits, Port, Promised, to_js};
use crate::settings::{Settings, read};
use bytes::Bytes;
use ferromq::{ClientConfig, Error, Message, ProducerConfig, SendStatus};
use napi::bindgen_prelude::{BigInt, ClassInstance};
use napi::{Env, sys};
use napi_derive::napi;
use std::sync::Arc;
use tokio::sync::RwLock;

/// A queue of a topic.
#[napi(object)]
pub struct MessageQueue {
    pub topic: String,
    pub broker_name: String,
    pub queue_id: i32,
}

impl From<ferromq::MessageQueue> for MessageQueue {
    fn from(queue: ferromq::MessageQueue) -> Self {
        let ferromq::MessageQueue { topic, broker_name, queue_id } = queue;
        MessageQueue { topic, broker_name, queue_id }
    }
}

impl From<MessageQueue> for ferromq::MessageQueue {
    fn from(queue: MessageQueue) -> Self {
        ferromq::MessageQueue::new(queue.topic, queue.broker_name, queue.queue_id)
    }
}

/// Where a message went.
#[napi(object, object_from_js = false)]
pub struct SendReceipt {
    pub status: &'static str,
    pub message_id: String,
    pub offset_message_id: String,
    pub queue: MessageQueue,
    pub queue_offset: BigInt,
}

impl Answer for ferromq::SendReceipt {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        let status = match self.status {
            SendStatus::Ok => "OK",
            SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        };
        let receipt = SendReceipt {
            status,
            message_id: self.message_id,
            offset_message_id: self.offset_message_id,
            queue: self.queue.into(),
            queue_offset: BigInt::from(self.queue_offset),
        };
        to_js(env, receipt)
    }
}

impl Answer for Vec<ferromq::MessageQueue> {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self.into_iter().map(MessageQueue::from).collect::<Vec<_>>())
    }
}

/// How a message is sent.
#[napi(object)]
#[derive(Default)]
pub struct Route {
    pub ordering_key: Option<String>,
    pub queue: Option<MessageQueue>,
    pub oneway: Option<bool>,
}

#[napi]
pub struct NativeProducer {
    producer: ferromq::Producer,
    /// Shared by sends that the core does not send in the background, taken whole by `close`, which
    /// waits for them too.
    on_their_way: Arc<RwLock<()>>,
    port: Port,
}

impl Answer for NativeProducer {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

/// A message of what TypeScript hands over; `properties` are names and values in turn.
fn message(topic: String, body: Bytes, flag: Option<i32>, properties: Vec<String>) -> Message {
    let message = Message::new(topic, body).flag(flag.unwrap_or_default());
    let mut properties = properties.into_iter();
    let mut all = message;
    while let (Some(name), Some(value)) = (properties.next(), properties.next()) {
        all = all.property(name, value);
    }
    all
}

#[napi]
impl NativeProducer {
    #[napi]
    pub fn start(env: Env, port: &Port, settings: Settings) -> napi::Result<Promised> {
        let handle = port.clone_handle();
        port.promise(&env, true, "starting a producer", Limits::NONE, async move {
            let (mut client, mut config) = (ClientConfig::default(), ProducerConfig::default());
            read(settings, &mut config, &mut client)?;
            let producer = ferromq::Producer::start(client, config).await?;
            Ok(NativeProducer { producer, on_their_way: Arc::default(), port: handle })
        })
    }

    #[napi]
    #[allow(clippy::too_many_arguments)]
    pub fn send(
        &self,
        env: Env,
        topic: String,
        body: &[u8],
        flag: Option<i32>,
        properties: Option<Vec<String>>,
        route: Option<Route>,
        timeout_ms: Option<f64>,
        abort: Option<ClassInstance<'_, Abort>>,
    ) -> napi::Result<Promised> {
        // Copied now: JavaScript may change it as soon as this returns.
        let body = Bytes::copy_from_slice(body);
        let message = message(topic, body, flag, properties.unwrap_or_default());
        let (producer, limits) = (self.producer.clone(), Limits::new(timeout_ms, abort));
        let Some(route) = route else {
            return self.port.promise(&env, true, "a send", limits, async move {
                // When it is aborted, it may have been sent all the same.
                Ok(producer.send_bounded(message).await?)
            });
        };
        let gate = self.on_their_way.clone();
        if route.oneway == Some(true) {
            return self.port.promise(&env, true, "a one-way send", limits, async move {
                let _on_its_way = gate.read().await;
                Ok(producer.send_oneway(message).await?)
            });
        }
        self.port.promise(&env, true, "a send", limits, async move {
            let _on_its_way = gate.read().await;
            Ok::<_, Failure>(match (route.queue, route.ordering_key) {
                (Some(_), Some(_)) => {
                    let both = "a send takes a queue or an ordering key, not both";
                    return Err(Error::InvalidArgument(both.to_string()).into());
                }
                (Some(queue), None) => producer.send_to(message, &queue.into()).await?,
                (None, Some(key)) => producer.send_ordered(message, &key).await?,
                (None, None) => producer.send(message).await?,
            })
        })
    }

    /// `bodies` are all bodies one behind the other, `ends` where each ends.
    #[napi]
    #[allow(clippy::too_many_arguments)]
    pub fn send_batch(
        &self,
        env: Env,
        topic: String,
        bodies: &[u8],
        ends: Vec<u32>,
        properties: Option<Vec<Vec<String>>>,
        timeout_ms: Option<f64>,
        abort: Option<ClassInstance<'_, Abort>>,
    ) -> napi::Result<Promised> {
        let bodies = Bytes::copy_from_slice(bodies);
        let (producer, limits) = (self.producer.clone(), Limits::new(timeout_ms, abort));
        let gate = self.on_their_way.clone();
        self.port.promise(&env, true, "sending a batch", limits, async move {
            let _on_its_way = gate.read().await;
            let mut properties = properties.unwrap_or_default().into_iter();
            let mut start = 0;
            let mut messages = Vec::with_capacity(ends.len());
            for end in ends {
                let end = (end as usize).clamp(start, bodies.len());
                let own = properties.next().unwrap_or_default();
                messages.push(message(topic.clone(), bodies.slice(start..end), None, own));
                start = end;
            }
            Ok(producer.send_batch(messages).await?)
        })
    }

    #[napi]
    pub fn queues(&self, env: Env, topic: String) -> napi::Result<Promised> {
        let producer = self.producer.clone();
        self.port.promise(&env, true, "looking for queues", Limits::NONE, async move {
            Ok(producer.queues(&topic).await?)
        })
    }

    #[napi]
    pub fn close(&self, env: Env) -> napi::Result<Promised> {
        let (producer, gate) = (self.producer.clone(), self.on_their_way.clone());
        self.port.promise(&env, true, "closing", Limits::NONE, async move {
            // Bounded: every send ends with its timeout.
            let _all = gate.write().await;
            producer.close().await;
            Ok(())
        })
    }
}
