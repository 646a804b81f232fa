//! Framed connections over TCP: the only crate with sockets.
//!
//! Either side of a connection sends requests and answers them. One task owns each connection: it
//! reads whatever has arrived, hands every complete request to the [`Service`] in order, and writes
//! the answers together. Answers that take longer come later through a [`Responder`], from any
//! thread. A peer that does not read is not read from either, so nothing grows without limit.
//!
//! A server's connections are run by its crew: by one thread as long as that keeps up, so that no time goes into
//! waking others, and by all threads of the runtime when it does not.

mod connection;
mod connections;
mod crew;
mod error;
mod incoming;
mod outgoing;
mod pending;
mod served;
mod server;
mod service;
mod spare;
mod task;
mod wake;
mod wire;

pub use connection::Connection;
pub use connections::{ConnectOptions, Connections};
pub use crew::aside;
pub use error::NetError;
pub use outgoing::Piece;
pub use server::{Listener, Server, ServerOptions};
pub use service::{Answers, NoRequests, Reply, Responder, Response, ResponseWriter, Service};
pub use task::{Limits, open};
