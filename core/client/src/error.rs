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

/// A kind of error: the same number, name and answer to "again?" in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorKind {
    /// A number that never changes its meaning: negative for errors of this side, positive for the
    /// response code of a server.
    pub code: i32,
    /// The kind in one word.
    pub name: &'static str,
    /// Whether the same call may succeed when it is made again.
    pub retryable: bool,
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal $(, $retryable:ident)?;)*) => {
        impl ErrorKind {
            $($(#[$doc])* pub const $name: ErrorKind = ErrorKind {
                code: $code,
                name: stringify!($name),
                retryable: error_kinds!(@ $($retryable)?),
            };)*

            /// Those of this side; a number is never used again.
            const LOCAL: &[ErrorKind] = &[$(ErrorKind::$name),*];
        }
    };
    (@) => { false };
    (@ retryable) => { true };
}

error_kinds! {
    /// An argument or setting is not usable.
    INVALID_ARGUMENT = -1;
    /// No name server is configured.
    NO_NAME_SERVER = -2;
    /// None of the name servers answered.
    NAME_SERVERS_DOWN = -3, retryable;
    /// No broker has the topic.
    TOPIC_NOT_FOUND = -4;
    /// No queue of the topic can be written to.
    NO_WRITABLE_QUEUE = -5, retryable;
    /// The broker of a queue has no known address.
    BROKER_UNKNOWN = -6, retryable;
    /// It took longer than it may.
    TIMEOUT = -7, retryable;
    /// A connection failed.
    CONNECTION = -8, retryable;
    /// An answer cannot be read.
    MALFORMED = -9;
    /// The client has been closed.
    CLOSED = -10;
    /// A file cannot be read or written.
    FILE = -11;
    /// The client belongs to the process that this one was forked from.
    FORKED = -12;
    /// No broker has registered.
    NO_BROKER = -13, retryable;
    /// What became of earlier messages has not been asked for; only where that is polled, which is C.
    UNPOLLED = -14, retryable;
    /// A defect of FerroMQ, found by a binding.
    INTERNAL = -100;
    /// The caller gave the operation up.
    ABORTED = -101;
    /// An embedded server did not start.
    SERVER = -102;
}

impl ErrorKind {
    /// Every kind, for languages that list them. An answer of a server that has no name is called
    /// `REFUSED`, and has the number that the server gave.
    pub fn all() -> Vec<ErrorKind> {
        // Response codes are few and below 2000.
        let answers = (1..2000).filter(|code| response::name(*code).is_some());
        ErrorKind::LOCAL.iter().copied().chain(answers.map(ErrorKind::refused)).collect()
    }

    /// The kind of a server's answer.
    fn refused(code: i32) -> ErrorKind {
        let retryable = matches!(
            code,
            response::SYSTEM_BUSY
                | response::SERVICE_NOT_AVAILABLE
                | response::FLOW_CONTROL
                | response::GO_AWAY
        );
        ErrorKind { code, name: response::name(code).unwrap_or("REFUSED"), retryable }
    }
}

impl Error {
    /// The kind, which names it in every language.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::InvalidArgument(_) => ErrorKind::INVALID_ARGUMENT,
            Error::NoNameServer => ErrorKind::NO_NAME_SERVER,
            Error::NameServersDown { .. } => ErrorKind::NAME_SERVERS_DOWN,
            Error::TopicNotFound { .. } => ErrorKind::TOPIC_NOT_FOUND,
            Error::NoWritableQueue { .. } => ErrorKind::NO_WRITABLE_QUEUE,
            Error::BrokerUnknown { .. } => ErrorKind::BROKER_UNKNOWN,
            Error::Net(NetError::Timeout { .. }) | Error::Timeout { .. } => ErrorKind::TIMEOUT,
            Error::Net(_) => ErrorKind::CONNECTION,
            Error::Malformed { .. } => ErrorKind::MALFORMED,
            Error::Closed => ErrorKind::CLOSED,
            Error::File { .. } => ErrorKind::FILE,
            Error::Forked => ErrorKind::FORKED,
            Error::NoBroker { .. } => ErrorKind::NO_BROKER,
            Error::Refused { code, .. } => ErrorKind::refused(*code),
        }
    }

    /// The kind's number.
    pub fn code(&self) -> i32 {
        self.kind().code
    }

    /// The kind in one word.
    pub fn name(&self) -> &'static str {
        self.kind().name
    }

    /// Whether the same call may succeed when it is made again.
    pub fn retryable(&self) -> bool {
        self.kind().retryable
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
    fn numbers_and_names_are_unique_and_never_change() {
        let all = ErrorKind::all();
        let count = |of: fn(&ErrorKind) -> String| {
            all.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(count(|kind| kind.code.to_string()), all.len());
        assert_eq!(count(|kind| kind.name.to_string()), all.len());
        let local: Vec<_> = ErrorKind::LOCAL.iter().map(|kind| (kind.code, kind.name)).collect();
        assert_eq!(
            local,
            [
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
                (-14, "UNPOLLED"),
                (-100, "INTERNAL"),
                (-101, "ABORTED"),
                (-102, "SERVER"),
            ]
        );
    }

    #[test]
    fn a_servers_answer_is_its_code() {
        let refused = |code| Error::Refused {
            operation: "a send",
            address: String::new(),
            code,
            remark: String::new(),
        };
        let kinds = ErrorKind::all();
        assert!(kinds.contains(&refused(2).kind()) && refused(2).retryable());
        assert!(kinds.contains(&refused(1500).kind()) && !refused(1).retryable());
        assert_eq!((refused(1999).code(), refused(1999).name()), (1999, "REFUSED"));
    }
}
