//! Consuming from queues of one's own choice.

use crate::consumer::seconds;
use crate::message::{MessageQueue, ReceivedMessage, queues};
use crate::operation::Operation;
use crate::settings::{Settings, read};
use ferromq::{ClientConfig, ConsumerConfig, HeldMessages, PullConsumer};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;

#[pyclass(frozen, module = "ferromq._native")]
pub struct NativePullConsumer {
    consumer: Arc<PullConsumer>,
}

fn all(queues: Vec<MessageQueue>) -> Vec<ferromq::MessageQueue> {
    queues.into_iter().map(Into::into).collect()
}

fn held(py: Python<'_>, polled: HeldMessages) -> PyResult<Py<PyAny>> {
    messages(py, polled.take())
}

pub(crate) fn messages(
    py: Python<'_>,
    messages: Vec<ferromq::ReceivedMessage>,
) -> PyResult<Py<PyAny>> {
    let messages = messages.into_iter().map(|message| ReceivedMessage::new(message.into()));
    let all: Vec<_> = messages.map(|message| Py::new(py, message)).collect::<PyResult<_>>()?;
    Ok(PyList::new(py, all)?.into_any().unbind())
}

#[pymethods]
impl NativePullConsumer {
    #[staticmethod]
    fn start(settings: Settings) -> Operation {
        let started = async move {
            let (mut client, mut config) = (ClientConfig::default(), ConsumerConfig::default());
            read(&settings, &mut config, &mut client)?;
            let consumer = PullConsumer::start(client, config).await?;
            Ok(NativePullConsumer { consumer: Arc::new(consumer) })
        };
        Operation::new(started, |py, consumer| Ok(Py::new(py, consumer)?.into_any()))
    }

    fn poll(&self, max: usize, timeout: f64) -> Operation {
        let it = self.consumer.clone();
        Operation::new(async move { Ok(it.poll_held(max, seconds(timeout)).await?) }, held)
    }

    fn forget_polled(&self) {
        self.consumer.forget_polled();
    }

    fn subscribe(&self, topic: String, tags: String) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.subscribe(&topic, &tags).await?) })
    }

    fn unsubscribe(&self, topic: String) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.unsubscribe(&topic).await?) })
    }

    fn assign(&self, queues: Vec<MessageQueue>) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.assign(&all(queues)).await?) })
    }

    fn topic_queues(&self, topic: String) -> Operation {
        let it = self.consumer.clone();
        let asked = async move { Ok(it.topic_queues(&topic).await?) };
        Operation::new(asked, queues)
    }

    fn assignment(&self) -> Vec<MessageQueue> {
        self.consumer.assignment().into_iter().map(Into::into).collect()
    }

    fn seek(&self, queue: MessageQueue, offset: i64) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.seek(&queue.into(), offset).await?) })
    }

    fn seek_to_begin(&self, queue: MessageQueue) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.seek_to_begin(&queue.into()).await?) })
    }

    fn seek_to_end(&self, queue: MessageQueue) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move { Ok(it.seek_to_end(&queue.into()).await?) })
    }

    fn committed(&self, queue: MessageQueue) -> Operation {
        let it = self.consumer.clone();
        let asked = async move { Ok(it.committed(&queue.into()).await?) };
        Operation::new(asked, |py, offset: Option<i64>| Ok(offset.into_pyobject(py)?.unbind()))
    }

    fn offset_for_timestamp(&self, queue: MessageQueue, time: i64) -> Operation {
        let it = self.consumer.clone();
        let asked = async move { Ok(it.offset_for_timestamp(&queue.into(), time).await?) };
        Operation::new(asked, |py, offset: i64| Ok(offset.into_pyobject(py)?.into_any().unbind()))
    }

    fn pause(&self, queues: Vec<MessageQueue>) {
        self.consumer.pause(&all(queues));
    }

    fn resume(&self, queues: Vec<MessageQueue>) {
        self.consumer.resume(&all(queues));
    }

    fn commit(&self) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move {
            it.commit().await;
            Ok(())
        })
    }

    fn close(&self) -> Operation {
        let it = self.consumer.clone();
        Operation::quiet(async move {
            it.close().await;
            Ok(())
        })
    }
}
