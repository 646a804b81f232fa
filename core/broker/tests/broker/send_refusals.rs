//! Sends that are refused, with the words that clients and operators know (broker §2.3).

use crate::house::*;
use ferromq_model::flags;
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::*;
use ferromq_protocol::properties::key;

const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

#[tokio::test]
async fn before_the_time_to_accept_nothing_is_accepted() {
    let start = now_ms() + 3_600_000;
    let house =
        House::open_with(|config, _| config.start_accept_send_request_time_stamp = start).await;
    let remark = format!("broker unable to service, until {start}");
    let answer = house.refused(send("T", 0, "x"), response::SYSTEM_ERROR, &remark).await;
    assert_eq!(answer.fields.get(key::MSG_REGION), Some("DefaultRegion"), "clients rely on it");
    assert_eq!(answer.fields.get(key::TRACE_ON), Some("true"));
    house.close().await;
}

#[tokio::test]
async fn names_and_topics_that_may_not_be() {
    let house = House::open().await;
    for (topic, code, remark) in [
        (" ", response::INVALID_PARAMETER, "The specified topic is blank.".to_string()),
        (
            "a b",
            response::INVALID_PARAMETER,
            "The specified topic: a b, contains illegal characters, allowing only \
             ^[%|a-zA-Z0-9_-]+$"
                .to_string(),
        ),
        (
            "SCHEDULE_TOPIC_XXXX",
            response::NO_PERMISSION,
            "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.".to_string(),
        ),
        (
            "TRANS_CHECK_MAX_TIME_TOPIC",
            response::NO_PERMISSION,
            "Sending message to topic[TRANS_CHECK_MAX_TIME_TOPIC] is forbidden.".to_string(),
        ),
    ] {
        house.refused(send(topic, 0, "x"), code, &remark).await;
    }
    let long = "x".repeat(128);
    let remark = format!("The specified topic: {long}, is longer than topic max length: 127");
    house.refused(send(&long, 0, "x"), response::INVALID_PARAMETER, &remark).await;
    let stranger = SendMessageRequestV2 { default_topic: "NoSuchTopic", ..message("New", 0) };
    let remark = format!("topic[New] not exist, apply first please!{FAQ}");
    house.refused(send_as(&stranger, "x"), response::TOPIC_NOT_EXIST, &remark).await;
    house.close().await;
}

