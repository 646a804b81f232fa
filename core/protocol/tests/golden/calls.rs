//! Small functions and constants that both sides must agree on.

use crate::fixture::{Entry, Exceptions, entries};
use ferromq_model::{flags, names};
use ferromq_protocol::body::{RegisterBrokerBody, TopicConfig};
use ferromq_protocol::properties::Properties;
use ferromq_protocol::record::checksum;
use ferromq_protocol::tags::{java_string_hash, tags_code};
use ferromq_protocol::{Language, code, command};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Functions of Apache's that this crate does not have.
const ELSEWHERE: &[(&str, &str)] = &[
    ("acl signature", "of the client and the broker, not of the wire"),
    ("client id: address", "ids are made here and never taken apart"),
    ("client id: process", "as the address"),
    ("extra info", "pop, whose texts this crate does not read"),
    ("index hash", "the store hashes keys with `java_string_hash`, and clears the sign itself"),
    ("message offsets", "pop, whose texts this crate does not read"),
    ("pop retry topic v1", "pop, whose texts this crate does not read"),
    ("pop retry topic v2", "pop, whose texts this crate does not read"),
    ("start offsets", "pop, whose texts this crate does not read"),
];

fn argument(entry: &Entry, index: usize) -> &Value {
    &entry.value("arguments")[index]
}

#[test]
fn functions_give_the_same() {
    let mut elsewhere = Exceptions::new(ELSEWHERE);
    for entry in entries("calls") {
        let first = argument(&entry, 0);
        let text = first.as_str().unwrap_or_default();
        let ours: Value = match entry.name.as_str() {
            "string hash" => java_string_hash(text).into(),
            "tags code" => tags_code(Some(text)).into(),
            "crc32" => checksum(text.as_bytes()).into(),
            "retry topic" => names::retry_topic(text).into(),
            "dead letter topic" => names::dlq_topic(text).into(),
            "pull flags" => pull_flags(&entry).into(),
            "message flag" => message_flag(text).into(),
            "text to properties" => properties_of(text),
            "properties to text" => properties_text(&entry).into(),
            "topic line" => topic_line(&entry).into(),
            "topic from line" => topic_from_line(&entry),
            // Compared as tables below.
            "property name" | "request code" | "response code" | "language" | "version" => continue,
            other => {
                assert!(elsewhere.allow(other), "{entry}: who checks this?");
                continue;
            }
        };
        assert_eq!(&ours, entry.value("result"), "{entry}: {}", entry.value("arguments"));
    }
    elsewhere.all_used();
}

fn properties_of(text: &str) -> Value {
    let properties = Properties::parse(text);
    let pairs = properties.iter().map(|(name, value)| (name.to_string(), value.into()));
    Value::Object(pairs.collect())
}

fn pull_flags(entry: &Entry) -> i32 {
    let bits = [
        flags::pull::COMMIT_OFFSET,
        flags::pull::SUSPEND,
        flags::pull::SUBSCRIPTION,
        flags::pull::CLASS_FILTER,
    ];
    let set = bits.iter().enumerate().filter(|(index, _)| argument(entry, *index) == true);
    set.map(|(_, bit)| bit).sum()
}

fn message_flag(name: &str) -> i32 {
    match name {
        "COMPRESSED_FLAG" => flags::message::COMPRESSED,
        "MULTI_TAGS_FLAG" => flags::message::MULTI_TAGS,
        "TRANSACTION_PREPARED_TYPE" => flags::message::TRANSACTION_PREPARED,
        "TRANSACTION_COMMIT_TYPE" => flags::message::TRANSACTION_COMMIT,
        "TRANSACTION_ROLLBACK_TYPE" => flags::message::TRANSACTION_ROLLBACK,
        "BORNHOST_V6_FLAG" => flags::message::BORN_HOST_V6,
        "STOREHOSTADDRESS_V6_FLAG" => flags::message::STORE_HOST_V6,
        other => panic!("message flag {other} is not known"),
    }
}

/// We write the last separator, as 5.x does; 4.9 does not.
fn properties_text(entry: &Entry) -> String {
    let pairs = argument(entry, 0).as_object().unwrap();
    let properties: Properties =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let text = properties.encode();
    match entry.version {
        "4.9.8" => text.strip_suffix('\u{2}').unwrap_or(&text).to_string(),
        _ => text,
    }
}

