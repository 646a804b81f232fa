//! The broker: request handlers, offsets, long polling, topics, groups, delay.

pub mod clients;
mod clock;
pub mod config;
pub mod groups;
pub mod locks;
pub mod offsets;
pub mod stats;
pub mod tables;
pub mod topics;

#[cfg(test)]
mod testing;
