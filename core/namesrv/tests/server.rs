//! A name server over real sockets, asked as brokers, clients and tools ask.

// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

use ferromq_namesrv::{Clock, NameServer, NamesrvConfig};
use ferromq_net::{
    ConnectOptions, Connection, Connections, NoRequests, Reply, ResponseWriter, Service,
};
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    BrokerMemberGroupBody, ClusterInfo, DataVersion, KvTable, QueueData, RegisterBrokerBody,
    TopicConfig, TopicList, TopicRouteData,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;

const WAIT: Duration = Duration::from_secs(10);

/// Time that only moves when a test says so.
#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct House {
    server: NameServer,
    clock: Arc<Hand>,
    folder: TempDir,
    client: Connections,
}

fn client() -> Connections {
    Connections::new(Arc::new(NoRequests), ConnectOptions::default())
}

impl House {
    async fn open(change: impl FnOnce(&mut NamesrvConfig)) -> House {
        House::open_in(tempfile::tempdir().unwrap(), change).await
    }

    async fn open_in(folder: TempDir, change: impl FnOnce(&mut NamesrvConfig)) -> House {
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        let mut config = NamesrvConfig {
            listen_port: 0,
            bind_address: "127.0.0.1".to_string(),
            kv_config_path: file("kvConfig.json"),
            config_store_path: file("namesrv.properties"),
            scan_not_active_broker_interval: 10,
            ..NamesrvConfig::default()
        };
        change(&mut config);
        let clock = Arc::new(Hand::default());
        let server = NameServer::start_with_clock(config, clock.clone()).await.unwrap();
        let client = client();
        House { server, clock, folder, client }
    }

    fn address(&self) -> String {
        self.server.address().to_string()
    }

    async fn ask(&self, request: Command) -> Command {
        self.ask_over(&self.client, request).await
    }

    async fn ask_over(&self, client: &Connections, request: Command) -> Command {
        client.invoke(&self.address(), request, WAIT).await.unwrap()
    }

    /// Asks and expects success.
    async fn succeed(&self, request: Command) -> Command {
        let answer = self.ask(request).await;
        assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
        answer
    }

    async fn route(&self, topic: &str) -> Command {
        self.ask(route_request(topic)).await
    }

