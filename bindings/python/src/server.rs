//! The embedded server.

use crate::operation::Operation;
use crate::settings::{Settings, read};
use ferromq::{Server, ServerOptions};
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::path::PathBuf;

#[pyclass(frozen, module = "ferromq._native")]
pub struct NativeServer {
    address: String,
    broker_address: String,
    server: Mutex<Option<Server>>,
}

#[pymethods]
impl NativeServer {
    #[staticmethod]
    fn start(directory: Option<PathBuf>, settings: Settings) -> Operation {
        let started = async move {
            let mut options = ServerOptions { directory, ..ServerOptions::default() };
            read(&settings, &mut options.broker, &mut options.store)?;
            let server = Server::start_with(options).await?;
            Ok(NativeServer {
                address: server.address(),
                broker_address: server.broker_address(),
                server: Mutex::new(Some(server)),
            })
        };
        Operation::new(started, |py, server| Ok(Py::new(py, server)?.into_any()))
    }

    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    #[getter]
    fn broker_address(&self) -> &str {
        &self.broker_address
    }

    fn close(&self) -> Operation {
        let server = self.server.lock().take();
        Operation::quiet(async move {
            if let Some(server) = server {
                server.close().await;
            }
            Ok(())
        })
    }
}

impl Drop for NativeServer {
    /// Collected without being closed: ended in the background, its directory removed.
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().take()
            && let Ok(runtime) = ferromq::runtime()
        {
            runtime.spawn(server.close());
        }
    }
}
