//! The servers: a name server, a broker, or both in one process.

mod broker;
mod namesrv;
mod standalone;

pub use broker::{BrokerArgs, broker};
pub use namesrv::{NamesrvArgs, namesrv};
pub use standalone::{StandaloneArgs, standalone};

use crate::exit::Outcome;
use std::future::Future;
use std::io::Write;
use std::time::Duration;
use thiserror::Error;

/// How long a server may take to close before the program ends without it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a server did not end as it should.
#[derive(Debug, Error)]
enum EndError {
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error("the server did not close within {} seconds and was left behind", CLOSE_TIMEOUT.as_secs())]
    Hung,
}

/// Prints the one line by which scripts see that a server serves.
fn announce(what: &str) {
    let mut out = std::io::stdout();
    // Nobody may be listening, and then the server serves all the same.
    let _ = writeln!(out, "ferromq {what}").and_then(|()| out.flush());
}

async fn within_time(close: impl Future<Output = ()>) -> Outcome {
    match tokio::time::timeout(CLOSE_TIMEOUT, close).await {
        Ok(()) => Ok(()),
        Err(_) => Err(EndError::Hung.into()),
    }
}

/// The signals that end the program. They are listened for before a server starts, so that none
/// is lost while it does.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self, EndError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(EndError::Signals);
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn wait(mut self) {
        let signal = tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal, "closing");
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self, EndError> {
        Ok(Signals)
    }

    async fn wait(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
