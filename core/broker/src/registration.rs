//! Telling the name servers which topics this broker has (broker §1.3).
//!
//! Each name server has a task of its own, so that one that is down delays no other. What is sent
//! depends on what the server knows:
//!
//! - the whole table over each new connection, after a failure, and when the server asks for it: a
//!   server forgets a broker together with its connection;
//! - a changed topic by itself, over the connection over which the server got the rest;
//! - otherwise, every 30 s, a question of constant size: whether the server has this version. To
//!   the server it is a sign of life; one that has restarted answers that it has not.

use crate::inner::Inner;
use crate::topics::Announcements;
use ferromq_model::perm;
use ferromq_net::{Connection, NetError};
use ferromq_protocol::Command;
use ferromq_protocol::body::{DataVersion, KvTable, RegisterBrokerBody, TopicConfigTable};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson::{self, BodyError};
use ferromq_protocol::header::HeaderError;
use ferromq_protocol::headers::{
    BrokerIdentityRequest, QueryDataVersionResponse, RegisterBrokerRequest,
};
use ferromq_protocol::record::checksum;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How long a name server may take to strike the broker off when it stops.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a start waits for name servers.
const FIRST_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a name server does not know what it should.
#[derive(Debug, Error)]
enum RegistrationError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("{address} answered {code}: {remark}")]
    Refused { address: String, code: i32, remark: String },
    #[error("{0} did not answer in time")]
    Slow(String),
    #[error("the answer cannot be read: {0}")]
    Header(#[from] HeaderError),
    #[error("the answer cannot be read: {0}")]
    Body(#[from] BodyError),
    #[error("the table of topics cannot be compressed: {0}")]
    Compress(#[from] std::io::Error),
}

type Result<T> = std::result::Result<T, RegistrationError>;

/// Something to tell a name server, with the number under which it is reported as told.
#[derive(Clone)]
struct News {
    announcements: Arc<Announcements>,
    number: u64,
}

/// Keeps every name server informed until it is dropped.
pub(crate) async fn run(broker: Arc<Inner>) {
    let addresses = broker.config.load().name_servers();
    if addresses.is_empty() {
        tracing::warn!(
            "no name servers: clients find this broker only by its address; set namesrvAddr"
        );
        return;
    }
    broker.topics.expect_announcer(addresses.len());
    let mut tasks = JoinSet::new();
    let mut queues = Vec::new();
    for (index, address) in addresses.into_iter().enumerate() {
        let (sender, receiver) = mpsc::unbounded_channel();
        queues.push(sender);
        let server = NameServer::new(broker.clone(), address);
        tasks.spawn(inform(server, index, receiver));
    }
    loop {
        broker.topics.until_announcement().await;
        let (announcements, number) = broker.topics.take_numbered_announcements();
        if announcements.is_empty() {
            continue;
        }
        let announcements = Arc::new(announcements);
        for queue in &queues {
            let announcements = announcements.clone();
            let news = News { announcements, number };
            // A task ends only together with this one.
            let _ = queue.send(news);
        }
    }
}

async fn inform(mut server: NameServer, index: usize, mut news: mpsc::UnboundedReceiver<News>) {
    let broker = server.broker.clone();
    let period = broker.config.load().register_name_server_period;
    let mut ticks = tokio::time::interval(Duration::from_millis(period.clamp(10_000, 60_000)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                server.tell(None).await;
                broker.tellings.send_modify(|count| *count += 1);
            }
            Some(first) = news.recv() => {
                let mut number = first.number;
                let mut merged = Announcements::clone(&first.announcements);
                while let Ok(more) = news.try_recv() {
                    number = more.number;
                    merged.merge(&more.announcements);
                }
                server.tell(Some(&merged)).await;
                // Also when it failed: whoever waits for it must not wait for a server that is down.
                broker.topics.announced(index, number);
            }
        }
    }
}

/// Waits until every name server has been told once, or found unreachable.
pub(crate) async fn until_first(broker: &Inner) {
    let servers = broker.config.load().name_servers().len() as u64;
    let mut tellings = broker.tellings.subscribe();
    let told = tellings.wait_for(|count| *count >= servers);
    if tokio::time::timeout(FIRST_TIMEOUT, told).await.is_err() {
        tracing::warn!("not every name server answers; the broker serves and goes on trying");
    }
}

/// Strikes the broker off every name server.
pub(crate) async fn unregister(broker: Arc<Inner>) {
    let mut tasks = JoinSet::new();
    for address in broker.config.load().name_servers() {
        let broker = broker.clone();
        tasks.spawn(async move {
            let request = identified(&broker, code::UNREGISTER_BROKER);
            let servers = &broker.name_servers;
            if let Err(error) = servers.invoke(&address, request, UNREGISTER_TIMEOUT).await {
                tracing::info!(name_server = address, %error, "the name server does not hear that this broker stops");
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

fn identified(broker: &Inner, code: i32) -> Command {
    let config = broker.config.load();
    let header = BrokerIdentityRequest {
        broker_name: &config.broker_name,
        broker_addr: &broker.address(),
        cluster_name: &config.broker_cluster_name,
        broker_id: config.broker_id,
    };
    Command::request_with(code, &header)
}

/// What is known of one name server.
struct NameServer {
    broker: Arc<Inner>,
    address: String,
    /// The connection over which the server last said that it has the whole table.
    informed: Option<u64>,
    failing: bool,
}

impl NameServer {
    fn new(broker: Arc<Inner>, address: String) -> Self {
        NameServer { broker, address, informed: None, failing: false }
    }

    /// Tells the server what is new, or that nothing is. The first of several failures is logged.
    async fn tell(&mut self, news: Option<&Announcements>) {
        let name_server = self.address.clone();
        match self.try_tell(news).await {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(name_server, "registered again");
            }
            Ok(()) => {}
            Err(error) => {
                self.informed = None;
                if !self.failing {
                    tracing::warn!(name_server, %error, "cannot register; the broker works on and keeps trying");
                }
                self.failing = true;
            }
        }
    }

    async fn try_tell(&mut self, news: Option<&Announcements>) -> Result<()> {
        let connection =
            tokio::time::timeout(self.timeout(), self.broker.name_servers.get(&self.address));
        let connection =
            connection.await.map_err(|_| RegistrationError::Slow(self.address.clone()))??;
        let informed = self.informed == Some(connection.id());
        match news {
            Some(news) if informed && !news.everything => {
                if !news.topics.is_empty() {
                    self.register(&connection, news.table()).await?;
                }
            }
            None if !self.broker.config.load().force_register
                && informed
                && self.has_current(&connection).await? => {}
            _ => self.register_everything(&connection).await?,
        }
        self.informed = Some(connection.id());
        Ok(())
    }

    /// Whether the server has this version of the table. Old servers do not understand the question.
    async fn has_current(&self, connection: &Connection) -> Result<bool> {
        let version = self.broker.topics.version();
        let request = identified(&self.broker, code::QUERY_DATA_VERSION);
        let request = request.with_body(fastjson::to_vec(&version));
        let answer = connection.invoke(request, self.timeout()).await?;
        if answer.code != response::SUCCESS {
            return Ok(false);
        }
        let header: QueryDataVersionResponse = answer.header()?;
        if header.changed || answer.body.is_empty() {
            return Ok(false);
        }
        Ok(fastjson::from_slice::<DataVersion>(&answer.body)? == version)
    }

    async fn register_everything(&self, connection: &Connection) -> Result<()> {
        let mut parts = in_parts(self.broker.topics.snapshot(), PART);
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            self.register(connection, part).await?;
        }
        let answer = self.register(connection, last).await?;
        // Without such topics the body is missing, or `null`.
        let ordered: Option<KvTable> = match answer.body.is_empty() {
            true => None,
            false => fastjson::from_slice(&answer.body)?,
        };
        if let Some(ordered) = ordered {
            self.broker.topics.set_ordered(&ordered.table);
        }
        Ok(())
    }

    async fn register(&self, connection: &Connection, table: TopicConfigTable) -> Result<Command> {
        let request = registration(&self.broker, table)?;
        let answer = connection.invoke(request, self.timeout()).await?;
        match answer.code {
            response::SUCCESS => Ok(answer),
            code => Err(RegistrationError::Refused {
                address: self.address.clone(),
                code,
                remark: answer.remark().to_string(),
            }),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.broker.config.load().register_broker_timeout_mills)
    }
}

/// How many bytes of topics go into one registration: a frame must not exceed 16 MiB.
const PART: usize = 4 << 20;

/// Splits a table that is too large for one registration. Name servers add up what they are told; of
/// the version they take it that nothing has changed when they know it, so only the last part, after
/// which they know everything, carries the table's.
fn in_parts(table: TopicConfigTable, most: usize) -> Vec<TopicConfigTable> {
    let version = table.data_version.clone();
    let mut parts = vec![TopicConfigTable::default()];
    let mut length = 0;
    for (name, topic) in table.topic_config_table {
        length += fastjson::to_vec(&topic).len() + name.len();
        if length > most {
            length = 0;
            parts.push(TopicConfigTable::default());
        }
        if let Some(part) = parts.last_mut() {
            part.topic_config_table.insert(name, topic);
        }
    }
    let count = parts.len() as i64;
    for (number, part) in (1..).zip(&mut parts) {
        part.data_version = version.clone();
        part.data_version.counter -= count - number;
    }
    parts
}

/// REGISTER_BROKER with the topics of `table`.
fn registration(broker: &Inner, mut table: TopicConfigTable) -> Result<Command> {
    let config = broker.config.load();
    if config.broker_permission & perm::READ_WRITE != perm::READ_WRITE {
        for topic in table.topic_config_table.values_mut() {
            topic.perm &= config.broker_permission;
        }
    }
    table.mapping_data_version = Some(DataVersion::default());
    table.topic_queue_mapping_info_map = Some(BTreeMap::new());
    let body = RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: table,
    };
    let bytes = match config.compressed_register {
        true => body.deflate()?,
        false => fastjson::to_vec(&body),
    };
    let header = RegisterBrokerRequest {
        broker_name: &config.broker_name,
        broker_addr: &broker.address(),
        cluster_name: &config.broker_cluster_name,
        ha_server_addr: &broker.replication_address(),
        broker_id: config.broker_id,
        heartbeat_timeout_millis: None,
        enable_acting_master: None,
        compressed: config.compressed_register,
        body_crc32: checksum(&bytes),
        zone_name: None,
    };
    Ok(Command::request_with(code::REGISTER_BROKER, &header).with_body(bytes))
}

#[cfg(test)]
mod tests;
