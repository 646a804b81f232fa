//! FerroMQ's vocabulary: queues, reserved names, permission and flag bits, and the configuration
//! table. No I/O; every other crate stands on this one.

pub mod config;
pub mod flags;
pub mod names;
pub mod perm;
mod queue;

pub use queue::MessageQueue;
