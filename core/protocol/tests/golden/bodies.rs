//! JSON bodies in fastjson's dialect, the dialect of newer clients, and the form of files.

use crate::fixture::{Entry, Exceptions, entries};
use ferromq_model::MessageQueue;
use ferromq_protocol::body::*;
use ferromq_protocol::fastjson::{BodyError, from_slice, to_pretty, to_standard_vec, to_vec};
use flate2::read::ZlibDecoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;

/// A body read and written again.
struct Written {
    compact: Vec<u8>,
    pretty: Vec<u8>,
    standard: Vec<u8>,
}

type Rewrite = fn(&[u8]) -> Result<Written, BodyError>;

fn rewrite<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<Written, BodyError> {
    let body: T = from_slice(text)?;
    Ok(Written {
        compact: to_vec(&body),
        pretty: to_pretty(&body),
        standard: to_standard_vec(&body),
    })
}

macro_rules! classes {
    ($($class:literal: $ours:ty,)*) => {
        /// Apache's class, ours, and how ours reads and writes it.
        const CLASSES: &[(&str, &str, Rewrite)] =
            &[$(($class, stringify!($ours), rewrite::<$ours>),)*];
    };
}

classes! {
    "BrokerStatsData": BrokerStatsData,
    "CheckClientRequestBody": CheckClientConfig,
    "ClusterInfo": ClusterInfo,
    "ConsumeMessageDirectlyResult": ConsumeMessageDirectlyResult,
    "ConsumeStats": ConsumeStats,
    "ConsumerConnection": ConsumerConnection,
    "ConsumerOffsetSerializeWrapper": ConsumerOffsetTable,
    "ConsumerRunningInfo": ConsumerRunningInfo,
    "CreateTopicListRequestBody": TopicConfigList,
    "DataVersion": DataVersion,
    "GetBrokerMemberGroupResponseBody": BrokerMemberGroupBody,
    "GetConsumerListByGroupResponseBody": ConsumerIdList,
    "GetConsumerStatusBody": ConsumerStatusBody,
    "GroupList": GroupList,
    "HeartbeatData": HeartbeatData,
    "KVTable": KvTable,
    "LockBatchRequestBody": LockBatchRequest,
    "LockBatchResponseBody": LockBatchResponse,
    "MessageQueue": MessageQueue,
    "ProducerConnection": ProducerConnection,
    "ProducerTableInfo": ProducerTable,
    "QueryConsumeTimeSpanBody": ConsumeTimeSpanBody,
    "QueryCorrectionOffsetBody": CorrectionOffsets,
    "RegisterBrokerBody": RegisterBrokerBody,
    "ResetOffsetBody": ResetOffsetBody,
    "SubscriptionGroupConfig": SubscriptionGroupConfig,
    "SubscriptionGroupList": SubscriptionGroupList,
    "SubscriptionGroupWrapper": SubscriptionGroupTable,
    "TopicConfig": TopicConfig,
    "TopicConfigAndQueueMapping": TopicConfig,
    "TopicConfigSerializeWrapper": TopicConfigTable,
    "TopicList": TopicList,
    "TopicRouteData": TopicRouteData,
    "TopicStatsTable": TopicStatsTable,
    "UnlockBatchRequestBody": LockBatchRequest,
}

/// Recorded classes without a body of ours.
const UNKNOWN: &[(&str, &str)] = &[
    ("BatchAckMessageRequestBody", "pop, which this crate does not read"),
    ("QueryAssignmentRequestBody", "assignment by the broker, as pop"),
    ("QueryAssignmentResponseBody", "assignment by the broker, as pop"),
    ("SetMessageRequestModeRequestBody", "assignment by the broker, as pop"),
];

/// Members that we write and 4.9 does not have, each with the value that it gets; its readers pass
/// over members that they do not know.
const ADDED: &[(&str, &str)] = &[
    ("+attributes {}", "of topics and groups, since 5.0"),
    ("+consumeMessageOrderly false", "of groups, since 5.0"),
    ("+consumeTimeoutMinute 15", "of groups, since 5.0"),
    (
        "+dataVersion {\"counter\":0,\"stateVersion\":0,\"timestamp\":0}",
        "of the table of progress, since 5.0",
    ),
    ("+enableActingMaster false", "of a broker group, since 5.0"),
    ("+forbiddenTable {}", "of the table of groups, since 5.0"),
    ("+groupRetryPolicy {\"type\":\"CUSTOMIZED\"}", "of groups, since 5.0"),
    ("+groupSysFlag 0", "of groups, since 5.0"),
    ("+heartbeatFingerprint 0", "of heartbeats, since 5.1.3"),
    ("+mqPopTable {}", "of running consumers, since 5.0"),
    ("+onlyThisBroker false", "of locks, since 5.0"),
    ("+pullOffset 0", "of progress, since 5.0"),
    ("+stateVersion 0", "of versions, since 5.0"),
    ("+topicPutTps 0.0", "of the figures of a topic, since 5.3.3"),
    ("+userConsumerInfo {}", "of running consumers, since 5.0"),
    ("+withoutSub false", "of heartbeats, since 5.1.3"),
];

