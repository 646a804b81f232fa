//! A broker by itself.

use super::{Signals, announce, within_time};
use crate::config_file::{ConfigFile, Foreign};
use crate::exit::Outcome;
use clap::Args;
use ferromq_broker::Broker;
use ferromq_broker::config::{BrokerConfig, NOT_SUPPORTED, WITHOUT_EFFECT};
use ferromq_store::StoreConfig;
use std::path::PathBuf;

/// What a broker's file may hold besides.
pub(super) const FOREIGN: Foreign =
    Foreign { without_effect: WITHOUT_EFFECT, not_supported: NOT_SUPPORTED };

/// `ferromq broker`.
#[derive(Args, Debug)]
pub struct BrokerArgs {
    /// File of settings in RocketMQ's format; changes at run time are written to it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name servers, joined by `;` [default: namesrvAddr of the file, or NAMESRV_ADDR]
    #[arg(short, long, value_name = "HOST:PORT")]
    namesrv: Option<String>,
    /// Address to listen on and to tell clients [default: of the file, or all of this machine]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, 0 for a free one [default: listenPort of the file, or 10911]
    #[arg(short, long)]
    port: Option<u16>,
    /// Data directory [default: storePathRootDir of the file, or ~/store]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs a broker until the program is told to end.
pub async fn broker(args: BrokerArgs) -> Outcome {
    let mut config = BrokerConfig::default();
    let mut store = StoreConfig::default();
    if let Some(path) = &args.config {
        let file = ConfigFile::read(path)?;
        let unknown = file.apply(&mut [&mut config, &mut store])?;
        file.warn_of(&unknown, &FOREIGN);
        config.broker_config_path = file.path();
    }
    if let Some(host) = args.host {
        config.broker_ip1 = told_address(&host);
        config.bind_address = host;
    }
    if let Some(port) = args.port {
        config.listen_port = i32::from(port);
    }
    if let Some(addresses) = args.namesrv {
        config.namesrv_addr = addresses;
    }
    if let Some(folder) = args.data {
        store.store_path_root_dir = folder.to_string_lossy().into_owned();
    }
    let signals = Signals::listen()?;
    let broker = Broker::start(config, store).await?;
    announce(&format!("broker ready broker={}", broker.address()));
    signals.wait().await;
    within_time(broker.close()).await
}

/// The address that clients are told of a broker that listens on `host`: the same, unless that
/// means every address; then the broker chooses.
pub(super) fn told_address(host: &str) -> String {
    match host {
        "0.0.0.0" | "::" | "[::]" => String::new(),
        host => host.to_string(),
    }
}
