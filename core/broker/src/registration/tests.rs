use super::*;
use crate::testing::{PATIENCE, Peer, Seen, TestBroker, broker_with, peer};
use ferromq_net::{Server, ServerOptions};
use ferromq_protocol::body::TopicConfig;
use parking_lot::Mutex;

/// A name server that remembers one version, and answers with a list of ordered topics.
struct Registry {
    server: Option<Server>,
    service: Arc<Peer>,
    seen: Seen,
    version: Arc<Mutex<Option<DataVersion>>>,
}

async fn registry(ordered: &'static str) -> Registry {
    let version: Arc<Mutex<Option<DataVersion>>> = Arc::default();
    let held = version.clone();
    let (service, seen) = peer(move |request| {
        Some(match request.code {
            code::REGISTER_BROKER => {
                let body = RegisterBrokerBody::decode(&request.body, true).unwrap();
                *held.lock() = Some(body.topic_config_serialize_wrapper.data_version);
                request.success_body(ordered)
            }
            code::QUERY_DATA_VERSION => {
                let theirs: DataVersion = fastjson::from_slice(&request.body).unwrap();
                let changed = held.lock().as_ref() != Some(&theirs);
                let answer = request.success(&QueryDataVersionResponse { changed });
                match &*held.lock() {
                    Some(version) => answer.with_body(fastjson::to_vec(version)),
                    None => answer,
                }
            }
            _ => request.response(response::SUCCESS),
        })
    });
    let server = Server::bind("127.0.0.1:0", service.clone(), ServerOptions::default()).await;
    Registry { server: Some(server.unwrap()), service, seen, version }
}

impl Registry {
    fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_string()
    }

    /// The next registration's topics.
    async fn topics(&mut self) -> Vec<String> {
        let request = self.seen.request().await;
        assert_eq!(request.code, code::REGISTER_BROKER);
        let header: RegisterBrokerRequest<'_> = request.header().unwrap();
        assert_eq!(header.body_crc32, checksum(&request.body));
        let body = RegisterBrokerBody::decode(&request.body, true).unwrap();
        let table = body.topic_config_serialize_wrapper.topic_config_table;
        table.into_keys().collect()
    }

    async fn asked_for_version(&mut self) -> usize {
        let request = self.seen.request().await;
        assert_eq!(request.code, code::QUERY_DATA_VERSION);
        request.body.len()
    }
}

fn broker_of(registries: &[&Registry]) -> TestBroker {
    let addresses: Vec<String> = registries.iter().map(|r| r.address()).collect();
    broker_with(|config| config.namesrv_addr = addresses.join(";"))
}

fn topic_news(broker: &TestBroker, topic: &str) -> Announcements {
    broker.topic(topic, 1);
    broker.topics.take_announcements()
}

#[tokio::test]
async fn an_unchanged_broker_asks_and_a_changed_one_tells_the_change() {
    let mut registry = registry("{\"table\":{}}").await;
    let broker = broker_of(&[&registry]);
    let mut server = NameServer::new(broker.broker.clone(), registry.address());
    server.tell(None).await;
    assert_eq!(registry.topics().await, broker.topics.names());

    server.tell(None).await;
    let size = registry.asked_for_version().await;
    let news = topic_news(&broker, "T");
    server.tell(Some(&news)).await;
    assert_eq!(registry.topics().await, ["T"]);
    server.tell(None).await;
    assert_eq!(registry.asked_for_version().await, size, "constant");

    // A name server that lost its memory gets the whole table.
    *registry.version.lock() = None;
    server.tell(None).await;
    registry.asked_for_version().await;
    assert_eq!(registry.topics().await, broker.topics.names());

    broker.topics.delete("T");
    server.tell(Some(&broker.topics.take_announcements())).await;
    assert_eq!(registry.topics().await, broker.topics.names());
}

/// A name server that has a version already does not look at the topics that come with it.
#[tokio::test]
async fn a_topic_that_is_made_while_another_is_told_comes_with_a_version_of_its_own() {
    let mut registry = registry("").await;
    let broker = broker_of(&[&registry]);
    let mut server = NameServer::new(broker.broker.clone(), registry.address());
    server.tell(None).await;
    registry.topics().await;
    let news = topic_news(&broker, "First");
    broker.topic("Second", 1);
    server.tell(Some(&news)).await;
    assert_eq!(registry.topics().await, ["First"]);
    assert_ne!(registry.version.lock().as_ref(), Some(&broker.topics.version()));
    server.tell(Some(&broker.topics.take_announcements())).await;
    assert_eq!(registry.topics().await, ["Second"]);
    assert_eq!(registry.version.lock().as_ref(), Some(&broker.topics.version()));
}

/// The same goes for the broker's permission, which comes with each topic.
#[tokio::test]
async fn a_changed_permission_comes_with_a_version_of_its_own() {
    let mut registry = registry("").await;
    let broker = broker_of(&[&registry]);
    let mut server = NameServer::new(broker.broker.clone(), registry.address());
    server.tell(None).await;
    registry.topics().await;
    let before = registry.version.lock().clone();
    broker.topics.announce_everything();
    server.tell(Some(&broker.topics.take_announcements())).await;
    assert_eq!(registry.topics().await, broker.topics.names());
    assert_ne!(*registry.version.lock(), before);
}

