//! Sends that succeed (broker §2.3).

use crate::house::*;
use ferromq_protocol::body::TopicConfig;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::*;
use ferromq_protocol::message_id::parse_offset_id;
use ferromq_protocol::properties::key;
use ferromq_protocol::{Command, Serialization, batch, fastjson};

fn in_binary(mut command: Command) -> Command {
    command.serialization = Serialization::Binary;
    command
}

fn batch_of(bodies: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        let properties = property_text(&[(TAGS, body), (key::UNIQUE_KEY, body)]);
        let (body, properties) = (body.as_bytes(), properties.as_bytes());
        let entry = batch::BatchEntry { flag: 3, body, properties };
        batch::push(&mut bytes, entry);
    }
    bytes
}

#[tokio::test]
async fn every_form_of_a_send_is_stored_and_answered_in_its_own_serialization() {
    let house = House::open().await;
    let text = property_text(&[(TAGS, "A"), ("mine", "1")]);
    let v2 = || SendMessageRequestV2 { properties: Some(&text), ..message("Forms", 1) };
    let v1 = Command::request_with(code::SEND_MESSAGE, &SendMessageRequest::from(v2()));
    let batch = SendMessageRequestV2 { batch: Some(true), ..message("Forms", 1) };
    let batch = Command::request_with(code::SEND_BATCH_MESSAGE, &batch);
    for (command, bodies) in [
        (v1.with_body("v1"), vec!["v1"]),
        (send_as(&v2(), "v2"), vec!["v2"]),
        (batch.with_body(batch_of(&["x", "y", "z"])), vec!["x", "y", "z"]),
    ] {
        for binary in [false, true] {
            let mut request = command.clone();
            request.opaque = Command::request(0).opaque;
            let request = if binary { in_binary(request) } else { request };
            let serialization = request.serialization;
            let before = house.all("Forms", 1).await.len();
            let answer = house.succeed(request).await;
            assert_eq!(answer.serialization, serialization);
            let header: SendMessageResponse<'_> = answer.header().unwrap();
            assert_eq!((header.queue_id, header.queue_offset), (1, before as i64));
            assert_eq!(answer.fields.get(key::MSG_REGION), Some("DefaultRegion"));
            assert_eq!(answer.fields.get(key::TRACE_ON), Some("true"));
            let stored = house.all("Forms", 1).await.split_off(before);
            let found: Vec<_> = stored.iter().map(|message| message.body.as_str()).collect();
            assert_eq!(found, bodies);
            let ids: Vec<_> = header.msg_id.split(',').map(parse_offset_id).collect();
            assert_eq!(ids.len(), bodies.len());
            for (id, message) in ids.iter().zip(&stored) {
                let (host, offset) = id.unwrap();
                assert_eq!(host.to_string(), house.address());
                assert_eq!(offset, message.physical_offset);
            }
            if bodies.len() == 1 {
                let unique = stored[0].property(key::UNIQUE_KEY).unwrap();
                assert_eq!(header.transaction_id, Some(unique));
                assert_eq!(stored[0].property("mine"), Some("1"));
                assert_eq!(stored[0].property(key::CLUSTER), Some("DefaultCluster"));
                assert_eq!(stored[0].property(key::MSG_REGION), Some("DefaultRegion"));
            } else {
                assert_eq!(stored[1].property(key::UNIQUE_KEY), Some("y"));
            }
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_topic_is_created_by_its_first_message_like_the_default_topic() {
    let house = House::open().await;
    let few = SendMessageRequestV2 { default_topic_queue_nums: 2, ..message("Few", 1) };
    house.succeed(send_as(&few, "a")).await;
    let file = house.folder.path().join("config/topics.json");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("\"Few\""), "on disk before the first message is acknowledged");
    let many = SendMessageRequestV2 { default_topic_queue_nums: 99, ..message("Many", 0) };
    house.succeed(send_as(&many, "a")).await;
    for (topic, queues) in [("Few", 2), ("Many", 8)] {
        let request =
            Command::request_with(code::GET_TOPIC_CONFIG, &TopicRequest { topic, lo: None });
        let config: TopicConfig = fastjson::from_slice(&house.succeed(request).await.body).unwrap();
        assert_eq!((config.read_queue_nums, config.write_queue_nums), (queues, queues));
        assert_eq!(config.perm, 6);
    }
    house.close().await;
}

#[tokio::test]
async fn a_negative_queue_lets_the_broker_choose_among_all() {
    let house = House::open().await;
    house.create_topic("Spread", 3, 6).await;
    for _ in 0..12 {
        house.send("Spread", -1, "x").await;
    }
    for queue in 0..3 {
        assert_eq!(house.all("Spread", queue).await.len(), 4, "queue {queue}");
    }
    house.close().await;
}

#[tokio::test]
async fn the_largest_message_is_stored_and_a_larger_one_refused_on_the_same_connection() {
    // Room for both: the larger does not wait for the next segment, and too long for that.
    let house = House::open_with(|_, store| store.mapped_file_size_commit_log = 16 << 20).await;
    let connection = house.connection().await.id();
    let largest = vec![7u8; 4 << 20];
    house.succeed(send_as(&message("Large", 0), largest.clone())).await;
    let mut larger = largest;
    larger.push(7);
    let refusal = "the message is illegal, maybe msg body or properties length not matched. \
                   msg body length limit 4194304B, msg properties length limit 32KB.";
    house.refused(send_as(&message("Large", 0), larger), response::MESSAGE_ILLEGAL, refusal).await;
    // Text of 40,000 bytes does not fit a header that counts in 16 bits: it comes as JSON.
    let text = property_text(&[("long", &"x".repeat(40_000))]);
    let long = SendMessageRequestV2 { properties: Some(&text), ..message("Large", 0) };
    house.refused(send_as(&long, "x"), response::MESSAGE_ILLEGAL, refusal).await;
    house.send("Large", 0, "after").await;
    assert_eq!(house.connection().await.id(), connection, "the connection lives on");
    let sizes: Vec<_> = house.all("Large", 0).await.iter().map(|m| m.body.len()).collect();
    assert_eq!(sizes, [4 << 20, 5]);
    house.close().await;
}

#[tokio::test]
async fn what_clients_may_not_write_is_replaced() {
    let house = House::open().await;
    let pairs = [
        (key::MSG_REGION, "elsewhere"),
        (key::CLUSTER, "another"),
        (key::POP_CK, "receipt"),
        ("mine", "1"),
    ];
    house.succeed(send_with("Own", 0, "x", &pairs)).await;
    let stored = house.all("Own", 0).await.remove(0);
    assert_eq!(stored.property(key::MSG_REGION), Some("DefaultRegion"));
    assert_eq!(stored.property(key::CLUSTER), Some("DefaultCluster"));
    assert_eq!(stored.property(key::POP_CK), None);
    assert_eq!(stored.property("mine"), Some("1"));
    assert_eq!(stored.properties.matches(key::CLUSTER).count(), 1);
    house.close().await;
}

#[tokio::test]
async fn acknowledged_messages_are_on_disk_with_synchronous_flush() {
    let house = House::open_with(|_, store| {
        store.flush_disk_type = "SYNC_FLUSH".to_string();
        // Nothing else than the send makes it happen.
        store.flush_interval_commit_log = 60_000;
        store.flush_commit_log_thorough_interval = 600_000;
    })
    .await;
    let client = std::sync::Arc::new(house.another_client());
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..50 {
        let client = client.clone();
        sends.spawn(async move { client.send("Sync", number % 4, "x").await.code });
    }
    let answers = sends.join_all().await;
    assert_eq!(answers, [response::SUCCESS; 50]);
    let answer = house.succeed(Command::request(code::GET_BROKER_RUNTIME_INFO)).await;
    let info: ferromq_protocol::body::KvTable = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(info.table["remainHowManyDataToFlush"], "0 B");
    let mut count = 0;
    for queue in 0..4 {
        count += house.all("Sync", queue).await.len();
    }
    assert_eq!(count, 50);
    let unhurried = send_with("Sync", 0, "x", &[(key::WAIT, "false")]);
    house.succeed(unhurried).await;
    house.close().await;
}

#[tokio::test]
async fn a_one_way_send_is_stored() {
    let house = House::open().await;
    house.connection().await.send(send("Oneway", 0, "x")).unwrap();
    house.until_there("Oneway", 0, 1).await;
    house.close().await;
}
