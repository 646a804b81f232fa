//! A broker on a free port with a directory of its own, and a client that talks to it as any client
//! does.

use ferromq_broker::{Broker, BrokerConfig};
use ferromq_model::flags;
use ferromq_net::{ConnectOptions, Connection, Connections, Reply, ResponseWriter, Service};
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ConsumeType, ConsumerData, HeartbeatData, MessageModel, ProducerData, SubscriptionData,
};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::{RecordView, records};
use ferromq_store::StoreConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Repeats `look` until it finds something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Hands what the broker asks to the test.
struct Requests(mpsc::UnboundedSender<Command>);

impl Service for Requests {
    fn handle(&self, _: &Arc<Connection>, request: &Command, _: &mut ResponseWriter<'_>) -> Reply {
        let _ = self.0.send(request.clone());
        Reply::Later
    }
}

/// One client: a connection of its own to each broker.
pub struct Client {
    connections: Connections,
    address: String,
    requests: Mutex<mpsc::UnboundedReceiver<Command>>,
}

impl Client {
    pub fn new(address: &str) -> Client {
        let (sender, requests) = mpsc::unbounded_channel();
        Client {
            connections: Connections::new(Arc::new(Requests(sender)), ConnectOptions::default()),
            address: address.to_string(),
            requests: Mutex::new(requests),
        }
    }

    pub async fn ask(&self, request: Command) -> Command {
        self.connections.invoke(&self.address, request, PATIENCE).await.unwrap()
    }

    /// Expects success, of a broker that is busy later: it may wait for the next segment too long.
    pub async fn succeed(&self, request: Command) -> Command {
        let deadline = Instant::now() + PATIENCE;
        let mut answer = self.ask(request.clone()).await;
        while answer.code == response::SYSTEM_BUSY && Instant::now() < deadline {
            answer = self.ask(request.clone()).await;
        }
        assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
        answer
    }

    /// Expects a refusal.
    #[track_caller]
    pub fn refused(
        &self,
        request: Command,
        code: i32,
        remark: &str,
    ) -> impl Future<Output = Command> {
        let (place, remark) = (std::panic::Location::caller(), remark.to_string());
        async move {
            let answer = self.ask(request).await;
            assert_eq!((answer.code, answer.remark()), (code, &*remark), "asked at {place}");
            answer
        }
    }

    pub async fn connection(&self) -> Arc<Connection> {
        self.connections.get(&self.address).await.unwrap()
    }

    /// The next thing that the broker asks this client.
    pub async fn asked(&self) -> Command {
        let mut requests = self.requests.lock().await;
        tokio::time::timeout(PATIENCE, requests.recv())
            .await
            .expect("the broker asks something")
            .expect("the client lives")
    }

    /// What the broker has asked and the test has not looked at.
    pub async fn asked_already(&self) -> Option<Command> {
        self.requests.lock().await.try_recv().ok()
    }

    /// Sends a message and returns its answer, which must be a success.
    pub async fn send(&self, topic: &str, queue: i32, body: &str) -> Command {
        self.succeed(send(topic, queue, body)).await
    }

    pub fn close(&self) {
        self.connections.close();
    }
}

/// A running broker.
pub struct House {
    broker: Broker,
    pub folder: TempDir,
    pub client: Client,
    config: BrokerConfig,
    store: StoreConfig,
}

impl std::ops::Deref for House {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl House {
    pub async fn open() -> House {
        House::open_with(|_, _| ()).await
    }

    pub async fn open_with(change: impl FnOnce(&mut BrokerConfig, &mut StoreConfig)) -> House {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        let mut store = store(folder.path());
        change(&mut config, &mut store);
        House::open_in(folder, config, store).await
    }

    pub async fn open_in(folder: TempDir, config: BrokerConfig, store: StoreConfig) -> House {
        let broker = Broker::start(config.clone(), store.clone()).await.unwrap();
        let client = Client::new(&broker.address().to_string());
        House { broker, folder, client, config, store }
    }

    pub fn address(&self) -> String {
        self.broker.address().to_string()
    }

    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    pub fn store(&self) -> &StoreConfig {
        &self.store
    }

    pub fn another_client(&self) -> Client {
        Client::new(&self.address())
    }

    pub async fn close(self) -> TempDir {
        self.client.close();
        self.broker.close().await;
        self.folder
    }

    /// Stops the broker in peace and starts another on the same directory.
    pub async fn restart(self) -> House {
        self.restart_with(|_, _| ()).await
    }

