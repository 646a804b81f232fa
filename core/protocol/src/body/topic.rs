//! Topics, their versions, and broker registration (protocol §3.6 and §4.4).

use crate::fastjson;
use ferromq_model::perm;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use thiserror::Error;

/// Tells two states of a table apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// Counts changes.
    pub counter: i64,
    /// Grows when a new master takes over (5.x).
    pub state_version: i64,
    /// When the table last changed, in ms.
    pub timestamp: i64,
}

impl DataVersion {
    /// The version after another change, made at `now` (ms).
    pub fn advance(&mut self, now: i64) {
        self.counter += 1;
        self.timestamp = now;
    }
}

/// One topic on a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Attributes such as `message.type` (5.x).
    pub attributes: BTreeMap<String, String>,
    /// Whether the topic is strictly ordered.
    pub order: bool,
    /// Bits of `ferromq_model::perm`.
    pub perm: i32,
    /// Queues that consumers read.
    pub read_queue_nums: i32,
    /// `SINGLE_TAG` or `MULTI_TAG`; makes no difference.
    pub topic_filter_type: String,
    /// The topic.
    pub topic_name: String,
    /// Bits of `ferromq_model::flags::topic`.
    pub topic_sys_flag: i32,
    /// Queues that producers choose from.
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            attributes: BTreeMap::new(),
            order: false,
            perm: perm::READ_WRITE,
            read_queue_nums: 16,
            topic_filter_type: "SINGLE_TAG".to_string(),
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

impl TopicConfig {
    /// A readable and writable topic with as many queues to read as to write.
    pub fn new(topic: impl Into<String>, queues: i32) -> Self {
        TopicConfig {
            topic_name: topic.into(),
            read_queue_nums: queues,
            write_queue_nums: queues,
            ..TopicConfig::default()
        }
    }

    /// How many queues exist for either side.
    pub fn queue_count(&self) -> i32 {
        self.read_queue_nums.max(self.write_queue_nums)
    }
}

/// A broker's topics: `topics.json`, and the answer to GET_ALL_TOPIC_CONFIG.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigTable {
    /// The table's version.
    pub data_version: DataVersion,
    /// The version of the static topics' mappings (5.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_data_version: Option<DataVersion>,
    /// The topics by name.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
    /// Mappings of static topics (5.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_detail_map: Option<Value>,
    /// Mappings of static topics (5.x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_info_map: Option<BTreeMap<String, Value>>,
}

/// What a broker tells a name server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    /// Obsolete.
    pub filter_server_list: Vec<String>,
    /// The topics.
    pub topic_config_serialize_wrapper: TopicConfigTable,
}

/// A body of UPDATE_AND_CREATE_TOPIC_LIST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigList {
    /// The topics.
    pub topic_config_list: Vec<TopicConfig>,
}