/// Members that we do not write.
const LEFT_OUT: &[(&str, &str)] = &[
    ("-consumeTimeStampStr", "a time as text; readers make it from the number"),
    ("-maxTimeStampStr", "as consumeTimeStampStr"),
    ("-minTimeStampStr", "as consumeTimeStampStr"),
];

/// Entries in whose text a Java hash map gives the order; ours is sorted.
const ORDER: &[(&str, &str)] = &[
    ("groups", "of groups by name"),
    ("table", "of text by name"),
    ("topics", "of topics by name"),
];

/// Entries whose content is the same and whose text is not.
const TEXT: &[(&str, &str)] = &[
    (
        "registration/three",
        "static topics are passed on as read, with quotes around numbers as keys",
    ),
    ("registration/three/compressed", "as without compression"),
    (
        "route/beyond ASCII/standard",
        "fastjson 2 leaves what is beyond ASCII, fastjson 1 escapes it",
    ),
    ("route/static topic", "as registration/three"),
];

/// Bodies of ours that no fixture has.
const WITHOUT_FIXTURE: &[(&str, &str)] = &[
    ("ConsumeQueueBody", "not recorded"),
    ("ConsumeQueueEntry", "a part of ConsumeQueueBody"),
    ("ConsumeStatsList", "not recorded; its parts are"),
    ("DelayOffsetTable", "not recorded; a table of progress without groups"),
    ("GroupForbidden", "not recorded"),
    ("KvConfigFile", "not recorded"),
    ("SubscriptionQueryBody", "not recorded; its parts are"),
];

/// Structures that occur within the recorded ones.
const PARTS: &[&str] = &[
    "BrokerData",
    "BrokerMemberGroup",
    "Connection",
    "ConsumeStatus",
    "ConsumerData",
    "OffsetWrapper",
    "ProcessQueueInfo",
    "ProducerData",
    "ProducerInfo",
    "QueueData",
    "QueueTimeSpan",
    "StatsWindow",
    "SubscriptionData",
    "TopicOffset",
];

/// Notes what is in `ours` and not in `theirs`, the other way round, and what has another value.
fn compare(theirs: &Value, ours: &Value, differences: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                match ours.get(name) {
                    Some(other) => compare(value, other, differences),
                    None => differences.push(format!("-{name}")),
                }
            }
            let added = ours.iter().filter(|(name, _)| !theirs.contains_key(*name));
            differences.extend(added.map(|(name, value)| format!("+{name} {value}")));
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            theirs.iter().zip(ours).for_each(|(theirs, ours)| compare(theirs, ours, differences));
        }
        _ if theirs == ours => {}
        _ => differences.push(format!("{theirs} is {ours}")),
    }
}

/// The bytes in some order: equal when two texts differ in the order of their parts alone.
fn sorted(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.sort_unstable();
    bytes
}

