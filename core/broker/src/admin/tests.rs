mod clients;

use super::*;
use crate::clock::now_ms;
use crate::testing::{TestBroker, broker, broker_with};
use ferromq_model::MessageQueue;
use ferromq_protocol::body::*;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use serde::de::DeserializeOwned;

/// Asks a handler that needs no connection.
fn ask(broker: &TestBroker, request: Command) -> Command {
    match way(request.code) {
        Some(Way::Here(handler) | Way::Aside(handler)) => {
            respond(&request, handler(broker, &request))
        }
        None => unsupported(&request),
    }
}

fn body<T: DeserializeOwned>(answer: &Command) -> T {
    assert_eq!(answer.code, response::SUCCESS, "{}", answer.remark());
    fastjson::from_slice(&answer.body).unwrap()
}

#[track_caller]
fn assert_failure(answer: &Command, code: i32, remark: &str) {
    assert_eq!((answer.code, answer.remark()), (code, remark));
}

fn about_topic(code: i32, topic: &str) -> Command {
    Command::request_with(code, &TopicRequest { topic, lo: None })
}

fn create(topic: &str, queues: i32, attributes: &str) -> Command {
    let header = CreateTopicRequest {
        topic,
        default_topic: Some("TBW102"),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm: 6,
        topic_filter_type: Some("SINGLE_TAG"),
        topic_sys_flag: Some(0),
        order: false,
        attributes: Some(attributes),
    };
    Command::request_with(code::UPDATE_AND_CREATE_TOPIC, &header)
}

#[test]
fn unknown_codes_are_refused() {
    let answer = ask(&broker(), Command::request(4711));
    assert_failure(&answer, 3, " request type 4711 not supported");
}

#[test]
fn topics_are_created_listed_and_deleted() {
    let broker = broker();
    let answer = ask(&broker, create("T", 4, "+message.type=FIFO"));
    assert_eq!(answer.code, 0, "{}", answer.remark());
    let path = broker.folder().join("config/topics.json");
    let on_disk = std::fs::read_to_string(path).unwrap();
    assert!(on_disk.contains("\"T\":{"), "on disk before the answer");

    let topic: TopicConfig = body(&ask(&broker, about_topic(code::GET_TOPIC_CONFIG, "T")));
    assert_eq!((topic.write_queue_nums, &*topic.attributes["message.type"]), (4, "FIFO"));
    let answer = ask(&broker, Command::request(code::GET_ALL_TOPIC_CONFIG));
    let all: TopicConfigTable = body(&answer);
    assert!(all.topic_config_table.contains_key("T"));
    let header: AllTopicConfigResponse = answer.header().unwrap();
    assert_eq!(header.total_topic_num, Some(all.topic_config_table.len() as i32));

    broker.store_messages("T", 1, 3);
    broker.offsets.commit("G", "T", 1, 2);
    assert_eq!(ask(&broker, about_topic(code::DELETE_TOPIC_IN_BROKER, "T")).code, 0);
    assert_eq!(ask(&broker, about_topic(code::DELETE_TOPIC_IN_BROKER, "T")).code, 0);
    let gone = ask(&broker, about_topic(code::GET_TOPIC_CONFIG, "T"));
    assert_failure(&gone, 17, "No topic in this broker. topic: T");
    assert_eq!(broker.offsets.query("G", "T", 1), None);
    assert_eq!(broker.log().max_offset("T", 1).unwrap(), 0);
}

#[test]
fn topics_that_may_not_be_are_refused() {
    let broker = broker();
    for (request, code, remark) in [
        (create(" ", 1, ""), 29, "The specified topic is blank.".to_string()),
        (
            create("a.b", 1, ""),
            29,
            "The specified topic: a.b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$".to_string(),
        ),
        (
            create("TBW102", 1, ""),
            29,
            "The topic[TBW102] is conflict with system topic.".to_string(),
        ),
        (
            create("broker-a", 1, ""),
            29,
            "The topic[broker-a] is conflict with system topic.".to_string(),
        ),
        (
            create("T", 1, "+message.type=MIXED"),
            29,
            "MIXED message type is not supported.".to_string(),
        ),
        (create("T", 1, "+x=y"), 1, "unsupported key: x".to_string()),
        (
            create("T", -1, ""),
            29,
            "The readQueueNums of topic[T] must lie in 0..=65536, not -1.".to_string(),
        ),
        (
            about_topic(code::DELETE_TOPIC_IN_BROKER, "SELF_TEST_TOPIC"),
            29,
            "The topic[SELF_TEST_TOPIC] is conflict with system topic.".to_string(),
        ),
    ] {
        assert_failure(&ask(&broker, request), code, &remark);
    }
    assert!(!broker.topics.contains("T"));
}

