//! Promises that are settled from the threads of the clients.
//!
//! Each environment (the main thread, each worker) has a port of its own: a list of what is done,
//! and one function of Node that wakes its thread. A whole list is settled per wake-up, so that a
//! thousand sends cost about as many crossings as those that were awaited one by one at the same
//! time, and no operation makes a function of its own.

use crate::failure::Failure;
use ferromq::Error;
use napi::bindgen_prelude::{ClassInstance, FnArgs, Function, FunctionRef, ToNapiValue, Unknown};
use napi::{Env, JsValue, check_status, sys};
use napi_derive::napi;
use parking_lot::Mutex;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// What a promise can be fulfilled with. Made into a JavaScript value on the thread of JavaScript.
pub(crate) trait Answer: Send + 'static {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value>;
}

impl Answer for () {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, ())
    }
}

impl Answer for String {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

pub(crate) fn to_js<T: ToNapiValue>(env: &Env, value: T) -> napi::Result<sys::napi_value> {
    // SAFETY: `env` is that of the running call or callback, on its own thread.
    unsafe { T::to_napi_value(env.raw(), value) }
}

/// A promise on its way back to the caller.
pub struct Promised(sys::napi_value);

impl ToNapiValue for Promised {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

/// The half of a promise by which it is settled; only ever used on the thread it was made on.
struct Deferred(sys::napi_deferred);

// SAFETY: other threads only carry it back to its own.
unsafe impl Send for Deferred {}

/// Node's function that wakes a thread.
struct Wake(sys::napi_threadsafe_function);

// SAFETY: made for calls from any thread; the lock around it ends before Node frees it.
unsafe impl Send for Wake {}

type IntoJs = Box<dyn FnOnce(&Env) -> napi::Result<sys::napi_value> + Send>;
type ErrorArgs = FnArgs<(String, i32, String, bool, Option<i32>, Vec<String>)>;

/// A promise that can be settled.
struct Done {
    deferred: Deferred,
    holds: bool,
    outcome: Result<IntoJs, Failure>,
}

struct Shared {
    done: Mutex<Vec<Done>>,
    /// `None` once the environment is gone.
    wake: Mutex<Option<Wake>>,
    /// Operations that keep the process alive.
    holds: AtomicUsize,
    /// Makes errors of JavaScript.
    errors: FunctionRef<ErrorArgs, Unknown<'static>>,
}

impl Shared {
    fn settle(&self, done: Done) {
        let first = {
            let mut list = self.done.lock();
            list.push(done);
            list.len() == 1
        };
        // Whoever finds the list empty wakes the thread, which then takes the whole list.
        if first && let Some(wake) = &*self.wake.lock() {
            // SAFETY: valid until `gone` has taken it away, under this lock.
            unsafe {
                sys::napi_call_threadsafe_function(
                    wake.0,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                );
            }
        }
    }

    fn hold(&self, env: &Env) {
        if self.holds.fetch_add(1, Ordering::Relaxed) == 0
            && let Some(wake) = &*self.wake.lock()
        {
            // SAFETY: on the thread of `env`, with a function that is valid under this lock.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), wake.0) };
        }
    }

    fn release(&self, env: &Env) {
        if self.holds.fetch_sub(1, Ordering::Relaxed) == 1
            && let Some(wake) = &*self.wake.lock()
        {
            // SAFETY: as in `hold`.
            unsafe { sys::napi_unref_threadsafe_function(env.raw(), wake.0) };
        }
    }

    /// Settles everything that is done; on the thread of JavaScript.
    fn settle_all(&self, env: &Env) {
        let list = std::mem::take(&mut *self.done.lock());
        for done in list {
            if done.holds {
                self.release(env);
            }
            let outcome = match done.outcome {
                Ok(into_js) => {
                    let value = catch_unwind(AssertUnwindSafe(|| into_js(env)));
                    value.ok().and_then(Result::ok).ok_or_else(Failure::internal)
                }
                Err(failure) => Err(failure),
            };
            // SAFETY: on the thread of `env`; the deferred is of this environment and goes with
            // the call, being in no other list.
            unsafe {
                match outcome {
                    Ok(value) => sys::napi_resolve_deferred(env.raw(), done.deferred.0, value),
                    Err(failure) => {
                        let error = self.error(env, failure);
                        sys::napi_reject_deferred(env.raw(), done.deferred.0, error)
                    }
                };
            }
        }
    }