#[test]
fn bodies_are_read_and_written_again() {
    let mut tables = [UNKNOWN, ADDED, LEFT_OUT, ORDER, TEXT].map(Exceptions::new);
    let [unknown, added, left_out, order, text] = &mut tables;
    let mut wrong = BTreeSet::new();
    for entry in entries("bodies") {
        let Some((_, _, rewrite)) = CLASSES.iter().find(|(class, ..)| *class == entry.class())
        else {
            if !unknown.allow(entry.class()) {
                wrong.insert(format!("{} is nothing of ours", entry.class()));
            }
            continue;
        };
        let theirs = entry.text("text").as_bytes();
        let ours = rewrite(theirs).unwrap_or_else(|error| panic!("{entry}: {error}"));
        let standard = entry.name.ends_with("/standard");
        let written = if standard { &ours.standard } else { &ours.compact };
        let mut differences = Vec::new();
        let [value, again] = [theirs, written].map(|text| from_slice::<Value>(text).unwrap());
        compare(&value, &again, &mut differences);
        let same = differences.is_empty();
        let of_4_9 = entry.version == "4.9.8";
        differences.retain(|what| !(of_4_9 && added.allow(what) || left_out.allow(what)));
        wrong.extend(differences.into_iter().map(|what| format!("{entry}: {what}")));
        if same && written != theirs {
            let known = match sorted(written) == sorted(theirs) {
                true => order.allow(&entry.name),
                false => text.allow(&entry.name),
            };
            if !known {
                wrong.insert(format!("{entry}: another text"));
            }
        }
        if let Some(pretty) = entry.value("pretty").as_str() {
            check_pretty(&entry, pretty, &ours, *rewrite, same && written == theirs);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    tables.into_iter().for_each(Exceptions::all_used);
}

/// The form of files. That of fastjson 2 is ours, but for two things which look odd there: empty
/// lists take two lines, and queues as keys four.
fn check_pretty(entry: &Entry, pretty: &str, ours: &Written, rewrite: Rewrite, same: bool) {
    let read = rewrite(pretty.as_bytes()).unwrap_or_else(|error| panic!("{entry}: {error}"));
    let [read, expected] = [&read.compact, &ours.compact].map(|text| String::from_utf8_lossy(text));
    assert_eq!(read, expected, "{entry}: read from the pretty form");
    if same && entry.version != "4.9.8" && !entry.text("text").contains("{{") {
        let mut theirs = String::new();
        for piece in pretty.split_inclusive('[') {
            let piece =
                if theirs.ends_with('[') { without_space_in_brackets(piece) } else { piece };
            theirs.push_str(piece);
        }
        assert_eq!(String::from_utf8_lossy(&ours.pretty), theirs, "{entry}: pretty");
    }
}

/// What follows an opening bracket: without white space if the closing one comes next.
fn without_space_in_brackets(text: &str) -> &str {
    let trimmed = text.trim_start();
    if trimmed.starts_with(']') { trimmed } else { text }
}

#[test]
fn compressed_registrations_are_read_and_written_again() {
    let mut count = 0;
    for entry in entries("bodies").iter().filter(|entry| entry.name.ends_with("/compressed")) {
        count += 1;
        let with_mappings = entry.version != "4.9.8";
        let body = RegisterBrokerBody::decode(&entry.bytes("hex"), with_mappings)
            .unwrap_or_else(|error| panic!("{entry}: {error}"));
        let mut expected: RegisterBrokerBody = from_slice(entry.text("text").as_bytes()).unwrap();
        let table = &mut expected.topic_config_serialize_wrapper;
        // The lines of topics have no room for these.
        for topic in table.topic_config_table.values_mut() {
            topic.order = false;
            topic.topic_sys_flag = 0;
        }
        // Nor has the form for the mappings' version and details.
        table.mapping_data_version = None;
        table.topic_queue_mapping_detail_map = None;
        assert_eq!(body, expected, "{entry}");

        let [ours, theirs] = [body.deflate().unwrap(), entry.bytes("hex")].map(|packed| {
            let mut plain = Vec::new();
            ZlibDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
            plain
        });
        // We write what 5.x reads; brokers of 4.9 write, and never read, the form without mappings.
        match with_mappings && !entry.name.contains("three") {
            true => assert_eq!(ours, theirs, "{entry}: written again"),
            false => {
                let again = RegisterBrokerBody::decode(&body.deflate().unwrap(), true).unwrap();
                let mut expected = body.clone();
                let table = &mut expected.topic_config_serialize_wrapper;
                table.topic_queue_mapping_info_map.get_or_insert_default();
                assert_eq!(again, expected, "{entry}: written again");
            }
        }
    }
    assert_eq!(count, 6);
}

#[test]
fn every_body_has_a_fixture() {
    let sources = [
        include_str!("../../src/body/admin.rs"),
        include_str!("../../src/body/broker.rs"),
        include_str!("../../src/body/consumer.rs"),
        include_str!("../../src/body/heartbeat.rs"),
        include_str!("../../src/body/route.rs"),
        include_str!("../../src/body/topic.rs"),
    ];
    let mut without = Exceptions::new(WITHOUT_FIXTURE);
    let lines = sources.iter().flat_map(|source| source.lines());
    let ours: Vec<_> = lines
        .filter_map(|line| line.strip_prefix("pub struct "))
        .filter_map(|line| line.split([' ', '<', '(']).next())
        .collect();
    assert!(ours.len() > 40, "{ours:?}");
    let recorded = |name: &str| CLASSES.iter().any(|(_, ours, _)| *ours == name);
    let missing = ours.into_iter().filter(|name| !recorded(name) && !PARTS.contains(name));
    let missing: Vec<_> = missing.filter(|name| !without.allow(name)).collect();
    assert!(missing.is_empty(), "no fixture has {missing:?}");
    without.all_used();
}
