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

/// A table large enough for a journal, and the size of its file.
fn large_table(folder: &Path) -> (TopicTable, u64) {
    let topics = table(folder, &config());
    for number in 0..2000 {
        topics.put(TopicConfig::new(format!("Large-{number}"), 4));
    }
    topics.save().unwrap();
    assert!(!topics.is_journaled());
    let size = fs::metadata(folder.join("topics.json")).unwrap().len();
    (topics, size)
}

#[test]
fn a_change_of_a_large_table_costs_a_line_and_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (topics, size) = large_table(folder.path());
    let journal = folder.path().join("ferromq-topics.journal");
    assert!(!journal.exists());
    topics.put(TopicConfig::new("New", 3));
    topics.save().unwrap();
    assert!(topics.delete("Large-7"));
    topics.save().unwrap();
    assert_eq!(fs::metadata(folder.path().join("topics.json")).unwrap().len(), size, "untouched");
    assert!(fs::metadata(&journal).unwrap().len() < 1000, "the journal has the changes alone");
    // A kill: nothing more is saved.
    let again = table(folder.path(), &config());
    assert_eq!(again.snapshot(), topics.snapshot());
    assert!(again.get("New").is_some() && again.get("Large-7").is_none());
    // It goes on where the other ended, and a line that a crash cut off ends it.
    again.put(TopicConfig::new("Newer", 3));
    again.save().unwrap();
    let text = fs::read(&journal).unwrap();
    for cut in 1..40 {
        fs::write(&journal, &text[..text.len() - cut]).unwrap();
        let cut_off = table(folder.path(), &config());
        assert!(cut_off.get("New").is_some() && cut_off.get("Newer").is_none());
    }
    fs::write(&journal, &text[..text.len() - 9]).unwrap();
    let cut_off = table(folder.path(), &config());
    cut_off.put(TopicConfig::new("Behind", 3));
    cut_off.save().unwrap();
    let again = table(folder.path(), &config());
    assert!(again.get("New").is_some() && again.get("Behind").is_some());
}

#[test]
fn the_table_takes_over_what_the_journal_has() {
    let folder = tempfile::tempdir().unwrap();
    let (topics, _) = large_table(folder.path());
    topics.put(TopicConfig::new("New", 3));
    topics.save().unwrap();
    let journal = folder.path().join("ferromq-topics.journal");
    let text = fs::read(&journal).unwrap();
    topics.save_whole().unwrap();
    assert!(!journal.exists() && !topics.is_journaled());
    let written = fs::read_to_string(folder.path().join("topics.json")).unwrap();
    assert!(written.contains("\"New\""));
    // A crash between the two: the journal is known to be in the table.
    fs::write(&journal, &text).unwrap();
    let again = table(folder.path(), &config());
    assert_eq!(again.snapshot(), topics.snapshot());
    again.delete("New");
    again.save_whole().unwrap();
    fs::write(&journal, &text).unwrap();
    let again = table(folder.path(), &config());
    assert!(again.get("New").is_some(), "better a topic too many than one whose messages are lost");
}

#[test]
fn topics_of_the_journal_survive_another_broker() {
    let folder = tempfile::tempdir().unwrap();
    let (topics, _) = large_table(folder.path());
    for name in ["New", "Large-9"] {
        topics.put(TopicConfig::new(name, 3));
    }
    topics.delete("Large-8");
    topics.save().unwrap();
    // Another broker, which knows nothing of the journal, writes the table as it has it.
    let path = folder.path().join("topics.json");
    let mut other: TopicConfigTable =
        ferromq_protocol::fastjson::from_slice(&fs::read(&path).unwrap()).unwrap();
    other.topic_config_table.insert("Other".into(), TopicConfig::new("Other", 5));
    other.data_version.advance(now_ms());
    fs::write(&path, ferromq_protocol::fastjson::to_pretty(&other)).unwrap();
    let again = table(folder.path(), &config());
    assert_eq!(again.get("Other").unwrap().write_queue_nums, 5);
    assert_eq!(again.get("New").unwrap().write_queue_nums, 3);
    assert_eq!(again.get("Large-9").unwrap().write_queue_nums, 4, "the other has the last word");
    assert!(again.get("Large-8").is_some());
    assert!(again.version().counter > other.data_version.counter);
    again.save().unwrap();
    assert!(!folder.path().join("ferromq-topics.journal").exists());
}

#[test]
fn a_version_that_no_topic_made_is_on_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let topics = table(folder.path(), &config());
    topics.save().unwrap();
    topics.announce_everything();
    topics.save().unwrap();
    assert_eq!(table(folder.path(), &config()).version(), topics.version());
    let (large, _) = large_table(folder.path());
    large.announce_everything();
    large.save().unwrap();
    // The journal has only changes of topics; so the table follows.
    assert!(large.is_journaled());
    large.save_whole().unwrap();
    assert_eq!(table(folder.path(), &config()).version(), large.version());
}
