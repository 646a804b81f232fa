//! Pulls that are answered at once (broker §2.5), queries, and progress.

use crate::house::*;
use ferromq_model::flags;
use ferromq_protocol::Command;
use ferromq_protocol::body::MessageModel;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::*;
use ferromq_protocol::message_id::parse_offset_id;
use ferromq_protocol::properties::key;

const FAQ: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

fn found(answer: &Command) -> (i32, String, i64, i64, i64) {
    let header: PullMessageResponse = answer.header().unwrap();
    let remark = answer.remark().to_string();
    (answer.code, remark, header.next_begin_offset, header.min_offset, header.max_offset)
}

#[tokio::test]
async fn what_is_where_the_offset_points() {
    let house = House::open().await;
    house.create_topic("Queue", 1, 6).await;
    let at = async |offset| found(&house.pull(pull("G", "Queue", 0, offset)).await);
    let nothing = |code| (code, "NO_MESSAGE_IN_QUEUE".to_string(), 0, 0, 0);
    assert_eq!(at(0).await, nothing(response::PULL_NOT_FOUND));
    assert_eq!(at(7).await, nothing(response::PULL_OFFSET_MOVED));
    for number in 0..40 {
        house.send("Queue", 0, &number.to_string()).await;
    }
    let moved = response::PULL_OFFSET_MOVED;
    assert_eq!(at(0).await, (response::SUCCESS, "FOUND".to_string(), 32, 0, 40));
    assert_eq!(at(32).await, (response::SUCCESS, "FOUND".to_string(), 40, 0, 40));
    let one_beyond = "OFFSET_OVERFLOW_ONE".to_string();
    assert_eq!(at(40).await, (response::PULL_NOT_FOUND, one_beyond, 40, 0, 40));
    assert_eq!(at(41).await, (moved, "OFFSET_OVERFLOW_BADLY".to_string(), 40, 0, 40));
    assert_eq!(at(-1).await, (moved, "OFFSET_TOO_SMALL".to_string(), 0, 0, 40));
    let few = PullMessageRequest { max_msg_nums: 3, ..pull("G", "Queue", 0, 5) };
    assert_eq!(bodies(&house.pull(few).await), ["5", "6", "7"]);
    let little = PullMessageRequest { max_msg_bytes: Some(1), ..pull("G", "Queue", 0, 5) };
    assert_eq!(bodies(&house.pull(little).await), ["5"], "one message always fits");
    house.close().await;
}

#[tokio::test]
async fn tags_are_filtered_by_their_hashes() {
    let house = House::open().await;
    for number in 0..9 {
        let tag = ["A", "B", "C"][number % 3];
        let pairs = [(TAGS, tag)];
        house.succeed(send_with("Tagged", 0, &number.to_string(), &pairs)).await;
    }
    let by = async |expression: &'static str, offset| {
        let subscription = Some(expression);
        let header = PullMessageRequest { subscription, ..pull("G", "Tagged", 0, offset) };
        let answer = house.pull(header).await;
        (bodies(&answer), found(&answer).0, found(&answer).2)
    };
    let texts = |numbers: &[i32]| numbers.iter().map(i32::to_string).collect::<Vec<_>>();
    assert_eq!(by("A", 0).await, (texts(&[0, 3, 6]), 0, 9));
    assert_eq!(by("A || C", 0).await, (texts(&[0, 2, 3, 5, 6, 8]), 0, 9));
    assert_eq!(by("*", 0).await.0.len(), 9);
    assert_eq!(by("D", 0).await, (vec![], response::PULL_RETRY_IMMEDIATELY, 9));
    // Two tags with one hash: the consumer compares the texts itself.
    house.succeed(send_with("Tagged", 0, "Aa", &[(TAGS, "Aa")])).await;
    house.succeed(send_with("Tagged", 0, "BB", &[(TAGS, "BB")])).await;
    assert_eq!(by("BB", 0).await.0, ["Aa", "BB"]);
    house.close().await;
}

