//! Heartbeats and subscriptions (protocol §4.3).

use crate::tags::java_string_hash;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a consumer gets its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumeType {
    /// It pulls when it likes.
    #[serde(rename = "CONSUME_ACTIVELY")]
    Actively,
    /// A push consumer.
    #[default]
    #[serde(rename = "CONSUME_PASSIVELY")]
    Passively,
    /// A pop consumer (5.x).
    #[serde(rename = "CONSUME_POP")]
    Pop,
}

/// Who of a group gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageModel {
    /// Everyone.
    #[serde(rename = "BROADCASTING")]
    Broadcasting,
    /// One of them.
    #[default]
    #[serde(rename = "CLUSTERING")]
    Clustering,
}

/// Where a group without progress starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumeFromWhere {
    /// At the beginning.
    #[serde(rename = "CONSUME_FROM_FIRST_OFFSET")]
    FirstOffset,
    /// At a time.
    #[serde(rename = "CONSUME_FROM_TIMESTAMP")]
    Timestamp,
    /// At the end; also what unknown and deprecated values mean.
    #[default]
    #[serde(rename = "CONSUME_FROM_LAST_OFFSET", other)]
    LastOffset,
}

/// What a client tells every broker each 30 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    /// The client.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Its consumer groups.
    pub consumer_data_set: Vec<ConsumerData>,
    /// 0, or a hash of the content for heartbeats without subscriptions (5.1.3+).
    pub heartbeat_fingerprint: i32,
    /// Its producer groups.
    pub producer_data_set: Vec<ProducerData>,
    /// Whether subscriptions are left out (5.1.3+).
    #[serde(alias = "isWithoutSub")]
    pub without_sub: bool,
}

/// A producer group of a client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    /// The group.
    pub group_name: String,
}

/// A consumer group of a client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerData {
    /// Where it starts without progress.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets messages.
    pub consume_type: ConsumeType,
    /// The group.
    pub group_name: String,
    /// Who gets a message.
    pub message_model: MessageModel,
    /// What it subscribes to.
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Unit mode.
    pub unit_mode: bool,
}

/// A subscription to one topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    /// Obsolete.
    pub class_filter_mode: bool,
    /// The hashes of the tags.
    #[serde(deserialize_with = "hashes")]
    pub code_set: Vec<i32>,
    /// `TAG` or `SQL92`.
    pub expression_type: String,
    /// `*`, tags joined by `||`, or SQL.
    pub sub_string: String,
    /// The client's clock in ms when the subscription was made.
    pub sub_version: i64,
    /// The tags; empty for all.
    pub tags_set: Vec<String>,
    /// The topic.
    pub topic: String,
}

/// Numbers, or numbers as text: the Go client quotes these, and Java readers take both.
fn hashes<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<i32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Hash<'a> {
        Number(i32),
        #[serde(borrow)]
        Text(Cow<'a, str>),
    }
    let read = Vec::<Hash<'de>>::deserialize(source)?;
    let number = |hash| match hash {
        Hash::Number(number) => Ok(number),
        Hash::Text(text) => text.parse().map_err(D::Error::custom),
    };
    read.into_iter().map(number).collect()
}

impl Default for SubscriptionData {
    fn default() -> Self {
        SubscriptionData {
            class_filter_mode: false,
            code_set: Vec::new(),
            expression_type: EXPRESSION_TAG.to_string(),
            sub_string: "*".to_string(),
            sub_version: 0,
            tags_set: Vec::new(),
            topic: String::new(),
        }
    }
}

/// Filtering by tags.
pub const EXPRESSION_TAG: &str = "TAG";
/// Filtering by an SQL expression over the properties.
pub const EXPRESSION_SQL92: &str = "SQL92";

