//! Requests that need a client's connection.

use super::*;
use crate::testing::{PATIENCE, Pair};
use std::collections::BTreeMap;

fn heartbeat(groups: &[&str], topic: &str) -> Command {
    let consumer = |group: &&str| ConsumerData {
        group_name: group.to_string(),
        subscription_data_set: vec![SubscriptionData::by_tags(topic, "*", 1)],
        ..ConsumerData::default()
    };
    let body = HeartbeatData {
        client_id: "client-1".to_string(),
        consumer_data_set: groups.iter().map(consumer).collect(),
        producer_data_set: vec![ProducerData { group_name: "P".to_string() }],
        ..HeartbeatData::default()
    };
    Command::request(code::HEART_BEAT).with_body(fastjson::to_vec(&body))
}

fn beat(broker: &TestBroker, pair: &Pair, request: Command) -> Command {
    let handler = match request.code {
        code::HEART_BEAT => super::super::clients::heartbeat,
        _ => super::super::clients::unregister,
    };
    respond(&request, handler(broker, &pair.connection, &request))
}

#[tokio::test]
async fn a_heartbeat_makes_a_client_known() {
    let broker = broker();
    let pair = Pair::new().await;
    let group = |code, group| {
        ask(&broker, Command::request_with(code, &ConsumerGroupRequest { consumer_group: group }))
    };
    let ids = || group(code::GET_CONSUMER_LIST_BY_GROUP, "G");
    assert_failure(&ids(), 1, "no consumer for this group, G");
    let answer = beat(&broker, &pair, heartbeat(&["G"], "T"));
    let header: HeartbeatResponse = answer.header().unwrap();
    assert_eq!((header.support_heartbeat_v2, header.sub_change), (Some(true), Some(false)));
    assert_eq!(body::<ConsumerIdList>(&ids()).consumer_id_list, ["client-1"]);
    let retry = broker.topics.get("%RETRY%G").unwrap();
    assert_eq!((retry.write_queue_nums, retry.perm), (1, 6));

    let online: ConsumerConnection = body(&group(code::GET_CONSUMER_CONNECTION_LIST, "G"));
    assert_eq!(online.connection_set[0].client_id, "client-1");
    assert!(online.subscription_table.contains_key("T"));
    let offline = group(code::GET_CONSUMER_CONNECTION_LIST, "H");
    assert_failure(&offline, 206, "the consumer group[H] not online");
    let producers = |group| {
        let header = ProducerGroupRequest { producer_group: group };
        ask(&broker, Command::request_with(code::GET_PRODUCER_CONNECTION_LIST, &header))
    };
    assert_eq!(body::<ProducerConnection>(&producers("P")).connection_set.len(), 1);
    assert_failure(&producers("Q"), 1, "the producer group[Q] not exist");
    let all: ProducerTable = body(&ask(&broker, Command::request(code::GET_ALL_PRODUCER_INFO)));
    assert_eq!(all.data["P"][0].remote_ip, "127.0.0.1");

    let header = UnregisterClientRequest {
        client_id: "client-1",
        producer_group: Some("P"),
        consumer_group: Some("G"),
    };
    let request = Command::request_with(code::UNREGISTER_CLIENT, &header);
    assert_eq!(beat(&broker, &pair, request).code, 0);
    assert_failure(&ids(), 1, "no consumer for this group, G");
    assert_failure(&producers("P"), 1, "the producer group[P] not exist");
}

#[tokio::test]
async fn consumers_of_unknown_groups_are_left_out() {
    let broker = broker_with(|config| config.auto_create_subscription_group = false);
    let pair = Pair::new().await;
    assert_eq!(beat(&broker, &pair, heartbeat(&["G"], "T")).code, 0);
    assert!(broker.clients.consumer_group("G").is_none());
    assert!(!broker.topics.contains("%RETRY%G"));
}

