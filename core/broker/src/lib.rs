//! The broker: request handlers, offsets, long polling, topics, groups, delay.

// What nothing calls until requests are dispatched.
#[allow(dead_code)]
mod admin;
#[allow(dead_code)]
mod answer;
pub mod clients;
mod clock;
pub mod config;
pub mod groups;
#[allow(dead_code)]
mod housekeeping;
#[allow(dead_code)]
mod inner;
pub mod locks;
#[allow(dead_code)]
mod log;
pub mod offsets;
#[allow(dead_code)]
mod registration;
pub mod stats;
mod tables;
pub mod topics;

#[cfg(test)]
mod testing;
