//! Why an operation failed, as JavaScript is told.

use ferromq::{Error, ErrorKind, ServerError};

/// An error on its way to JavaScript.
pub(crate) struct Failure {
    pub name: &'static str,
    pub code: i32,
    pub message: String,
    pub retryable: bool,
    pub broker_code: Option<i32>,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
}

impl Failure {
    fn new(kind: ErrorKind, message: String) -> Self {
        let ErrorKind { code, name, retryable } = kind;
        Failure { name, code, message, retryable, broker_code: None, causes: Vec::new() }
    }

    /// The caller's `AbortSignal` has fired.
    pub fn aborted() -> Self {
        Failure::new(ErrorKind::ABORTED, "the operation was aborted".to_string())
    }

    /// Something that should not be possible, reported instead of waiting for ever.
    pub fn internal() -> Self {
        let text = "an operation ended without an answer; this is a defect of ferromq";
        Failure::new(ErrorKind::INTERNAL, text.to_string())
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            causes: causes(&error),
            broker_code: error.broker_code(),
            ..Failure::new(error.kind(), error.to_string())
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let causes = causes(&error);
        let message = format!("the embedded server did not start: {error}");
        Failure { causes, ..Failure::new(error.kind(), message) }
    }
}
