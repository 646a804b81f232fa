//! The threads that all clients of a process share when the application brings none.

use ferromq_client::Error;
#[cfg(unix)]
use nix::sys::signal::{SigSet, Signal};
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// The process that started the threads: a fork has none of them.
static SHARED: OnceLock<Result<(u32, Runtime), String>> = OnceLock::new();

/// Only Rust's own programs ignore SIGPIPE. Others would be ended by it when a server closes a connection
/// that these threads, which do all the writing, write to; blocked, it is an error of that write.
fn spare_the_program() {
    #[cfg(unix)]
    if let Err(error) = SigSet::from(Signal::SIGPIPE).thread_block() {
        tracing::warn!(%error, "SIGPIPE cannot be blocked: a lost connection may end the program");
    }
}

/// The runtime that bindings run clients and embedded servers on: one for the process, started when
/// it is first asked for, with as many threads as there are processors.
///
/// # Errors
/// [`Error::Forked`] in a child of the process that started it: only the thread that forked exists
/// there. [`Error::InvalidArgument`] when the system gives no threads.
pub fn runtime() -> Result<&'static Runtime, Error> {
    let shared = SHARED.get_or_init(|| {
        let mut threads = Builder::new_multi_thread();
        threads.thread_name("ferromq").enable_all().on_thread_start(spare_the_program);
        let runtime = threads.build();
        runtime.map(|runtime| (std::process::id(), runtime)).map_err(|error| error.to_string())
    });
    match shared {
        Ok((process, _)) if *process != std::process::id() => Err(Error::Forked),
        Ok((_, runtime)) => Ok(runtime),
        Err(reason) => {
            Err(Error::InvalidArgument(format!("the system gives no threads: {reason}")))
        }
    }
}
