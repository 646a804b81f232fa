//! Administration.

use crate::failure::Failure;
use crate::message::MessageQueue;
use crate::operation::Operation;
use crate::pull_consumer::messages;
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, Error, ProducerConfig, SubscriptionGroupConfig, TopicConfig};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use std::collections::BTreeMap;

#[pyclass(frozen, module = "ferromq._native")]
pub struct NativeAdmin {
    admin: ferromq::Admin,
}

impl NativeAdmin {
    /// Asks, and hands the answer over as tuples, lists and dictionaries.
    fn ask<T, F>(&self, ask: impl FnOnce(ferromq::Admin) -> F) -> Operation
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let asked = ask(self.admin.clone());
        let asked = async move { asked.await.map_err(Failure::from) };
        Operation::new(asked, |py, answer| answer.into_py_any(py))
    }
}

#[pymethods]
impl NativeAdmin {
    #[staticmethod]
    fn start(settings: Settings) -> Operation {
        let started = async move {
            // Names are looked for among a producer's too, to name the nearest one; none is used.
            let (mut client, mut unused) = (ClientConfig::default(), ProducerConfig::default());
            read(&settings, &mut client, &mut unused)?;
            Ok(NativeAdmin { admin: ferromq::Admin::new(client)? })
        };
        Operation::new(started, |py, admin| Ok(Py::new(py, admin)?.into_any()))
    }

    fn create_topic(&self, name: String, queues: i32) -> Operation {
        self.ask(|it| async move { it.create_topic(&TopicConfig::new(name, queues)).await })
    }

    fn delete_topic(&self, topic: String) -> Operation {
        self.ask(|it| async move { it.delete_topic(&topic).await })
    }

    fn topics(&self) -> Operation {
        self.ask(|it| async move { it.topics().await })
    }

    fn topic_stats(&self, topic: String) -> Operation {
        self.ask(|it| async move {
            let stats = it.topic_stats(&topic).await?;
            let rows = stats.offset_table.0.into_iter().map(|(of, extent)| {
                let of = MessageQueue::from(of);
                (of, extent.min_offset, extent.max_offset, extent.last_update_timestamp)
            });
            Ok(rows.collect::<Vec<_>>())
        })
    }

    fn groups(&self) -> Operation {
        self.ask(|it| async move { Ok(it.groups().await?.into_keys().collect::<Vec<_>>()) })
    }

    fn create_group(&self, group: String) -> Operation {
        self.ask(|it| async move {
            let group =
                SubscriptionGroupConfig { group_name: group, ..SubscriptionGroupConfig::default() };
            it.create_group(&group).await
        })
    }

    fn delete_group(&self, group: String) -> Operation {
        self.ask(|it| async move { it.delete_group(&group).await })
    }

    fn consume_stats(&self, group: String, topic: Option<String>) -> Operation {
        self.ask(|it| async move {
            let stats = it.consume_stats(&group, topic.as_deref()).await?;
            let rows = stats.offset_table.0.into_iter().map(|(of, progress)| {
                let of = MessageQueue::from(of);
                (of, progress.broker_offset, progress.consumer_offset, progress.last_timestamp)
            });
            Ok(rows.collect::<Vec<_>>())
        })
    }

    fn reset_offset(&self, group: String, topic: String, time: i64) -> Operation {
        self.ask(|it| async move {
            let offsets = it.reset_offset(&group, &topic, time).await?;
            let rows = offsets.into_iter().map(|(of, offset)| (MessageQueue::from(of), offset));
            Ok(rows.collect::<Vec<_>>())
        })
    }

    fn query_messages(&self, topic: String, key: String, max: i32) -> Operation {
        let it = self.admin.clone();
        let found = async move { Ok(it.query_messages(&topic, &key, max).await?) };
        Operation::new(found, messages)
    }

    fn view_message(&self, id: String) -> Operation {
        let it = self.admin.clone();
        let found = async move { Ok(vec![it.view_message(&id).await?]) };
        Operation::new(found, messages)
    }

    fn brokers(&self) -> Operation {
        self.ask(|it| async move { it.masters().await })
    }

    fn runtime_info(&self, broker: String) -> Operation {
        self.ask(|it| async move {
            let info: BTreeMap<String, String> = it.runtime_info(&broker).await?;
            Ok(info)
        })
    }

    fn close(&self) -> Operation {
        self.ask(|it| async move {
            it.close().await;
            Ok(())
        })
    }
}