/// A registration that cannot be read.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// The JSON within is wrong.
    #[error(transparent)]
    Body(#[from] fastjson::BodyError),
    /// The stream is no zlib, or too long.
    #[error("the compressed registration cannot be expanded: {0}")]
    Inflate(#[from] std::io::Error),
    /// A length or a topic line within is wrong.
    #[error("the compressed registration is malformed: {0}")]
    Malformed(&'static str),
}

/// How much a compressed registration may expand to: 200,000 topics with long names.
const MAX_INFLATED: u64 = 64 << 20;

impl RegisterBrokerBody {
    /// Reads a body, compressed or not; which it is shows in its first byte, whatever the header
    /// claims, since brokers 5.0 and later claim the wrong thing. `with_mappings` tells whether the
    /// sender is 5.0 or later and writes that section.
    pub fn decode(body: &[u8], with_mappings: bool) -> Result<Self, RegistrationError> {
        match body.first() {
            None => Ok(RegisterBrokerBody::default()),
            Some(0x78) => RegisterBrokerBody::inflate(body, with_mappings),
            Some(_) => Ok(fastjson::from_slice(body)?),
        }
    }

    fn inflate(body: &[u8], with_mappings: bool) -> Result<Self, RegistrationError> {
        let mut plain = Vec::new();
        let length = ZlibDecoder::new(body).take(MAX_INFLATED + 1).read_to_end(&mut plain)?;
        if length as u64 > MAX_INFLATED {
            return Err(RegistrationError::Malformed("it expands to more than 64 MiB"));
        }
        let mut rest = &plain[..];
        let mut table = TopicConfigTable {
            data_version: fastjson::from_slice(section(&mut rest)?)?,
            ..TopicConfigTable::default()
        };
        for _ in 0..number(&mut rest)? {
            let line = std::str::from_utf8(section(&mut rest)?)
                .map_err(|_| RegistrationError::Malformed("a topic is not UTF-8"))?;
            let topic = topic_of_line(line)?;
            table.topic_config_table.insert(topic.topic_name.clone(), topic);
        }
        let filter_server_list = fastjson::from_slice(section(&mut rest)?)?;
        if with_mappings && !rest.is_empty() {
            let mut mappings = BTreeMap::new();
            for _ in 0..number(&mut rest)? {
                let mapping: Value = fastjson::from_slice(section(&mut rest)?)?;
                if let Some(topic) = mapping["topic"].as_str() {
                    mappings.insert(topic.to_string(), mapping.clone());
                }
            }
            table.topic_queue_mapping_info_map = Some(mappings);
        }
        Ok(RegisterBrokerBody { filter_server_list, topic_config_serialize_wrapper: table })
    }

    /// The compressed form, with the section for mappings that 5.x writes.
    pub fn deflate(&self) -> std::io::Result<Vec<u8>> {
        let table = &self.topic_config_serialize_wrapper;
        let mut plain = Vec::new();
        let mut put = |section: &[u8]| {
            plain.extend_from_slice(&(section.len() as u32).to_be_bytes());
            plain.extend_from_slice(section);
        };
        put(&fastjson::to_vec(&table.data_version));
        let topics = &table.topic_config_table;
        plain.extend_from_slice(&(topics.len() as u32).to_be_bytes());
        let mut put = |section: &[u8]| {
            plain.extend_from_slice(&(section.len() as u32).to_be_bytes());
            plain.extend_from_slice(section);
        };
        topics.values().for_each(|topic| put(line_of_topic(topic).as_bytes()));
        put(&fastjson::to_vec(&self.filter_server_list));
        let mappings = table.topic_queue_mapping_info_map.iter().flatten();
        plain.extend_from_slice(&(mappings.clone().count() as u32).to_be_bytes());
        for (_, mapping) in mappings {
            let section = fastjson::to_vec(mapping);
            plain.extend_from_slice(&(section.len() as u32).to_be_bytes());
            plain.extend_from_slice(&section);
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain)?;
        encoder.finish()
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, RegistrationError> {
    let (number, tail) =
        rest.split_first_chunk::<4>().ok_or(RegistrationError::Malformed("it ends early"))?;
    *rest = tail;
    Ok(u32::from_be_bytes(*number))
}

fn section<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], RegistrationError> {
    let length = number(rest)? as usize;
    let all: &'a [u8] = rest;
    let (section, tail) = all
        .split_at_checked(length)
        .ok_or(RegistrationError::Malformed("a length goes beyond the end"))?;
    *rest = tail;
    Ok(section)
}

fn line_of_topic(topic: &TopicConfig) -> String {
    format!(
        "{} {} {} {} {} {}",
        topic.topic_name,
        topic.read_queue_nums,
        topic.write_queue_nums,
        topic.perm,
        topic.topic_filter_type,
        String::from_utf8_lossy(&fastjson::to_vec(&topic.attributes)),
    )
}

fn topic_of_line(line: &str) -> Result<TopicConfig, RegistrationError> {
    let malformed = || RegistrationError::Malformed("a topic line needs name, read, write, perm");
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().ok_or_else(malformed);
    let topic_name = word()?.to_string();
    let mut number = || word()?.parse::<i32>().map_err(|_| malformed());
    let (read_queue_nums, write_queue_nums, perm) = (number()?, number()?, number()?);
    let topic_filter_type = word()?.to_string();
    let attributes = match words.next() {
        Some(json) => fastjson::from_slice(json.as_bytes())?,
        None => BTreeMap::new(),
    };
    Ok(TopicConfig {
        attributes,
        perm,
        read_queue_nums,
        topic_filter_type,
        topic_name,
        write_queue_nums,
        ..TopicConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapper_of_the_specification() {
        let text = br#"{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1700000000000},"topicConfigTable":{"T":{"attributes":{},"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":8}}}"#;
        let table: TopicConfigTable = fastjson::from_slice(text).unwrap();
        assert_eq!(table.topic_config_table["T"], TopicConfig::new("T", 8));
        assert_eq!(fastjson::to_vec(&table), text);
    }

    #[test]
    fn compressed_registration_round_trip() {
        let mut body = RegisterBrokerBody::default();
        let table = &mut body.topic_config_serialize_wrapper;
        table.data_version = DataVersion { counter: 3, state_version: 0, timestamp: 5 };
        table.topic_queue_mapping_info_map = Some(BTreeMap::new());
        for index in 0..50 {
            let mut topic = TopicConfig::new(format!("Topic-{index}"), index);
            topic.attributes.insert("message.type".into(), "FIFO".into());
            table.topic_config_table.insert(topic.topic_name.clone(), topic);
        }
        let compressed = body.deflate().unwrap();
        assert_eq!(RegisterBrokerBody::decode(&compressed, true).unwrap(), body);
        assert_eq!(RegisterBrokerBody::decode(&fastjson::to_vec(&body), true).unwrap(), body);
        for cut in [1, 2, 10, compressed.len() / 2] {
            assert!(RegisterBrokerBody::decode(&compressed[..cut], true).is_err());
        }
    }
}