    /// Asks for the route until it is as expected.
    async fn until_route(&self, topic: &str, code: i32) {
        let deadline = Instant::now() + WAIT;
        while self.route(topic).await.code != code {
            assert!(Instant::now() < deadline, "the route of {topic} never answered {code}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn route_request(topic: &str) -> Command {
    let header =
        RouteRequest { topic, accept_standard_json_only: None, zone_name: None, zone_mode: None };
    Command::request_with(request::GET_ROUTEINFO_BY_TOPIC, &header)
}

fn body(version: i64, topics: &[&str]) -> RegisterBrokerBody {
    let mut body = RegisterBrokerBody::default();
    let table = &mut body.topic_config_serialize_wrapper;
    table.data_version.counter = version;
    for topic in topics {
        let config = TopicConfig::new(*topic, 8);
        table.topic_config_table.insert(topic.to_string(), config);
    }
    body
}

fn register_header(name: &str) -> RegisterBrokerRequest<'_> {
    RegisterBrokerRequest {
        broker_name: name,
        broker_addr: "10.0.0.1:10911",
        cluster_name: "C1",
        ha_server_addr: "10.0.0.1:10912",
        broker_id: 0,
        heartbeat_timeout_millis: None,
        enable_acting_master: None,
        compressed: false,
        body_crc32: 0,
        zone_name: None,
    }
}

fn register(name: &str, topics: &[&str]) -> Command {
    Command::request_with(request::REGISTER_BROKER, &register_header(name))
        .with_body(fastjson::to_vec(&body(1, topics)))
}

fn identity(name: &str, code: i32) -> Command {
    let header = BrokerIdentityRequest {
        broker_name: name,
        broker_addr: "10.0.0.1:10911",
        cluster_name: "C1",
        broker_id: 0,
    };
    Command::request_with(code, &header)
}

fn topics(answer: &Command) -> Vec<String> {
    let mut list: TopicList = fastjson::from_slice(&answer.body).unwrap();
    list.topic_list.sort();
    list.topic_list
}

#[tokio::test]
async fn routes_are_written_as_each_client_reads_them() {
    let house = House::open(|_| {}).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    let bare = r#"{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"b-a","cluster":"C1","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"b-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#;
    let quoted = bare.replace("{0:", "{\"0\":");
    let mut old = route_request("T");
    old.version = 400;
    assert_eq!(house.succeed(old.clone()).await.body, bare.as_bytes());
    let mut new = route_request("T");
    new.version = 401;
    assert_eq!(house.succeed(new).await.body, quoted.as_bytes());
    old.fields.push("acceptStandardJsonOnly", "true");
    assert_eq!(house.succeed(old).await.body, quoted.as_bytes());
    let mut zoned = route_request("T");
    zoned.fields.push("__ZONE_MODE", "true");
    zoned.fields.push("__ZONE_NAME", "z");
    let zoned = house.succeed(zoned).await.body;
    assert_eq!(&zoned[..], br#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}"#);

    let missing = house.route("Nothing").await;
    assert_eq!(missing.code, response::TOPIC_NOT_EXIST);
    let remark = "No topic route info in name server for the topic: Nothing";
    assert_eq!(missing.remark(), remark);
    house.server.close().await;
}

#[tokio::test]
async fn registration_plain_compressed_and_checked() {
    let house = House::open(|_| {}).await;
    let deflated = body(1, &["T", "U"]).deflate().unwrap();
    let crc = (crc32fast::hash(&deflated) & 0x7FFF_FFFF) as i32;
    let header = |crc: i32| RegisterBrokerRequest { body_crc32: crc, ..register_header("b-a") };
    let command = |crc| {
        Command::request_with(request::REGISTER_BROKER, &header(crc)).with_body(deflated.clone())
    };
    let refused = house.ask(command(crc ^ 1)).await;
    assert_eq!((refused.code, refused.remark()), (1, "crc32 not match"));
    let answer = house.succeed(command(crc)).await;
    assert!(answer.body.is_empty());
    assert_eq!(house.route("U").await.code, response::SUCCESS);
    let single = Command::request_with(request::REGISTER_BROKER, &register_header("b-b"))
        .with_body(fastjson::to_vec(&body(1, &["T"])));
    let refused = house.ask(single).await;
    assert_eq!((refused.code, refused.remark()), (1, "register broker failed"));
    let broken = Command::request_with(request::REGISTER_BROKER, &register_header("b-b"))
        .with_body(&b"{\"topicConfig"[..]);
    assert_eq!(house.ask(broken).await.code, response::SYSTEM_ERROR);
    let headless = house.ask(Command::request(request::REGISTER_BROKER)).await;
    assert_eq!(headless.code, response::SYSTEM_ERROR);
    assert!(headless.remark().contains("brokerName"), "{}", headless.remark());
}

#[tokio::test]
async fn a_slave_is_told_its_master_and_brokers_the_ordered_topics() {
    let house = House::open(|config| config.order_message_enable = true).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    let put = PutKvConfigRequest { namespace: "ORDER_TOPIC_CONFIG", key: "T", value: "b-a:8" };
    house.succeed(Command::request_with(request::PUT_KV_CONFIG, &put)).await;
    let header = RegisterBrokerRequest {
        broker_addr: "10.0.0.2:10911",
        broker_id: 1,
        ..register_header("b-a")
    };
    let slave = Command::request_with(request::REGISTER_BROKER, &header)
        .with_body(fastjson::to_vec(&body(1, &["T", "U"])));
    for _ in 0..2 {
        // The second time it is an unchanged registration.
        let answer = house.succeed(slave.clone()).await;
        let told: RegisterBrokerResponse<'_> = answer.header().unwrap();
        assert_eq!(told.master_addr, Some("10.0.0.1:10911"));
        assert_eq!(told.ha_server_addr, Some("10.0.0.1:10912"));
        let ordered: KvTable = fastjson::from_slice(&answer.body).unwrap();
        assert_eq!(ordered.table["T"], "b-a:8");
    }
    let route: TopicRouteData = fastjson::from_slice(&house.route("T").await.body).unwrap();
    assert_eq!(route.order_topic_conf.as_deref(), Some("b-a:8"));
    let answer = house.succeed(Command::request(request::GET_BROKER_CLUSTER_INFO)).await;
    let expected = r#"{"brokerAddrTable":{"b-a":{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"b-a","cluster":"C1","enableActingMaster":false}},"clusterAddrTable":{"C1":["b-a"]}}"#;
    assert_eq!(answer.body, expected.as_bytes());
    let _: ClusterInfo = fastjson::from_slice(&answer.body).unwrap();
    let header = BrokerMemberGroupRequest { cluster_name: "C1", broker_name: "b-a" };
    let answer =
        house.succeed(Command::request_with(request::GET_BROKER_MEMBER_GROUP, &header)).await;
    let group: BrokerMemberGroupBody = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(group.broker_member_group.broker_addrs[&1], "10.0.0.2:10911");
}

#[tokio::test]
async fn a_broker_asks_whether_it_must_register_again() {
    let house = House::open(|_| {}).await;
    let ask = |version: i64| {
        let version = DataVersion { counter: version, ..DataVersion::default() };
        identity("b-a", request::QUERY_DATA_VERSION).with_body(fastjson::to_vec(&version))
    };
    let answer = house.succeed(ask(1)).await;
    assert!(answer.header::<QueryDataVersionResponse>().unwrap().changed);
    assert!(answer.body.is_empty());
    house.succeed(register("b-a", &["T", "U"])).await;
    let answer = house.succeed(ask(1)).await;
    assert!(!answer.header::<QueryDataVersionResponse>().unwrap().changed);
    assert_eq!(answer.body, &br#"{"counter":1,"stateVersion":0,"timestamp":0}"#[..]);
    let answer = house.succeed(ask(2)).await;
    assert!(answer.header::<QueryDataVersionResponse>().unwrap().changed);
    // What was taken from the routes must come back, though the broker's table is the same.
    let header = DeleteTopicInNamesrvRequest { topic: "T", cluster_name: None };
    house.succeed(Command::request_with(request::DELETE_TOPIC_IN_NAMESRV, &header)).await;
    let answer = house.succeed(ask(1)).await;
    assert!(answer.header::<QueryDataVersionResponse>().unwrap().changed);
    house.succeed(register("b-a", &["T", "U"])).await;
    assert_eq!(house.route("T").await.code, response::SUCCESS);
}

#[tokio::test]
async fn silent_brokers_expire_and_signs_of_life_keep_them() {
    let house = House::open(|_| {}).await;
    let broker = client();
    house.ask_over(&broker, register("b-a", &["T", "U"])).await;
    let heartbeat = || {
        let header = BrokerHeartbeatRequest {
            cluster_name: "C1",
            broker_addr: "10.0.0.1:10911",
            broker_name: "b-a",
            broker_id: Some(0),
            heartbeat_timeout_millis: None,
        };
        Command::request_with(request::BROKER_HEARTBEAT, &header)
    };
    let signs: [Box<dyn Fn() -> Command>; 3] = [
        Box::new(heartbeat),
        Box::new(|| register("b-a", &["T", "U"])),
        Box::new(|| {
            let version = fastjson::to_vec(&DataVersion::default());
            identity("b-a", request::QUERY_DATA_VERSION).with_body(version)
        }),
    ];
    for sign in signs {
        house.clock.0.fetch_add(100_000, Ordering::SeqCst);
        assert_eq!(house.ask_over(&broker, sign()).await.code, response::SUCCESS);
        assert_eq!(house.route("T").await.code, response::SUCCESS);
    }
    let connection = broker.get(&house.address()).await.unwrap();
    house.clock.0.fetch_add(120_001, Ordering::SeqCst);
    house.until_route("T", response::TOPIC_NOT_EXIST).await;
    let deadline = Instant::now() + WAIT;
    while connection.is_open() {
        assert!(Instant::now() < deadline, "the silent broker's connection stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_broker_is_gone_with_its_connection_or_by_its_own_word() {
    let house = House::open(|_| {}).await;
    let broker = client();
    house.ask_over(&broker, register("b-a", &["T", "U"])).await;
    assert_eq!(house.route("T").await.code, response::SUCCESS);
    broker.close();
    house.until_route("T", response::TOPIC_NOT_EXIST).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    house.succeed(identity("b-a", request::UNREGISTER_BROKER)).await;
    assert_eq!(house.route("T").await.code, response::TOPIC_NOT_EXIST);
}

#[tokio::test]
async fn lists_permissions_and_topics_by_request() {
    let house = House::open(|_| {}).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    let list = |code| async move { Command::request(code) };
    let all = house.succeed(list(request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER).await).await;
    assert_eq!(topics(&all), ["T", "U"]);
    let system = house.succeed(list(request::GET_SYSTEM_TOPIC_LIST_FROM_NS).await).await;
    assert_eq!(topics(&system), ["C1", "b-a"]);
    let header = ClusterRequest { cluster: "C1" };
    let of_cluster = Command::request_with(request::GET_TOPICS_BY_CLUSTER, &header);
    assert_eq!(topics(&house.succeed(of_cluster.clone()).await), ["T", "U"]);
    let header = BrokerNameRequest { broker_name: "b-a" };
    let answer =
        house.succeed(Command::request_with(request::WIPE_WRITE_PERM_OF_BROKER, &header)).await;
    assert_eq!(answer.header::<WipeWritePermResponse>().unwrap().wipe_topic_count, 2);
    let answer =
        house.succeed(Command::request_with(request::ADD_WRITE_PERM_OF_BROKER, &header)).await;
    assert_eq!(answer.header::<AddWritePermResponse>().unwrap().add_topic_count, 2);
    let queues = QueueData {
        broker_name: "b-a".to_string(),
        perm: 6,
        read_queue_nums: 1,
        topic_sys_flag: 1,
        write_queue_nums: 1,
    };
    let added = TopicRouteData { queue_datas: vec![queues], ..TopicRouteData::default() };
    let header = TopicRequest { topic: "N", lo: None };
    let add = Command::request_with(request::REGISTER_TOPIC_IN_NAMESRV, &header);
    house.succeed(add.with_body(fastjson::to_vec(&added))).await;
    assert_eq!(topics(&house.succeed(list(request::GET_UNIT_TOPIC_LIST).await).await), ["N"]);
    let sub = house.succeed(list(request::GET_HAS_UNIT_SUB_TOPIC_LIST).await).await;
    assert!(topics(&sub).is_empty());
    let header = DeleteTopicInNamesrvRequest { topic: "N", cluster_name: None };
    house.succeed(Command::request_with(request::DELETE_TOPIC_IN_NAMESRV, &header)).await;
    assert_eq!(house.route("N").await.code, response::TOPIC_NOT_EXIST);

    let house = House::open(|config| {
        config.enable_all_topic_list = false;
        config.enable_topic_list = false;
    })
    .await;
    for code in [
        request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
        request::GET_TOPICS_BY_CLUSTER,
        request::GET_UNIT_TOPIC_LIST,
        request::GET_HAS_UNIT_SUB_TOPIC_LIST,
        request::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
    ] {
        let answer = house.ask(Command::request(code)).await;
        assert_eq!((answer.code, answer.remark()), (1, "disable"));
    }
}

#[tokio::test]
async fn key_value_pairs_survive_a_restart() {
    let house = House::open(|_| {}).await;
    let put = PutKvConfigRequest { namespace: "n", key: "k", value: "v" };
    house.succeed(Command::request_with(request::PUT_KV_CONFIG, &put)).await;
    let keyless = NamespaceRequest { namespace: "n" };
    let answer = house.ask(Command::request_with(request::PUT_KV_CONFIG, &keyless)).await;
    assert_eq!(answer.code, response::SYSTEM_ERROR);
    let House { server, folder, .. } = house;
    server.close().await;

    let house = House::open_in(folder, |_| {}).await;
    let header = KvConfigRequest { namespace: "n", key: "k" };
    let get = || Command::request_with(request::GET_KV_CONFIG, &header);
    let answer = house.succeed(get()).await;
    assert_eq!(answer.header::<KvConfigResponse<'_>>().unwrap().value, Some("v"));
    let namespace = Command::request_with(request::GET_KVLIST_BY_NAMESPACE, &keyless);
    assert_eq!(house.succeed(namespace).await.body, &br#"{"table":{"k":"v"}}"#[..]);
    house.succeed(Command::request_with(request::DELETE_KV_CONFIG, &header)).await;
    assert_eq!(house.ask(get()).await.code, response::QUERY_NOT_FOUND);
    let unknown = NamespaceRequest { namespace: "x" };
    let answer = house.ask(Command::request_with(request::GET_KVLIST_BY_NAMESPACE, &unknown)).await;
    assert_eq!(answer.code, response::QUERY_NOT_FOUND);
}

#[tokio::test]
async fn settings_are_listed_changed_written_and_protected() {
    let house = House::open(|_| {}).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    let update = |text: &'static str| {
        Command::request(request::UPDATE_NAMESRV_CONFIG).with_body(text.as_bytes())
    };
    house.succeed(update("enableAllTopicList=false\n")).await;
    let all = Command::request(request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER);
    assert_eq!(house.ask(all).await.remark(), "disable");
    let answer = house.succeed(Command::request(request::GET_NAMESRV_CONFIG)).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("\nenableAllTopicList=false\n"), "{text}");
    assert!(text.contains("\nproductEnvName=center\n"), "{text}");
    let written = std::fs::read_to_string(house.folder.path().join("namesrv.properties")).unwrap();
    assert_eq!(written, text);
    let refused = house.ask(update("kvConfigPath=/tmp/x")).await;
    assert_eq!(refused.code, response::NO_PERMISSION);
    let refused = house.ask(update("waitSecondsForService=soon\norderMessageEnable=true")).await;
    assert_eq!(refused.code, response::SYSTEM_ERROR);
    let text = house.succeed(Command::request(request::GET_NAMESRV_CONFIG)).await.body;
    assert!(String::from_utf8_lossy(&text).contains("orderMessageEnable=false"));
}

#[tokio::test]
async fn a_young_name_server_can_ask_for_patience() {
    let house = House::open(|config| config.need_wait_for_service = true).await;
    house.succeed(register("b-a", &["T", "U"])).await;
    let answer = house.route("T").await;
    assert_eq!((answer.code, answer.remark()), (1, "name server not ready"));
    house.clock.0.store(45_000, Ordering::SeqCst);
    assert_eq!(house.route("T").await.code, response::SUCCESS);
}

#[tokio::test]
async fn unknown_requests_are_refused_by_number() {
    let house = House::open(|_| {}).await;
    let answer = house.ask(Command::request(7777)).await;
    assert_eq!(answer.code, response::REQUEST_CODE_NOT_SUPPORTED);
    assert_eq!(answer.remark(), " request type 7777 not supported");
}

/// A broker's port that passes on what it is told.
struct Ear(mpsc::UnboundedSender<Command>);

impl Service for Ear {
    fn handle(&self, _: &Arc<Connection>, request: &Command, _: &mut ResponseWriter<'_>) -> Reply {
        let _ = self.0.send(request.clone());
        Reply::Later
    }
}

#[tokio::test]
async fn brokers_are_told_of_a_new_smallest_id() {
    let house = House::open(|config| config.notify_min_broker_id_changed = true).await;
    let (ear, mut heard) = mpsc::unbounded_channel();
    let port = ferromq_net::Server::bind("127.0.0.1:0", Arc::new(Ear(ear)), Default::default())
        .await
        .unwrap();
    let listening = port.address().to_string();
    let member = |id: i64, address: &str| {
        let header = RegisterBrokerRequest {
            broker_id: id,
            broker_addr: address,
            enable_acting_master: Some(true),
            ..register_header("b-a")
        };
        Command::request_with(request::REGISTER_BROKER, &header)
            .with_body(fastjson::to_vec(&body(1, &["T", "U"])))
    };
    house.succeed(member(2, &listening)).await;
    let master = client();
    house.ask_over(&master, member(0, "10.0.0.1:10911")).await;
    let notice = tokio::time::timeout(WAIT, heard.recv()).await.unwrap().unwrap();
    assert_eq!(notice.code, request::NOTIFY_MIN_BROKER_ID_CHANGE);
    assert!(notice.is_oneway());
    let header: MinBrokerIdChange<'_> = notice.header().unwrap();
    assert_eq!(header.min_broker_id, Some(0));
    assert_eq!(header.min_broker_addr, Some("10.0.0.1:10911"));
    assert_eq!(header.ha_broker_addr, Some("10.0.0.1:10912"));
    assert_eq!((header.offline_broker_addr, header.broker_name), (None, None));
    master.close();
    let notice = tokio::time::timeout(WAIT, heard.recv()).await.unwrap().unwrap();
    let header: MinBrokerIdChange<'_> = notice.header().unwrap();
    assert_eq!(header.min_broker_id, Some(2));
    assert_eq!(header.min_broker_addr, Some(listening.as_str()));
    assert_eq!(header.offline_broker_addr, Some("10.0.0.1:10911"));
}

#[tokio::test]
async fn a_port_in_use_and_a_damaged_file_are_told_in_a_sentence() {
    let house = House::open(|_| {}).await;
    let mut config = NamesrvConfig {
        listen_port: house.server.address().port(),
        bind_address: "127.0.0.1".to_string(),
        kv_config_path: house.folder.path().join("other.json").to_str().unwrap().to_string(),
        ..NamesrvConfig::default()
    };
    let error = NameServer::start(config.clone()).await.err().unwrap().to_string();
    assert!(error.contains(&house.address()), "{error}");
    std::fs::write(&config.kv_config_path, b"no json").unwrap();
    config.listen_port = 0;
    let error = NameServer::start(config).await.err().unwrap().to_string();
    assert!(error.contains("other.json is damaged"), "{error}");
}
