//! Settings pass through as text, under the names of the one table.

use crate::failure::Failure;
use ferromq::{
    ClientConfig, ConfigTable, ConsumerConfig, ErrorKind, ProducerConfig, ServerOptions, snake_case,
};
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

fn keys<T: ConfigTable>(of: &T) -> Vec<(String, Value)> {
    of.entries().into_iter().map(|(key, _)| (snake_case(key), key.into())).collect()
}

/// The keys of all settings by their names here, by kind, as JSON.
#[pyfunction]
pub fn settings() -> String {
    let ServerOptions { broker, store, .. } = ServerOptions::default();
    json!({
        "client": Value::from_iter(keys(&ClientConfig::default())),
        "producer": Value::from_iter(keys(&ProducerConfig::default())),
        "consumer": Value::from_iter(keys(&ConsumerConfig::default())),
        "server": Value::from_iter(keys(&broker).into_iter().chain(keys(&store))),
    })
    .to_string()
}

/// Numbers and names of all errors, and whether trying again may help.
#[pyfunction]
pub fn errors() -> Vec<(i32, &'static str, bool)> {
    ErrorKind::all().into_iter().map(|kind| (kind.code, kind.name, kind.retryable)).collect()
}

/// The version of the core.
#[pyfunction]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
