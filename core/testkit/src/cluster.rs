//! The servers of a scenario, told what to do in lines of text; see `scenarios/README.md`.

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

enum Place<T> {
    Runs(T),
    /// The port it had.
    Stopped(u16),
}

/// Name servers and brokers in this process, or those of a running cluster.
pub struct Cluster {
    names: Vec<Place<NameServer>>,
    brokers: Vec<Place<Broker>>,
    addresses: Vec<String>,
    /// Connections that nobody answers.
    deaf: Option<(TcpListener, String)>,
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
            ["stop", "names", index] => match self.names.get_mut(index.parse::<usize>()?) {
                Some(place @ Place::Runs(_)) => {
                    if let Place::Runs(server) = std::mem::replace(place, Place::Stopped(0)) {
                        *place = Place::Stopped(server.address().port());
                        server.close().await;
                    }
                }
                _ => return Err("no such name server runs".into()),
            },
            ["stop", "broker", index] => match self.brokers.get_mut(index.parse::<usize>()?) {
                Some(place @ Place::Runs(_)) => {
                    if let Place::Runs(server) = std::mem::replace(place, Place::Stopped(0)) {
                        *place = Place::Stopped(server.address().port());
                        server.close().await;
                    }
                }
                _ => return Err("no such broker runs".into()),
            },
            ["start", "names", index] => {
                let index: usize = index.parse()?;
                match self.names.get(index) {
                    Some(Place::Stopped(port)) => {
                        self.names[index] = Place::Runs(self.name_server(index, *port).await?);
                    }
                    _ => return Err("no such name server is stopped".into()),
                }
            }
            ["start", "broker", index] => {
                let index: usize = index.parse()?;
                match self.brokers.get(index) {
                    Some(Place::Stopped(port)) => {
                        self.brokers[index] = Place::Runs(self.broker(index, *port).await?);
                    }
                    _ => return Err("no such broker is stopped".into()),
                }
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
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                return Ok(listener.local_addr()?.to_string());
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
            let server = self.name_server(index, 0).await?;
            self.addresses.push(server.address().to_string());
            self.names.push(Place::Runs(server));
        }
        for index in 0..brokers {
            let broker = self.broker(index, 0).await?;
            self.brokers.push(Place::Runs(broker));
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
        let own = self.brokers.iter().filter(|place| matches!(place, Place::Runs(_))).count();
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
        for place in self.brokers {
            if let Place::Runs(broker) = place {
                broker.close().await;
            }
        }
        for place in self.names {
            if let Place::Runs(server) = place {
                server.close().await;
            }
        }
    }
}