#[tokio::test]
async fn a_refused_send_creates_nothing() {
    let house = House::open_with(|config, _| config.auto_create_topic_enable = false).await;
    let remark = format!("topic[New] not exist, apply first please!{FAQ}");
    house.refused(send("New", 0, "x"), response::TOPIC_NOT_EXIST, &remark).await;
    house.change_setting("autoCreateSubscriptionGroup=false").await;
    let remark = format!("subscription group not exist, G {FAQ}");
    let code = response::SUBSCRIPTION_GROUP_NOT_EXIST;
    house.refused(send("%RETRY%G", 0, "x"), code, &remark).await;
    let batch = SendMessageRequestV2 { batch: Some(true), ..message("%RETRY%H", 0) };
    let remark = "batch request does not support retry group %RETRY%H";
    house.refused(send_as(&batch, "x"), response::MESSAGE_ILLEGAL, remark).await;
    for topic in ["New", "%RETRY%G", "%RETRY%H"] {
        let about = TopicRequest { topic, lo: None };
        let answer = house.ask(Command::request_with(code::GET_TOPIC_CONFIG, &about)).await;
        assert_eq!(answer.code, response::TOPIC_NOT_EXIST, "{topic}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_broker_without_write_permission_refuses_ordered_topics_alone() {
    let house = House::open().await;
    house.succeed(create_topic("Ordered", 1, 6, true, "")).await;
    house.create_topic("Plain", 1, 6).await;
    house.change_setting("brokerPermission=4").await;
    let remark = "the broker[127.0.0.1] sending message is forbidden";
    house.refused(send("Ordered", 0, "x"), response::NO_PERMISSION, remark).await;
    house.send("Plain", 0, "x").await;
    house.close().await;
}

#[tokio::test]
async fn a_topic_that_may_not_be_written_takes_messages_all_the_same() {
    let house = House::open().await;
    house.create_topic("ReadOnly", 1, 4).await;
    house.send("ReadOnly", 0, "producers with an old route").await;
    house.close().await;
}

#[tokio::test]
async fn queues_count_from_zero_to_the_larger_of_both_numbers() {
    let house = House::open().await;
    let header = CreateTopicRequest {
        topic: "Shrunk",
        default_topic: None,
        read_queue_nums: 4,
        write_queue_nums: 2,
        perm: 6,
        topic_filter_type: None,
        topic_sys_flag: None,
        order: false,
        attributes: None,
    };
    house.succeed(Command::request_with(code::UPDATE_AND_CREATE_TOPIC, &header)).await;
    house.send("Shrunk", 3, "x").await;
    let answer = house.ask(send("Shrunk", 4, "x")).await;
    assert_eq!(answer.code, response::INVALID_PARAMETER);
    assert!(answer.remark().starts_with("request queueId[4] is illegal, "), "{}", answer.remark());
    assert!(answer.remark().contains("Shrunk"), "{}", answer.remark());
    assert!(answer.remark().contains(" Producer: 127.0.0.1:"), "{}", answer.remark());
    house.close().await;
}

#[tokio::test]
async fn kinds_of_messages_that_are_not_taken() {
    let house = House::open().await;
    let half = send_with("T", 0, "x", &[(key::TRANSACTION_PREPARED, "true")]);
    let remark = "the broker[127.0.0.1] sending transaction message is forbidden";
    house.refused(half, response::NO_PERMISSION, remark).await;
    let timed = send_with("T", 0, "x", &[(key::TIMER_DELAY_SEC, "5")]);
    let remark = "accurate timer message is not enabled, timerWheelEnable is false";
    house.refused(timed, response::SYSTEM_ERROR, remark).await;
    house.close().await;
}

#[tokio::test]
async fn a_retry_of_what_was_a_half_message_is_a_plain_message() {
    let house = House::open().await;
    house.create_group("G", |_| ()).await;
    let text = property_text(&[(key::TRANSACTION_PREPARED, "true"), (key::DELAY, "1")]);
    let again = SendMessageRequestV2 {
        properties: Some(&text),
        reconsume_times: Some(1),
        ..message("%RETRY%G", 0)
    };
    house.succeed(send_as(&again, "x")).await;
    house.close().await;
}

#[tokio::test]
async fn no_client_stores_what_a_transaction_hides() {
    let house = House::open().await;
    for kind in [flags::message::TRANSACTION_PREPARED, flags::message::TRANSACTION_ROLLBACK] {
        let odd = SendMessageRequestV2 { sys_flag: kind, ..message("Plain", 0) };
        house.succeed(send_as(&odd, "odd")).await;
    }
    let batch =
        SendMessageRequestV2 { sys_flag: flags::message::INNER_BATCH, ..message("Plain", 0) };
    assert_eq!(house.ask(send_as(&batch, "x")).await.code, response::MESSAGE_ILLEGAL);
    house.send("Plain", 0, "last").await;
    // Recovery sees the same messages at the same offsets as the running broker.
    let other = house.killed_and_started().await;
    assert_eq!(other.all("Plain", 0).await, house.all("Plain", 0).await);
    assert_eq!(house.all("Plain", 0).await.len(), 3);
    other.close().await;
    house.close().await;
}

#[tokio::test]
async fn batches_that_are_none() {
    let house = House::open().await;
    let batch = SendMessageRequestV2 { batch: Some(true), ..message("Batches", 0) };
    for (body, remark) in [
        (&b""[..], "the batch holds no message"),
        (&b"nonsense"[..], "the batch body is malformed at byte 0"),
    ] {
        let request = send_as(&batch, body);
        house.refused(request, response::MESSAGE_ILLEGAL, remark).await;
    }
    let text = property_text(&[(key::DELAY, "1")]);
    let delayed = SendMessageRequestV2 { properties: Some(&text), ..batch };
    let remark = "a batch cannot be delayed";
    house.refused(send_as(&delayed, "x"), response::MESSAGE_ILLEGAL, remark).await;
    let empty = send("Batches", 0, "");
    assert_eq!(house.ask(empty).await.code, response::SUCCESS, "a message may be empty");
    house.close().await;
}

#[tokio::test]
async fn headers_that_cannot_be_read_and_codes_that_do_not_exist() {
    let house = House::open().await;
    let answer = house.ask(Command::request(code::SEND_MESSAGE_V2)).await;
    assert_eq!(answer.code, response::SYSTEM_ERROR);
    assert_eq!(answer.fields.get(key::MSG_REGION), Some("DefaultRegion"));
    let mut broken = send("T", 0, "x");
    broken.fields.push("e", "many");
    assert_eq!(house.ask(broken).await.code, response::SYSTEM_ERROR);
    let remark = " request type 4711 not supported";
    let code = response::REQUEST_CODE_NOT_SUPPORTED;
    house.refused(Command::request(4711), code, remark).await;
    house.connection().await.send(Command::request(4711)).unwrap();
    house.send("T", 0, "the connection lives on").await;
    house.close().await;
}
