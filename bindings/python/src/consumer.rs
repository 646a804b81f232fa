//! Consuming as a member of a group.

use crate::message::{Delivery, MessageQueue};
use crate::operation::Operation;
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, Consumer, ConsumerConfig};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;
use std::time::Duration;

#[pyclass(frozen, module = "ferromq._native")]
pub struct NativeConsumer {
    consumer: Arc<Consumer>,
}

/// Seconds as Python has them; what is no time counts as none.
pub(crate) fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number.clamp(0.0, 1e9)).unwrap_or_default()
}

#[pymethods]
impl NativeConsumer {
    /// Subscriptions are topics with their tags.
    #[staticmethod]
    fn start(settings: Settings, subscriptions: Vec<(String, String)>, ordered: bool) -> Operation {
        let started = async move {
            let (mut client, mut config) = (ClientConfig::default(), ConsumerConfig::default());
            read(&settings, &mut config, &mut client)?;
            let pairs: Vec<_> = subscriptions.iter().map(|(t, tags)| (&**t, &**tags)).collect();
            let consumer = Consumer::start(client, config, &pairs, ordered).await?;
            Ok(NativeConsumer { consumer: Arc::new(consumer) })
        };
        Operation::new(started, |py, consumer| Ok(Py::new(py, consumer)?.into_any()))
    }

    fn poll(&self, max: usize, timeout: f64) -> Operation {
        let consumer = self.consumer.clone();
        let polled = async move { Ok(consumer.poll(max, seconds(timeout)).await?) };
        Operation::new(polled, |py, deliveries| {
            let deliveries = deliveries.into_iter().map(Delivery::new);
            let all: Vec<_> = deliveries.map(|one| Py::new(py, one)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, all)?.into_any().unbind())
        })
    }

    /// Acknowledges many with less work than one at a time.
    fn ack(&self, messages: Vec<PyRef<'_, Delivery>>) {
        ferromq::Delivery::ack_all(messages.iter().filter_map(|message| message.take()));
    }

    #[getter]
    fn client_id(&self) -> &str {
        self.consumer.client_id()
    }

    fn queues(&self) -> Vec<MessageQueue> {
        self.consumer.queues().into_iter().map(Into::into).collect()
    }

    fn subscribe(&self, topic: String, tags: String) -> Operation {
        let consumer = self.consumer.clone();
        Operation::quiet(async move { Ok(consumer.subscribe(&topic, &tags).await?) })
    }

    fn unsubscribe(&self, topic: String) -> Operation {
        let consumer = self.consumer.clone();
        Operation::quiet(async move { Ok(consumer.unsubscribe(&topic).await?) })
    }

    fn pause(&self) {
        self.consumer.pause();
    }

    fn resume(&self) {
        self.consumer.resume();
    }

    fn commit(&self) -> Operation {
        let consumer = self.consumer.clone();
        Operation::quiet(async move {
            consumer.commit().await;
            Ok(())
        })
    }

    fn close(&self) -> Operation {
        let consumer = self.consumer.clone();
        Operation::quiet(async move {
            consumer.close().await;
            Ok(())
        })
    }
}
