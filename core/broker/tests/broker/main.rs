//! A broker over real sockets, asked as producers, consumers and tools ask.

// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod clients;
mod delay;
mod house;
mod long_polling;
mod pull;
mod restart;
mod retry;
mod send;
mod send_refusals;
mod wrong_tables;
