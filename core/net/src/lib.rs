//! Framed connections, request and response matching, timeouts: FerroMQ's only crate with sockets.