    fn error(&self, env: &Env, failure: Failure) -> sys::napi_value {
        let args = FnArgs::from((
            failure.name.to_string(),
            failure.code,
            failure.message,
            failure.retryable,
            failure.broker_code,
            failure.causes,
        ));
        let made = self.errors.borrow_back(env).and_then(|errors| errors.call(args));
        made.map_or(ptr::null_mut(), |error| error.raw())
    }
}

/// Node calls it on the thread of JavaScript after a wake-up.
unsafe extern "C" fn awake(
    env: sys::napi_env,
    _: sys::napi_value,
    context: *mut c_void,
    _: *mut c_void,
) {
    // Without an environment it is being torn down, and nobody waits.
    if !env.is_null() {
        // SAFETY: the context is the `Shared` that `gone` gives back, after the last of these.
        let shared = unsafe { &*context.cast::<Shared>() };
        shared.settle_all(&Env::from_raw(env));
    }
}

/// Node calls it when the environment ends, before it frees the function.
unsafe extern "C" fn gone(_: sys::napi_env, _: *mut c_void, context: *mut c_void) {
    // SAFETY: the count that `Port::new` took for Node, given back once.
    let shared = unsafe { Arc::from_raw(context.cast::<Shared>().cast_const()) };
    // Under the lock: whoever wakes has done so before, or finds nothing.
    shared.wake.lock().take();
}

/// A promise not yet settled; dropped without an answer it is rejected, so that nobody waits for
/// ever.
struct Pending {
    shared: Arc<Shared>,
    deferred: Option<Deferred>,
    holds: bool,
}

impl Pending {
    fn settle(mut self, outcome: Result<IntoJs, Failure>) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Result<IntoJs, Failure>) {
        if let Some(deferred) = self.deferred.take() {
            self.shared.settle(Done { deferred, holds: self.holds, outcome });
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.finish(Err(Failure::internal()));
    }
}

/// Ends operations early: the native half of an `AbortSignal`.
#[napi]
pub struct Abort {
    sender: watch::Sender<bool>,
}

#[napi]
#[allow(clippy::new_without_default)]
impl Abort {
    /// One that has not fired.
    #[napi(constructor)]
    pub fn new() -> Self {
        Abort { sender: watch::Sender::new(false) }
    }

    /// Ends the operations that were given it.
    #[napi]
    pub fn abort(&self) {
        self.sender.send_replace(true);
    }
}

/// How long an operation may take, and who may end it.
pub(crate) struct Limits {
    timeout: Option<Duration>,
    abort: Option<watch::Receiver<bool>>,
}

impl Limits {
    pub const NONE: Limits = Limits { timeout: None, abort: None };

    pub fn new(timeout_ms: Option<f64>, abort: Option<ClassInstance<'_, Abort>>) -> Self {
        Limits {
            timeout: timeout_ms.map(millis),
            abort: abort.map(|abort| abort.sender.subscribe()),
        }
    }

    async fn keep<A>(
        self,
        operation: &'static str,
        work: impl Future<Output = Result<A, Failure>>,
    ) -> Result<A, Failure> {
        let Limits { timeout, abort } = self;
        let in_time = async {
            let Some(timeout) = timeout else { return work.await };
            tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
                let millis = timeout.as_millis() as u64;
                let last = "no answer came".to_string();
                Err(Error::Timeout { operation: operation.to_string(), millis, last }.into())
            })
        };
        let Some(mut abort) = abort else { return in_time.await };
        tokio::select! {
            // Its sender may be collected before it fires: then it never does.
            Ok(_) = abort.wait_for(|aborted| *aborted) => Err(Failure::aborted()),
            outcome = in_time => outcome,
        }
    }
}

/// A time in ms, as JavaScript writes it; what is no time is none.
pub(crate) fn millis(ms: f64) -> Duration {
    // A year is as good as for ever, and fits every clock.
    Duration::from_secs_f64((ms / 1000.0).clamp(0.0, 31_536_000.0))
}

/// The way from clients back to one environment.
#[napi]
pub struct Port {
    shared: Arc<Shared>,
}

#[napi]
impl Port {
    /// A port whose errors are made by `errors`.
    #[napi(constructor)]
    pub fn new(env: Env, errors: Function<'_, ErrorArgs, Unknown<'static>>) -> napi::Result<Self> {
        let shared = Arc::new(Shared {
            done: Mutex::default(),
            wake: Mutex::new(None),
            holds: AtomicUsize::new(0),
            errors: errors.create_ref()?,
        });
        let name = to_js(&env, "ferromq")?;
        let (mut wake, context) = (ptr::null_mut(), Arc::into_raw(shared.clone()));
        // SAFETY: `context` is a count of `shared`, which `gone` gives back.
        check_status!(unsafe {
            sys::napi_create_threadsafe_function(
                env.raw(),
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                Some(gone),
                context.cast_mut().cast(),
                Some(awake),
                &mut wake,
            )
        })?;
        // SAFETY: just made, on this thread. Only operations that hold keep the process alive.
        unsafe { sys::napi_unref_threadsafe_function(env.raw(), wake) };
        *shared.wake.lock() = Some(Wake(wake));
        Ok(Port { shared })
    }
}

impl Port {
    pub(crate) fn clone_handle(&self) -> Port {
        Port { shared: self.shared.clone() }
    }

    /// A promise of what `work` yields. With `holds` the process stays alive for it.
    pub(crate) fn promise<A: Answer>(
        &self,
        env: &Env,
        holds: bool,
        operation: &'static str,
        limits: Limits,
        work: impl Future<Output = Result<A, Failure>> + Send + 'static,
    ) -> napi::Result<Promised> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is that of the running call.
        check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
        if holds {
            self.shared.hold(env);
        }
        let deferred = Some(Deferred(deferred));
        let pending = Pending { shared: self.shared.clone(), deferred, holds };
        match ferromq::runtime() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let outcome = limits.keep(operation, work).await;
                pending
                    .settle(outcome.map(|answer| -> IntoJs {
                        Box::new(move |env: &Env| answer.into_js(env))
                    }));
            })),
            Err(error) => pending.settle(Err(error.into())),
        }
        Ok(Promised(promise))
    }
}