#[test]
fn a_list_of_topics_is_taken_whole_or_not_at_all() {
    let broker = broker();
    let list = |names: &[&str]| {
        let topics = names.iter().map(|name| TopicConfig::new(*name, 2));
        let body = TopicConfigList { topic_config_list: topics.collect() };
        let request = Command::request(code::UPDATE_AND_CREATE_TOPIC_LIST);
        ask(&broker, request.with_body(fastjson::to_vec(&body)))
    };
    assert_eq!(list(&["A", "no good"]).code, 29);
    assert!(!broker.topics.contains("A"));
    assert_eq!(list(&["A"]).code, 0);
    assert_eq!(list(&["A", "B"]).code, 0, "A is unchanged and B is created");
    assert!(broker.topics.contains("B"));
}

#[test]
fn tables_come_in_pages() {
    let broker = broker();
    let page = |first: i32, version: &DataVersion| -> Vec<String> {
        let version = fastjson::to_vec(version);
        let header = AllTopicConfigRequest {
            topic_seq: Some(first),
            data_version: Some(std::str::from_utf8(&version).unwrap()),
            max_topic_num: Some(5),
        };
        let request = Command::request_with(code::GET_ALL_TOPIC_CONFIG, &header);
        let table: TopicConfigTable = body(&ask(&broker, request));
        table.topic_config_table.into_keys().collect()
    };
    let version = broker.topics.version();
    let mut all = page(0, &version);
    all.extend(page(5, &version));
    all.extend(page(10, &version));
    assert_eq!(all, broker.topics.names());
    broker.topic("T", 1);
    assert_eq!(page(10, &version), page(0, &version), "another version starts again");
}

#[test]
fn groups_are_created_forbidden_and_deleted() {
    let broker = broker_with(|config| config.auto_create_subscription_group = false);
    let get = || {
        let header = GroupRequest { group: "G" };
        ask(&broker, Command::request_with(code::GET_SUBSCRIPTIONGROUP_CONFIG, &header))
    };
    assert_failure(&get(), 26, "No group in this broker");
    let group = SubscriptionGroupConfig { retry_max_times: 3, ..SubscriptionGroupConfig::new("G") };
    let request = Command::request(code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP);
    let answer = ask(&broker, request.with_body(fastjson::to_vec(&group)));
    assert_eq!(answer.code, 0);
    assert_eq!(body::<SubscriptionGroupConfig>(&get()).retry_max_times, 3);

    let forbid = |readable| {
        let header = GroupForbiddenRequest { group: "G", topic: "T", readable };
        let code = code::UPDATE_AND_GET_GROUP_FORBIDDEN;
        body::<GroupForbidden>(&ask(&broker, Command::request_with(code, &header))).readable
    };
    assert!(forbid(None) && !forbid(Some(false)) && !forbid(None));
    let all = ask(&broker, Command::request(code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG));
    let all: SubscriptionGroupTable = body(&all);
    assert_eq!(all.subscription_group_table.len(), 9);
    assert_eq!(all.forbidden_table["G"]["T"], 4);

    broker.offsets.commit("G", "T", 0, 1);
    for (clean_offset, left) in [(None, Some(1)), (Some(true), None)] {
        let header = DeleteGroupRequest { group_name: "G", clean_offset, remove_offset: None };
        let code = code::DELETE_SUBSCRIPTIONGROUP;
        assert_eq!(ask(&broker, Command::request_with(code, &header)).code, 0);
        assert_eq!(broker.offsets.query("G", "T", 0), left);
    }
    assert_failure(&get(), 26, "No group in this broker");
}

fn commit(group: &str, topic: &str, queue_id: i32, commit_offset: i64) -> Command {
    let header = UpdateConsumerOffsetRequest {
        consumer_group: group,
        topic,
        queue_id,
        commit_offset,
        broker_name: None,
    };
    Command::request_with(code::UPDATE_CONSUMER_OFFSET, &header)
}

fn query(group: &str, topic: &str, set_zero: Option<bool>) -> Command {
    let header = QueryConsumerOffsetRequest {
        consumer_group: group,
        topic,
        queue_id: 0,
        set_zero_if_not_found: set_zero,
        broker_name: None,
    };
    Command::request_with(code::QUERY_CONSUMER_OFFSET, &header)
}

fn offset(answer: &Command) -> i64 {
    assert_eq!(answer.code, 0, "{}", answer.remark());
    answer.header::<OffsetResponse>().unwrap().offset
}

