//! What the broker adds to every message, and to the answer of every send: the same each time, so it is
//! laid out once for the settings at hand.

use crate::config::BrokerConfig;
use ferromq_protocol::fields::Fields;
use ferromq_protocol::properties::{self, key};
use std::sync::Arc;

/// Both, ready to be copied.
pub(crate) struct Marks {
    /// The settings.
    pub(crate) config: Arc<BrokerConfig>,
    /// Properties to follow those of a message that has a unique key.
    pub(crate) message: String,
    /// Fields of an answer.
    pub(crate) answer: Fields,
}

impl Marks {
    pub(crate) fn new(config: Arc<BrokerConfig>) -> Self {
        let mut message = String::new();
        Marks::push(&config, None, &mut message);
        let answer = [(key::MSG_REGION, &*config.region_id), (key::TRACE_ON, trace_on(&config))];
        let answer = answer.into_iter().collect();
        Marks { config, message, answer }
    }

    /// Appends the broker's properties to those of a message, among them a key that it gave the message.
    pub(crate) fn push(config: &BrokerConfig, unique_key: Option<&str>, text: &mut String) {
        properties::append(text, key::MSG_REGION, &config.region_id);
        properties::append(text, key::TRACE_ON, trace_on(config));
        if let Some(unique_key) = unique_key {
            properties::append(text, key::UNIQUE_KEY, unique_key);
        }
        properties::append(text, key::CLUSTER, &config.broker_cluster_name);
    }
}

fn trace_on(config: &BrokerConfig) -> &'static str {
    if config.trace_on { "true" } else { "false" }
}
