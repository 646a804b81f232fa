//! A name server and a broker in one process: all that it takes to try things out.

use super::broker::{FOREIGN, told_address};
use super::namesrv::keep_files_in;
use super::{Signals, announce, within_time};
use crate::config_file::ConfigFile;
use crate::exit::Outcome;
use clap::Args;
use ferromq_broker::Broker;
use ferromq_broker::config::BrokerConfig;
use ferromq_namesrv::{NameServer, NamesrvConfig};
use ferromq_store::StoreConfig;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `ferromq standalone`.
#[derive(Args, Debug)]
pub struct StandaloneArgs {
    /// Directory of all data [default: storePathRootDir of the file, or ./ferromq-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on and to tell clients [default: of the file, or 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// Port of the name server, 0 for a free one
    #[arg(long, default_value_t = 9876)]
    namesrv_port: u16,
    /// Port of the broker, 0 for a free one [default: listenPort of the file, or 10911]
    #[arg(long)]
    broker_port: Option<u16>,
    /// File of settings in RocketMQ's format, for the broker and the name server
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where data goes unless something else is asked for.
const DATA: &str = "ferromq-data";

/// The settings of both servers.
struct Plan {
    names: NamesrvConfig,
    broker: BrokerConfig,
    store: StoreConfig,
}

/// Runs both servers until the program is told to end.
pub async fn standalone(args: StandaloneArgs) -> Outcome {
    let Plan { names, mut broker, store } = plan(args)?;
    let signals = Signals::listen()?;
    let names = NameServer::start(names).await?;
    broker.namesrv_addr = reachable(names.address()).to_string();
    let broker = match Broker::start(broker, store).await {
        Ok(broker) => broker,
        Err(error) => {
            names.close().await;
            return Err(error.into());
        }
    };
    announce(&format!("standalone ready namesrv={} broker={}", names.address(), broker.address()));
    signals.wait().await;
    // The broker first, so that it can still say good-bye to the name server.
    within_time(async {
        broker.close().await;
        names.close().await;
    })
    .await
}

fn plan(args: StandaloneArgs) -> Result<Plan, crate::config_file::ConfigFileError> {
    const HOST: &str = "127.0.0.1";
    let mut names = NamesrvConfig::default();
    let mut broker = BrokerConfig {
        bind_address: HOST.to_string(),
        broker_ip1: HOST.to_string(),
        ..BrokerConfig::default()
    };
    let mut store = StoreConfig::default();
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let of_file = |key| file.as_ref().and_then(|file| file.value(key));
    let data = args
        .data
        .clone()
        .or_else(|| of_file("storePathRootDir").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DATA));
    keep_files_in(&mut names, &data.join("namesrv"), true);
    if let Some(file) = &file {
        let unknown = file.apply(&mut [&mut broker, &mut store, &mut names])?;
        file.warn_of(&unknown, &FOREIGN);
        broker.broker_config_path = file.path();
    }
    if of_file("bindAddress").is_some() && of_file("brokerIP1").is_none() {
        broker.broker_ip1 = told_address(&broker.bind_address);
    }
    store.store_path_root_dir = data.to_string_lossy().into_owned();
    if let Some(host) = &args.host {
        broker.bind_address = host.clone();
        broker.broker_ip1 = told_address(host);
    }
    if let Some(port) = args.broker_port {
        broker.listen_port = i32::from(port);
    }
    // A file names one port and one address, and means the broker's.
    names.listen_port = args.namesrv_port;
    names.bind_address = broker.bind_address.clone();
    Ok(Plan { names, broker, store })
}

/// The address by which this machine reaches a server that may listen on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(config: Option<PathBuf>) -> StandaloneArgs {
        StandaloneArgs { data: None, host: None, namesrv_port: 9876, broker_port: None, config }
    }

    #[test]
    fn without_anything_it_stays_on_this_machine() {
        let plan = plan(args(None)).unwrap();
        assert_eq!(plan.names.bind_address, "127.0.0.1");
        assert_eq!(plan.names.kv_config_path, "ferromq-data/namesrv/kvConfig.json");
        assert_eq!(plan.broker.bind_address, "127.0.0.1");
        assert_eq!(plan.broker.broker_ip1, "127.0.0.1");
        assert_eq!(plan.broker.listen_port, 10911);
        assert_eq!(plan.store.store_path_root_dir, "ferromq-data");
    }

    #[test]
    fn a_file_for_the_broker_leaves_the_name_servers_port_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.conf");
        let text = "rocketmqHome=/opt/rocketmq\nnamesrvAddr=127.0.0.1:9876\n\
            mapedFileSizeCommitLog=52428800\nmapedFileSizeConsumeQueue=30000\n\
            listenPort=4711\nbindAddress=0.0.0.0\n";
        std::fs::write(&path, text).unwrap();
        let plan = plan(args(Some(path.clone()))).unwrap();
        assert_eq!(plan.names.listen_port, 9876);
        assert_eq!(plan.names.bind_address, "0.0.0.0");
        assert_eq!(plan.broker.listen_port, 4711);
        assert_eq!(plan.broker.broker_ip1, "", "the broker finds its own");
        assert_eq!(plan.broker.rocketmq_home, "/opt/rocketmq");
        assert_eq!(plan.store.mapped_file_size_commit_log, 52_428_800);
        assert_eq!(plan.store.mapped_file_size_consume_queue, 30_000);
        let mut args = args(Some(path));
        args.host = Some("127.0.0.1".to_string());
        args.broker_port = Some(0);
        let plan = super::plan(args).unwrap();
        assert_eq!((plan.broker.listen_port, plan.broker.broker_ip1.as_str()), (0, "127.0.0.1"));
    }

    #[test]
    fn all_addresses_are_reached_by_the_loopback() {
        assert_eq!(reachable(([0, 0, 0, 0], 7).into()), ([127, 0, 0, 1], 7).into());
        assert_eq!(reachable(([10, 0, 0, 1], 7).into()), ([10, 0, 0, 1], 7).into());
    }
}