#[test]
fn progress_is_stored_and_found() {
    let broker = broker();
    broker.topic("T", 2);
    assert_failure(&ask(&broker, commit("G", "T", 0, 5)), 26, "Group G not exist!");
    broker.groups.put(SubscriptionGroupConfig::new("G"));
    assert_failure(&ask(&broker, commit("G", "U", 0, 5)), 17, "Topic U not exist!");
    assert_eq!(ask(&broker, commit("G", "T", -1, 5)).code, 29);

    let unknown = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";
    assert_failure(&ask(&broker, query("G", "T", None)), 22, unknown);
    broker.store_messages("T", 0, 3);
    assert_eq!(offset(&ask(&broker, query("G", "T", None))), 0, "young and in memory");
    assert_failure(
        &ask(&broker, query("G", "T", Some(false))),
        22,
        "Not found, do not set to zero, maybe this group boot first",
    );
    assert_eq!(ask(&broker, commit("G", "T", 0, 2)).code, 0);
    assert_eq!(offset(&ask(&broker, query("G", "T", None))), 2);
}

#[test]
fn queues_tell_their_extent() {
    let broker = broker();
    broker.topic("T", 2);
    broker.store_messages("T", 1, 4);
    let about = |code, topic, queue_id| {
        let header = QueueRequest { topic, queue_id, committed: None, broker_name: None };
        ask(&broker, Command::request_with(code, &header))
    };
    assert_eq!(offset(&about(code::GET_MAX_OFFSET, "T", 1)), 4);
    assert_eq!(offset(&about(code::GET_MIN_OFFSET, "T", 1)), 0);
    for (topic, queue) in [("T", 0), ("T", -1), ("T", i32::MAX), ("U", 0)] {
        assert_eq!(offset(&about(code::GET_MAX_OFFSET, topic, queue)), 0);
        let answer = about(code::GET_EARLIEST_MSG_STORETIME, topic, queue);
        let header: TimestampResponse = answer.header().unwrap();
        assert_eq!(header.timestamp, -1);
    }
    let answer = about(code::GET_EARLIEST_MSG_STORETIME, "T", 1);
    assert!(answer.header::<TimestampResponse>().unwrap().timestamp > 0);
    let at = |timestamp| {
        let header = SearchOffsetRequest {
            topic: "T",
            queue_id: 1,
            timestamp,
            boundary_type: None,
            broker_name: None,
        };
        let code = code::SEARCH_OFFSET_BY_TIMESTAMP;
        offset(&ask(&broker, Command::request_with(code, &header)))
    };
    assert_eq!((at(1), at(now_ms() + 1000)), (0, 4));

    let entries = |index| {
        let header = QueryConsumeQueueRequest {
            topic: "T",
            queue_id: 1,
            index,
            count: 10,
            consumer_group: None,
        };
        ask(&broker, Command::request_with(code::QUERY_CONSUME_QUEUE, &header))
    };
    let found: ConsumeQueueBody = body(&entries(2));
    assert_eq!((found.max_queue_index, found.queue_data.len()), (4, 2));
    assert!(found.queue_data.iter().all(|entry| entry.eval && entry.tags_code == 7));
    let beyond = entries(4);
    assert_failure(&beyond, 0, "Index 4 of 1@T is not exist!");
    assert!(beyond.body.is_empty());
}

