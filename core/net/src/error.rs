use thiserror::Error;

/// Why something could not be sent or answered.
#[derive(Debug, Error)]
pub enum NetError {
    /// The peer does not accept connections, or not in time.
    #[error("cannot connect to {address}: {source}; check that the server runs and is reachable")]
    Connect {
        /// `host:port` as given.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// `host:port` as given.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection ended before the answer came.
    #[error("the connection to {address} is closed")]
    Closed {
        /// The peer.
        address: String,
    },
    /// No answer within the time given.
    #[error("{address} did not answer request {request} within {millis} ms")]
    Timeout {
        /// The peer.
        address: String,
        /// The name or number of the request code.
        request: String,
        /// The time given, in ms.
        millis: u64,
    },
    /// The peer does not read, and too much waits to be sent to it.
    #[error("{address} does not read; {bytes} bytes already wait to be sent to it")]
    Overloaded {
        /// The peer.
        address: String,
        /// How much waits.
        bytes: usize,
    },
}

impl NetError {
    /// Whether the request certainly never left this process.
    pub fn not_sent(&self) -> bool {
        matches!(self, NetError::Connect { .. } | NetError::Overloaded { .. })
    }
}
