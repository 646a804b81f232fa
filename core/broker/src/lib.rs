//! The broker: request handlers, offsets, long polling, topics, groups, delay.

mod clock;
pub mod config;
pub mod groups;
pub mod offsets;
pub mod tables;
pub mod topics;
