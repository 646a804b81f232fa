//! Heartbeats and their consequences (broker §1.5, §2.6, §7.6).

use crate::house::*;
use ferromq_broker::BrokerConfig;
use ferromq_namesrv::{NameServer, NamesrvConfig};
use ferromq_protocol::Command;
use ferromq_protocol::body::{ConsumerIdList, MessageModel, TopicConfig, TopicRouteData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use std::time::Duration;

async fn members(client: &Client, group: &str) -> Vec<String> {
    let header = ConsumerGroupRequest { consumer_group: group };
    let answer = client.ask(Command::request_with(code::GET_CONSUMER_LIST_BY_GROUP, &header)).await;
    match answer.code {
        response::SUCCESS => {
            fastjson::from_slice::<ConsumerIdList>(&answer.body).unwrap().consumer_id_list
        }
        _ => {
            let remark = format!("no consumer for this group, {group}");
            assert_eq!((answer.code, answer.remark()), (response::SYSTEM_ERROR, &*remark));
            Vec::new()
        }
    }
}

/// The next notice that a group has changed.
async fn notice(client: &Client) -> String {
    let request = client.asked().await;
    assert_eq!(request.code, code::NOTIFY_CONSUMER_IDS_CHANGED);
    assert!(request.is_oneway());
    request.header::<ConsumerGroupRequest<'_>>().unwrap().consumer_group.to_string()
}

#[tokio::test]
async fn members_of_a_group_hear_of_each_other() {
    let house = House::open().await;
    let (one, two) = (house.another_client(), house.another_client());
    assert_eq!(members(&house, "G").await, [""; 0]);
    let answer = one.consume("one", "G", &[("T", "*")]).await;
    let header: HeartbeatResponse = answer.header().unwrap();
    assert_eq!(header.support_heartbeat_v2, Some(true));
    assert_eq!(notice(&one).await, "G", "also who caused it");
    two.consume("two", "G", &[("T", "*")]).await;
    assert_eq!((notice(&one).await, notice(&two).await), ("G".into(), "G".into()));
    assert_eq!(members(&house, "G").await, ["one", "two"]);
    // Nothing new, nothing to tell.
    one.consume("one", "G", &[("T", "*")]).await;
    two.consume("two", "G", &[("T", "*"), ("U", "*")]).await;
    assert_eq!((notice(&one).await, notice(&two).await), ("G".into(), "G".into()));
    one.close();
    assert_eq!(notice(&two).await, "G");
    assert_eq!(members(&house, "G").await, ["two"]);
    let leave = UnregisterClientRequest {
        client_id: "two",
        producer_group: None,
        consumer_group: Some("G"),
    };
    two.succeed(Command::request_with(code::UNREGISTER_CLIENT, &leave)).await;
    assert_eq!(members(&house, "G").await, [""; 0]);
    assert!(two.asked_already().await.is_none());
    house.close().await;
}

#[tokio::test]
async fn nobody_is_told_who_wants_no_notices() {
    let house = House::open().await;
    let one = house.another_client();
    one.succeed(heartbeat("one", "B", MessageModel::Broadcasting, &[("T", "*")])).await;
    house.create_group("Q", |group| group.notify_consumer_ids_changed_enable = false).await;
    one.consume("one", "Q", &[("T", "*")]).await;
    // Answers and notices share a connection: a notice would have come before this answer.
    assert_eq!(members(&one, "Q").await, ["one"]);
    assert!(one.asked_already().await.is_none());
    house.close().await;
}

#[tokio::test]
async fn silent_connections_are_closed_and_leave_their_groups() {
    let house = House::open_with(|config, _| config.server_channel_max_idle_time_seconds = 1).await;
    let one = house.another_client();
    one.consume("one", "G", &[("T", "*")]).await;
    let connection = one.connection().await;
    until("the connection's end", async || (!connection.is_open()).then_some(())).await;
    until("the group's end", async || members(&house, "G").await.is_empty().then_some(())).await;
    house.close().await;
}

#[tokio::test]
async fn a_consumer_of_an_unknown_group_is_left_out_where_groups_are_made_by_hand() {
    let house = House::open_with(|config, _| config.auto_create_subscription_group = false).await;
    house.consume("one", "New", &[("T", "*")]).await;
    assert_eq!(members(&house, "New").await, [""; 0]);
    house.create_group("New", |_| ()).await;
    house.consume("one", "New", &[("T", "*")]).await;
    assert_eq!(members(&house, "New").await, ["one"]);
    house.close().await;
}

#[tokio::test]
async fn a_heartbeat_makes_the_retry_topic_as_the_group_wants_it() {
    let house = House::open().await;
    house.succeed(create_topic("Ordered", 1, 6, true, "")).await;
    house.create_group("G", |group| group.retry_queue_nums = 3).await;
    house.create_group("None", |group| group.retry_queue_nums = 0).await;
    house.consume("one", "G", &[("Ordered", "*")]).await;
    house.consume("one", "None", &[("Ordered", "*")]).await;
    let about =
        |topic| Command::request_with(code::GET_TOPIC_CONFIG, &TopicRequest { topic, lo: None });
    let answer = house.succeed(about("%RETRY%G")).await;
    let retry: TopicConfig = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!((retry.read_queue_nums, retry.write_queue_nums, retry.perm), (3, 3, 6));
    assert!(retry.order);
    assert_eq!(house.ask(about("%RETRY%None")).await.code, response::TOPIC_NOT_EXIST);
    house.close().await;
}

async fn name_server(folder: &std::path::Path) -> NameServer {
    let file = |name: &str| folder.join(name).to_string_lossy().to_string();
    let config = NamesrvConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".to_string(),
        kv_config_path: file("kvConfig.json"),
        config_store_path: file("namesrv.properties"),
        ..NamesrvConfig::default()
    };
    NameServer::start(config).await.unwrap()
}

