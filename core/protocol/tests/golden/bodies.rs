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
const UNKNOWN: &[(&str, &str)] = &[];

/// Members that we write and 4.9 does not have, each with the value that it gets. Readers pass over
/// members that they do not know.
const ADDED: &[(&str, &str)] = &[];

/// Members that we do not write.
const LEFT_OUT: &[(&str, &str)] = &[];

/// Entries whose text is the same but for the order of members or other things without meaning.
const SAME_CONTENT: &[(&str, &str)] = &[];

/// What is in `ours` and not in `theirs`, the other way round, and what has another value.
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
    let mut unknown = Exceptions::new(UNKNOWN);
    let mut added = Exceptions::new(ADDED);
    let mut left_out = Exceptions::new(LEFT_OUT);
    let mut same_content = Exceptions::new(SAME_CONTENT);
    let mut wrong = BTreeSet::new();
    for entry in entries("bodies") {
        let Some((_, _, rewrite)) = CLASSES.iter().find(|(class, ..)| *class == entry.class())
        else {
            if !unknown.allow(entry.class()) {
                wrong.insert(format!("{} is nothing of ours", entry.class()));
            }
            continue;
        };
        let text = entry.text("text").as_bytes();
        let written = rewrite(text).unwrap_or_else(|error| panic!("{entry}: {error}"));
        let forms = match entry.name.ends_with("/standard") {
            true => vec![("standard", written.standard, text)],
            false => vec![
                ("compact", written.compact, text),
                (
                    "pretty",
                    written.pretty,
                    entry.value("pretty").as_str().unwrap_or_default().as_bytes(),
                ),
            ],
        };
        for (form, ours, theirs) in forms.into_iter().filter(|(.., theirs)| !theirs.is_empty()) {
            let mut differences = Vec::new();
            let values = [theirs, &ours].map(|text| from_slice::<Value>(text).unwrap());
            compare(&values[0], &values[1], &mut differences);
            let only_known = differences.is_empty();
            differences.retain(|what| {
                !(entry.version == "4.9.8" && added.allow(what) || left_out.allow(what))
            });
            for what in &differences {
                wrong.insert(format!("{entry} {form}: {what}"));
            }
            if only_known && ours != theirs {
                let kind = if sorted(&ours) == sorted(theirs) { "order" } else { "TEXT" };
                if !same_content.allow(&format!("{} {form}", entry.name)) {
                    wrong.insert(format!("{entry} {form}: {kind}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    unknown.all_used();
    added.all_used();
    left_out.all_used();
    same_content.all_used();
}
