//! The servers: a name server, a broker, or both in one process.

use crate::config_file::ConfigFile;
use crate::exit::Outcome;
use clap::Args;
use ferromq_namesrv::{NameServer, NamesrvConfig};
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a server may take to close before the program ends without it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// `ferromq namesrv`.
#[derive(Args, Debug)]
pub struct NamesrvArgs {
    /// File of settings in RocketMQ's format; changes at run time are written to it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on [default: bindAddress of the file, or all]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, 0 for a free one [default: listenPort of the file, or 9876]
    #[arg(short, long)]
    port: Option<u16>,
    /// Directory of the key-value configuration [default: kvConfigPath of the file, or ~/namesrv]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Why a server did not end as it should.
#[derive(Debug, Error)]
enum EndError {
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error("the server did not close within {} seconds and was left behind", CLOSE_TIMEOUT.as_secs())]
    Hung,
}

/// Runs a name server until the program is told to end.
pub async fn namesrv(args: NamesrvArgs) -> Outcome {
    let mut config = NamesrvConfig::default();
    if let Some(path) = &args.config {
        let file = ConfigFile::read(path)?;
        let unknown = file.apply(&mut [&mut config])?;
        file.warn_of(&unknown, &[]);
        config.config_store_path = file.path();
    }
    if let Some(host) = args.host {
        config.bind_address = host;
    }
    if let Some(port) = args.port {
        config.listen_port = port;
    }
    if let Some(folder) = &args.data {
        keep_files_in(&mut config, folder, args.config.is_none());
    }
    let signals = Signals::listen()?;
    let server = NameServer::start(config).await?;
    announce(&format!("namesrv ready namesrv={}", server.address()));
    signals.wait().await;
    within_time(server.close()).await
}

/// Moves the name server's files to `folder`.
fn keep_files_in(config: &mut NamesrvConfig, folder: &std::path::Path, settings_too: bool) {
    let file = |name| folder.join(name).to_string_lossy().into_owned();
    config.kv_config_path = file("kvConfig.json");
    if settings_too {
        config.config_store_path = file("namesrv.properties");
    }
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