impl SubscriptionData {
    /// A subscription by tags: `TagA || TagB`, with or without spaces; `*` or nothing means all.
    pub fn by_tags(topic: impl Into<String>, expression: &str, version: i64) -> Self {
        let expression = expression.trim();
        let mut subscription = SubscriptionData {
            topic: topic.into(),
            sub_version: version,
            ..SubscriptionData::default()
        };
        if expression.is_empty() || expression == "*" {
            return subscription;
        }
        subscription.sub_string = expression.to_string();
        for tag in expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()) {
            subscription.tags_set.push(tag.to_string());
            subscription.code_set.push(java_string_hash(tag));
        }
        subscription
    }

    /// Whether a message whose tags hash to `tags_code` may match. Only the tags themselves, which
    /// the consumer compares, can tell for sure.
    pub fn may_match(&self, tags_code: i64) -> bool {
        self.code_set.is_empty()
            || self.expression_type != EXPRESSION_TAG
            || self.code_set.contains(&(tags_code as i32))
    }

    /// Whether a message with these tags matches.
    pub fn matches(&self, tags: Option<&str>) -> bool {
        self.expression_type != EXPRESSION_TAG
            || self.tags_set.is_empty()
            || tags.is_some_and(|tags| self.tags_set.iter().any(|tag| tag == tags))
    }
}

/// One client of a group, as the tools show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// `ip:port`.
    pub client_addr: String,
    /// The client.
    pub client_id: String,
    /// The name of its language.
    pub language: String,
    /// Its protocol version.
    pub version: i32,
}

/// The answer to GET_PRODUCER_CONNECTION_LIST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    /// The group's clients.
    pub connection_set: Vec<Connection>,
}

/// The answer to GET_CONSUMER_CONNECTION_LIST.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    /// The group's clients.
    pub connection_set: Vec<Connection>,
    /// Where it starts without progress.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets messages.
    pub consume_type: ConsumeType,
    /// Who gets a message.
    pub message_model: MessageModel,
    /// What it subscribes to, by topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// The answer to GET_ALL_PRODUCER_INFO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProducerTable {
    /// The clients of each group.
    #[serde(default)]
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// A producer as GET_ALL_PRODUCER_INFO shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    /// The client.
    pub client_id: String,
    /// The name of its language.
    pub language: String,
    /// When it was last heard of, in ms.
    pub last_update_timestamp: i64,
    /// Its address.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    /// Its protocol version.
    pub version: i32,
}

/// A body of CHECK_CLIENT_CONFIG.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckClientConfig {
    /// The client.
    pub client_id: String,
    /// The group.
    pub group: String,
    /// The subscription to check.
    pub subscription_data: SubscriptionData,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastjson;

    #[test]
    fn subscription_of_the_go_client() {
        let text = br#"{"classFilterMode":false,"topic":"T","subString":"TagA || TagC","tagsSet":["TagA","TagC"],"codeSet":["2598919","-7"],"subVersion":1700000000000,"expressionType":"TAG"}"#;
        let subscription: SubscriptionData = fastjson::from_slice(text).unwrap();
        assert_eq!(subscription.code_set, [2598919, -7]);
        let text = br#"{"codeSet":["many"]}"#;
        assert!(fastjson::from_slice::<SubscriptionData>(text).is_err());
    }

    #[test]
    fn heartbeat_of_the_specification() {
        let text = br#"{"clientID":"10.0.0.9@123#456","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"CG","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[2598919,2598920],"expressionType":"TAG","subString":"TagA || TagB","subVersion":1700000000000,"tagsSet":["TagA","TagB"],"topic":"T"}],"unitMode":false}],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"PG"}],"withoutSub":false}"#;
        let heartbeat: HeartbeatData = fastjson::from_slice(text).unwrap();
        assert_eq!(fastjson::to_vec(&heartbeat), text);
        assert_eq!(
            heartbeat.consumer_data_set[0].subscription_data_set[0],
            SubscriptionData::by_tags("T", "TagA || TagB", 1700000000000)
        );
    }

    #[test]
    fn tags_match_by_hash_and_by_text() {
        let some = SubscriptionData::by_tags("T", "TagA||  TagB|| ", 0);
        assert!(some.may_match(2598919) && some.may_match(2598920) && !some.may_match(0));
        assert!(some.matches(Some("TagB")) && !some.matches(Some("tagB")) && !some.matches(None));
        for all in ["*", "", "  "] {
            let all = SubscriptionData::by_tags("T", all, 0);
            assert!(all.may_match(7) && all.matches(None) && all.sub_string == "*");
        }
        let odd = fastjson::from_slice::<ConsumerData>(
            br#"{"consumeFromWhere":"CONSUME_FROM_MAX_OFFSET","groupName":"G"}"#,
        );
        assert_eq!(odd.unwrap().consume_from_where, ConsumeFromWhere::LastOffset);
    }
}
