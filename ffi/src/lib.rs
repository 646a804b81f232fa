//! The C interface. What each function does is said here and copied into `include/ferromq.h`.
//!
//! Rules that hold for all of them: NULL is allowed everywhere and gives an error or nothing; no panic
//! leaves this library; what a call gives is destroyed by the caller with the function named after its
//! type; texts that are given are borrowed until that happens.

// Every function here has a foreign caller; each block says why it may trust what it is given.
#![allow(unsafe_code)]
// Types have the names that they have in C.
#![allow(non_camel_case_types)]
// C has no documentation of safety other than that of the parameters.
#![allow(clippy::missing_safety_doc)]

mod admin;
mod callback;
mod completions;
mod config;
mod consumer;
mod error;
mod log;
mod memory;
mod message;
mod producer;
mod pull_consumer;
mod queues;
mod received;
mod server;
mod texts;

use std::ffi::c_char;

/// The version of this interface. It grows when something that exists changes, which is not planned.
pub const FERROMQ_ABI_VERSION: i32 = 1;

/// `FERROMQ_ABI_VERSION` of the library, as opposed to that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_abi_version() -> i32 {
    FERROMQ_ABI_VERSION
}

/// The version of the library, as in `0.1.0`; lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn ferromq_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
