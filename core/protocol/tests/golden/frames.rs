//! Frames in both serialisations, and the typed headers in them.

use crate::fixture::{Entry, Exceptions, entries};
use bytes::BytesMut;
use ferromq_protocol::fields::Fields;
use ferromq_protocol::header::{HeaderError, HeaderSpec};
use ferromq_protocol::{Command, Serialization, headers};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the frame that we write is another than Apache's, and its reader finds the same in both.
const DIFFERENCES: &[(&str, &str)] = &[
    ("empty value", "the binary form has no empty text: readers since 4.9.4 take it for null"),
    ("empty extFields", "a header class without fields gives `{}`, which we leave out"),
    ("U+2028", "fastjson 1 escapes what JavaScript once could not read; fastjson 2 does not"),
];

fn decode(entry: &Entry) -> Command {
    let mut buffer = BytesMut::from(&entry.bytes("frame")[..]);
    let command = Command::decode(&mut buffer)
        .unwrap_or_else(|error| panic!("{entry}: {error}"))
        .unwrap_or_else(|| panic!("{entry}: taken for incomplete"));
    assert!(buffer.is_empty(), "{entry}: bytes left over");
    command
}

#[test]
fn frames_are_read_and_written_again() {
    let mut differences = Exceptions::new(DIFFERENCES);
    for entry in entries("frames") {
        let command = decode(&entry);
        let numbers = [
            ("code", command.code),
            ("version", command.version),
            ("opaque", command.opaque),
            ("flag", command.flag),
        ];
        for (key, number) in numbers {
            assert_eq!(i64::from(number), entry.number(key), "{entry}: {key}");
        }
        let codec = match command.serialization {
            Serialization::Json => "JSON",
            Serialization::Binary => "ROCKETMQ",
        };
        assert_eq!(codec, entry.text("codec"), "{entry}");
        assert_eq!(command.language.name(), Some(entry.text("language")), "{entry}");
        assert_eq!(command.remark.as_deref(), entry.value("remark").as_str(), "{entry}");
        assert_eq!(command.body, entry.bytes("body"), "{entry}");
        let none = serde_json::Map::new();
        let ext = entry.value("ext").as_object().unwrap_or(&none);
        for (key, value) in ext {
            assert_eq!(command.fields.get(key), value.as_str(), "{entry}: {key}");
        }
        let present = ext.values().filter(|value| value.is_string()).count();
        assert_eq!(command.fields.len(), present, "{entry}: {:?}", command.fields);

        let expected = expected_frame(&entry, present < ext.len(), &mut differences);
        match expected {
            Some(frame) => assert_eq!(command.encode(), frame, "{entry}: written again"),
            None => {
                let again = Command::decode(&mut BytesMut::from(&command.encode()[..]));
                assert_eq!(again, Ok(Some(command)), "{entry}: written again");
            }
        }
    }
    differences.all_used();
}

/// The frame that we should write; `None` where only the meaning is the same.
fn expected_frame(
    entry: &Entry,
    empty_value: bool,
    differences: &mut Exceptions,
) -> Option<Vec<u8>> {
    let frame = entry.bytes("frame");
    if empty_value && entry.text("codec") == "ROCKETMQ" && differences.allow("empty value") {
        return None;
    }
    if entry.text("codec") != "JSON" {
        return Some(frame);
    }
    let length = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
    let (header, body) = frame[8..].split_at(length);
    let mut header = String::from_utf8_lossy(header).into_owned();
    if header.contains("\"extFields\":{}") && differences.allow("empty extFields") {
        header = header.replace("\"extFields\":{},", "");
    }
    if header.contains("\\u2028") && differences.allow("U+2028") {
        header = header.replace("\\u2028", "\u{2028}");
    }
    let mut expected = ((4 + header.len() + body.len()) as u32).to_be_bytes().to_vec();
    expected.extend_from_slice(&(header.len() as u32).to_be_bytes());
    expected.extend_from_slice(header.as_bytes());
    expected.extend_from_slice(body);
    Some(expected)
}