#[tokio::test]
async fn pulls_that_are_refused() {
    let house = House::open().await;
    house.send("T", 0, "x").await;
    let refused = async |header: PullMessageRequest<'static>, code, remark: &str| {
        house.refused(pull_command(&header), code, remark).await;
    };
    let lite = Command::request_with(code::LITE_PULL_MESSAGE, &pull("G", "T", 0, 0));
    house.succeed(lite.clone()).await;
    house.change_setting("litePullMessageEnable=false").await;
    let remark = "the broker[127.0.0.1] for lite pull consumer is forbidden";
    let mut lite_again = lite;
    lite_again.opaque += 1_000_000;
    house.refused(lite_again, response::NO_PERMISSION, remark).await;
    house.change_setting("brokerPermission=2").await;
    let remark = "the broker[127.0.0.1] pulling message is forbidden";
    refused(pull("G", "T", 0, 0), response::NO_PERMISSION, remark).await;
    house.change_setting("brokerPermission=6\nautoCreateSubscriptionGroup=false").await;
    let remark = format!("subscription group [New] does not exist, {FAQ}");
    refused(pull("New", "T", 0, 0), response::SUBSCRIPTION_GROUP_NOT_EXIST, &remark).await;
    house.create_group("Off", |group| group.consume_enable = false).await;
    let remark = "subscription group no permission, Off";
    refused(pull("Off", "T", 0, 0), response::NO_PERMISSION, remark).await;
    let remark = format!("topic[None] not exist, apply first please!{FAQ}");
    refused(pull("G", "None", 0, 0), response::TOPIC_NOT_EXIST, &remark).await;
    house.create_topic("WriteOnly", 1, 2).await;
    let remark = "the topic[WriteOnly] pulling message is forbidden";
    refused(pull("G", "WriteOnly", 0, 0), response::NO_PERMISSION, remark).await;
    for queue in [-1, 4] {
        let answer = house.pull(pull("G", "T", queue, 0)).await;
        assert_eq!(answer.code, response::INVALID_PARAMETER);
        let remark = format!(
            "queueId[{queue}] is illegal, topic:[T] topicConfig.readQueueNums:[4] consumer:[127.0.0.1:"
        );
        assert!(answer.remark().starts_with(&remark), "{}", answer.remark());
    }
    let sql = PullMessageRequest { expression_type: Some("SQL92"), ..pull("G", "T", 0, 0) };
    let remark = "The broker does not support consumer to filter message by SQL92";
    refused(sql, response::SYSTEM_ERROR, remark).await;
    house.close().await;
}

#[tokio::test]
async fn a_pull_without_a_subscription_needs_one_from_heartbeats() {
    let house = House::open().await;
    house.succeed(send_with("T", 0, "a", &[(TAGS, "A")])).await;
    house.succeed(send_with("T", 0, "b", &[(TAGS, "B")])).await;
    let plain =
        |group| PullMessageRequest { sys_flag: 0, subscription: None, ..pull(group, "T", 0, 0) };
    let refused = async |header: PullMessageRequest<'static>, code, remark: &str| {
        house.refused(pull_command(&header), code, remark).await;
    };
    let not_there = response::SUBSCRIPTION_NOT_EXIST;
    refused(plain("G"), not_there, &format!("the consumer's group info not exist{FAQ}")).await;
    house.consume("one", "G", &[("Other", "*")]).await;
    refused(plain("G"), not_there, &format!("the consumer's subscription not exist{FAQ}")).await;
    house.consume("one", "G", &[("T", "B")]).await;
    assert_eq!(bodies(&house.pull(plain("G")).await), ["b"]);
    let newer = PullMessageRequest { sub_version: 2, ..plain("G") };
    let remark = "the consumer's subscription not latest";
    refused(newer, response::SUBSCRIPTION_NOT_LATEST, remark).await;
    house.create_group("B", |group| group.consume_broadcast_enable = false).await;
    house.succeed(heartbeat("one", "B", MessageModel::Broadcasting, &[("T", "*")])).await;
    let remark = "the consumer group[B] can not consume by broadcast way";
    refused(plain("B"), response::NO_PERMISSION, remark).await;
    let forbid = GroupForbiddenRequest { group: "G", topic: "T", readable: Some(false) };
    house.succeed(Command::request_with(code::UPDATE_AND_GET_GROUP_FORBIDDEN, &forbid)).await;
    let remark = "the consumer group[G] is forbidden for topic[T]";
    refused(plain("G"), response::NO_PERMISSION, remark).await;
    house.close().await;
}

#[tokio::test]
async fn progress_rides_on_pulls() {
    let house = House::open().await;
    for number in 0..5 {
        house.send("T", 0, &number.to_string()).await;
    }
    let commits = |commit_offset, offset| PullMessageRequest {
        sys_flag: flags::pull::SUBSCRIPTION | flags::pull::COMMIT_OFFSET,
        commit_offset,
        ..pull("G", "T", 0, offset)
    };
    assert_eq!(house.progress("G", "T", 0).await, None);
    house.pull(pull("G", "T", 0, 0)).await;
    assert_eq!(house.progress("G", "T", 0).await, None, "not without being told");
    house.pull(commits(3, 5)).await;
    assert_eq!(house.progress("G", "T", 0).await, Some(3));
    house.pull(commits(1, 5)).await;
    assert_eq!(house.progress("G", "T", 0).await, Some(1), "backwards too");
    house.close().await;
}

