//! The typed header of each request and response (protocol §3).
//!
//! A request `X` has [`XRequest`](SendMessageRequest) and, where its answer has fields,
//! `XResponse`. Requests whose content is all in the body have no header here. Fields that RocketMQ
//! 5 adds to every header (`ns`, `nsd`, `bname`, `oway`, `lo`) are declared only where they are used.

mod admin;
mod client;
mod namesrv;
mod pull;
mod send;

pub use admin::*;
pub use client::*;
pub use namesrv::*;
pub use pull::*;
pub use send::*;

/// Every header, by what it is for.
pub const ALL: &[(&str, &[crate::header::HeaderSpec])] = &[
    ("Sending", send::HEADERS),
    ("Pulling, queries and progress", pull::HEADERS),
    ("Clients", client::HEADERS),
    ("Name servers", namesrv::HEADERS),
    ("Administration", admin::HEADERS),
];
