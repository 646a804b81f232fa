//! The name server: route tables and their request handlers.
//!
//! Brokers register with every name server; clients ask any of them where a topic's queues are.
//! Name servers know nothing of each other, and keep nothing on disk but their key-value
//! configuration and changed settings.
//!
//! - [`routes`]: the tables, pure data;
//! - [`KvConfig`]: the key-value configuration and its file;
//! - [`NameService`]: which handler answers which request;
//! - [`NameServer`]: all of it on a port.

mod clock;
mod config;
mod file;
mod kv;
pub mod routes;
mod server;
mod service;

pub use clock::{Clock, MonotonicClock};
pub use config::NamesrvConfig;
pub use kv::{KvConfig, KvError};
pub use server::{NameServer, NamesrvError};
pub use service::{NameService, Settings, SettingsError};
