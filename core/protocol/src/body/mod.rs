//! JSON bodies (protocol §4), read and written with [`fastjson`](crate::fastjson).
//!
//! Members are declared in alphabetical order, in which Apache's software writes them. A member
//! that a peer leaves out gets its default.

mod admin;
mod broker;
mod consumer;
mod heartbeat;
mod route;
mod topic;

pub use admin::*;
pub use broker::*;
pub use consumer::*;
pub use heartbeat::*;
pub use route::*;
pub use topic::*;