/// Apache's header class, and ours.
const CLASSES: &[(&str, &str)] = &[
    ("AddWritePermOfBrokerRequestHeader", "BrokerNameRequest"),
    ("AddWritePermOfBrokerResponseHeader", "AddWritePermResponse"),
    ("BrokerHeartbeatRequestHeader", "BrokerHeartbeatRequest"),
    ("CloneGroupOffsetRequestHeader", "CloneGroupOffsetRequest"),
    ("ConsumeMessageDirectlyResultRequestHeader", "ConsumeMessageDirectlyRequest"),
    ("ConsumerSendMsgBackRequestHeader", "ConsumerSendMsgBackRequest"),
    ("CreateTopicRequestHeader", "CreateTopicRequest"),
    ("DeleteKVConfigRequestHeader", "KvConfigRequest"),
    ("DeleteSubscriptionGroupRequestHeader", "DeleteGroupRequest"),
    ("DeleteTopicFromNamesrvRequestHeader", "DeleteTopicInNamesrvRequest"),
    ("DeleteTopicRequestHeader", "TopicRequest"),
    ("EndTransactionRequestHeader", "EndTransactionRequest"),
    ("GetAllSubscriptionGroupRequestHeader", "AllGroupConfigRequest"),
    ("GetAllSubscriptionGroupResponseHeader", "AllGroupConfigResponse"),
    ("GetAllTopicConfigRequestHeader", "AllTopicConfigRequest"),
    ("GetAllTopicConfigResponseHeader", "AllTopicConfigResponse"),
    ("GetBrokerConfigResponseHeader", "BrokerConfigResponse"),
    ("GetBrokerMemberGroupRequestHeader", "BrokerMemberGroupRequest"),
    ("GetConsumeStatsInBrokerHeader", "BrokerConsumeStatsRequest"),
    ("GetConsumeStatsRequestHeader", "ConsumeStatsRequest"),
    ("GetConsumerConnectionListRequestHeader", "ConsumerGroupRequest"),
    ("GetConsumerListByGroupRequestHeader", "ConsumerGroupRequest"),
    ("GetConsumerRunningInfoRequestHeader", "ConsumerRunningInfoRequest"),
    ("GetConsumerStatusRequestHeader", "ConsumerStatusRequest"),
    ("GetEarliestMsgStoretimeRequestHeader", "QueueRequest"),
    ("GetEarliestMsgStoretimeResponseHeader", "TimestampResponse"),
    ("GetKVConfigRequestHeader", "KvConfigRequest"),
    ("GetKVConfigResponseHeader", "KvConfigResponse"),
    ("GetKVListByNamespaceRequestHeader", "NamespaceRequest"),
    ("GetMaxOffsetRequestHeader", "QueueRequest"),
    ("GetMaxOffsetResponseHeader", "OffsetResponse"),
    ("GetMinOffsetRequestHeader", "QueueRequest"),
    ("GetMinOffsetResponseHeader", "OffsetResponse"),
    ("GetProducerConnectionListRequestHeader", "ProducerGroupRequest"),
    ("GetRouteInfoRequestHeader", "RouteRequest"),
    ("GetSubscriptionGroupConfigRequestHeader", "GroupRequest"),
    ("GetTopicConfigRequestHeader", "TopicRequest"),
    ("GetTopicStatsInfoRequestHeader", "TopicRequest"),
    ("GetTopicsByClusterRequestHeader", "ClusterRequest"),
    ("NotifyConsumerIdsChangedRequestHeader", "ConsumerGroupRequest"),
    ("NotifyMinBrokerIdChangeRequestHeader", "MinBrokerIdChange"),
    ("PullMessageRequestHeader", "PullMessageRequest"),
    ("PullMessageResponseHeader", "PullMessageResponse"),
    ("PutKVConfigRequestHeader", "PutKvConfigRequest"),
    ("QueryConsumeQueueRequestHeader", "QueryConsumeQueueRequest"),
    ("QueryConsumeTimeSpanRequestHeader", "GroupTopicRequest"),
    ("QueryConsumerOffsetRequestHeader", "QueryConsumerOffsetRequest"),
    ("QueryConsumerOffsetResponseHeader", "OffsetResponse"),
    ("QueryCorrectionOffsetHeader", "QueryCorrectionOffsetRequest"),
    ("QueryDataVersionRequestHeader", "BrokerIdentityRequest"),
    ("QueryDataVersionResponseHeader", "QueryDataVersionResponse"),
    ("QueryMessageRequestHeader", "QueryMessageRequest"),
    ("QueryMessageResponseHeader", "QueryMessageResponse"),
    ("QuerySubscriptionByConsumerRequestHeader", "GroupTopicRequest"),
    ("QueryTopicConsumeByWhoRequestHeader", "TopicRequest"),
    ("QueryTopicsByConsumerRequestHeader", "GroupRequest"),
    ("RegisterBrokerRequestHeader", "RegisterBrokerRequest"),
    ("RegisterBrokerResponseHeader", "RegisterBrokerResponse"),
    ("RegisterTopicRequestHeader", "TopicRequest"),
    ("ResetOffsetRequestHeader", "ResetOffsetRequest"),
    ("SearchOffsetRequestHeader", "SearchOffsetRequest"),
    ("SearchOffsetResponseHeader", "OffsetResponse"),
    ("SendMessageRequestHeader", "SendMessageRequest"),
    ("SendMessageRequestHeaderV2", "SendMessageRequestV2"),
    ("SendMessageResponseHeader", "SendMessageResponse"),
    ("UnRegisterBrokerRequestHeader", "BrokerIdentityRequest"),
    ("UnregisterClientRequestHeader", "UnregisterClientRequest"),
    ("UpdateConsumerOffsetRequestHeader", "UpdateConsumerOffsetRequest"),
    ("UpdateGroupForbiddenRequestHeader", "GroupForbiddenRequest"),
    ("ViewBrokerStatsDataRequestHeader", "BrokerStatsRequest"),
    ("ViewMessageRequestHeader", "ViewMessageRequest"),
    ("WipeWritePermOfBrokerRequestHeader", "BrokerNameRequest"),
    ("WipeWritePermOfBrokerResponseHeader", "WipeWritePermResponse"),
];

