//! Clusters of any mix of servers.

use crate::apache::{self, Version};
use crate::process::Process;
use crate::settings::Setting;
use crate::{Problem, ours, wire};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Apache 4.9.7.
    Apache49,
    /// Apache 5.5.0.
    Apache55,
    /// Ours.
    FerroMq,
}

impl ServerKind {
    /// A short name for tests.
    pub fn label(self) -> &'static str {
        match self {
            ServerKind::Apache49 => "apache49",
            ServerKind::Apache55 => "apache55",
            ServerKind::FerroMq => "ferromq",
        }
    }

    /// Starts a broker that keeps its messages in `home`, and returns it with its address; `wanted` are
    /// settings in place of the usual ones.
    pub fn broker(
        self,
        home: &Path,
        name: &str,
        namesrv: &str,
        wanted: &[Setting],
    ) -> Result<(Process, String), Problem> {
        match self {
            ServerKind::Apache49 => apache::broker(Version::V49, home, name, namesrv, wanted),
            ServerKind::Apache55 => apache::broker(Version::V55, home, name, namesrv, wanted),
            ServerKind::FerroMq => ours::broker(home, name, namesrv, wanted),
        }
    }
}

/// One broker of a cluster.
pub struct BrokerAt {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Whose it is.
    pub kind: ServerKind,
}

/// Running servers and the folder they write to.
pub struct Cluster {
    /// The name server.
    pub namesrv: String,
    /// The brokers, in the order they were asked for.
    pub brokers: Vec<BrokerAt>,
    /// Brokers first, so that they are dropped before the name server.
    processes: Vec<Process>,
    folder: Option<TempDir>,
}

impl Cluster {
    /// A name server and one broker of one kind.
    pub fn start(kind: ServerKind) -> Result<Cluster, Problem> {
        if kind != ServerKind::FerroMq {
            return Cluster::mixed(kind, &[kind]);
        }
        let folder = folder()?;
        let (process, namesrv, address) = ours::standalone(folder.path())?;
        let brokers = vec![BrokerAt {
            name: wire::broker_name(&namesrv, &address, Duration::from_secs(20))?,
            address,
            kind,
        }];
        Ok(Cluster { namesrv, brokers, processes: vec![process], folder: Some(folder) })
    }

    /// A name server of one kind and brokers of several.
    pub fn mixed(namesrv: ServerKind, brokers: &[ServerKind]) -> Result<Cluster, Problem> {
        let folder = folder()?;
        let (process, address) = start_name_server(namesrv, &subfolder(&folder, "namesrv")?)?;
        let mut cluster = Cluster {
            namesrv: address,
            brokers: Vec::new(),
            processes: vec![process],
            folder: Some(folder),
        };
        for (i, kind) in brokers.iter().enumerate() {
            let name = format!("broker-{}", (b'a' + (i % 26) as u8) as char);
            cluster.add_broker(*kind, name)?;
        }
        Ok(cluster)
    }

    fn add_broker(&mut self, kind: ServerKind, name: String) -> Result<(), Problem> {
        let home = match &self.folder {
            Some(folder) => subfolder(folder, &name)?,
            None => return Err(Problem::Wrong("the cluster is being taken down".to_owned())),
        };
        let (process, address) = kind.broker(&home, &name, &self.namesrv, &[])?;
        self.processes.insert(0, process);
        let registered = wire::broker_name(&self.namesrv, &address, Duration::from_secs(60))?;
        if registered != name {
            return Err(Problem::Wrong(format!(
                "{address} registered as {registered}, not {name}"
            )));
        }
        self.brokers.push(BrokerAt { name, address, kind });
        Ok(())
    }

    /// Where the servers' files and the clients' logs go.
    pub fn folder(&self) -> &Path {
        match &self.folder {
            Some(folder) => folder.path(),
            None => Path::new("."),
        }
    }

    /// Creates a topic on every broker and waits until its route is known.
    pub fn topic(&self, name: &str, queues: i32) -> Result<(), Problem> {
        for broker in &self.brokers {
            wire::create_topic(&broker.address, name, queues)?;
        }
        wire::wait_route(&self.namesrv, name, self.brokers.len(), Duration::from_secs(20))
    }

    /// The end of what the servers printed, for a failed test.
    pub fn tails(&self) -> String {
        let tails: Vec<String> =
            self.processes.iter().map(|p| format!("--- {}\n{}", p.name(), p.tail())).collect();
        tails.join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill();
        }
        if std::env::var_os("FERROMQ_KEEP").is_some()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("kept: {}", folder.keep().display());
        }
    }
}

fn start_name_server(kind: ServerKind, home: &Path) -> Result<(Process, String), Problem> {
    match kind {
        ServerKind::Apache49 => apache::name_server(Version::V49, home),
        ServerKind::Apache55 => apache::name_server(Version::V55, home),
        ServerKind::FerroMq => ours::name_server(home),
    }
}

fn folder() -> Result<TempDir, Problem> {
    tempfile::Builder::new()
        .prefix("ferromq-interop-")
        .tempdir()
        .map_err(Problem::io("creating a folder for the servers"))
}

fn subfolder(folder: &TempDir, name: &str) -> Result<std::path::PathBuf, Problem> {
    let path = folder.path().join(name);
    std::fs::create_dir_all(&path)
        .map_err(|source| Problem::File { path: path.clone(), source })?;
    Ok(path)
}
