use super::*;
use std::fs;

fn config() -> BrokerConfig {
    BrokerConfig { broker_name: "broker-a".to_string(), ..BrokerConfig::default() }
}

fn table(folder: &Path, config: &BrokerConfig) -> TopicTable {
    TopicTable::load(folder, config, 18).unwrap()
}

fn names_of(announcements: &Announcements) -> Vec<&str> {
    let topics = announcements.topics.iter();
    topics.map(|topic| topic.topic_name.as_str()).collect()
}

#[test]
fn every_broker_has_its_own_topics() {
    let folder = tempfile::tempdir().unwrap();
    let topics = table(folder.path(), &config());
    for (name, queues, perm) in [
        ("SELF_TEST_TOPIC", 1, 6),
        ("TBW102", 8, 7),
        ("BenchmarkTest", 1024, 6),
        ("DefaultCluster", 16, 7),
        ("broker-a", 1, 7),
        ("OFFSET_MOVED_EVENT", 1, 6),
        ("SCHEDULE_TOPIC_XXXX", 18, 6),
        ("DefaultCluster_REPLY_TOPIC", 1, 6),
        ("rmq_sys_REVIVE_LOG_DefaultCluster", 8, 6),
        ("rmq_sys_SYNC_BROKER_MEMBER_broker-a", 1, 1),
        ("RMQ_SYS_TRANS_HALF_TOPIC", 1, 6),
        ("RMQ_SYS_TRANS_OP_HALF_TOPIC", 1, 6),
        ("rmq_sys_wheel_timer", 1, 6),
    ] {
        let topic = topics.get(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((topic.write_queue_nums, topic.perm), (queues, perm), "{name}");
        assert_eq!(topic.read_queue_nums, queues);
        assert!(topics.is_system(name), "{name}");
    }
    assert_eq!(topics.count(), 13);
    assert!(topics.take_announcements().is_empty());
}

#[test]
fn reads_the_file_of_the_specification_and_writes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\n\t\"dataVersion\":{\"counter\":4,\"stateVersion\":0,\"timestamp\":1700000000000},\n\t\"topicConfigTable\":{\n\t\t\"Demo\":{\"attributes\":{},\"order\":false,\"perm\":6,\"readQueueNums\":4,\"topicFilterType\":\"SINGLE_TAG\",\"topicName\":\"Demo\",\"topicSysFlag\":0,\"writeQueueNums\":4},\n\t\t\"DemoFifo\":{\"attributes\":{\"message.type\":\"FIFO\"},\"order\":false,\"perm\":6,\"readQueueNums\":8,\"topicFilterType\":\"SINGLE_TAG\",\"topicName\":\"DemoFifo\",\"topicSysFlag\":0,\"writeQueueNums\":8}\n\t}\n}";
    fs::write(folder.path().join("topics.json"), text).unwrap();
    let topics = table(folder.path(), &config());
    assert_eq!(*topics.get("Demo").unwrap(), TopicConfig::new("Demo", 4));
    assert_eq!(topics.get("DemoFifo").unwrap().attributes["message.type"], "FIFO");
    assert_eq!(topics.version().counter, 4 + 13, "13 topics were added");
    topics.save().unwrap();
    let again = table(folder.path(), &config());
    assert_eq!(again.snapshot(), topics.snapshot());
    assert_eq!(again.version(), topics.version(), "nothing left to add");
}

#[test]
fn a_message_creates_its_topic_like_the_default_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = config();
    let topics = table(folder.path(), &config);
    let before = topics.version();
    let create =
        |topic: &str, like: &str, queues| topics.get_or_create(&config, topic, like, queues, 1);
    let few = create("Few", "TBW102", 4).unwrap();
    assert_eq!((few.write_queue_nums, few.read_queue_nums, few.perm), (4, 4, 6));
    assert_eq!(few.topic_sys_flag, 1);
    assert_eq!(create("Many", "TBW102", 64).unwrap().write_queue_nums, 8);
    assert_eq!(create("None", "TBW102", -3).unwrap().write_queue_nums, 0);
    assert!(create("Other", "BenchmarkTest", 4).is_none(), "no INHERIT");
    assert!(create("Other", "Missing", 4).is_none());
    assert_eq!(create("Few", "Missing", 9).unwrap().write_queue_nums, 4);
    assert_eq!(topics.version().counter, before.counter + 3);
    assert_eq!(names_of(&topics.take_announcements()), ["Few", "Many", "None"]);
    assert!(topics.take_announcements().is_empty());
}

#[test]
fn creation_on_use_can_be_forbidden() {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), &config()).save().unwrap();
    let config = BrokerConfig { auto_create_topic_enable: false, ..config() };
    let topics = table(folder.path(), &config);
    assert!(topics.contains("TBW102"), "left from before");
    assert!(topics.get_or_create(&config, "T", "TBW102", 4, 0).is_none());
    let cluster = topics.get_or_create(&config, "T", "DefaultCluster", 4, 0);
    assert_eq!(cluster.unwrap().perm, 6);
}

#[test]
fn retry_topics_adopt_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let topics = table(folder.path(), &config());
    let version = topics.version().counter;
    let retry = |order| topics.get_or_create_for_group("%RETRY%G", 1, 6, order, 0);
    assert!(!retry(false).order);
    assert!(!retry(false).order);
    assert_eq!(topics.version().counter, version + 1);
    assert!(retry(true).order);
    assert_eq!(topics.version().counter, version + 2);
}

#[test]
fn an_administrator_creates_alters_and_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let topics = table(folder.path(), &config());
    let changes = |text| TopicTable::attribute_changes(text).unwrap();
    let fifo = changes("+message.type=FIFO");
    assert!(topics.upsert(TopicConfig::new("T", 2), &fifo).unwrap());
    assert!(!topics.upsert(TopicConfig::new("T", 2), &fifo).unwrap());
    assert!(!topics.upsert(TopicConfig::new("T", 2), &changes("")).unwrap());
    assert!(topics.upsert(TopicConfig::new("T", 3), &changes("")).unwrap());
    let topic = topics.get("T").unwrap();
    assert_eq!(topic.attributes["message.type"], "FIFO", "kept when left out");
    assert!(topics.upsert(TopicConfig::new("T", 9), &changes("+x=y")).is_err());
    assert_eq!(topics.get("T").unwrap().write_queue_nums, 3);
    topics.take_announcements();
    assert!(topics.delete("T") && !topics.delete("T"));
    assert!(topics.take_announcements().everything);
    topics.save().unwrap();
    assert!(!table(folder.path(), &config()).contains("T"));
}

#[test]
fn the_name_server_knows_which_topics_are_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let topics = table(folder.path(), &config());
    topics.put(TopicConfig::new("T", 2));
    let ordered = BTreeMap::from([("T".to_string(), "broker-a:2".to_string())]);
    topics.set_ordered(&ordered);
    assert!(topics.get("T").unwrap().order);
    let version = topics.version();
    topics.set_ordered(&ordered);
    assert_eq!(topics.version(), version);
    topics.set_ordered(&BTreeMap::new());
    assert!(!topics.get("T").unwrap().order);
}