async fn route(names: &Client, topic: &str) -> Option<TopicRouteData> {
    let request = Command::request_with(
        code::GET_ROUTEINFO_BY_TOPIC,
        &RouteRequest { topic, accept_standard_json_only: None, zone_mode: None, zone_name: None },
    );
    let answer = names.ask(request).await;
    (answer.code == response::SUCCESS).then(|| fastjson::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn name_servers_know_topics_soon_after_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let server = name_server(folder.path()).await;
    let address = server.address().to_string();
    let names = Client::new(&address);
    let house =
        House::open_with(|config: &mut BrokerConfig, _| config.namesrv_addr = address.clone())
            .await;
    let found = route(&names, "TBW102").await.expect("registered when the start has returned");
    assert_eq!(found.broker_datas[0].broker_addrs[&0], house.address());
    house.create_topic("ByHand", 5, 6).await;
    let found = route(&names, "ByHand").await.expect("registered when the tool has its answer");
    assert_eq!(found.queue_datas[0].read_queue_nums, 5);
    house.send("ByMessage", 0, "x").await;
    let known = async |topic| until(topic, async || route(&names, topic).await).await;
    known("ByMessage").await;
    house.consume("one", "G", &[("ByHand", "*")]).await;
    known("%RETRY%G").await;
    let header = ConsumerSendMsgBackRequest {
        offset: 0,
        group: "G",
        delay_level: -1,
        origin_msg_id: None,
        origin_topic: None,
        unit_mode: None,
        max_reconsume_times: None,
        broker_name: None,
    };
    house.succeed(Command::request_with(code::CONSUMER_SEND_MSG_BACK, &header)).await;
    known("%DLQ%G").await;
    let about = TopicRequest { topic: "ByHand", lo: None };
    house.succeed(Command::request_with(code::DELETE_TOPIC_IN_BROKER, &about)).await;
    // As with Apache's broker, the tool tells the name servers itself.
    assert!(route(&names, "ByHand").await.is_some());
    house.close().await;
    assert!(route(&names, "ByMessage").await.is_none(), "a broker that stops says so");
    server.close().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::open().await;
    let body = "x".repeat(60_000);
    for _ in 0..4 {
        house.send("T", 0, &body).await;
    }
    // It asks for 240 kB at a time and reads none of it, until the broker stops taking requests.
    let mut slow = tokio::net::TcpStream::connect(house.address()).await.unwrap();
    let mut asked = 0;
    loop {
        let frame = pull_command(&pull("G", "T", 0, 0)).encode();
        match tokio::time::timeout(Duration::from_millis(500), slow.write_all(&frame)).await {
            Ok(written) => written.unwrap(),
            Err(_) => break,
        }
        asked += 1;
        assert!(asked < 200_000, "the broker takes requests without end");
    }
    // Others are served meanwhile, and the slow one gets everything when it reads.
    house.send("T", 1, "meanwhile").await;
    let mut length = [0; 4];
    slow.read_exact(&mut length).await.unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    slow.read_exact(&mut frame).await.unwrap();
    assert!(frame.len() > 240_000);
    house.close().await;
}
