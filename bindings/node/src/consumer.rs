//! Consuming as a member of a group.

use crate::pack::Packed;
use crate::port::{Abort, Answer, Limits, Port, Promised, millis, to_js};
use crate::producer::MessageQueue;
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, Consumer, ConsumerConfig, Delivery};
use napi::bindgen_prelude::{Buffer, BufferSlice, ClassInstance};
use napi::{Env, sys};
use napi_derive::napi;
use parking_lot::Mutex;
use std::sync::Arc;

#[napi]
pub struct NativeConsumer {
    consumer: Arc<Consumer>,
    port: Port,
}

impl Answer for NativeConsumer {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

/// Messages that are to be settled. Collected, it gives back those that are not.
#[napi]
pub struct Lease {
    deliveries: Mutex<Vec<Option<Delivery>>>,
}

#[napi]
impl Lease {
    /// Returns whether it was still to be settled.
    #[napi]
    pub fn ack(&self, index: u32) -> bool {
        self.take(index).map(Delivery::ack).is_some()
    }

    #[napi]
    pub fn retry_later(&self, index: u32, delay_level: i32) -> bool {
        self.take(index).map(|delivery| delivery.retry_later(delay_level)).is_some()
    }

    #[napi]
    pub fn ack_all(&self) {
        let deliveries = std::mem::take(&mut *self.deliveries.lock());
        Delivery::ack_all(deliveries.into_iter().flatten());
    }

    #[napi]
    pub fn retry_all_later(&self, delay_level: i32) {
        let deliveries = std::mem::take(&mut *self.deliveries.lock());
        deliveries.into_iter().flatten().for_each(|delivery| delivery.retry_later(delay_level));
    }
}

impl Lease {
    fn take(&self, index: u32) -> Option<Delivery> {
        self.deliveries.lock().get_mut(index as usize)?.take()
    }
}

struct Polled(Packed, Vec<Delivery>);

/// What a poll gives JavaScript.
#[napi(object, object_from_js = false)]
pub struct PolledMessages<'env> {
    pub packed: Buffer,
    pub large: Vec<BufferSlice<'env>>,
    pub lease: Lease,
}

impl Answer for Polled {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        let Polled(packed, deliveries) = self;
        let messages = packed.into_messages(env)?;
        let deliveries = Mutex::new(deliveries.into_iter().map(Some).collect());
        let (packed, large) = (messages.packed, messages.large);
        to_js(env, PolledMessages { packed, large, lease: Lease { deliveries } })
    }
}

#[napi]
impl NativeConsumer {
    /// `subscriptions` are topics and tags in turn.
    #[napi]
    pub fn start(
        env: Env,
        port: &Port,
        settings: Settings,
        subscriptions: Vec<String>,
        ordered: bool,
    ) -> napi::Result<Promised> {
        let handle = port.clone_handle();
        port.promise(&env, true, "starting a consumer", Limits::NONE, async move {
            let (mut client, mut config) = (ClientConfig::default(), ConsumerConfig::default());
            read(settings, &mut config, &mut client)?;
            let pairs: Vec<(&str, &str)> = subscriptions
                .chunks_exact(2)
                .map(|pair| (pair[0].as_str(), pair[1].as_str()))
                .collect();
            let consumer = Consumer::start(client, config, &pairs, ordered).await?;
            Ok(NativeConsumer { consumer: Arc::new(consumer), port: handle })
        })
    }

    #[napi]
    pub fn poll(
        &self,
        env: Env,
        max: u32,
        wait_ms: f64,
        keep_alive: bool,
        abort: Option<ClassInstance<'_, Abort>>,
    ) -> napi::Result<Promised> {
        let (consumer, limits) = (self.consumer.clone(), Limits::new(None, abort));
        self.port.promise(&env, keep_alive, "a poll", limits, async move {
            let deliveries = consumer.poll(max as usize, millis(wait_ms)).await?;
            // Here, not on the thread of JavaScript: that is the one which is short of time.
            let packed = Packed::new(deliveries.iter().map(|delivery| &**delivery));
            Ok(Polled(packed, deliveries))
        })
    }

    #[napi]
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.consumer.queues().into_iter().map(MessageQueue::from).collect()
    }

    #[napi(getter)]
    pub fn client_id(&self) -> String {
        self.consumer.client_id().to_string()
    }

    #[napi]
    pub fn subscribe(&self, env: Env, topic: String, tags: String) -> napi::Result<Promised> {
        let consumer = self.consumer.clone();
        self.port.promise(&env, true, "subscribing", Limits::NONE, async move {
            Ok(consumer.subscribe(&topic, &tags).await?)
        })
    }

    #[napi]
    pub fn unsubscribe(&self, env: Env, topic: String) -> napi::Result<Promised> {
        let consumer = self.consumer.clone();
        self.port.promise(&env, true, "unsubscribing", Limits::NONE, async move {
            Ok(consumer.unsubscribe(&topic).await?)
        })
    }

    #[napi]
    pub fn pause(&self) {
        self.consumer.pause();
    }

    #[napi]
    pub fn resume(&self) {
        self.consumer.resume();
    }

    #[napi]
    pub fn commit(&self, env: Env) -> napi::Result<Promised> {
        let consumer = self.consumer.clone();
        self.port.promise(&env, true, "committing", Limits::NONE, async move {
            consumer.commit().await;
            Ok(())
        })
    }

    #[napi]
    pub fn close(&self, env: Env) -> napi::Result<Promised> {
        let consumer = self.consumer.clone();
        self.port.promise(&env, true, "closing", Limits::NONE, async move {
            consumer.close().await;
            Ok(())
        })
    }
}
