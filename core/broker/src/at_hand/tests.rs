use super::*;
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::testing::{Client, TestBroker, broker, config, send_request, store_config};
use bytes::BytesMut;
use ferromq_model::flags;
use ferromq_protocol::Command;
use ferromq_protocol::body::{BrokerStatsData, ConsumeStats, SubscriptionGroupConfig};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    BrokerStatsRequest, ConsumeStatsRequest, DeleteGroupRequest, PullMessageRequest,
    SendMessageResponse, TopicRequest,
};
use ferromq_protocol::properties::key;
use ferromq_protocol::record::{NewRecord, RecordView};
use ferromq_store::{NewRecords, OsDisk, TagsCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn open(flush: &str) -> (Broker, Arc<Client>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store_config(folder.path());
    store.flush_disk_type = flush.to_string();
    let broker = Broker::start_on(Arc::new(OsDisk), config(), store).await.unwrap();
    let client = Client::new(&broker);
    // The first message makes the topic.
    assert_eq!(client.send(1).await.code, response::SUCCESS);
    (broker, client, folder)
}

async fn counted(client: &Client, name: &str, key: &str) -> i64 {
    let header = BrokerStatsRequest { stats_name: name, stats_key: key };
    let answer = client.ask(Command::request_with(code::VIEW_BROKER_STATS_DATA, &header)).await;
    fastjson::from_slice::<BrokerStatsData>(&answer.body).unwrap().stats_minute.sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_is_counted() {
    for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] {
        let (broker, client, _folder) = open(flush).await;
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(broker.serve(far, ([127, 0, 0, 1], 1).into()));
        let mut sent = 1;
        for count in [1, 60, 7] {
            let requests: Vec<u8> = (0..count).flat_map(|_| send_request(9).encode()).collect();
            near.write_all(&requests).await.unwrap();
            let (mut input, mut answers) = (BytesMut::new(), 0);
            while answers < count {
                assert!(near.read_buf(&mut input).await.unwrap() > 0, "{answers} answers");
                while let Some(answer) = Command::decode(&mut input).unwrap() {
                    assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
                    answers += 1;
                }
            }
            sent += i64::from(count);
            assert_eq!(counted(&client, "TOPIC_PUT_NUMS", "T").await, sent, "{flush}");
            assert_eq!(counted(&client, "BROKER_PUT_NUMS", "DefaultCluster").await, sent);
        }
        drop(near);
        serving.await.unwrap();
        broker.close().await;
    }
}

/// One thread, so that it has the topic at hand.
#[tokio::test]
async fn a_topic_of_the_same_name_is_another_one() {
    let (broker, client, _folder) = open("ASYNC_FLUSH").await;
    let offset = async || {
        let answer = client.send(1).await;
        assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
        answer.header::<SendMessageResponse<'_>>().unwrap().queue_offset
    };
    for _ in 0..2 {
        assert_eq!(offset().await, 1);
        assert_eq!(offset().await, 2);
        let request = TopicRequest { topic: "T", lo: None };
        let request = Command::request_with(code::DELETE_TOPIC_IN_BROKER, &request);
        assert_eq!(client.ask(request).await.code, response::SUCCESS);
        assert_eq!(offset().await, 0);
    }
    broker.close().await;
}

#[tokio::test]
async fn the_next_send_goes_by_new_settings() {
    let (broker, client, _folder) = open("ASYNC_FLUSH").await;
    for region in ["one", "two"] {
        let change = Command::request(code::UPDATE_BROKER_CONFIG);
        let change = change.with_body(format!("regionId={region}\n"));
        assert_eq!(client.ask(change).await.code, response::SUCCESS);
        assert_eq!(client.send(1).await.fields.get(key::MSG_REGION), Some(region));
    }
    broker.close().await;
}

/// Stores a message in the first queue of a topic that is at hand.
fn store(known: &mut KnownTopics, broker: &TestBroker, name: &str) {
    let record = NewRecord {
        topic: name,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: broker.store_host,
        store_host: broker.store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"x",
        properties: "",
    };
    let place = known.find(broker, name).unwrap();
    let queue = known.queue(broker, place, 0).unwrap();
    let mut records = NewRecords::one(&record, TagsCode::Hash(0));
    let (queues, mut counting) = known.apart();
    let at = broker.store.append(&queues[queue], &mut records).unwrap().store_timestamp;
    let stored = Counted { messages: 1, bytes: records.byte_length() as i64, at, took: 0 };
    counting.count(place, &broker.stats, &stored);
}

#[test]
fn topics_take_turns_when_they_are_many() {
    let broker = broker();
    let names: Vec<String> = (0..MOST + 9).map(|number| format!("T{number}")).collect();
    names.iter().for_each(|name| broker.topic(name, 1));
    let mut known = KnownTopics::default();
    for _ in 0..2 {
        for name in &names {
            store(&mut known, &broker, name);
            if known.topics.len() > MOST {
                known.settle(&broker.stats);
                known.begin_anew_if_many();
                assert_eq!((known.topics.len(), known.queues.len()), (0, 0));
            }
        }
    }
    known.settle(&broker.stats);
    for name in &names {
        let data = broker.stats.view("TOPIC_PUT_NUMS", name, now_ms()).expect("counted");
        assert_eq!(data.stats_minute.sum, 2, "{name}");
        assert_eq!(broker.log().max_offset(name, 0).unwrap(), 2);
    }
    assert!(known.find(&broker, "unknown").is_none());
}

#[test]
fn the_broker_counts_what_its_topics_count() {
    let broker = broker();
    let topics = [("One", 3), ("Two", 5), (names::TRACE_TOPIC, 7)];
    topics.iter().for_each(|(name, _)| broker.topic(name, 1));
    let mut known = KnownTopics::default();
    for _ in 0..2 {
        for (name, count) in topics {
            (0..count).for_each(|_| store(&mut known, &broker, name));
        }
        known.settle(&broker.stats);
        // What is counted is not counted again.
        known.settle(&broker.stats);
    }
    let counted = |name, key| broker.stats.view(name, key, now_ms()).map(|data| data.stats_minute);
    for (name, count) in topics {
        assert_eq!(counted("TOPIC_PUT_NUMS", name).unwrap().sum, 2 * count, "{name}");
    }
    let all = counted("BROKER_PUT_NUMS", "DefaultCluster").unwrap();
    assert_eq!((all.sum, all.avgpt), (30, 1.0), "one message a request");
    let of_users = counted("BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "DefaultCluster").unwrap();
    assert_eq!(of_users.sum, 16);
}

async fn pull(client: &Client, offset: i64) -> Command {
    let header = PullMessageRequest {
        consumer_group: "G",
        topic: "T",
        queue_id: 0,
        queue_offset: offset,
        max_msg_nums: 1,
        sys_flag: flags::pull::SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_millis: 0,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: None,
        max_msg_bytes: None,
        request_source: None,
        broker_name: None,
    };
    client.ask(Command::request_with(code::PULL_MESSAGE, &header)).await
}

/// One thread, so that it has the reader at hand.
#[tokio::test]
async fn the_next_pull_goes_by_new_settings_of_its_group() {
    let (broker, client, _folder) = open("ASYNC_FLUSH").await;
    assert_eq!(pull(&client, 0).await.code, response::SUCCESS);
    for (consume_enable, expected) in [(false, response::NO_PERMISSION), (true, response::SUCCESS)]
    {
        let group = SubscriptionGroupConfig { consume_enable, ..SubscriptionGroupConfig::new("G") };
        let request = Command::request(code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP);
        let request = request.with_body(fastjson::to_vec(&group));
        assert_eq!(client.ask(request).await.code, response::SUCCESS);
        for _ in 0..2 {
            assert_eq!(pull(&client, 0).await.code, expected);
        }
    }
    broker.close().await;
}

/// One thread, so that it has the reader at hand.
#[tokio::test]
async fn a_group_of_the_same_name_is_another_one() {
    let (broker, client, _folder) = open("ASYNC_FLUSH").await;
    let pulled = async || {
        let header =
            ConsumeStatsRequest { consumer_group: "G", topic: Some("T"), topic_list: None };
        let answer = client.ask(Command::request_with(code::GET_CONSUME_STATS, &header)).await;
        let stats: ConsumeStats = fastjson::from_slice(&answer.body).unwrap();
        stats.offset_table.0.values().map(|offsets| offsets.pull_offset).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        for messages in 1..3 {
            assert_eq!(pull(&client, 0).await.code, response::SUCCESS);
            assert_eq!(counted(&client, "GROUP_GET_NUMS", "T@G").await, messages);
        }
        assert_eq!(pulled().await, [1]);
        let header =
            DeleteGroupRequest { group_name: "G", clean_offset: Some(true), remove_offset: None };
        let request = Command::request_with(code::DELETE_SUBSCRIPTIONGROUP, &header);
        assert_eq!(client.ask(request).await.code, response::SUCCESS);
    }
    broker.close().await;
}

/// One thread, so that it has the reader at hand.
#[tokio::test]
async fn the_queues_of_a_new_topic_are_read() {
    let (broker, client, _folder) = open("ASYNC_FLUSH").await;
    for (length, next) in [(1, 3), (3, 5)] {
        let answer = pull(&client, 0).await;
        assert_eq!(answer.code, response::SUCCESS);
        assert_eq!(RecordView::parse(&answer.body).unwrap().body().len(), length);
        let request = TopicRequest { topic: "T", lo: None };
        let request = Command::request_with(code::DELETE_TOPIC_IN_BROKER, &request);
        assert_eq!(client.ask(request).await.code, response::SUCCESS);
        assert_eq!(pull(&client, 0).await.code, response::TOPIC_NOT_EXIST);
        assert_eq!(client.send(next).await.code, response::SUCCESS);
    }
    broker.close().await;
}

#[test]
fn readers_take_turns_when_they_are_many() {
    let broker = broker();
    broker.topic("T", 1);
    let (mut known, config) = (KnownReaders::default(), broker.config.load());
    for _ in 0..2 {
        for number in 0..MOST + 9 {
            let group = format!("G{number}");
            let reader = known.find(&broker, &config, &group, "T").unwrap();
            assert_eq!((&*reader.group.group_name, &*reader.topic.topic_name), (&*group, "T"));
        }
        assert!(known.len() <= MOST);
    }
    assert!(known.find(&broker, &config, "G", "unknown").is_err());
}
