//! Settings pass through as text, under the names of the one table.

use crate::failure::Failure;
use ferromq::{
    ClientConfig, ConfigTable, ConsumerConfig, ErrorKind, ProducerConfig, ServerOptions,
};
use napi_derive::napi;
use serde_json::{Value, json};

/// Names and values in turn.
pub(crate) type Settings = Vec<String>;

/// The settings of a client, and those of its kind.
pub(crate) fn read<A: ConfigTable, B: ConfigTable>(
    settings: Settings,
    own: &mut A,
    common: &mut B,
) -> Result<(), Failure> {
    let pairs = settings.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
    Ok(ferromq::configure(pairs, own, common)?)
}

fn table<T: ConfigTable>(values: &T) -> Value {
    let rows = T::settings().iter().zip(values.entries()).map(|(setting, (_, default))| {
        json!({ "key": setting.key, "kind": setting.kind, "help": setting.help,
                "range": setting.range, "default": default })
    });
    rows.collect()
}

/// All settings as JSON, from which the types are made.
#[napi]
pub fn settings() -> String {
    let ServerOptions { broker, store, .. } = ServerOptions::default();
    let all = json!({
        "ClientSettings": table(&ClientConfig { namesrv_addr: String::new(), ..Default::default() }),
        "ProducerSettings": table(&ProducerConfig::default()),
        "ConsumerSettings": table(&ConsumerConfig::default()),
        "BrokerSettings": table(&broker),
        "StoreSettings": table(&store),
    });
    all.to_string()
}

/// All errors as JSON: numbers by name.
#[napi]
pub fn errors() -> String {
    let all = ErrorKind::all().into_iter().map(|kind| (kind.name.to_string(), kind.code.into()));
    Value::Object(all.collect()).to_string()
}

/// The version of the core.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