#[tokio::test]
async fn a_reset_moves_the_next_pull_and_outlives_commits() {
    let house = House::open().await;
    for number in 0..10 {
        house.send("T", 0, &number.to_string()).await;
    }
    house.pull(pull("G", "T", 0, 0)).await;
    house.commit("G", "T", 0, 9).await;
    let reset = ResetOffsetRequest {
        group: "G",
        topic: "T",
        queue_id: Some(0),
        offset: Some(4),
        timestamp: -1,
        is_force: true,
    };
    house.succeed(Command::request_with(code::INVOKE_BROKER_TO_RESET_OFFSET, &reset)).await;
    let late = house.commit("G", "T", 0, 10).await;
    assert_eq!((late.code, late.remark()), (0, "Offset has been previously reset"));
    assert_eq!(house.progress("G", "T", 0).await, Some(4));
    let answer = house.pull(pull("G", "T", 0, 9)).await;
    let told = (response::PULL_OFFSET_MOVED, "OFFSET_RESET".to_string(), 4, 0, 10);
    assert_eq!(found(&answer), told);
    let answer = house.pull(pull("G", "T", 0, 4)).await;
    assert_eq!((answer.code, bodies(&answer)[0].as_str()), (0, "4"));
    house.commit("G", "T", 0, 5).await;
    assert_eq!(house.progress("G", "T", 0).await, Some(5));
    house.close().await;
}

#[tokio::test]
async fn a_deleted_topic_takes_its_progress_along() {
    let house = House::open().await;
    house.send("T", 0, "x").await;
    house.commit("G", "T", 0, 1).await;
    let about = TopicRequest { topic: "T", lo: None };
    house.succeed(Command::request_with(code::DELETE_TOPIC_IN_BROKER, &about)).await;
    // Consumers that have not heard of it go on for a while.
    let commits = PullMessageRequest {
        sys_flag: flags::pull::SUBSCRIPTION | flags::pull::COMMIT_OFFSET,
        commit_offset: 1,
        ..pull("G", "T", 0, 1)
    };
    assert_eq!(house.pull(commits).await.code, response::TOPIC_NOT_EXIST);
    let late = house.commit("G", "T", 0, 1).await;
    assert_eq!((late.code, late.remark()), (response::TOPIC_NOT_EXIST, "Topic T not exist!"));
    house.send("T", 0, "a new life").await;
    assert_eq!(house.progress("G", "T", 0).await, None);
    assert_eq!(bodies(&house.pull(pull("G", "T", 0, 0)).await), ["a new life"]);
    let house = house.restart().await;
    assert_eq!(house.progress("G", "T", 0).await, None);
    house.close().await;
}

#[tokio::test]
async fn single_messages_are_found_by_offset_id_and_by_key() {
    let house = House::open().await;
    let start = now_ms() - 1000;
    house.succeed(send_with("T", 0, "one", &[(key::KEYS, "k1 k2")])).await;
    let sent = house.succeed(send_with("T", 0, "two", &[(key::KEYS, "k2")])).await;
    let header: SendMessageResponse<'_> = sent.header().unwrap();
    let (_, offset) = parse_offset_id(header.msg_id).unwrap();
    let view = |offset| ViewMessageRequest { topic: None, offset };
    let answer =
        house.succeed(Command::request_with(code::VIEW_MESSAGE_BY_ID, &view(offset))).await;
    assert_eq!(bodies(&answer), ["two"]);
    let nowhere = Command::request_with(code::VIEW_MESSAGE_BY_ID, &view(offset + 1));
    let remark = format!("can not find message by the offset, {}", offset + 1);
    house.refused(nowhere, response::SYSTEM_ERROR, &remark).await;
    let by = |key, unique| {
        let header = QueryMessageRequest {
            topic: "T",
            key,
            max_num: 10,
            begin_timestamp: start,
            end_timestamp: now_ms() + 60_000,
            unique_key_query: unique,
        };
        Command::request_with(code::QUERY_MESSAGE, &header)
    };
    let both = until("both messages in the index", async || {
        let answer = house.ask(by("k2", None)).await;
        (bodies(&answer).len() == 2).then_some(answer)
    });
    let both = both.await;
    assert_eq!(bodies(&both), ["one", "two"]);
    let told: QueryMessageResponse = both.header().unwrap();
    assert!(told.index_last_update_timestamp >= start);
    assert_eq!(bodies(&house.succeed(by("k1", None)).await), ["one"]);
    let unique = header.transaction_id.unwrap();
    let found = house.succeed(by(unique, Some(true))).await;
    assert_eq!(bodies(&found), ["two"]);
    let remark = "can not find message, maybe time range not correct";
    house.refused(by("k3", None), response::QUERY_NOT_FOUND, remark).await;
    house.close().await;
}
