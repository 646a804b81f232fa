//! Drives FerroMQ with Apache's clients and Apache's servers with FerroMQ's clients.
//!
//! - [`setup`] brings in Apache's jars and builds the drivers; [`skip`] says what a machine cannot run.
//! - [`cluster`] starts name servers and brokers, Apache's ([`apache`]) or ours ([`ours`]), mixed as wanted.
//! - [`driver`] runs a client in a process of its own and reads its events; [`mqadmin`] runs Apache's admin tool.
//! - [`wire`] asks a server one question without any client.
//! - [`scenario`] holds what every pair of clients must manage on every server; [`suite`] runs them.

#![forbid(unsafe_code)]

pub mod apache;
pub mod cluster;
pub mod driver;
pub mod error;
pub mod mqadmin;
pub mod ours;
pub mod ports;
pub mod process;
pub mod scenario;
pub mod settings;
pub mod setup;
pub mod skip;
pub mod suite;
pub mod wire;

pub use cluster::{Cluster, ServerKind};
pub use driver::{Driver, DriverKind};
pub use error::Problem;
