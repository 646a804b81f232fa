//! Sending.

use crate::message::{MessageQueue, SendReceipt, queues};
use crate::operation::Operation;
use crate::settings::{Settings, read};
use bytes::Bytes;
use ferromq::{ClientConfig, Message, ProducerConfig};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(frozen, module = "ferromq._native")]
pub struct NativeProducer {
    producer: ferromq::Producer,
}

/// A body and properties, as Python hands them over.
type Parts<'py> = (Bound<'py, PyBytes>, Option<Vec<(String, String)>>, i32);

fn message(topic: &str, (body, properties, flag): Parts<'_>) -> Message {
    let message = Message::new(topic, Bytes::copy_from_slice(body.as_bytes())).flag(flag);
    let add = |message: Message, (name, value)| message.property(name, value);
    properties.into_iter().flatten().fold(message, add)
}

fn receipt(py: Python<'_>, receipt: ferromq::SendReceipt) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, SendReceipt(receipt))?.into_any())
}

#[pymethods]
impl NativeProducer {
    #[staticmethod]
    fn start(settings: Settings) -> Operation {
        let started = async move {
            let (mut client, mut config) = (ClientConfig::default(), ProducerConfig::default());
            read(&settings, &mut config, &mut client)?;
            let producer = ferromq::Producer::start(client, config).await?;
            Ok(NativeProducer { producer })
        };
        Operation::new(started, |py, producer| Ok(Py::new(py, producer)?.into_any()))
    }

    fn send(&self, topic: &str, parts: Parts<'_>) -> Operation {
        let (producer, message) = (self.producer.clone(), message(topic, parts));
        Operation::new(async move { Ok(producer.send(message).await?) }, receipt)
    }

    /// Bounded: waits when too much is on its way.
    fn send_bounded(&self, topic: &str, parts: Parts<'_>) -> Operation {
        let (producer, message) = (self.producer.clone(), message(topic, parts));
        Operation::new(async move { Ok(producer.send_bounded(message).await?) }, receipt)
    }

    fn send_to(&self, topic: &str, parts: Parts<'_>, queue: MessageQueue) -> Operation {
        let (producer, message) = (self.producer.clone(), message(topic, parts));
        let sent = async move { Ok(producer.send_to(message, &queue.into()).await?) };
        Operation::new(sent, receipt)
    }

    fn send_ordered(&self, topic: &str, parts: Parts<'_>, key: String) -> Operation {
        let (producer, message) = (self.producer.clone(), message(topic, parts));
        let sent = async move { Ok(producer.send_ordered(message, &key).await?) };
        Operation::new(sent, receipt)
    }

    fn send_oneway(&self, topic: &str, parts: Parts<'_>) -> Operation {
        let (producer, message) = (self.producer.clone(), message(topic, parts));
        Operation::quiet(async move { Ok(producer.send_oneway(message).await?) })
    }

    fn send_batch(&self, topic: &str, all: Vec<Parts<'_>>) -> Operation {
        let producer = self.producer.clone();
        let messages = all.into_iter().map(|parts| message(topic, parts)).collect();
        Operation::new(async move { Ok(producer.send_batch(messages).await?) }, receipt)
    }

    fn queues(&self, topic: String) -> Operation {
        let producer = self.producer.clone();
        let asked = async move { Ok(producer.queues(&topic).await?) };
        Operation::new(asked, queues)
    }

    fn close(&self) -> Operation {
        let producer = self.producer.clone();
        Operation::quiet(async move {
            producer.close().await;
            Ok(())
        })
    }
}
