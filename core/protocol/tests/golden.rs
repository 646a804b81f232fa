//! Our codecs against bytes that Apache's own classes wrote; see `golden/README.md`.

use bytes::{Bytes, BytesMut};
use ferromq_protocol::body::{
    BrokerStatsData, ClusterInfo, ConsumeMessageDirectlyResult, ConsumeStats, ConsumerConnection,
    ConsumerOffsetTable, ConsumerRunningInfo, DelayOffsetTable, GroupList, HeartbeatData, KvTable,
    LockBatchRequest, LockBatchResponse, ProducerConnection, RegisterBrokerBody, ResetOffsetBody,
    SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfigTable, TopicList, TopicRouteData,
    TopicStatsTable,
};
use ferromq_protocol::compression::Compression;
use ferromq_protocol::record::{NewRecord, RecordView, StoredMessage, encode, place};
use ferromq_protocol::{Command, batch, fastjson, message_id, properties, tags};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

const VERSIONS: [&str; 2] = ["4.9.8", "5.5.0"];

fn entries(category: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for version in VERSIONS {
        let path = format!("{}/tests/golden/{category}-{version}.json", env!("CARGO_MANIFEST_DIR"));
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for entry in file["entries"].as_array().unwrap() {
            all.push((format!("{version} {}", entry["name"].as_str().unwrap()), entry.clone()));
        }
    }
    assert!(all.len() > 10);
    all
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn frames() {
    for (name, entry) in entries("frames") {
        let frame = hex(&entry["frame"]);
        let mut buffer = BytesMut::from(&frame[..]);
        let command = Command::decode(&mut buffer).unwrap().expect(&name);
        assert!(buffer.is_empty(), "{name}");
        assert_eq!(i64::from(command.code), entry["code"].as_i64().unwrap(), "{name}");
        assert_eq!(i64::from(command.version), entry["version"].as_i64().unwrap(), "{name}");
        assert_eq!(i64::from(command.opaque), entry["opaque"].as_i64().unwrap(), "{name}");
        assert_eq!(i64::from(command.flag), entry["flag"].as_i64().unwrap(), "{name}");
        assert_eq!(command.remark(), entry["remark"].as_str().unwrap_or_default(), "{name}");
        assert_eq!(command.body[..], hex(&entry["body"])[..], "{name}");
        // Apache reads an empty value of the binary header as null, and so do we.
        let ext = entry["ext"].as_object().cloned().unwrap_or_default();
        for (key, value) in &ext {
            assert_eq!(command.fields.get(key), value.as_str(), "{name}: {key}");
        }
        let lossless = ext.values().all(Value::is_string);
        // Java writes an empty object where it has no fields to send; nobody needs it.
        let omitted = ext.is_empty() && entry["ext"].is_object() && entry["codec"] == "JSON";
        // It also escapes the line separators that JavaScript once could not read.
        if lossless && !omitted && !command.remark().contains('\u{2028}') {
            assert_eq!(command.encode(), frame, "{name}: written again");
        }
    }
}

fn same<T: serde::Serialize + serde::de::DeserializeOwned>(name: &str, entry: &Value) {
    let text = entry["text"].as_str().unwrap();
    let body: T = fastjson::from_slice(text.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let again = String::from_utf8(fastjson::to_vec(&body)).unwrap();
    assert_eq!(sorted(&again), sorted(text), "{name}");
}

/// The characters of a text: the order of members in a Java hash map is not ours to repeat.
fn sorted(text: &str) -> Vec<char> {
    let mut all: Vec<char> = text.chars().collect();
    all.sort_unstable();
    all
}

#[test]
fn bodies() {
    let newest = |name: &&(String, Value)| name.0.starts_with("5.5.0");
    for (name, entry) in entries("bodies").iter().filter(newest) {
        match &name[6..] {
            "route/beyond ASCII/standard" | "route/static topic" => (),
            n if n.starts_with("route/") && n.ends_with("/standard") => {
                let text = entry["text"].as_str().unwrap();
                let route: TopicRouteData = fastjson::from_slice(text.as_bytes()).unwrap();
                let again = String::from_utf8(fastjson::to_standard_vec(&route)).unwrap();
                assert_eq!(sorted(&again), sorted(text), "{name}");
            }
            n if n.starts_with("route/") => same::<TopicRouteData>(name, entry),
            "cluster" => same::<ClusterInfo>(name, entry),
            n if n.starts_with("heartbeat/") => same::<HeartbeatData>(name, entry),
            "lock request" => same::<LockBatchRequest>(name, entry),
            "lock answer" => same::<LockBatchResponse>(name, entry),
            n if n.starts_with("consume stats") => same::<ConsumeStats>(name, entry),
            "topic stats" => same::<TopicStatsTable>(name, entry),
            "topics" => same::<TopicConfigTable>(name, entry),
            "registration/one" => same::<RegisterBrokerBody>(name, entry),
            "group" | "group/special" => same::<SubscriptionGroupConfig>(name, entry),
            "groups" => same::<SubscriptionGroupTable>(name, entry),
            "topic list" | "topic list/bare" => same::<TopicList>(name, entry),
            "group list" => same::<GroupList>(name, entry),
            "table" => same::<KvTable>(name, entry),
            "delay offsets" => same::<DelayOffsetTable>(name, entry),
            "reset" => same::<ResetOffsetBody>(name, entry),
            "running" => same::<ConsumerRunningInfo>(name, entry),
            "producers" => same::<ProducerConnection>(name, entry),
            "broker stats" => same::<BrokerStatsData>(name, entry),
            "consumed directly" => same::<ConsumeMessageDirectlyResult>(name, entry),
            "consumers" => same::<ConsumerConnection>(name, entry),
            "offsets" => same::<ConsumerOffsetTable>(name, entry),
            _ => (),
        }
    }
}

fn host(value: &Value) -> SocketAddr {
    let (ip, port) = value.as_str().unwrap().split_once('|').unwrap();
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port.parse().unwrap())
}

#[test]
fn records() {
    for (name, entry) in entries("records") {
        let bytes = Bytes::from(hex(&entry["hex"]));
        let record = RecordView::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        record.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
        let number = |key: &str| entry[key].as_i64().unwrap();
        assert_eq!(record.bytes().len() as i64, number("storeSize"), "{name}");
        assert_eq!(record.topic(), entry["topic"].as_str().unwrap(), "{name}");
        assert_eq!(i64::from(record.queue_id()), number("queueId"), "{name}");
        assert_eq!(i64::from(record.flag()), number("flag"), "{name}");
        assert_eq!(record.queue_offset(), number("queueOffset"), "{name}");
        assert_eq!(record.physical_offset(), number("physicalOffset"), "{name}");
        assert_eq!(i64::from(record.sys_flag()), number("sysFlag"), "{name}");
        assert_eq!(record.born_timestamp(), number("bornTimestamp"), "{name}");
        assert_eq!(record.store_timestamp(), number("storeTimestamp"), "{name}");
        assert_eq!(i64::from(record.reconsume_times()), number("reconsumeTimes"), "{name}");
        assert_eq!(
            record.prepared_transaction_offset(),
            number("preparedTransactionOffset"),
            "{name}"
        );
        assert_eq!(record.born_host(), host(&entry["bornHost"]), "{name}");
        assert_eq!(record.store_host(), host(&entry["storeHost"]), "{name}");
        assert_eq!(record.body(), hex(&entry["body"]), "{name}");
        for (key, value) in entry["properties"].as_object().unwrap() {
            assert_eq!(record.property(key), value.as_str(), "{name}: {key}");
        }
        let message = StoredMessage::decode(&bytes, &record).unwrap();
        let id = message_id::offset_id(record.store_host(), record.physical_offset());
        assert_eq!(message.offset_id(), id, "{name}");
        again(&name, &record, &bytes);
    }
}

fn again(name: &str, record: &RecordView<'_>, bytes: &[u8]) {
    let mut written = Vec::new();
    encode(
        &mut written,
        &NewRecord {
            topic: record.topic(),
            queue_id: record.queue_id(),
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp(),
            born_host: record.born_host(),
            store_host: record.store_host(),
            reconsume_times: record.reconsume_times(),
            prepared_transaction_offset: record.prepared_transaction_offset(),
            body: record.body(),
            properties: record.properties(),
        },
    );
    place(&mut written, record.queue_offset(), record.physical_offset(), record.store_timestamp());
    assert_eq!(written, bytes, "{name}: written again");
}

#[test]
fn batches_and_ids() {
    for (name, entry) in entries("messages") {
        if name.contains("message id") {
            let ip: IpAddr = entry["host"].as_str().unwrap().parse().unwrap();
            let broker = SocketAddr::new(ip, entry["port"].as_u64().unwrap() as u16);
            let (id, offset) = (entry["id"].as_str().unwrap(), entry["offset"].as_i64().unwrap());
            assert_eq!(message_id::offset_id(broker, offset), id, "{name}");
            assert_eq!(message_id::parse_offset_id(id), Some((broker, offset)), "{name}");
            continue;
        }
        let bytes = hex(&entry["hex"]);
        let mut written = Vec::new();
        let read: Vec<_> = batch::entries(&bytes).map(Result::unwrap).collect();
        let expected = entry["messages"].as_array().unwrap();
        assert_eq!(read.len(), expected.len(), "{name}");
        for (one, expected) in read.into_iter().zip(expected) {
            assert_eq!(i64::from(one.flag), expected["flag"].as_i64().unwrap(), "{name}");
            assert_eq!(one.body, hex(&expected["body"]), "{name}");
            for (key, value) in expected["properties"].as_object().unwrap() {
                assert_eq!(properties::find(one.properties, key), value.as_str(), "{name}");
            }
            batch::push(&mut written, one);
        }
        assert_eq!(written, bytes, "{name}: written again");
    }
}

#[test]
fn compressed_bodies() {
    for (name, entry) in entries("compression") {
        // Before 5.0 the flags say nothing: it is zlib.
        let flags = entry["flag"].as_i64().unwrap() as i32 | 1;
        let kind = Compression::of_flags(flags).expect(&name);
        let length = entry["length"].as_u64().unwrap() as usize;
        let plain =
            kind.expand(&hex(&entry["hex"]), length).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(plain.len(), length, "{name}");
        let sum = i64::from(ferromq_protocol::record::checksum(&plain));
        assert_eq!(sum, entry["crc32"].as_i64().unwrap(), "{name}");
    }
}

#[test]
fn functions() {
    for (name, entry) in entries("calls") {
        let first = &entry["arguments"][0];
        let text = first.as_str().unwrap_or_default();
        let result = &entry["result"];
        match &name[6..] {
            "string hash" => {
                assert_eq!(
                    i64::from(tags::java_string_hash(text)),
                    result.as_i64().unwrap(),
                    "{text}"
                );
            }
            "tags code" => {
                assert_eq!(tags::tags_code(Some(text)), result.as_i64().unwrap(), "{text}");
            }
            "text to properties" => {
                let read = properties::Properties::parse(text);
                let expected = result.as_object().unwrap();
                assert_eq!(read.len(), expected.len(), "{text:?}");
                for (key, value) in expected {
                    assert_eq!(read.get(key), value.as_str(), "{text:?}");
                }
            }
            "properties to text" => {
                let mut written = properties::Properties::new();
                for (key, value) in first.as_object().unwrap() {
                    written.set(key.as_str(), value.as_str().unwrap());
                }
                // 4.9 leaves out the last separator; readers of both take both.
                let separator = '\u{2}';
                let expected = result.as_str().unwrap().trim_end_matches(separator);
                assert_eq!(written.encode().trim_end_matches(separator), expected);
            }
            _ => (),
        }
    }
}