#[test]
fn tools_see_how_far_everyone_is() {
    let broker = broker();
    broker.topic("T", 2);
    broker.groups.put(SubscriptionGroupConfig::new("G"));
    broker.store_messages("T", 0, 10);
    broker.offsets.commit("G", "T", 0, 4);
    broker.offsets.pulled("G", "T", 0, 6);
    let queue = MessageQueue::new("T", "broker-a", 0);

    let stats: TopicStatsTable = body(&ask(&broker, about_topic(code::GET_TOPIC_STATS_INFO, "T")));
    assert_eq!(stats.offset_table.0.len(), 2);
    assert_eq!(stats.offset_table.0[&queue].max_offset, 10);
    let unknown = ask(&broker, about_topic(code::GET_TOPIC_STATS_INFO, "U"));
    assert_failure(&unknown, 17, "topic[U] not exist");

    let of_group = |topic, topic_list| {
        let header = ConsumeStatsRequest { consumer_group: "G", topic, topic_list };
        let request = Command::request_with(code::GET_CONSUME_STATS, &header);
        body::<ConsumeStats>(&ask(&broker, request)).offset_table.0
    };
    let all = of_group(None, None);
    let wrapper = &all[&queue];
    assert_eq!((wrapper.broker_offset, wrapper.consumer_offset, wrapper.pull_offset), (10, 4, 6));
    assert!(wrapper.last_timestamp > 0);
    assert_eq!(of_group(Some("T"), None).len(), 2);
    assert_eq!(of_group(None, Some("T;U")).len(), 2);
    assert_eq!(of_group(Some("U"), None).len(), 0);

    let header = BrokerConsumeStatsRequest { is_order: false };
    let request = Command::request_with(code::GET_BROKER_CONSUME_STATS, &header);
    let list: ConsumeStatsList = body(&ask(&broker, request));
    assert_eq!((list.total_diff, list.total_inflight_diff), (6, 2));
    assert!(list.consume_stats_list[0].contains_key("G"));

    let header = GroupTopicRequest { group: "G", topic: Some("T") };
    let request = Command::request_with(code::QUERY_CONSUME_TIME_SPAN, &header);
    let spans: ConsumeTimeSpanBody = body(&ask(&broker, request));
    let span = &spans.consume_time_span_set[0];
    assert!(span.min_time_stamp > 0 && span.max_time_stamp >= span.consume_time_stamp);
    assert_eq!(spans.consume_time_span_set[1].max_time_stamp, -1);

    let groups: GroupList = body(&ask(&broker, about_topic(code::QUERY_TOPIC_CONSUME_BY_WHO, "T")));
    assert_eq!(groups.group_list, ["G"]);
}

fn reset_to(timestamp: i64, queue_id: Option<i32>, offset: Option<i64>) -> Command {
    let header =
        ResetOffsetRequest { topic: "T", group: "G", timestamp, is_force: true, queue_id, offset };
    Command::request_with(code::INVOKE_BROKER_TO_RESET_OFFSET, &header)
}

#[test]
fn the_broker_resets_progress() {
    let broker = broker();
    let missing = ask(&broker, reset_to(-1, None, None));
    assert_failure(&missing, 17, "Topic T does not exist");
    broker.topic("T", 2);
    let missing = ask(&broker, reset_to(-1, None, None));
    assert_failure(&missing, 26, "Group G does not exist");
    broker.groups.put(SubscriptionGroupConfig::new("G"));
    broker.store_messages("T", 0, 8);
    broker.offsets.commit("G", "T", 0, 5);

    let done: ResetOffsetBody = body(&ask(&broker, reset_to(-1, None, None)));
    assert_eq!(done.offset_table.0.len(), 2);
    assert_eq!(done.offset_table.0[&MessageQueue::new("T", "broker-a", 0)], 8);
    let ignored = ask(&broker, commit("G", "T", 0, 6));
    assert_failure(&ignored, 0, "Offset has been previously reset");
    assert_eq!(broker.offsets.take_reset("G", "T", 0), Some(8));

    assert_eq!(ask(&broker, reset_to(0, Some(0), Some(3))).code, 0);
    assert_eq!(broker.offsets.take_reset("G", "T", 0), Some(3));
    let beyond = ask(&broker, reset_to(0, Some(0), Some(10)));
    assert_failure(&beyond, 1, "Target offset 10 not in consume queue range [0-8]");
    assert_failure(&ask(&broker, reset_to(0, Some(9), None)), 1, "No queues to reset.");
}

#[test]
fn corrections_change_nothing() {
    let broker = broker();
    broker.topic("T", 1);
    for (group, offset) in [("A", 5), ("B", 3), ("C", 1), ("D", 4)] {
        broker.offsets.commit(group, "T", 0, offset);
    }
    let correct = |filter_groups, compare_group| {
        let header = QueryCorrectionOffsetRequest { filter_groups, compare_group, topic: "T" };
        let request = Command::request_with(code::QUERY_CORRECTION_OFFSET, &header);
        body::<CorrectionOffsets>(&ask(&broker, request)).correction_offsets[&0]
    };
    assert_eq!(correct(None, "A"), 1);
    assert_eq!(correct(Some("C"), "A"), 3);
    assert_eq!(correct(Some("C,B"), "C"), i64::MAX);
    assert_eq!(broker.offsets.query("C", "T", 0), Some(1));

    let header =
        CloneGroupOffsetRequest { src_group: "A", dest_group: "E", topic: None, offline: None };
    assert_eq!(ask(&broker, Command::request_with(code::CLONE_GROUP_OFFSET, &header)).code, 0);
    assert_eq!(broker.offsets.query("E", "T", 0), Some(5));
}

