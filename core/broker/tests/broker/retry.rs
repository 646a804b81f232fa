//! Messages that consumers could not handle (broker §2.4).

use crate::house::*;
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::*;
use ferromq_protocol::properties::key;

const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

fn back(group: &str, offset: i64, level: i32) -> ConsumerSendMsgBackRequest<'_> {
    ConsumerSendMsgBackRequest {
        offset,
        group,
        delay_level: level,
        origin_msg_id: None,
        origin_topic: None,
        unit_mode: None,
        max_reconsume_times: None,
        broker_name: None,
    }
}

fn back_command(header: &ConsumerSendMsgBackRequest<'_>) -> Command {
    Command::request_with(code::CONSUMER_SEND_MSG_BACK, header)
}

async fn house() -> House {
    let levels = "1s 1s 1s 1s 1s 1s".to_string();
    House::open_with(|_, store| store.message_delay_level = levels).await
}

#[tokio::test]
async fn a_message_comes_again_until_it_is_a_dead_letter() {
    let house = house().await;
    house.create_group("G", |group| group.retry_max_times = 2).await;
    house.succeed(send_with("T", 2, "stubborn", &[(TAGS, "A"), (key::UNIQUE_KEY, "U")])).await;
    let original = house.all("T", 2).await.remove(0);
    let id = ferromq_protocol::message_id::offset_id(
        house.address().parse().unwrap(),
        original.physical_offset,
    );
    let mut offset = original.physical_offset;
    for times in 1..=2 {
        house.succeed(back_command(&back("G", offset, 0))).await;
        let again = house.until_there("%RETRY%G", 0, times as usize).await.pop().unwrap();
        assert_eq!((again.body.as_str(), again.reconsume_times), ("stubborn", times));
        assert_eq!(again.property(key::RETRY_TOPIC), Some("T"));
        assert_eq!(again.property(key::ORIGIN_MESSAGE_ID), Some(&*id));
        assert_eq!(again.property(key::UNIQUE_KEY), Some("U"));
        assert_eq!(again.property(TAGS), Some("A"));
        offset = again.physical_offset;
    }
    house.succeed(back_command(&back("G", offset, 0))).await;
    let dead = house.until_there("%DLQ%G", 0, 1).await.remove(0);
    assert_eq!((dead.body.as_str(), dead.reconsume_times), ("stubborn", 3));
    assert_eq!(dead.property(key::DLQ_ORIGIN_TOPIC), Some("T"));
    assert_eq!(dead.property(key::DLQ_ORIGIN_MESSAGE_ID), Some(&*id));
    assert_eq!(dead.property(key::DELAY), None);
    assert_eq!(house.all("%RETRY%G", 0).await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn consumers_may_ask_for_the_dead_letter_topic_and_for_fewer_tries() {
    let house = house().await;
    house.send("T", 0, "x").await;
    house.succeed(back_command(&back("G", 0, -1))).await;
    let few = ConsumerSendMsgBackRequest { max_reconsume_times: Some(0), ..back("G", 0, 0) };
    house.succeed(back_command(&few)).await;
    assert_eq!(house.all("%DLQ%G", 0).await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn retries_that_are_refused() {
    let house = house().await;
    house.send("T", 0, "x").await;
    let nowhere = back_command(&back("G", 1, 0));
    let remark = "look message by offset failed, 1";
    house.refused(nowhere, response::SYSTEM_ERROR, remark).await;
    house.change_setting("autoCreateSubscriptionGroup=false").await;
    let remark = format!("subscription group not exist, New {FAQ}");
    let code = response::SUBSCRIPTION_GROUP_NOT_EXIST;
    house.refused(back_command(&back("New", 0, 0)), code, &remark).await;
    house.create_group("None", |group| group.retry_queue_nums = 0).await;
    house.succeed(back_command(&back("None", 0, 0))).await;
    house.create_topic("%RETRY%G", 1, 4).await;
    let remark = "the topic[%RETRY%G] sending message is forbidden";
    house.refused(back_command(&back("G", 0, 0)), response::NO_PERMISSION, remark).await;
    house.change_setting("brokerPermission=4").await;
    let remark = "the broker[127.0.0.1] sending message is forbidden";
    house.refused(back_command(&back("G", 0, 0)), response::NO_PERMISSION, remark).await;
    house.close().await;
}

#[tokio::test]
async fn a_client_that_sends_its_retry_itself_is_diverted_too() {
    let house = house().await;
    house.create_group("G", |group| group.retry_max_times = 2).await;
    let text = property_text(&[(key::DELAY, "1"), (TAGS, "A")]);
    let again = |times| SendMessageRequestV2 {
        properties: Some(&text),
        reconsume_times: Some(times),
        ..message("%RETRY%G", 0)
    };
    house.succeed(send_as(&again(2), "alive")).await;
    house.succeed(send_as(&again(3), "dead")).await;
    let dead = house.all("%DLQ%G", 0).await;
    assert_eq!(dead.len(), 1, "at once: a dead letter is not delayed");
    assert_eq!((dead[0].body.as_str(), dead[0].property(key::DELAY)), ("dead", None));
    let alive = house.until_there("%RETRY%G", 0, 1).await;
    assert_eq!((alive[0].body.as_str(), alive[0].reconsume_times), ("alive", 2));
    house.close().await;
}

#[tokio::test]
async fn a_group_that_keeps_the_order_gives_up_at_once() {
    let house = house().await;
    house.create_group("G", |_| ()).await;
    let lock = ferromq_protocol::body::LockBatchRequest {
        consumer_group: "G".to_string(),
        client_id: "one".to_string(),
        mq_set: vec![ferromq_model::MessageQueue::new("T", "broker-a", 0)],
        ..Default::default()
    };
    let request = Command::request(code::LOCK_BATCH_MQ);
    house.succeed(request.with_body(ferromq_protocol::fastjson::to_vec(&lock))).await;
    let again = SendMessageRequestV2 { reconsume_times: Some(1), ..message("%RETRY%G", 0) };
    house.succeed(send_as(&again, "x")).await;
    assert_eq!(house.all("%DLQ%G", 0).await.len(), 1);
    house.close().await;
}