    pub async fn restart_with(
        self,
        change: impl FnOnce(&mut BrokerConfig, &mut StoreConfig),
    ) -> House {
        let (mut config, mut store) = (self.config.clone(), self.store.clone());
        let folder = self.close().await;
        change(&mut config, &mut store);
        House::open_in(folder, config, store).await
    }

    /// A broker on a copy of this one's files as they are now: what a process that is killed
    /// leaves to the next.
    pub async fn killed_and_started(&self) -> House {
        let folder = tempfile::tempdir().unwrap();
        // While files change their names, some are not where they were just seen.
        until("a copy of all files", async || match copy(self.folder.path(), folder.path()) {
            Ok(()) => Some(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        })
        .await;
        assert!(folder.path().join("abort").exists());
        let store = StoreConfig {
            store_path_root_dir: folder.path().to_string_lossy().to_string(),
            ..self.store.clone()
        };
        House::open_in(folder, self.config.clone(), store).await
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

pub fn config() -> BrokerConfig {
    BrokerConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".to_string(),
        broker_ip1: "127.0.0.1".to_string(),
        broker_name: "broker-a".to_string(),
        ..BrokerConfig::default()
    }
}

pub fn store(folder: &Path) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 1 << 20,
        mapped_file_size_consume_queue: 2000,
        max_hash_slot_num: 100,
        max_index_num: 400,
        // A full disk of the machine is not what these tests are about.
        disk_space_warning_level_ratio: 100,
        ..StoreConfig::for_directory(folder.to_string_lossy())
    }
}

/// A message as a producer sends it; change what matters.
pub fn message(topic: &str, queue_id: i32) -> SendMessageRequestV2<'_> {
    SendMessageRequestV2 {
        producer_group: "PG",
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id,
        sys_flag: 0,
        born_timestamp: now_ms(),
        flag: 0,
        properties: None,
        reconsume_times: None,
        unit_mode: None,
        max_reconsume_times: None,
        batch: None,
        broker_name: None,
    }
}

pub fn send(topic: &str, queue: i32, body: &str) -> Command {
    send_as(&message(topic, queue), body.to_string())
}

pub fn send_as(header: &SendMessageRequestV2<'_>, body: impl Into<bytes::Bytes>) -> Command {
    Command::request_with(code::SEND_MESSAGE_V2, header).with_body(body)
}

/// A message with properties.
pub fn send_with(topic: &str, queue: i32, body: &str, pairs: &[(&str, &str)]) -> Command {
    let text = property_text(pairs);
    send_as(
        &SendMessageRequestV2 { properties: Some(&text), ..message(topic, queue) },
        body.to_string(),
    )
}

pub fn property_text(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    pairs.iter().for_each(|(name, value)| properties::append(&mut text, name, value));
    text
}

/// A pull that brings its own subscription to everything and does not wait.
pub fn pull<'a>(group: &'a str, topic: &'a str, queue: i32, offset: i64) -> PullMessageRequest<'a> {
    PullMessageRequest {
        consumer_group: group,
        topic,
        queue_id: queue,
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: flags::pull::SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_millis: 0,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: None,
        max_msg_bytes: None,
        request_source: None,
        broker_name: None,
    }
}

/// The same pull, prepared to wait.
pub fn waiting(pull: PullMessageRequest<'_>, millis: i64) -> PullMessageRequest<'_> {
    let sys_flag = pull.sys_flag | flags::pull::SUSPEND;
    PullMessageRequest { sys_flag, suspend_timeout_millis: millis, ..pull }
}

pub fn pull_command(header: &PullMessageRequest<'_>) -> Command {
    Command::request_with(code::PULL_MESSAGE, header)
}

/// A message that was pulled.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    pub topic: String,
    pub queue_offset: i64,
    pub physical_offset: i64,
    pub body: String,
    pub properties: String,
    pub reconsume_times: i32,
    /// When the broker stored it, in ms.
    pub stored: i64,
}

impl Pulled {
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::find(&self.properties, name)
    }
}

pub fn pulled(answer: &Command) -> Vec<Pulled> {
    let view = |record: RecordView<'_>| Pulled {
        topic: record.topic().to_string(),
        queue_offset: record.queue_offset(),
        physical_offset: record.physical_offset(),
        body: String::from_utf8_lossy(record.body()).to_string(),
        properties: record.properties().to_string(),
        reconsume_times: record.reconsume_times(),
        stored: record.store_timestamp(),
    };
    records(&answer.body).map(|record| view(record.unwrap())).collect()
}

