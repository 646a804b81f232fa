//! Consuming from queues of one's own choice.

use crate::pack::Packed;
use crate::port::{Abort, Answer, Limits, Port, Promised, millis, to_js};
use crate::producer::MessageQueue;
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, ConsumerConfig, Error, PullConsumer};
use napi::bindgen_prelude::{BigInt, ClassInstance};
use napi::{Env, sys};
use napi_derive::napi;
use std::sync::Arc;

#[napi]
pub struct NativePullConsumer {
    consumer: Arc<PullConsumer>,
    port: Port,
}

impl Answer for NativePullConsumer {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

struct Offset(Option<i64>);

impl Answer for Offset {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self.0.map(BigInt::from))
    }
}

/// An offset of JavaScript, when it is one.
fn offset(number: &BigInt) -> Result<i64, Error> {
    match number.get_i64() {
        (number, true) => Ok(number),
        _ => Err(Error::InvalidArgument("an offset has at most 63 bits".to_string())),
    }
}

/// A place in a queue that has a name.
#[napi(string_enum)]
pub enum Place {
    Begin,
    End,
}

fn all(queues: Vec<MessageQueue>) -> Vec<ferromq::MessageQueue> {
    queues.into_iter().map(Into::into).collect()
}

impl NativePullConsumer {
    /// A promise of what is asked of the consumer.
    fn ask<A: Answer, F>(
        &self,
        env: &Env,
        operation: &'static str,
        ask: impl FnOnce(Arc<PullConsumer>) -> F,
    ) -> napi::Result<Promised>
    where
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let asked = ask(self.consumer.clone());
        self.port.promise(env, true, operation, Limits::NONE, async move { Ok(asked.await?) })
    }
}

#[napi]
impl NativePullConsumer {
    #[napi]
    pub fn start(env: Env, port: &Port, settings: Settings) -> napi::Result<Promised> {
        let handle = port.clone_handle();
        port.promise(&env, true, "starting a consumer", Limits::NONE, async move {
            let (mut client, mut config) = (ClientConfig::default(), ConsumerConfig::default());
            read(settings, &mut config, &mut client)?;
            let consumer = PullConsumer::start(client, config).await?;
            Ok(NativePullConsumer { consumer: Arc::new(consumer), port: handle })
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
            let messages = consumer.poll(max as usize, millis(wait_ms)).await?;
            Ok(Packed::new(messages.iter()))
        })
    }

    #[napi]
    pub fn subscribe(&self, env: Env, topic: String, tags: String) -> napi::Result<Promised> {
        self.ask(&env, "subscribing", |it| async move { it.subscribe(&topic, &tags).await })
    }

    #[napi]
    pub fn unsubscribe(&self, env: Env, topic: String) -> napi::Result<Promised> {
        self.ask(&env, "unsubscribing", |it| async move { it.unsubscribe(&topic).await })
    }

    #[napi]
    pub fn assign(&self, env: Env, queues: Vec<MessageQueue>) -> napi::Result<Promised> {
        self.ask(&env, "assigning", |it| async move { it.assign(&all(queues)).await })
    }

    #[napi]
    pub fn topic_queues(&self, env: Env, topic: String) -> napi::Result<Promised> {
        self.ask(&env, "looking for queues", |it| async move { it.topic_queues(&topic).await })
    }

    #[napi]
    pub fn assignment(&self) -> Vec<MessageQueue> {
        self.consumer.assignment().into_iter().map(MessageQueue::from).collect()
    }

    #[napi]
    pub fn seek(&self, env: Env, queue: MessageQueue, to: BigInt) -> napi::Result<Promised> {
        self.ask(&env, "seeking", |it| async move { it.seek(&queue.into(), offset(&to)?).await })
    }

    #[napi]
    pub fn seek_to(&self, env: Env, queue: MessageQueue, place: Place) -> napi::Result<Promised> {
        self.ask(&env, "seeking", |it| async move {
            match place {
                Place::Begin => it.seek_to_begin(&queue.into()).await,
                Place::End => it.seek_to_end(&queue.into()).await,
            }
        })
    }

    #[napi]
    pub fn committed(&self, env: Env, queue: MessageQueue) -> napi::Result<Promised> {
        self.ask(&env, "asking for progress", |it| async move {
            it.committed(&queue.into()).await.map(Offset)
        })
    }

    #[napi]
    pub fn offset_for_timestamp(
        &self,
        env: Env,
        queue: MessageQueue,
        time: f64,
    ) -> napi::Result<Promised> {
        self.ask(&env, "asking for an offset", |it| async move {
            let offset = it.offset_for_timestamp(&queue.into(), time as i64).await?;
            Ok(Offset(Some(offset)))
        })
    }

    #[napi]
    pub fn forget_polled(&self) {
        self.consumer.forget_polled();
    }

    #[napi]
    pub fn pause(&self, queues: Vec<MessageQueue>) {
        self.consumer.pause(&all(queues));
    }

    #[napi]
    pub fn resume(&self, queues: Vec<MessageQueue>) {
        self.consumer.resume(&all(queues));
    }

    #[napi]
    pub fn commit(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, "committing", |it| async move {
            it.commit().await;
            Ok(())
        })
    }

    #[napi]
    pub fn close(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, "closing", |it| async move {
            it.close().await;
            Ok(())
        })
    }
}
