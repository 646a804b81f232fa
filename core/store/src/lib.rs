//! The message store: one commit log for all messages, consume queues that point into it, and an
//! index by key, in RocketMQ's file formats.
//!
//! # What happens to a message
//! [`Store::append`] decides its place under a short lock and copies it into the mapped log; its
//! queue entry is kept in memory. Behind that, one thread syncs the log, one writes queue entries
//! whose records are on disk, one enters keys in the index. [`Store::when_flushed`] tells when a
//! message is on disk; [`Store::read`] hands out slices of the log without copying.
//!
//! # What a crash leaves
//! Queue files never point beyond what is on disk of the log, so recovery reads the log from the
//! checkpoint on, enters what is missing, and cuts off what is no record. See [`Disk`] for how
//! tests make crashes happen.

mod append;
mod background;
mod checkpoint;
mod chunk;
mod commit_log;
mod config;
mod deleted;
mod disk;
mod entry;
mod error;
mod examine;
mod flusher;
mod health;
mod index;
mod keys;
mod lock;
mod log_paths;
mod log_writer;
mod mapped;
mod new_records;
mod open_files;
mod os_disk;
mod preparer;
mod queue;
mod queues;
mod read;
mod read_ahead;
mod recovery;
mod residency;
mod retention;
mod segment_files;
mod store;
pub mod tables;
pub mod tools;
mod work;

pub use append::{Append, Appended};
pub use chunk::Chunk;
pub use config::StoreConfig;
pub use disk::{DirEntry, Disk, FileSystem, RandomFile, Segment, Space, Words};
pub use entry::Entry;
pub use error::{AppendError, FlushOutcome, RecordFault, StoreError};
pub use flusher::{FlushCallback, FlushLead};
pub use keys::Keys;
pub use new_records::{Mark, NewRecords, TagsCode};
pub use os_disk::OsDisk;
pub use queue::Queue;
pub use read::{ReadLimits, ReadResult, ReadStatus};
pub use store::{Boundary, Store};
