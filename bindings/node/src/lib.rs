//! The native part of the npm package `ferromq`: a shell over the facade, on which the TypeScript
//! of `ts/` stands. Nothing here is called by applications.
//!
//! - [`port`]: promises, settled from the threads of the clients;
//! - [`pack`]: a batch of messages as one piece of memory;
//! - the rest: one file for each kind of client.

// Node's interface is one of C; every block has its argument.
#![allow(unsafe_code)]
// Node finds the functions by what the macros add, which they leave out of test builds.
#![cfg_attr(test, allow(dead_code))]

mod admin;
mod consumer;
mod failure;
mod pack;
mod port;
mod producer;
mod pull_consumer;
mod server;
mod settings;
