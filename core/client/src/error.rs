use ferromq_model::names::NameError;
use ferromq_net::NetError;
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson::BodyError;
use ferromq_protocol::header::HeaderError;
use thiserror::Error;

/// Why a client operation failed. [`code`](Error::code) and [`name`](Error::name) identify it in
/// every language; the text says what to do and names the address, topic or group involved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument or setting is not usable.
    #[error("{0}")]
    InvalidArgument(String),
    /// No name server is configured.
    #[error("no name server is configured; set namesrvAddr, as in `127.0.0.1:9876;127.0.0.1:9877`")]
    NoNameServer,
    /// None of the name servers answered.
    #[error("none of the name servers {addresses} answers: {source}")]
    NameServersDown {
        /// All that were tried.
        addresses: String,
        /// What the last one said.
        source: NetError,
    },
    /// The topic has no route, and none can be made from the default topic.
    #[error(
        "topic `{topic}` does not exist: no broker has it; create it, or enable autoCreateTopicEnable"
    )]
    TopicNotFound {
        /// The topic.
        topic: String,
    },
    /// The topic exists, but no queue of it can be written to at present.
    #[error("topic `{topic}` has no writable queue with a master broker")]
    NoWritableQueue {
        /// The topic.
        topic: String,
    },
    /// The broker of a queue has no known address.
    #[error("no address of broker `{broker}` is known")]
    BrokerUnknown {
        /// The broker's name.
        broker: String,
    },
    /// No broker has registered, so that there is none to ask.
    #[error(
        "no master broker is registered at the name servers {addresses}; wait for one, or see whether its namesrvAddr is right"
    )]
    NoBroker {
        /// The name servers.
        addresses: String,
    },
    /// The connection failed, or no answer came in time.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The whole operation took longer than it may.
    #[error("{operation} took longer than {millis} ms; last problem: {last}")]
    Timeout {
        /// What was tried.
        operation: String,
        /// The time given, in ms.
        millis: u64,
        /// What went wrong last.
        last: String,
    },
    /// A server refused the request.
    #[error("{address} answered {} to {operation}: {remark}", response::name(*code).map_or_else(|| code.to_string(), str::to_string))]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Who refused.
        address: String,
        /// The response code.
        code: i32,
        /// What it said.
        remark: String,
    },
    /// A server's answer cannot be read.
    #[error("the answer of {address} cannot be read: {reason}")]
    Malformed {
        /// Who answered.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client has been closed.
    #[error("the client is closed")]
    Closed,
    /// The process was forked after the client was made: threads and connections are the parent's.
    #[error(
        "the process was forked after this client was made; make a new one in the child by exec, or fork before the first client"
    )]
    Forked,
    /// A file of the client cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// A number that never changes its meaning: negative for errors of this side, positive for the
    /// response code of a server.
    pub fn code(&self) -> i32 {
        match self {
            Error::InvalidArgument(_) => -1,
            Error::NoNameServer => -2,
            Error::NameServersDown { .. } => -3,
            Error::TopicNotFound { .. } => -4,
            Error::NoWritableQueue { .. } => -5,
            Error::BrokerUnknown { .. } => -6,
            Error::Net(NetError::Timeout { .. }) | Error::Timeout { .. } => -7,
            Error::Net(_) => -8,
            Error::Malformed { .. } => -9,
            Error::Closed => -10,
            Error::File { .. } => -11,
            Error::Forked => -12,
            Error::NoBroker { .. } => -13,
            Error::Refused { code, .. } => *code,
        }
    }

    /// The kind in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Error::InvalidArgument(_) => "INVALID_ARGUMENT",
            Error::NoNameServer => "NO_NAME_SERVER",
            Error::NameServersDown { .. } => "NAME_SERVERS_DOWN",
            Error::TopicNotFound { .. } => "TOPIC_NOT_FOUND",
            Error::NoWritableQueue { .. } => "NO_WRITABLE_QUEUE",
            Error::BrokerUnknown { .. } => "BROKER_UNKNOWN",
            Error::Net(NetError::Timeout { .. }) | Error::Timeout { .. } => "TIMEOUT",
            Error::Net(_) => "CONNECTION",
            Error::Malformed { .. } => "MALFORMED",
            Error::Closed => "CLOSED",
            Error::File { .. } => "FILE",
            Error::Forked => "FORKED",
            Error::NoBroker { .. } => "NO_BROKER",
            Error::Refused { code, .. } => response::name(*code).unwrap_or("REFUSED"),
        }
    }

    /// Every number with its name, for languages that list them.
    pub fn table() -> Vec<(i32, &'static str)> {
        let local = [
            (-1, "INVALID_ARGUMENT"),
            (-2, "NO_NAME_SERVER"),
            (-3, "NAME_SERVERS_DOWN"),
            (-4, "TOPIC_NOT_FOUND"),
            (-5, "NO_WRITABLE_QUEUE"),
            (-6, "BROKER_UNKNOWN"),
            (-7, "TIMEOUT"),
            (-8, "CONNECTION"),
            (-9, "MALFORMED"),
            (-10, "CLOSED"),
            (-11, "FILE"),
            (-12, "FORKED"),
            (-13, "NO_BROKER"),
        ];
        // Response codes are few and below 2000.
        let answers = (1..2000).filter_map(|code| Some((code, response::name(code)?)));
        local.into_iter().chain(answers).collect()
    }

    /// Whether the same call may succeed when it is made again.
    pub fn retryable(&self) -> bool {
        match self {
            Error::Net(_)
            | Error::Timeout { .. }
            | Error::NameServersDown { .. }
            | Error::NoWritableQueue { .. }
            | Error::NoBroker { .. }
            | Error::BrokerUnknown { .. } => true,
            Error::Refused { code, .. } => matches!(
                *code,
                response::SYSTEM_BUSY
                    | response::SERVICE_NOT_AVAILABLE
                    | response::FLOW_CONTROL
                    | response::GO_AWAY
            ),
            _ => false,
        }
    }

    /// The response code, when a server refused.
    pub fn broker_code(&self) -> Option<i32> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    pub(crate) fn malformed(address: &str, reason: impl ToString) -> Self {
        Error::Malformed { address: address.to_string(), reason: reason.to_string() }
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Error::InvalidArgument(error.to_string())
    }
}

/// Names the sender of an answer that cannot be read.
pub(crate) trait ReadAnswer<T> {
    fn sent_by(self, address: &str) -> Result<T, Error>;
}

impl<T> ReadAnswer<T> for Result<T, HeaderError> {
    fn sent_by(self, address: &str) -> Result<T, Error> {
        self.map_err(|error| Error::malformed(address, error))
    }
}

impl<T> ReadAnswer<T> for Result<T, BodyError> {
    fn sent_by(self, address: &str) -> Result<T, Error> {
        self.map_err(|error| Error::malformed(address, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_errors_say() {
        let refused = |code| Error::Refused {
            operation: "a send",
            address: String::new(),
            code,
            remark: String::new(),
        };
        let samples = [
            Error::InvalidArgument(String::new()),
            Error::NoNameServer,
            Error::TopicNotFound { topic: String::new() },
            Error::NoWritableQueue { topic: String::new() },
            Error::BrokerUnknown { broker: String::new() },
            Error::Timeout { operation: String::new(), millis: 1, last: String::new() },
            Error::Malformed { address: String::new(), reason: String::new() },
            Error::Closed,
            Error::Forked,
            Error::NoBroker { addresses: String::new() },
            refused(2),
            refused(1500),
        ];
        let table = Error::table();
        for error in samples {
            assert!(table.contains(&(error.code(), error.name())), "{error:?}");
        }
    }
}