/// The line of a topic within a compressed registration; 4.9 ends it before the attributes.
fn topic_line(entry: &Entry) -> String {
    let number = |index| i32::try_from(argument(entry, index).as_i64().unwrap()).unwrap();
    let topic = TopicConfig {
        topic_name: argument(entry, 0).as_str().unwrap().to_string(),
        read_queue_nums: number(1),
        write_queue_nums: number(2),
        perm: number(3),
        topic_sys_flag: number(4),
        order: argument(entry, 5) == true,
        ..TopicConfig::default()
    };
    let mut body = RegisterBrokerBody::default();
    let table = &mut body.topic_config_serialize_wrapper.topic_config_table;
    table.insert(topic.topic_name.clone(), topic);
    let mut plain = Vec::new();
    ZlibDecoder::new(&body.deflate().unwrap()[..]).read_to_end(&mut plain).unwrap();
    // The data version, one topic, then the line with its length.
    let length = |at: usize| u32::from_be_bytes(*plain[at..].first_chunk().unwrap()) as usize;
    let at = 4 + length(0) + 4;
    let line = std::str::from_utf8(&plain[at + 4..at + 4 + length(at)]).unwrap();
    match entry.version {
        "4.9.8" => line.strip_suffix(" {}").unwrap().to_string(),
        _ => line.to_string(),
    }
}

/// What comes of a line within a compressed registration.
fn topic_from_line(entry: &Entry) -> Value {
    let line = argument(entry, 0).as_str().unwrap();
    if entry.version == "4.9.8" && line.ends_with('}') {
        // 4.9 reads no attributes; a name server of ours takes registrations of 5.x as well.
        return entry.value("result").clone();
    }
    let mut plain = Vec::new();
    for section in [Some("{}"), None, Some(line), Some("[]")] {
        plain.extend_from_slice(&section.map_or(1, |text| text.len() as u32).to_be_bytes());
        plain.extend_from_slice(section.unwrap_or_default().as_bytes());
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain).unwrap();
    let read = RegisterBrokerBody::decode(&encoder.finish().unwrap(), false);
    // Refused, Apache's object keeps what a new one has.
    let refused = TopicConfig::default();
    let table = read.map(|body| body.topic_config_serialize_wrapper.topic_config_table);
    let topic = table.as_ref().ok().and_then(|table| table.values().next());
    serde_json::json!({
        "perm": topic.unwrap_or(&refused).perm,
        "read": topic.is_some(),
        "readQueueNums": topic.unwrap_or(&refused).read_queue_nums,
        "topicName": topic.map(|topic| &topic.topic_name),
    })
}

/// The numbers and texts that Apache's constants of one kind have, by name.
fn constants(kind: &str) -> BTreeMap<String, Value> {
    let all = entries("calls").into_iter().filter(|entry| entry.name == kind);
    all.map(|entry| {
        (argument(&entry, 0).as_str().unwrap().to_string(), entry.value("result").clone())
    })
    .collect()
}

#[test]
fn codes_have_the_names_of_apache() {
    type Name = fn(i32) -> Option<&'static str>;
    let kinds: [(&str, Name); 2] =
        [("request code", code::request::name), ("response code", code::response::name)];
    for (kind, name) in kinds {
        let theirs = constants(kind);
        let ours = (-10_000..300_000).filter_map(|code| name(code).map(|name| (code, name)));
        let wrong: Vec<_> =
            ours.filter(|(code, name)| theirs.get(*name) != Some(&Value::from(*code))).collect();
        assert!(wrong.is_empty(), "{kind}: not so in Apache: {wrong:?}");
    }
    assert_eq!(code::request::name(310), Some("SEND_MESSAGE_V2"));
}

#[test]
fn languages_and_versions_have_the_numbers_of_apache() {
    let languages = constants("language");
    for (name, number) in &languages {
        let language = Language::from_name(name);
        assert_eq!(Value::from(language.0), *number, "{name}");
        assert_eq!(language.name(), Some(name.as_str()));
    }
    assert!(
        (0..=u8::MAX).filter(|code| Language(*code).name().is_some()).count() == languages.len()
    );
    let versions = constants("version");
    for (name, number) in [
        ("V4_9_4", command::VERSION_4_9_4),
        ("V5_0_0", command::VERSION_5_0_0),
        ("V5_3_3", command::CURRENT_VERSION),
    ] {
        assert_eq!(versions[name], number, "{name}");
    }
}

/// From the source, since constants cannot be enumerated.
#[test]
fn property_names_are_those_of_apache() {
    let source = include_str!("../../src/properties.rs");
    let theirs: Vec<_> = constants("property name").into_values().collect();
    let mut count = 0;
    for line in source.lines().filter(|line| line.trim_start().starts_with("pub const")) {
        let Some((name, value)) = line.split_once(": &str = \"") else { continue };
        let value = value.trim_end_matches("\";");
        assert!(
            theirs.contains(&Value::from(value)),
            "{name} = {value} is no property of Apache's"
        );
        count += 1;
    }
    assert!(count > 30, "{count} names found");
}
