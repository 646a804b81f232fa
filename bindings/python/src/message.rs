//! Messages as Python sees them: read-only, each field made when it is asked for.

use parking_lot::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use std::sync::Arc;

/// A queue of a topic.
#[pyclass(frozen, eq, ord, hash, get_all, from_py_object, module = "ferromq")]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageQueue {
    topic: String,
    broker_name: String,
    queue_id: i32,
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

#[pymethods]
impl MessageQueue {
    #[new]
    fn new(topic: String, broker_name: String, queue_id: i32) -> Self {
        MessageQueue { topic, broker_name, queue_id }
    }

    fn __repr__(&self) -> String {
        let MessageQueue { topic, broker_name, queue_id } = self;
        format!("MessageQueue({topic:?}, {broker_name:?}, {queue_id})")
    }
}

/// Queues, as a list.
pub(crate) fn queues(py: Python<'_>, queues: Vec<ferromq::MessageQueue>) -> PyResult<Py<PyAny>> {
    queues.into_iter().map(MessageQueue::from).collect::<Vec<_>>().into_py_any(py)
}

/// How far a message that was sent is safe.
#[pyclass(frozen, eq, hash, module = "ferromq")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
pub enum SendStatus {
    OK,
    FLUSH_DISK_TIMEOUT,
    FLUSH_SLAVE_TIMEOUT,
    SLAVE_NOT_AVAILABLE,
}

/// Where a message went.
#[pyclass(frozen, module = "ferromq")]
pub struct SendReceipt(pub(crate) ferromq::SendReceipt);

#[pymethods]
impl SendReceipt {
    #[getter]
    fn status(&self) -> SendStatus {
        match self.0.status {
            ferromq::SendStatus::Ok => SendStatus::OK,
            ferromq::SendStatus::FlushDiskTimeout => SendStatus::FLUSH_DISK_TIMEOUT,
            ferromq::SendStatus::FlushSlaveTimeout => SendStatus::FLUSH_SLAVE_TIMEOUT,
            ferromq::SendStatus::SlaveNotAvailable => SendStatus::SLAVE_NOT_AVAILABLE,
        }
    }

    #[getter]
    fn message_id(&self) -> &str {
        &self.0.message_id
    }

    #[getter]
    fn offset_message_id(&self) -> &str {
        &self.0.offset_message_id
    }

    #[getter]
    fn queue(&self) -> MessageQueue {
        self.0.queue.clone().into()
    }

    #[getter]
    fn queue_offset(&self) -> i64 {
        self.0.queue_offset
    }

    fn __repr__(&self) -> String {
        let receipt = &self.0;
        format!(
            "SendReceipt({:?}, {}, {})",
            receipt.message_id, receipt.queue, receipt.queue_offset
        )
    }
}

/// A message as it was stored.
///
/// Its body is copied when it is first asked for, and kept: the stable interface of Python has no
/// buffers over memory of others before 3.11, and one wheel is to do for all.
#[pyclass(frozen, subclass, module = "ferromq")]
pub struct ReceivedMessage(Arc<ferromq::ReceivedMessage>, PyOnceLock<Py<PyBytes>>);

impl ReceivedMessage {
    pub(crate) fn new(message: Arc<ferromq::ReceivedMessage>) -> Self {
        ReceivedMessage(message, PyOnceLock::new())
    }
}

#[pymethods]
impl ReceivedMessage {
    #[getter]
    fn topic(&self) -> &str {
        &self.0.topic
    }

    #[getter]
    fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        let made = || PyBytes::new(py, &self.0.body).unbind();
        self.1.get_or_init(py, made).clone_ref(py)
    }

    #[getter]
    fn flag(&self) -> i32 {
        self.0.flag
    }

    #[getter]
    fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    #[getter]
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|keys| keys.split_whitespace().collect()).unwrap_or_default()
    }

    #[getter]
    fn properties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (name, value) in self.0.properties.iter() {
            all.set_item(name, value)?;
        }
        Ok(all)
    }

    #[getter]
    fn queue(&self) -> MessageQueue {
        self.0.queue.clone().into()
    }

    #[getter]
    fn queue_offset(&self) -> i64 {
        self.0.queue_offset
    }

    #[getter]
    fn message_id(&self) -> &str {
        &self.0.message_id
    }

    #[getter]
    fn offset_message_id(&self) -> &str {
        &self.0.offset_message_id
    }

    #[getter]
    fn born_timestamp(&self) -> i64 {
        self.0.born_timestamp
    }

    #[getter]
    fn born_host(&self) -> String {
        self.0.born_host.to_string()
    }

    #[getter]
    fn store_timestamp(&self) -> i64 {
        self.0.store_timestamp
    }

    #[getter]
    fn store_host(&self) -> String {
        self.0.store_host.to_string()
    }

    #[getter]
    fn reconsume_times(&self) -> i32 {
        self.0.reconsume_times
    }

    fn __len__(&self) -> usize {
        self.0.body.len()
    }

    /// An empty body is a message too.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        let message = &self.0;
        let shown = &message.body[..message.body.len().min(40)];
        let more = if message.body.len() > shown.len() { "..." } else { "" };
        let (name, offset) = (&message.queue, message.queue_offset);
        format!("<message {name}@{offset} b\"{}\"{more}>", shown.escape_ascii())
    }
}

/// A message that is to be settled. Collected without it, it is given back.
#[pyclass(frozen, extends = ReceivedMessage, module = "ferromq")]
pub struct Delivery(Mutex<Option<ferromq::Delivery>>);

impl Delivery {
    pub(crate) fn new(delivery: ferromq::Delivery) -> (Self, ReceivedMessage) {
        let message = ReceivedMessage::new(delivery.message());
        (Delivery(Mutex::new(Some(delivery))), message)
    }

    pub(crate) fn take(&self) -> Option<ferromq::Delivery> {
        self.0.lock().take()
    }
}

#[pymethods]
impl Delivery {
    fn ack(&self) -> bool {
        self.take().map(ferromq::Delivery::ack).is_some()
    }

    #[pyo3(signature = (delay_level = 0))]
    fn retry_later(&self, delay_level: i32) -> bool {
        self.take().map(|delivery| delivery.retry_later(delay_level)).is_some()
    }

    #[getter]
    fn settled(&self) -> bool {
        self.0.lock().is_none()
    }
}
