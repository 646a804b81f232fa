//! The servers of a scenario, told what to do in lines of text; see `scenarios/README.md`.

use crate::port::Port;
use ferromq::{Admin, ClientConfig, ServerOptions};
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_namesrv::{NameServer, NamesrvConfig};
use ferromq_protocol::body::TopicConfig;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Why a line was not obeyed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long everything in a scenario may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that can be stopped and comes back at the same address.
struct Place<T> {
    port: Port,
    server: Option<T>,
}

impl<T> Place<T> {
    /// Takes the server out, to be ended.
    fn stop(&mut self) -> Result<T, Failure> {
        self.server.take().ok_or_else(|| "no such server runs".into())
    }

    /// The port where one is to start.
    fn vacant(&self) -> Result<u16, Failure> {
        match self.server {
            Some(_) => Err("it runs".into()),
            None => Ok(self.port.number()),
        }
    }
}

fn among<T>(places: &mut [Place<T>], index: usize) -> Result<&mut Place<T>, Failure> {
    places.get_mut(index).ok_or_else(|| format!("there is no server {index}").into())
}

/// Name servers and brokers in this process, or those of a running cluster.
pub struct Cluster {
    names: Vec<Place<NameServer>>,
    brokers: Vec<Place<Broker>>,
    addresses: Vec<String>,
    /// Connections that nobody answers.
    deaf: Option<(TcpListener, String)>,
    /// Ports where nobody listens.
    dead: Vec<Port>,
    folder: TempDir,
}

impl Cluster {
    /// A cluster without servers, or the running one behind the name servers at `addresses`.
    pub fn new(addresses: Option<&str>) -> Result<Cluster, Failure> {
        Ok(Cluster {
            names: Vec::new(),
            brokers: Vec::new(),
            addresses: addresses
                .map(|all| all.split(';').map(String::from).collect())
                .unwrap_or_default(),
            deaf: None,
            dead: Vec::new(),
            folder: TempDir::new()?,
        })
    }

    /// Obeys one line; what it returns goes behind `ok`.
    pub async fn obey(&mut self, line: &str) -> Result<String, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["cluster", names, brokers] => {
                let count = |word: &str, key| -> Result<usize, Failure> {
                    Ok(word.strip_prefix(key).ok_or("expected names=N brokers=N")?.parse()?)
                };
                self.begin(count(names, "names=")?, count(brokers, "brokers=")?).await?;
                return Ok(self.addresses.join(";"));
            }
            ["topic", topic, queues] => {
                let queues = queues.strip_prefix("queues=").ok_or("expected queues=N")?;
                self.create_topic(topic, queues.parse()?).await?;
            }
            ["stop", "names", index] => {
                among(&mut self.names, index.parse()?)?.stop()?.close().await;
            }
            ["stop", "broker", index] => {
                among(&mut self.brokers, index.parse()?)?.stop()?.close().await;
            }
            ["start", "names", index] => {
                let index = index.parse()?;
                let port = among(&mut self.names, index)?.vacant()?;
                self.names[index].server = Some(self.name_server(index, port).await?);
            }
            ["start", "broker", index] => {
                let index = index.parse()?;
                let port = among(&mut self.brokers, index)?.vacant()?;
                self.brokers[index].server = Some(self.broker(index, port).await?);
            }
            ["deaf"] => {
                if self.deaf.is_none() {
                    // The system accepts connections for a listener that never does.
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?.to_string();
                    self.deaf = Some((listener, address));
                }
                return Ok(self
                    .deaf
                    .as_ref()
                    .map(|(_, address)| address.clone())
                    .unwrap_or_default());
            }
            ["dead"] => {
                let port = Port::free()?;
                let address = port.address();
                self.dead.push(port);
                return Ok(address);
            }
            ["folder"] => return Ok(self.place("clients")?.display().to_string()),
            _ => return Err("a line that nobody knows".into()),
        }
        Ok(String::new())
    }

    async fn begin(&mut self, names: usize, brokers: usize) -> Result<(), Failure> {
        if !self.addresses.is_empty() {
            return Ok(());
        }
        for index in 0..names {
            let port = Port::free()?;
            let server = self.name_server(index, port.number()).await?;
            self.addresses.push(server.address().to_string());
            self.names.push(Place { port, server: Some(server) });
        }
        for index in 0..brokers {
            let port = Port::of_broker()?;
            let server = Some(self.broker(index, port.number()).await?);
            self.brokers.push(Place { port, server });
        }
        Ok(())
    }

    async fn name_server(&self, index: usize, port: u16) -> Result<NameServer, Failure> {
        let folder = self.place(&format!("names-{index}"))?;
        let config = NamesrvConfig {
            listen_port: port,
            bind_address: "127.0.0.1".to_string(),
            kv_config_path: folder.join("kvConfig.json").display().to_string(),
            config_store_path: folder.join("namesrv.properties").display().to_string(),
            ..NamesrvConfig::default()
        };
        Ok(NameServer::start(config).await?)
    }

    async fn broker(&self, index: usize, port: u16) -> Result<Broker, Failure> {
        let options = ServerOptions::default();
        let folder = self.place(&format!("broker-{index}"))?;
        let config = BrokerConfig {
            broker_name: format!("broker-{index}"),
            namesrv_addr: self.addresses.join(";"),
            listen_port: port.into(),
            // A name server that comes back is to know its brokers soon; the least there is.
            register_name_server_period: 10_000,
            // Topics are what scenarios make.
            auto_create_topic_enable: false,
            ..options.broker
        };
        let mut store = options.store;
        store.store_path_root_dir = folder.display().to_string();
        Ok(Broker::start(config, store).await?)
    }

    fn place(&self, name: &str) -> std::io::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    async fn create_topic(&self, topic: &str, queues: i32) -> Result<(), Failure> {
        let client = ClientConfig {
            namesrv_addr: self.addresses.join(";"),
            instance_name: "scenario-cluster".to_string(),
            ..ClientConfig::default()
        };
        let admin = Admin::new(client)?;
        let config = TopicConfig {
            topic_name: topic.to_string(),
            read_queue_nums: queues,
            write_queue_nums: queues,
            ..TopicConfig::default()
        };
        let start = Instant::now();
        let outcome = loop {
            match self.try_to_create(&admin, &config).await {
                // A name server that has just started knows no broker yet.
                Err(_) if start.elapsed() < PATIENCE / 2 => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                outcome => break outcome,
            }
        };
        admin.close().await;
        outcome
    }

    /// Makes a topic on all brokers that run, unless a name server does not know all of them.
    async fn try_to_create(&self, admin: &Admin, topic: &TopicConfig) -> Result<(), Failure> {
        let own = self.brokers.iter().filter(|place| place.server.is_some()).count();
        let brokers = admin.masters().await?.len();
        if brokers < own {
            return Err(format!("{brokers} brokers are known").into());
        }
        admin.create_topic(topic).await?;
        let name = topic.topic_name.as_str();
        match admin.route(name).await? {
            Some(route) if route.broker_datas.len() == brokers => Ok(()),
            _ => Err(format!("topic {name} has no route").into()),
        }
    }

    /// Ends all servers.
    pub async fn close(self) {
        for broker in self.brokers.into_iter().filter_map(|place| place.server) {
            broker.close().await;
        }
        for server in self.names.into_iter().filter_map(|place| place.server) {
            server.close().await;
        }
    }
}
