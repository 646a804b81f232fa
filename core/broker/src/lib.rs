//! The broker: request handlers, offsets, long polling, topics, groups, delay.

mod admin;
mod answer;
mod append;
mod at_hand;
mod broker;
pub mod clients;
mod clock;
mod cold_reads;
pub mod config;
mod delay;
mod dispatch;
pub mod groups;
mod housekeeping;
mod inner;
pub mod locks;
mod log;
mod long_polling;
mod marks;
pub mod offsets;
mod pull;
mod query;
mod registration;
mod send;
mod send_back;
pub mod stats;
mod tables;
pub mod topics;
mod waiting_room;

#[cfg(test)]
mod testing;

pub use broker::{Broker, BrokerError};
pub use config::BrokerConfig;
