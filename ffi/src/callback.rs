//! Calling functions of the application: from threads that do nothing else, with no lock held.

use crate::error::Fault;
use parking_lot::Mutex;
use std::ffi::c_void;
use std::sync::Arc;
use std::thread::{JoinHandle, ThreadId};
use tokio::sync::Notify;

/// Ends what was given as `user_data`.
pub type ferromq_user_data_destroy_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A function of the application and what it is called with. Dropped, the latter is ended.
pub(crate) struct Callback<F> {
    pub(crate) function: F,
    data: *mut c_void,
    destroy: ferromq_user_data_destroy_t,
}

// SAFETY: the header says that the function and its data are used on another thread, one at a time.
unsafe impl<F: Send> Send for Callback<F> {}

impl<F: Copy> Callback<Option<F>> {
    pub(crate) fn new(
        function: Option<F>,
        data: *mut c_void,
        destroy: ferromq_user_data_destroy_t,
    ) -> Self {
        Callback { function, data, destroy }
    }

    /// What the function is called with.
    pub(crate) fn data(&self) -> *mut c_void {
        self.data
    }

    /// The function, which must be there.
    pub(crate) fn required(&self) -> Result<F, Fault> {
        self.function.ok_or_else(|| Fault::argument("the callback is NULL".to_string()))
    }
}

impl<F> Drop for Callback<F> {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller gave a function for this data; nothing uses the data after this.
            unsafe { destroy(self.data) };
        }
    }
}

/// A thread that calls back.
pub(crate) struct Caller {
    id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<Notify>,
}

impl Caller {
    /// Starts a thread. What it does must end soon after it is notified.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(Arc<Notify>) + Send + 'static,
    ) -> Result<Caller, Fault> {
        let stop = Arc::new(Notify::new());
        let heard = stop.clone();
        let thread = std::thread::Builder::new().name(name.to_string()).spawn(move || work(heard));
        let thread = thread.map_err(|error| {
            Fault::argument(format!("the system gives no thread for callbacks: {error}"))
        })?;
        Ok(Caller { id: thread.thread().id(), thread: Mutex::new(Some(thread)), stop })
    }

    pub(crate) fn is_this_thread(&self) -> bool {
        self.id == std::thread::current().id()
    }

    /// Waits for the callback that runs, and for the thread.
    pub(crate) fn finish(&self) {
        self.stop.notify_one();
        let mut thread = self.thread.lock();
        // A fork has none of the threads.
        if let (Some(thread), Ok(_)) = (thread.take(), facade::runtime()) {
            let _ = thread.join();
        }
    }
}

/// Where a client keeps its caller, once it has one.
#[derive(Default)]
pub(crate) struct Callers(Mutex<Option<Arc<Caller>>>);

impl Callers {
    /// Starts the one that there can be; see [`Caller::start`].
    pub(crate) fn set(
        &self,
        name: &str,
        work: impl FnOnce(Arc<Notify>) + Send + 'static,
    ) -> Result<(), Fault> {
        let mut caller = self.0.lock();
        if caller.is_some() {
            return Err(Fault::argument("this client has a callback already".to_string()));
        }
        *caller = Some(Arc::new(Caller::start(name, work)?));
        Ok(())
    }

    /// Polling is for clients without a callback.
    pub(crate) fn none(&self) -> Result<(), Fault> {
        match self.0.lock().is_some() {
            true => Err(Fault::argument(
                "this client has a callback: what you poll for goes there".to_string(),
            )),
            false => Ok(()),
        }
    }

    fn is_own_thread(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|caller| caller.is_this_thread())
    }

    /// A callback cannot end its own client: it would wait for itself.
    pub(crate) fn refuse_own(&self) -> Result<(), Fault> {
        match self.is_own_thread() {
            true => Err(Fault::argument(
                "a callback cannot close its own client; do it from another thread".to_string(),
            )),
            false => Ok(()),
        }
    }

    /// Waits until nothing is called back any more.
    pub(crate) fn finish(&self) {
        // Not under the lock: the callback that is waited for may ask for it.
        let caller = self.0.lock().clone();
        if let Some(caller) = caller {
            caller.finish();
        }
    }

    /// Whether this is the thread that calls back; then the handle must stay, and the log says so.
    pub(crate) fn forbid_destroying(&self) -> bool {
        let own = self.is_own_thread();
        if own {
            tracing::error!(
                "a callback tried to destroy its own client; it stays: destroy it from another thread"
            );
        }
        own
    }
}
