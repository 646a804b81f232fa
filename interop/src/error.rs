//! What can go wrong between a test and the processes it runs.

use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a step of a test did not happen.
#[derive(Debug, Error)]
pub enum Problem {
    /// The machine lacks something that is no fault of the code under test.
    #[error("{tool} is not usable here: {reason}")]
    Missing {
        /// What is missing.
        tool: String,
        /// How that showed.
        reason: String,
    },
    /// A program could not be started or talked to.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program ended before it did what was waited for.
    #[error("{name} ended before {awaited}; its last lines:\n{tail}")]
    Ended {
        /// The program.
        name: String,
        /// What was waited for.
        awaited: String,
        /// The end of its output.
        tail: String,
    },
    /// Nothing happened in time.
    #[error("{name}: no {awaited} within {limit:?}; its last lines:\n{tail}")]
    Deadline {
        /// The program or server.
        name: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// The end of its output.
        tail: String,
    },
    /// A client said it failed.
    #[error("{name} reported an error: {text}\n{tail}")]
    Reported {
        /// The program.
        name: String,
        /// Its words.
        text: String,
        /// The end of its output.
        tail: String,
    },
    /// A server's answer was not what the request needs.
    #[error("request {code} to {address} was answered with code {answer}: {remark}")]
    Refused {
        /// The server.
        address: String,
        /// The request.
        code: i32,
        /// The answer's code.
        answer: i32,
        /// The answer's remark.
        remark: String,
    },
    /// What happened is not what must happen.
    #[error("{0}")]
    Wrong(String),
    /// A file of the test could not be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Problem {
    /// Wraps a system error with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Problem {
        let what = what.into();
        move |source| Problem::Io { what, source }
    }
}

/// Fails a scenario with a formatted reason unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::Problem::Wrong(format!($($reason)+)));
        }
    };
}
