//! Settings pass through as text, under the names of the one table.

use crate::failure::Failure;
use ferromq::{ClientConfig, ConfigTable, ConsumerConfig, Error, ProducerConfig, ServerOptions};
use pyo3::prelude::*;
use serde_json::{Value, json};

/// Names and values.
pub(crate) type Settings = Vec<(String, String)>;

/// The settings of a client, and those of its kind.
pub(crate) fn read<A: ConfigTable, B: ConfigTable>(
    settings: &Settings,
    own: &mut A,
    common: &mut B,
) -> Result<(), Failure> {
    let pairs = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(ferromq::configure(pairs, own, common)?)
}

fn keys<T: ConfigTable>() -> Value {
    T::settings().iter().map(|setting| setting.key).collect()
}

/// The names of all settings by kind, as JSON.
#[pyfunction]
pub fn settings() -> String {
    let ServerOptions { broker, store, .. } = ServerOptions::default();
    let server = broker.entries().into_iter().chain(store.entries());
    let server: Value = server.map(|(key, _)| json!(key)).collect();
    json!({
        "client": keys::<ClientConfig>(),
        "producer": keys::<ProducerConfig>(),
        "consumer": keys::<ConsumerConfig>(),
        "server": server,
    })
    .to_string()
}

/// Numbers and names of the core's errors.
#[pyfunction]
pub fn errors() -> Vec<(i32, &'static str)> {
    Error::table()
}

/// The version of the core.
#[pyfunction]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