/// Sends a request to the broker over a connection and waits for its answer.
async fn over_the_wire(broker: &TestBroker, request: Command) -> Command {
    struct Admin(Arc<Inner>);
    impl ferromq_net::Service for Admin {
        fn handle(
            &self,
            connection: &Arc<ferromq_net::Connection>,
            request: &Command,
            writer: &mut ResponseWriter<'_>,
        ) -> Reply {
            handle(&self.0, connection, request, writer)
        }
    }
    let service = Arc::new(Admin(broker.broker.clone()));
    let server =
        ferromq_net::Server::bind("127.0.0.1:0", service, Default::default()).await.unwrap();
    let connections =
        ferromq_net::Connections::new(Arc::new(ferromq_net::NoRequests), Default::default());
    let address = server.address().to_string();
    connections.invoke(&address, request, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn clients_are_asked_on_behalf_of_administrators() {
    let broker = broker();
    broker.topic("T", 1);
    let id = broker.store_messages("T", 0, 1);
    let mut pair = Pair::answering(|request| match request.code {
        code::NOTIFY_CONSUMER_IDS_CHANGED => None,
        code::GET_CONSUMER_STATUS_FROM_CLIENT => {
            let body = ConsumerStatusBody {
                message_queue_table: [(MessageQueue::new("T", "broker-a", 0), 5)]
                    .into_iter()
                    .collect(),
                ..ConsumerStatusBody::default()
            };
            Some(request.success_body(fastjson::to_vec(&body)))
        }
        _ => Some(request.success_body("the client's answer")),
    })
    .await;
    beat(&broker, &pair, heartbeat(&["G"], "T"));
    assert_eq!(pair.client.request().await.code, code::NOTIFY_CONSUMER_IDS_CHANGED);

    let info = |client_id| {
        let header =
            ConsumerRunningInfoRequest { consumer_group: "G", client_id, jstack_enable: false };
        Command::request_with(code::GET_CONSUMER_RUNNING_INFO, &header)
    };
    let answer = over_the_wire(&broker, info("client-1")).await;
    assert_eq!(&answer.body[..], b"the client's answer");
    let asked = pair.client.request().await;
    assert_eq!(asked.fields.get("clientId"), Some("client-1"));
    let answer = over_the_wire(&broker, info("client-2")).await;
    assert_failure(&answer, 1, "The Consumer <G> <client-2> not online");

    let directly = |msg_id| {
        let header = ConsumeMessageDirectlyRequest {
            consumer_group: "G",
            client_id: Some("client-1"),
            msg_id,
            broker_name: None,
            topic: Some("T"),
            topic_sys_flag: None,
            group_sys_flag: None,
        };
        Command::request_with(code::CONSUME_MESSAGE_DIRECTLY, &header)
    };
    let answer = over_the_wire(&broker, directly(Some(&id))).await;
    assert_eq!(&answer.body[..], b"the client's answer");
    let asked = pair.client.request().await;
    assert_eq!(asked.fields.get("brokerName"), Some("broker-a"));
    let record = ferromq_protocol::record::RecordView::parse(&asked.body).unwrap();
    assert_eq!(record.body(), b"hello");
    let answer = over_the_wire(&broker, directly(Some("nonsense"))).await;
    assert_failure(&answer, 1, "no message has the id nonsense");

    let header = ConsumerStatusRequest { topic: "T", group: "G", client_addr: None };
    let request = Command::request_with(code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &header);
    let status: ConsumerStatusBody = body(&over_the_wire(&broker, request).await);
    let offsets: BTreeMap<_, _> = status.consumer_table["client-1"].0.clone();
    assert_eq!(offsets[&MessageQueue::new("T", "broker-a", 0)], 5);
}

#[tokio::test]
async fn clients_reset_where_the_broker_may_not() {
    let broker = broker_with(|config| config.use_server_side_reset_offset = false);
    broker.topic("T", 1);
    broker.store_messages("T", 0, 8);
    let answer = ask(&broker, reset_to(-1, None, None));
    assert_failure(&answer, 1, "THe consumer group <G> not exist");
    broker.offsets.commit("G", "T", 0, 5);
    let answer = ask(&broker, reset_to(-1, None, None));
    let remark = "Consumer not online, so can not reset offset, Group: G Topic: T Timestamp: -1";
    assert_failure(&answer, 206, remark);

    let mut pair = Pair::new().await;
    beat(&broker, &pair, heartbeat(&["G"], "T"));
    assert_eq!(pair.client.request().await.code, code::NOTIFY_CONSUMER_IDS_CHANGED);
    assert_eq!(ask(&broker, reset_to(-1, None, None)).code, 0);
    let order = pair.client.request().await;
    assert_eq!(order.code, code::RESET_CONSUMER_CLIENT_OFFSET);
    let told: ResetOffsetBody = fastjson::from_slice(&order.body).unwrap();
    assert_eq!(told.offset_table.0[&MessageQueue::new("T", "broker-a", 0)], 8);
    assert_eq!(broker.offsets.query("G", "T", 0), Some(5), "the client will commit");
}
