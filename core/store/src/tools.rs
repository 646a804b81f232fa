//! Tools for the person who owns the disk: they look at a data directory from outside, whoever wrote
//! it, and read it as a stream, so that a large log needs no more memory than a small one.
//!
//! - [`Directory`] finds what is there, and whether a broker holds it; [`Directory::read_log`] reads
//!   every record.
//! - [`check`] compares log, consume queues, index and tables with each other.
//! - [`repair`] makes sound again what [`check`] found, and keeps what it takes away.
//! - [`backup`] copies a directory that a broker may be using.

mod backup;
mod check;
mod check_index;
mod check_queues;
mod check_tables;
mod directory;
mod finding;
mod log_reader;
mod repair;

pub use backup::{Backup, backup};
pub use check::{Check, check};
pub use directory::Directory;
pub use finding::{Finding, Kind};
pub use log_reader::{Gap, LogEnd, LogItem};
pub use repair::{Repair, Step, repair};

/// How far work has come: called now and then with the bytes that are done and all there are.
pub type Progress<'a> = dyn Fn(u64, u64) + 'a;
