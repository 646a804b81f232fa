//! The name server: route tables and their request handlers.
//!
//! Brokers register with every name server; clients ask any of them where a topic's queues are.
//! Name servers know nothing of each other, and keep nothing on disk but their key-value
//! configuration.

mod clock;
mod config;
mod file;
mod kv;
pub mod routes;

pub use clock::{Clock, MonotonicClock};
pub use config::NamesrvConfig;
pub use kv::{KvConfig, KvError};
