//! A name server by itself.

use super::{Signals, announce, within_time};
use crate::config_file::{ConfigFile, Foreign};
use crate::exit::Outcome;
use clap::Args;
use ferromq_namesrv::{NameServer, NamesrvConfig};
use std::path::{Path, PathBuf};

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

/// Runs a name server until the program is told to end.
pub async fn namesrv(args: NamesrvArgs) -> Outcome {
    let mut config = NamesrvConfig::default();
    if let Some(path) = &args.config {
        let file = ConfigFile::read(path)?;
        let unknown = file.apply(&mut [&mut config])?;
        file.warn_of(&unknown, &Foreign::default());
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
pub(super) fn keep_files_in(config: &mut NamesrvConfig, folder: &Path, settings_too: bool) {
    let file = |name| folder.join(name).to_string_lossy().into_owned();
    config.kv_config_path = file("kvConfig.json");
    if settings_too {
        config.config_store_path = file("namesrv.properties");
    }
}
