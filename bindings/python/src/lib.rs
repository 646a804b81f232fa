//! The native part of the Python package `ferromq`: private, thin, and without names of its own for
//! users. What they see is written in Python, beside this.
//!
//! Nothing here calls into Python from a thread of the runtime: an operation is either waited for by
//! the thread that asked for it, or collected by its event loop.

// Seen by the package's own Python only, which documents it.
#![allow(missing_docs)]

mod admin;
mod consumer;
mod failure;
mod message;
mod operation;
mod producer;
mod pull_consumer;
mod server;
mod settings;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::admin::NativeAdmin;
    #[pymodule_export]
    use crate::consumer::NativeConsumer;
    #[pymodule_export]
    use crate::message::{Delivery, MessageQueue, ReceivedMessage, SendReceipt, SendStatus};
    #[pymodule_export]
    use crate::operation::{Arrivals, Operation, Task};
    #[pymodule_export]
    use crate::producer::NativeProducer;
    #[pymodule_export]
    use crate::pull_consumer::NativePullConsumer;
    #[pymodule_export]
    use crate::server::NativeServer;
    #[pymodule_export]
    use crate::settings::{errors, settings, version};
}