/// Fields that Apache writes and we do not read.
const IGNORED: &[(&str, &str)] = &[
    ("bname", "the broker's name, which 5.x can put into every header for its proxy"),
    ("lo", "as bname: whether the queue id is that of a static topic"),
    ("ns", "as bname: a namespace"),
    ("nsd", "as bname: whether the namespace is part of the names already"),
    (
        "BrokerHeartbeatRequestHeader.confirmOffset",
        "for electing masters, which a name server of ours does not do",
    ),
    ("BrokerHeartbeatRequestHeader.electionPriority", "as confirmOffset"),
    ("BrokerHeartbeatRequestHeader.epoch", "as confirmOffset"),
    ("BrokerHeartbeatRequestHeader.maxOffset", "as confirmOffset"),
    ("CreateTopicRequestHeader.force", "we refuse no topic that this could force"),
    ("PullMessageRequestHeader.liteTopic", "lite topics came with 5.5"),
    (
        "PullMessageRequestHeader.proxyFrowardClientId",
        "for a proxy that remembers whom it asks for",
    ),
    ("QueryMessageRequestHeader.indexType", "5.5: keys and tags in an index of another kind"),
    ("QueryMessageRequestHeader.lastKey", "as indexType: where the page before ended"),
    ("SearchOffsetRequestHeader.liteTopic", "lite topics came with 5.5"),
    ("oway", "as bname: whether the request is one-way, which the frame's flag says too"),
];

/// Fields that Apache's classes need not have and without which we refuse a request.
const REFUSED: &[(&str, &str)] = &[(
    "QueryConsumeQueueRequestHeader.topic",
    "Apache looks for a queue of the topic `null` and answers with an error as well",
)];

/// Headers of ours without a class of Apache's.
const WITHOUT_CLASS: &[(&str, &str)] =
    &[("HeartbeatResponse", "the broker adds these fields to an answer without a header class")];

fn spec(name: &str) -> &'static HeaderSpec {
    let mut all = headers::ALL.iter().flat_map(|(_, list)| *list);
    all.find(|header| header.name == name).unwrap_or_else(|| panic!("no header {name}"))
}

#[test]
fn typed_headers_are_read_and_written_again() {
    let mut ignored = Exceptions::new(IGNORED);
    let mut refused = Exceptions::new(REFUSED);
    let mut seen = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for entry in entries("frames") {
        let Some((class, ours)) = CLASSES.iter().find(|(class, _)| *class == entry.class()) else {
            continue;
        };
        seen.insert(*class);
        let header = spec(ours);
        let command = decode(&entry);
        let written = match (header.rewrite)(&command.fields) {
            Ok(written) => written,
            Err(HeaderError::Missing { field, .. })
                if refused.allow(&format!("{class}.{field}")) =>
            {
                continue;
            }
            Err(error) => {
                wrong.insert(format!("{entry}: {ours}: {error}"));
                continue;
            }
        };
        for (key, value) in written.iter() {
            // An absent field has a default, with which it is written.
            let optional = header.fields.iter().any(|field| field.name == key && !field.required);
            let absent = command.fields.get(key).is_none();
            let theirs = entry_field(&entry, key);
            if theirs != value && !(optional && absent) {
                wrong.insert(format!("{ours}.{key} is {value}, in {entry} {theirs}"));
            }
        }
        let mut again = Fields::new();
        for (key, value) in command.fields.iter() {
            let known = header.fields.iter().any(|field| field.name == key);
            if !known {
                let what = format!("{class}.{key}");
                if !ignored.allow(key) && !ignored.allow(&what) {
                    wrong.insert(format!("{what} is not read"));
                }
            }
            // In the order that was read: Apache's is that of a hash map.
            again.push(key, if known { written.get(key).unwrap_or_default() } else { value });
        }
        let again = Command { fields: again, ..command.clone() };
        assert_eq!(again.encode(), command.encode(), "{entry}: {ours}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unseen: Vec<_> =
        CLASSES.iter().map(|(class, _)| *class).filter(|c| !seen.contains(c)).collect();
    assert!(unseen.is_empty(), "classes that no fixture has: {unseen:?}");
    ignored.all_used();
    refused.all_used();
}

/// A member of Apache's header object as text.
fn entry_field(entry: &Entry, key: &str) -> String {
    match &entry.value("fields")[key] {
        Value::String(text) => text.clone(),
        Value::Null => format!("nothing in {}", entry.value("fields")),
        other => other.to_string(),
    }
}

#[test]
fn every_header_has_a_fixture() {
    let mut without = Exceptions::new(WITHOUT_CLASS);
    let all = headers::ALL.iter().flat_map(|(_, list)| *list).map(|header| header.name);
    let missing = |name: &&str| !CLASSES.iter().any(|(_, ours)| ours == name);
    let missing: Vec<_> = all.filter(missing).filter(|name| !without.allow(name)).collect();
    assert!(missing.is_empty(), "no fixture has {missing:?}");
    without.all_used();
}
