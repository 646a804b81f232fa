//! Measures FerroMQ beside Apache RocketMQ and beside the machine's limits, and writes down what came of it.
//!
//! - [`rows`] says what is measured, one module for each row of the table; [`run`] goes through them in turns.
//! - [`rig`] starts, freezes and ends the [`servers`]; [`load`] runs `ferromq bench`, [`apache_load`] Apache's own
//!   benchmark classes, [`clients`] the client of each language, on the [`cores`] that a row wants; [`sendfile`] and [`fdatasync`] the machine's limits; the [`page_cache`] is full for
//!   everyone, as on a machine that has run for a day.
//! - [`results`] holds the figures with their [`target`]s and [`unit`]s; [`page`] and [`plots`] show them, and
//!   [`publish`] writes them into `docs/benchmarks/` and the README.

#![forbid(unsafe_code)]

pub mod apache_load;
pub mod clients;
pub mod cores;
pub mod fdatasync;
pub mod interrupt;
pub mod load;
pub mod machine;
pub mod page;
pub mod page_cache;
pub mod plots;
pub mod proc;
pub mod progress;
pub mod publish;
pub mod results;
pub mod rig;
pub mod rows;
pub mod run;
pub mod scale;
pub mod sendfile;
pub mod servers;
pub mod target;
pub mod unit;
