//! Why an operation failed, as Python is told.

use ferromq::{Error, ServerError};
use pyo3::prelude::*;

/// An error on its way to Python, where it becomes an exception.
pub(crate) struct Failure {
    name: &'static str,
    code: i32,
    text: String,
    retryable: bool,
    broker_code: Option<i32>,
    /// What lies behind it, outermost first.
    causes: Vec<String>,
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string).collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            name: error.name(),
            code: error.code(),
            text: error.to_string(),
            retryable: error.retryable(),
            broker_code: error.broker_code(),
            causes: causes(&error),
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Failure {
            name: error.kind().name,
            code: error.kind().code,
            text: format!("the embedded server did not start: {error}"),
            retryable: error.kind().retryable,
            broker_code: None,
            causes: causes(&error),
        }
    }
}

impl Failure {
    /// The exception: its classes are written in Python, so that type checkers see them.
    pub(crate) fn raised(self, py: Python<'_>) -> PyErr {
        let Failure { name, code, text, retryable, broker_code, causes } = self;
        let made = py.import("ferromq._errors").and_then(|module| {
            module.call_method1("_raised", (name, code, text, retryable, broker_code, causes))
        });
        made.map_or_else(|error| error, PyErr::from_value)
    }
}
