//! The tools that look at a directory from outside.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod backup;
mod check;
mod house;
mod repair;