#[test]
fn settings_change_while_the_broker_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.conf");
    std::fs::write(&path, "# mine\nbrokerName=broker-a\n").unwrap();
    let broker = broker_with(|config| {
        config.broker_config_path = path.to_string_lossy().into_owned();
    });
    let update = |text: &'static str| {
        let request = Command::request(code::UPDATE_BROKER_CONFIG);
        ask(&broker, request.with_body(text))
    };
    let written = || std::fs::read_to_string(&path).unwrap();
    for fixed in ["brokerConfigPath=/x\n", "rocketmqHome=/x", "regionId=R\nconfigBlackList="] {
        assert_failure(&update(fixed), 16, "Can not update config in black list.");
    }
    assert_eq!(update("brokerPermission=9\nregionId=R\n").code, 1);
    assert_eq!(broker.config.load().region_id, "DefaultRegion", "all or nothing");

    assert_eq!(update("brokerPermission=4\nnoSuchThing=1\nflushIntervalCommitLog=100\n").code, 0);
    assert_eq!(broker.config.load().broker_permission, 4);
    assert!(broker.topics.take_announcements().everything);
    assert_eq!(
        written(),
        "# mine\nbrokerName=broker-a\nbrokerPermission=4\nflushIntervalCommitLog=100\n"
    );
    assert_eq!(update("brokerName=other\n").code, 0);
    assert_eq!(broker.config.load().broker_name, "broker-a", "counts from the next start");
    assert!(written().contains("brokerName=other"));

    let answer = ask(&broker, Command::request(code::GET_BROKER_CONFIG));
    let header: BrokerConfigResponse<'_> = answer.header().unwrap();
    let version: DataVersion = fastjson::from_slice(header.version.as_bytes()).unwrap();
    assert_eq!(version.counter, 2);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("brokerPermission=4\n") && text.contains("maxMessageSize=4194304\n"));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted());
}

#[test]
fn tools_find_every_figure_that_they_look_for() {
    let broker = broker();
    broker.store_messages("T", 0, 2);
    broker.stats.put("T", 2, 20, now_ms());
    let answer = ask(&broker, Command::request(code::GET_BROKER_RUNTIME_INFO));
    let table = body::<KvTable>(&answer).table;
    for key in [
        "brokerVersionDesc",
        "brokerVersion",
        "putTps",
        "getTransferredTps",
        "getTransferedTps",
        "getTotalTps",
        "getFoundTps",
        "getMissTps",
        "sendThreadPoolQueueHeadWaitTimeMills",
        "pullThreadPoolQueueHeadWaitTimeMills",
        "pageCacheLockTimeMills",
        "earliestMessageTimeStamp",
        "commitLogDiskRatio",
        "timerReadBehind",
        "timerOffsetBehind",
        "timerCongestNum",
        "timerEnqueueTps",
        "timerDequeueTps",
        "brokerActive",
        "msgPutTotalYesterdayMorning",
        "msgPutTotalTodayMorning",
        "msgPutTotalTodayNow",
        "msgGetTotalYesterdayMorning",
        "msgGetTotalTodayMorning",
        "msgGetTotalTodayNow",
        "bootTimestamp",
        "commitLogMaxOffset",
        "commitLogSyncTimesTotal",
    ] {
        assert!(table.contains_key(key), "{key}");
    }
    assert_eq!(table["msgPutTotalTodayNow"], "2");
    assert_eq!(table["putTps"].split(' ').count(), 3);

    let view = |stats_key| {
        let header = BrokerStatsRequest { stats_name: "TOPIC_PUT_NUMS", stats_key };
        ask(&broker, Command::request_with(code::VIEW_BROKER_STATS_DATA, &header))
    };
    assert_eq!(body::<BrokerStatsData>(&view("T")).stats_minute.sum, 2);
    assert_failure(&view("U"), 1, "The stats <TOPIC_PUT_NUMS> <U> not exist");
}

#[test]
fn locks_are_granted_over_the_wire() {
    let broker = broker();
    let request = |code, client: &str| {
        let body = LockBatchRequest {
            client_id: client.to_string(),
            consumer_group: "G".to_string(),
            mq_set: vec![MessageQueue::new("T", "broker-a", 0)],
            only_this_broker: false,
        };
        ask(&broker, Command::request(code).with_body(fastjson::to_vec(&body)))
    };
    let granted = |client| {
        let answer = request(code::LOCK_BATCH_MQ, client);
        body::<LockBatchResponse>(&answer).lock_ok_mq_set.len()
    };
    assert_eq!((granted("a"), granted("b"), granted("a")), (1, 0, 1));
    assert_eq!(request(code::UNLOCK_BATCH_MQ, "a").code, 0);
    assert_eq!(granted("b"), 1);
}