pub fn bodies(answer: &Command) -> Vec<String> {
    pulled(answer).into_iter().map(|message| message.body).collect()
}

impl Client {
    pub async fn pull(&self, header: PullMessageRequest<'_>) -> Command {
        self.ask(pull_command(&header)).await
    }

    /// All messages of a queue.
    pub async fn all(&self, topic: &str, queue: i32) -> Vec<Pulled> {
        let (mut offset, mut all) = (0, Vec::new());
        loop {
            let answer = self.pull(pull("TOOLS_CONSUMER", topic, queue, offset)).await;
            if answer.code != response::SUCCESS {
                return all;
            }
            all.extend(pulled(&answer));
            offset = answer.header::<PullMessageResponse>().unwrap().next_begin_offset;
        }
    }

    /// Waits until a queue has `count` messages and returns them.
    pub async fn until_there(&self, topic: &str, queue: i32, count: usize) -> Vec<Pulled> {
        until(&format!("{count} messages in queue {queue} of {topic}"), async || {
            let all = self.all(topic, queue).await;
            (all.len() >= count).then_some(all)
        })
        .await
    }

    pub async fn create_topic(&self, topic: &str, queues: i32, perm: i32) {
        self.succeed(create_topic(topic, queues, perm, false, "")).await;
    }

    pub async fn create_group(&self, group: &str, change: impl FnOnce(&mut Group)) {
        let mut group = Group::new(group);
        change(&mut group);
        let request = Command::request(code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP);
        self.succeed(request.with_body(fastjson::to_vec(&group))).await;
    }

    pub async fn change_setting(&self, line: &str) {
        let request = Command::request(code::UPDATE_BROKER_CONFIG);
        self.succeed(request.with_body(line.to_string())).await;
    }

    /// The group's progress; `None` without any.
    pub async fn progress(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        let header = QueryConsumerOffsetRequest {
            consumer_group: group,
            topic,
            queue_id: queue,
            set_zero_if_not_found: Some(false),
            broker_name: None,
        };
        let answer = self.ask(Command::request_with(code::QUERY_CONSUMER_OFFSET, &header)).await;
        match answer.code {
            response::SUCCESS => Some(answer.header::<OffsetResponse>().unwrap().offset),
            _ => None,
        }
    }

    pub async fn commit(&self, group: &str, topic: &str, queue: i32, offset: i64) -> Command {
        let header = UpdateConsumerOffsetRequest {
            consumer_group: group,
            topic,
            queue_id: queue,
            commit_offset: offset,
            broker_name: None,
        };
        self.ask(Command::request_with(code::UPDATE_CONSUMER_OFFSET, &header)).await
    }

    /// A consumer shows itself.
    pub async fn consume(&self, id: &str, group: &str, subscriptions: &[(&str, &str)]) -> Command {
        self.succeed(heartbeat(id, group, MessageModel::Clustering, subscriptions)).await
    }
}

pub type Group = ferromq_protocol::body::SubscriptionGroupConfig;

pub fn create_topic(topic: &str, queues: i32, perm: i32, order: bool, attributes: &str) -> Command {
    let header = CreateTopicRequest {
        topic,
        default_topic: Some("TBW102"),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm,
        topic_filter_type: Some("SINGLE_TAG"),
        topic_sys_flag: Some(0),
        order,
        attributes: Some(attributes),
    };
    Command::request_with(code::UPDATE_AND_CREATE_TOPIC, &header)
}

pub fn heartbeat(
    id: &str,
    group: &str,
    model: MessageModel,
    subscriptions: &[(&str, &str)],
) -> Command {
    let data = HeartbeatData {
        client_id: id.to_string(),
        producer_data_set: vec![ProducerData { group_name: "PG".to_string() }],
        consumer_data_set: vec![ConsumerData {
            group_name: group.to_string(),
            consume_type: ConsumeType::Passively,
            message_model: model,
            subscription_data_set: subscriptions
                .iter()
                .map(|(topic, expression)| SubscriptionData::by_tags(*topic, expression, 1))
                .collect(),
            ..ConsumerData::default()
        }],
        ..HeartbeatData::default()
    };
    Command::request(code::HEART_BEAT).with_body(fastjson::to_vec(&data))
}

/// The properties that producers set.
pub const TAGS: &str = key::TAGS;