#[tokio::test]
async fn a_new_connection_carries_the_whole_table() {
    let mut registry = registry("null").await;
    let broker = broker_of(&[&registry]);
    let mut server = NameServer::new(broker.broker.clone(), registry.address());
    server.tell(None).await;
    registry.topics().await;
    broker.name_servers.close_address(&registry.address());
    let news = topic_news(&broker, "T");
    server.tell(Some(&news)).await;
    assert_eq!(registry.topics().await, broker.topics.names());
    broker.name_servers.close_address(&registry.address());
    server.tell(None).await;
    assert_eq!(registry.topics().await, broker.topics.names());
}

#[tokio::test]
async fn a_name_server_that_was_down_gets_the_whole_table() {
    let mut registry = registry("").await;
    let address = registry.address();
    let broker = broker_of(&[&registry]);
    let mut server = NameServer::new(broker.broker.clone(), address.clone());
    server.tell(None).await;
    registry.topics().await;
    registry.server.take().unwrap().close().await;
    let news = topic_news(&broker, "T");
    server.tell(Some(&news)).await;
    assert!(server.failing && server.informed.is_none());
    registry.server = Some(registry_at(&address, registry.service.clone()).await);
    server.tell(None).await;
    assert_eq!(registry.topics().await, broker.topics.names());
    assert!(!server.failing);
}

/// Listens again where another server has just stopped.
async fn registry_at(address: &str, service: Arc<Peer>) -> Server {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match Server::bind(address, service.clone(), ServerOptions::default()).await {
            Ok(server) => return server,
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn permission_and_order_take_effect() {
    let mut registry = registry("{\"table\":{\"T\":\"broker-a:1\"}}").await;
    let address = registry.address();
    let broker = broker_with(|config| {
        config.namesrv_addr = address.clone();
        config.broker_permission = perm::READ;
        config.compressed_register = true;
        config.force_register = true;
    });
    broker.topic("T", 1);
    let mut server = NameServer::new(broker.broker.clone(), address.clone());
    server.tell(None).await;
    let request = registry.seen.request().await;
    let header: RegisterBrokerRequest<'_> = request.header().unwrap();
    assert!(header.compressed && header.ha_server_addr == "127.0.0.1:10912");
    let body = RegisterBrokerBody::decode(&request.body, true).unwrap();
    let topic = &body.topic_config_serialize_wrapper.topic_config_table["T"];
    assert_eq!(topic.perm, perm::READ);
    assert!(broker.topics.get("T").unwrap().order);
    assert_eq!(broker.topics.get("T").unwrap().perm, 6);
}

#[tokio::test]
async fn administrators_wait_until_every_name_server_was_told() {
    let (mut one, mut two) = (registry("").await, registry("").await);
    let gone = {
        let mut gone = registry("").await;
        let address = gone.address();
        gone.server.take().unwrap().close().await;
        address
    };
    let addresses = format!("{};{};{gone}", one.address(), two.address());
    let broker = broker_with(|config| config.namesrv_addr = addresses);
    let running = tokio::spawn(run(broker.broker.clone()));
    for registry in [&mut one, &mut two] {
        registry.topics().await;
    }
    broker.topic("T", 1);
    let inner = broker.broker.clone();
    let told = tokio::task::spawn_blocking(move || inner.topics.wait_announced(PATIENCE));
    assert!(told.await.unwrap());
    for registry in [&mut one, &mut two] {
        assert_eq!(registry.topics().await, ["T"], "told before the wait was over");
    }
    running.abort();
    unregister(broker.broker.clone()).await;
    for registry in [&mut one, &mut two] {
        assert_eq!(registry.seen.request().await.code, code::UNREGISTER_BROKER);
    }
}

#[test]
fn a_table_beyond_a_frame_goes_in_parts_and_the_last_has_its_version() {
    let topics = (0..1000).map(|number| TopicConfig::new(format!("T{number}"), 4));
    let table = TopicConfigTable {
        data_version: DataVersion { counter: 1007, timestamp: 5, state_version: 0 },
        topic_config_table: topics.map(|topic| (topic.topic_name.clone(), topic)).collect(),
        ..TopicConfigTable::default()
    };
    assert_eq!(in_parts(table.clone(), 1 << 20), std::slice::from_ref(&table), "one is enough");
    let parts = in_parts(table.clone(), 10_000);
    assert!(parts.len() > 10, "{}", parts.len());
    assert!(parts.iter().all(|part| fastjson::to_vec(part).len() < 12_000));
    let (last, before) = parts.split_last().unwrap();
    assert_eq!(last.data_version, table.data_version);
    let mut versions: Vec<_> = before.iter().map(|part| part.data_version.counter).collect();
    assert!(!versions.contains(&table.data_version.counter));
    versions.dedup();
    assert_eq!(versions.len(), before.len());
    let all = parts.into_iter().flat_map(|part| part.topic_config_table).collect();
    assert_eq!(table.topic_config_table, all);
}
