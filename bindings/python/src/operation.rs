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
/// Is told the outcome of an operation.
pub(crate) type Tell = Box<dyn FnOnce(Outcome) + Send>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What an operation does.
enum Work {
    Future(Boxed<Outcome>),
    /// What begins by itself, as a rule without waiting, and tells its outcome from another thread: that
    /// spares a task.
    Telling(Box<dyn FnOnce(Tell) -> Boxed<()> + Send>),
}

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
        let work = async move { outcome(future.await, convert) };
        Operation { work: Mutex::new(Some(Work::Future(Box::pin(work)))) }
    }

    /// One that needs no task.
    pub(crate) fn telling<F: Future<Output = ()> + Send + 'static>(
        begin: impl FnOnce(Tell) -> F + Send + 'static,
    ) -> Operation {
        let begin = Box::new(move |tell| Box::pin(begin(tell)) as Boxed<()>);
        Operation { work: Mutex::new(Some(Work::Telling(begin))) }
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

/// What a result becomes in Python.
pub(crate) fn outcome<T: Send + 'static>(
    result: Result<T, Failure>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> Outcome {
    Box::new(move |py| match result {
        Ok(value) => convert(py, value),
        Err(failure) => Err(failure.raised(py)),
    })
}

fn runtime(py: Python<'_>) -> PyResult<&'static tokio::runtime::Runtime> {
    ferromq::runtime().map_err(|error| Failure::from(error).raised(py))
}

#[pymethods]
impl Operation {
    /// Waits for the result; other threads of Python go on meanwhile.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut work = match self.take()? {
            Work::Future(work) => work,
            Work::Telling(begin) => {
                let (tell, told) = tokio::sync::oneshot::channel();
                Box::pin(async move {
                    begin(Box::new(move |outcome| drop(tell.send(outcome)))).await;
                    let ended = |_| {
                        outcome::<()>(Err(ferromq::Error::Closed.into()), |py, ()| Ok(py.None()))
                    };
                    told.await.unwrap_or_else(ended)
                })
            }
        };
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
    fn add(self: Arc<Self>, future: Py<PyAny>, outcome: Outcome) {
        {
            let mut arrived = self.arrived.lock();
            arrived.push((future, outcome));
            if arrived.len() > 1 {
                return;
            }
        }
        // The loop takes all at once, so that there is never more than a byte in it. Not at once: a task
        // begins when the one that reads answers has read all that came together.
        if let Ok(runtime) = ferromq::runtime() {
            runtime.spawn(async move { drop((&self.bell).write(&[1])) });
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
        let runtime = runtime(py)?;
        let handle = match work {
            Work::Future(work) => {
                let task = runtime.spawn(async move { shared.add(future, work.await) });
                Some(task.abort_handle())
            }
            Work::Telling(begin) => {
                let begun = begin(Box::new(move |outcome| shared.add(future, outcome)));
                ferromq::begin(begun).map_err(|error| Failure::from(error).raised(py))?
            }
        };
        Ok(Task { handle })
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
    /// `None` for one that cannot be called back.
    handle: Option<tokio::task::AbortHandle>,
}

#[pymethods]
impl Task {
    /// Ends the operation, unless it has ended.
    fn cancel(&self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}
