//! What several tests of this crate need: connections over the loopback.

mod client;
mod slow_disk;

pub(crate) use client::{Client, send_request};
pub(crate) use slow_disk::SlowDisk;

use crate::config::BrokerConfig;
use crate::inner::Inner;
use ferromq_net::{
    ConnectOptions, Connection, Connections, Reply, ResponseWriter, Server, ServerOptions, Service,
};
use ferromq_protocol::Command;
use ferromq_protocol::body::TopicConfig;
use ferromq_protocol::message_id::offset_id;
use ferromq_protocol::record::NewRecord;
use ferromq_store::{NewRecords, OsDisk, StoreConfig, TagsCode};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

type Answer = Box<dyn Fn(&Command) -> Option<Command> + Send + Sync>;

/// Hands requests to the test, and answers them if it was told how.
pub(crate) struct Peer {
    requests: mpsc::UnboundedSender<Command>,
    connections: mpsc::UnboundedSender<Arc<Connection>>,
    answer: Answer,
    known: Mutex<Vec<u64>>,
}

impl Service for Peer {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        if !self.known.lock().contains(&connection.id()) {
            self.known.lock().push(connection.id());
            let _ = self.connections.send(connection.clone());
        }
        let answer = (self.answer)(request);
        let _ = self.requests.send(request.clone());
        answer.map_or(Reply::Later, |answer| writer.write(answer))
    }
}

/// The test's end of a [`Peer`].
pub(crate) struct Seen {
    pub(crate) requests: mpsc::UnboundedReceiver<Command>,
    pub(crate) connections: mpsc::UnboundedReceiver<Arc<Connection>>,
}

impl Seen {
    pub(crate) async fn request(&mut self) -> Command {
        tokio::time::timeout(PATIENCE, self.requests.recv())
            .await
            .expect("a request comes")
            .expect("the peer lives")
    }
}

pub(crate) fn peer(
    answer: impl Fn(&Command) -> Option<Command> + Send + Sync + 'static,
) -> (Arc<Peer>, Seen) {
    let (request_sender, requests) = mpsc::unbounded_channel();
    let (connection_sender, connections) = mpsc::unbounded_channel();
    let peer = Arc::new(Peer {
        requests: request_sender,
        connections: connection_sender,
        answer: Box::new(answer),
        known: Mutex::default(),
    });
    let seen = Seen { requests, connections };
    (peer, seen)
}

/// A client that is connected to a server within this process.
pub(crate) struct Pair {
    /// The server's handle: what a broker has of its client.
    pub(crate) connection: Arc<Connection>,
    /// What the client is sent.
    pub(crate) client: Seen,
    _server: Server,
    _connections: Connections,
}

impl Pair {
    pub(crate) async fn new() -> Pair {
        Pair::answering(|_| None).await
    }

    /// The client answers the broker's requests with `answer`.
    pub(crate) async fn answering(
        answer: impl Fn(&Command) -> Option<Command> + Send + Sync + 'static,
    ) -> Pair {
        let (server_side, mut seen) = peer(|_| None);
        let server = Server::bind("127.0.0.1:0", server_side, ServerOptions::default())
            .await
            .expect("a free port");
        let (client_side, client) = peer(answer);
        let connections = Connections::new(client_side, ConnectOptions::default());
        connections
            .send(&server.address().to_string(), Command::request(0))
            .await
            .expect("connects");
        let connection = tokio::time::timeout(PATIENCE, seen.connections.recv())
            .await
            .expect("the request arrives")
            .expect("the server lives");
        Pair { connection, client, _server: server, _connections: connections }
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged on this thread meanwhile.
pub(crate) fn logged(act: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), act);
    let text = lines.0.lock().clone();
    String::from_utf8_lossy(&text).into_owned()
}

/// A broker without a listener, in a folder of its own.
pub(crate) struct TestBroker {
    pub(crate) broker: Arc<Inner>,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for TestBroker {
    type Target = Arc<Inner>;

    fn deref(&self) -> &Arc<Inner> {
        &self.broker
    }
}

pub(crate) fn broker() -> TestBroker {
    broker_with(|_| ())
}

pub(crate) fn broker_with(adjust: impl FnOnce(&mut BrokerConfig)) -> TestBroker {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config();
    adjust(&mut config);
    let store = store_config(folder.path());
    let broker = Inner::open(Arc::new(OsDisk), config.complete(), store, 10911).expect("a broker");
    TestBroker { broker: Arc::new(broker), folder }
}

pub(crate) fn config() -> BrokerConfig {
    BrokerConfig {
        broker_name: "broker-a".to_string(),
        broker_ip1: "127.0.0.1".to_string(),
        bind_address: "127.0.0.1".to_string(),
        listen_port: 0,
        ..BrokerConfig::default()
    }
}

pub(crate) fn store_config(folder: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 1 << 20,
        max_hash_slot_num: 100,
        max_index_num: 400,
        // A full disk of the machine is not what these tests are about.
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(folder.to_string_lossy())
    }
}

impl TestBroker {
    /// The folder in which the broker's tables are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Creates a topic with `queues` queues.
    pub(crate) fn topic(&self, topic: &str, queues: i32) {
        self.topics.put(TopicConfig::new(topic, queues));
    }

    /// Changes a byte of the body of the record at an offset of the log, and tells the segment.
    pub(crate) fn damage(&self, offset: i64) -> std::path::PathBuf {
        let segment = self.folder().join("commitlog/00000000000000000000");
        let file = std::fs::File::options().write(true).open(&segment).expect("a segment");
        // With IPv4 addresses, bodies begin 88 bytes into a record.
        std::os::unix::fs::FileExt::write_all_at(&file, b"!", offset as u64 + 88).expect("written");
        segment
    }

    /// Stores messages in a queue and returns the offset message id of the last.
    pub(crate) fn store_messages(&self, topic: &str, queue: i32, count: usize) -> String {
        let store_host = "127.0.0.1:10911".parse().expect("an address");
        let record = NewRecord {
            topic,
            queue_id: queue,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: store_host,
            store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"hello",
            properties: "",
        };
        let target = self.store.queue(topic, queue).expect("a queue");
        let mut last = 0;
        for _ in 0..count {
            let mut records = NewRecords::one(&record, TagsCode::Hash(7));
            let placed = self.store.append(&target, &mut records).expect("stored");
            last = placed.physical_offset;
        }
        offset_id(store_host, last)
    }
}
