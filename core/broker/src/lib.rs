//! The broker: request handlers, offsets, long polling, topics, groups, delay.

mod admin;
mod answer;
pub mod clients;
mod clock;
pub mod config;
pub mod groups;
mod inner;
pub mod locks;
mod log;
pub mod offsets;
pub mod stats;
pub mod tables;
pub mod topics;

#[cfg(test)]
mod testing;
