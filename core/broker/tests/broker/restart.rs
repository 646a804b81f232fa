//! What outlives a broker (store §6, §13).

use crate::house::*;
use ferromq_broker::Broker;
use ferromq_protocol::Command;
use ferromq_protocol::body::{SubscriptionGroupTable, TopicConfig};
use ferromq_protocol::code::request as code;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use ferromq_protocol::properties::key;

async fn fill(house: &House) -> i64 {
    house.create_topic("ByHand", 3, 6).await;
    house.create_group("Careful", |group| group.retry_max_times = 3).await;
    house.create_group("G", |_| ()).await;
    for number in 0..500 {
        // More than one segment and many consume queue files.
        let body = format!("{number} {}", "x".repeat(4000));
        house.succeed(send_with("Many", number % 4, &body, &[(key::KEYS, "k")])).await;
    }
    house.commit("G", "Many", 0, 17).await;
    house.commit("G", "Many", 3, 4).await;
    let sent = house.send("ByHand", 2, "last").await;
    let header: SendMessageResponse<'_> = sent.header().unwrap();
    ferromq_protocol::message_id::parse_offset_id(header.msg_id).unwrap().1
}

async fn check(house: &House, last: i64) {
    for queue in 0..4 {
        let all = house.all("Many", queue).await;
        assert_eq!(all.len(), 125, "queue {queue}");
        for (index, message) in all.iter().enumerate() {
            assert_eq!(message.queue_offset, index as i64);
            let number = format!("{} ", index as i32 * 4 + queue);
            assert!(message.body.starts_with(&number), "{}", &message.body[..10]);
        }
    }
    let view = ViewMessageRequest { topic: None, offset: last };
    let answer = house.succeed(Command::request_with(code::VIEW_MESSAGE_BY_ID, &view)).await;
    assert_eq!(bodies(&answer), ["last"]);
    let about = TopicRequest { topic: "ByHand", lo: None };
    let answer = house.succeed(Command::request_with(code::GET_TOPIC_CONFIG, &about)).await;
    let topic: TopicConfig = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(topic.write_queue_nums, 3);
    let answer = house.succeed(Command::request(code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG)).await;
    let groups: SubscriptionGroupTable = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(groups.subscription_group_table["Careful"].retry_max_times, 3);
    until("keys in the index", async || {
        let header = QueryMessageRequest {
            topic: "Many",
            key: "k",
            max_num: 64,
            begin_timestamp: 0,
            end_timestamp: now_ms() + 60_000,
            unique_key_query: None,
        };
        let answer = house.ask(Command::request_with(code::QUERY_MESSAGE, &header)).await;
        (bodies(&answer).len() == 64).then_some(())
    })
    .await;
}

#[tokio::test]
async fn everything_outlives_a_restart() {
    let house = House::open().await;
    let last = fill(&house).await;
    let house = house.restart().await;
    assert!(house.folder.path().join("abort").exists());
    check(&house, last).await;
    assert_eq!(house.progress("G", "Many", 0).await, Some(17));
    assert_eq!(house.progress("G", "Many", 3).await, Some(4));
    let sent = house.send("Many", 1, "goes on").await;
    assert_eq!(sent.header::<SendMessageResponse<'_>>().unwrap().queue_offset, 125);
    let folder = house.close().await;
    assert!(!folder.path().join("abort").exists(), "a clean end says so");
}

#[tokio::test]
async fn everything_acknowledged_outlives_a_kill() {
    let house = House::open_with(|config, _| config.flush_consumer_offset_interval = 100).await;
    let last = fill(&house).await;
    let path = house.folder.path().join("config/consumerOffset.json");
    until("the progress on disk", async || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains("3:4")).then_some(())
    })
    .await;
    let other = house.killed_and_started().await;
    check(&other, last).await;
    assert_eq!(other.progress("G", "Many", 0).await, Some(17));
    let sent = other.send("Many", 1, "goes on").await;
    assert_eq!(sent.header::<SendMessageResponse<'_>>().unwrap().queue_offset, 125);
    // And once more, from what recovery made of it.
    let third = other.killed_and_started().await;
    assert_eq!(third.all("Many", 1).await.len(), 126);
    for house in [house, other, third] {
        house.close().await;
    }
}

#[tokio::test]
async fn a_second_broker_on_the_same_files_is_refused() {
    let house = House::open().await;
    let store = house.store().clone();
    let Err(error) = Broker::start(house.config().clone(), store).await else {
        panic!("two brokers write the same files");
    };
    let text = error.to_string();
    let pid = format!("(process {})", std::process::id());
    assert!(text.contains(&pid) && text.contains("in use by another broker"), "{text}");
    house.send("T", 0, "the first works on").await;
    house.close().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let house = House::open().await;
    let port = house.address().rsplit(':').next().unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = ferromq_broker::BrokerConfig { listen_port: port, ..config() };
    let Err(error) = Broker::start(config, store(folder.path())).await else {
        panic!("two brokers listen on one port");
    };
    assert!(error.to_string().contains(&house.address()), "{error}");
    house.close().await;
}

#[tokio::test]
async fn a_change_of_settings_counts_after_a_restart() {
    let house = House::open_with(|_, store| store.max_message_size = 1000).await;
    let big = "x".repeat(2000);
    assert_ne!(house.ask(send("T", 0, &big)).await.code, 0);
    let house = house.restart_with(|_, store| store.max_message_size = 4000).await;
    house.send("T", 0, &big).await;
    house.close().await;
}
