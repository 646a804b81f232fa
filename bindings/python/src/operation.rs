//! Operations, and the two ways to their results: waiting, or an event loop.

use crate::failure::Failure;
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// After so long at most a waiting thread looks whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_millis(50);

type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Something that takes time. It begins when it is waited for, or handed to an event loop; dropped
/// before its end, it is cancelled.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Operation {
    work: Mutex<Option<Work>>,
}

impl Operation {
    pub(crate) fn new<T, F, C>(future: F, convert: C) -> Operation
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    {
        let work = async move {
            let result = future.await;
            Box::new(move |py: Python<'_>| match result {
                Ok(value) => convert(py, value),
                Err(failure) => Err(failure.raised(py)),
            }) as Outcome
        };
        Operation { work: Mutex::new(Some(Box::pin(work))) }
    }

    /// One that answers with nothing.
    pub(crate) fn quiet(
        future: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) -> Operation {
        Operation::new(future, |py, ()| Ok(py.None()))
    }

    fn take(&self) -> PyResult<Work> {
        let begun = || PyRuntimeError::new_err("the operation has begun already");
        self.work.lock().take().ok_or_else(begun)
    }
}

fn runtime(py: Python<'_>) -> PyResult<&'static tokio::runtime::Runtime> {
    ferromq::runtime().map_err(|error| Failure::from(error).raised(py))
}

#[pymethods]
impl Operation {
    /// Waits for the result; other threads of Python go on meanwhile.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut work = self.take()?;
        let runtime = runtime(py)?;
        loop {
            let ended = py.detach(|| {
                runtime.block_on(async { tokio::time::timeout(SLICE, &mut work).await.ok() })
            });
            match ended {
                Some(outcome) => return outcome(py),
                None => py.check_signals()?,
            }
        }
    }
}

/// The results that an event loop is to collect. The loop watches a file descriptor, so that threads
/// of the runtime need not wait for Python's lock.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Arrivals {
    shared: Arc<Shared>,
    waking: UnixStream,
}

struct Shared {
    arrived: Mutex<Vec<(Py<PyAny>, Outcome)>>,
    bell: UnixStream,
}

impl Shared {
    fn add(&self, future: Py<PyAny>, outcome: Outcome) {
        let mut arrived = self.arrived.lock();
        arrived.push((future, outcome));
        if arrived.len() == 1 {
            // The loop takes all at once, so that there is never more than a byte in it.
            let _ = (&self.bell).write(&[1]);
        }
    }
}

#[pymethods]
impl Arrivals {
    #[new]
    fn new() -> PyResult<Self> {
        let failed = |error: std::io::Error| PyOSError::new_err(error.to_string());
        let (bell, waking) = UnixStream::pair().map_err(failed)?;
        for end in [&bell, &waking] {
            end.set_nonblocking(true).map_err(failed)?;
        }
        Ok(Arrivals { shared: Arc::new(Shared { arrived: Mutex::default(), bell }), waking })
    }

    /// What the loop is to watch for reading.
    fn fileno(&self) -> i32 {
        self.waking.as_raw_fd()
    }

    /// Begins an operation whose result goes to a future of the loop.
    fn begin(&self, py: Python<'_>, operation: &Operation, future: Py<PyAny>) -> PyResult<Task> {
        let (work, shared) = (operation.take()?, self.shared.clone());
        let task = runtime(py)?.spawn(async move {
            let outcome = work.await;
            shared.add(future, outcome);
        });
        Ok(Task { handle: task.abort_handle() })
    }

    /// Gives every result that is there to its future; called by the loop.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        let arrived = {
            let mut arrived = self.shared.arrived.lock();
            let _ = (&self.waking).read(&mut [0; 8]);
            std::mem::take(&mut *arrived)
        };
        for (future, outcome) in arrived {
            let future = future.bind(py);
            if future.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            match outcome(py) {
                Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
                Err(error) => {
                    future.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?
                }
            };
        }
        Ok(())
    }
}

/// An operation on its way.
#[pyclass(frozen, module = "ferromq._native")]
pub struct Task {
    handle: tokio::task::AbortHandle,
}

#[pymethods]
impl Task {
    /// Ends the operation, unless it has ended.
    fn cancel(&self) {
        self.handle.abort();
    }
}
