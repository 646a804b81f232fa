//! Administration. Answers are JSON, in which 64-bit numbers are text: TypeScript makes them
//! `bigint`. Nothing here is asked often.

use crate::pack::Packed;
use crate::port::{Answer, Limits, Port, Promised, to_js};
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, Error, ProducerConfig, SubscriptionGroupConfig, TopicConfig};
use napi::{Env, sys};
use napi_derive::napi;
use serde_json::{Value, json};

#[napi]
pub struct NativeAdmin {
    admin: ferromq::Admin,
    port: Port,
}

impl Answer for NativeAdmin {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

fn queue(queue: &ferromq::MessageQueue) -> Value {
    json!({ "topic": queue.topic, "brokerName": queue.broker_name, "queueId": queue.queue_id })
}

impl NativeAdmin {
    fn ask<A: Answer, F>(
        &self,
        env: &Env,
        ask: impl FnOnce(ferromq::Admin) -> F,
    ) -> napi::Result<Promised>
    where
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let asked = ask(self.admin.clone());
        let limits = Limits::NONE;
        self.port.promise(env, true, "administration", limits, async move { Ok(asked.await?) })
    }
}

#[napi]
impl NativeAdmin {
    #[napi]
    pub fn start(env: Env, port: &Port, settings: Settings) -> napi::Result<Promised> {
        let handle = port.clone_handle();
        port.promise(&env, true, "starting", Limits::NONE, async move {
            // Names are looked for among a producer's too, to name the nearest one; none is used.
            let (mut client, mut unused) = (ClientConfig::default(), ProducerConfig::default());
            read(settings, &mut client, &mut unused)?;
            Ok(NativeAdmin { admin: ferromq::Admin::new(client)?, port: handle })
        })
    }

    #[napi]
    pub fn create_topic(&self, env: Env, name: String, queues: i32) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { it.create_topic(&TopicConfig::new(name, queues)).await })
    }

    #[napi]
    pub fn delete_topic(&self, env: Env, topic: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { it.delete_topic(&topic).await })
    }

    #[napi]
    pub fn topics(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { Ok(json!(it.topics().await?).to_string()) })
    }

    #[napi]
    pub fn topic_stats(&self, env: Env, topic: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let stats = it.topic_stats(&topic).await?;
            let rows = stats.offset_table.0.iter().map(|(of, extent)| {
                json!({ "queue": queue(of), "minOffset": extent.min_offset.to_string(),
                        "maxOffset": extent.max_offset.to_string(),
                        "lastUpdateTimestamp": extent.last_update_timestamp })
            });
            Ok(rows.collect::<Value>().to_string())
        })
    }

    #[napi]
    pub fn groups(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            Ok(json!(it.groups().await?.keys().collect::<Vec<_>>()).to_string())
        })
    }

    #[napi]
    pub fn create_group(&self, env: Env, group: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let group =
                SubscriptionGroupConfig { group_name: group, ..SubscriptionGroupConfig::default() };
            it.create_group(&group).await
        })
    }

    #[napi]
    pub fn delete_group(&self, env: Env, group: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { it.delete_group(&group).await })
    }

    #[napi]
    pub fn consume_stats(
        &self,
        env: Env,
        group: String,
        topic: Option<String>,
    ) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let stats = it.consume_stats(&group, topic.as_deref()).await?;
            let rows = stats.offset_table.0.iter().map(|(of, progress)| {
                json!({ "queue": queue(of), "brokerOffset": progress.broker_offset.to_string(),
                        "consumerOffset": progress.consumer_offset.to_string(),
                        "lastTimestamp": progress.last_timestamp })
            });
            Ok(rows.collect::<Value>().to_string())
        })
    }

    #[napi]
    pub fn reset_offset(
        &self,
        env: Env,
        group: String,
        topic: String,
        time: f64,
    ) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let offsets = it.reset_offset(&group, &topic, time as i64).await?;
            let rows = offsets
                .iter()
                .map(|(of, offset)| json!({ "queue": queue(of), "offset": offset.to_string() }));
            Ok(rows.collect::<Value>().to_string())
        })
    }

    #[napi]
    pub fn view_message(&self, env: Env, id: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let message = it.view_message(&id).await?;
            Ok(Packed::new(std::iter::once(&message)))
        })
    }

    #[napi]
    pub fn query_messages(
        &self,
        env: Env,
        topic: String,
        key: String,
        max: i32,
    ) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            let found = it.query_messages(&topic, &key, max).await?;
            Ok(Packed::new(found.iter()))
        })
    }

    #[napi]
    pub fn brokers(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { Ok(json!(it.masters().await?).to_string()) })
    }

    #[napi]
    pub fn runtime_info(&self, env: Env, broker: String) -> napi::Result<Promised> {
        self.ask(&env, |it| async move { Ok(json!(it.runtime_info(&broker).await?).to_string()) })
    }

    #[napi]
    pub fn close(&self, env: Env) -> napi::Result<Promised> {
        self.ask(&env, |it| async move {
            it.close().await;
            Ok(())
        })
    }
}
