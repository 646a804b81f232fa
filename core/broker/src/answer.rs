//! How handlers say that they cannot do what was asked.

use crate::topics::TopicError;
use ferromq_model::names::NameError;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson::BodyError;
use ferromq_protocol::header::HeaderError;
use ferromq_store::StoreError;
use std::borrow::Cow;

/// A response code with the remark that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) remark: Cow<'static, str>,
}

/// What a handler returns.
pub(crate) type Answer = Result<Command, Failure>;

impl Failure {
    pub(crate) fn new(code: i32, remark: impl Into<Cow<'static, str>>) -> Self {
        Failure { code, remark: remark.into() }
    }

    /// The code for whatever has no code of its own.
    pub(crate) fn system(remark: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(response::SYSTEM_ERROR, remark)
    }

    pub(crate) fn parameter(remark: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(response::INVALID_PARAMETER, remark)
    }
}

/// The response to `request` that an answer means.
pub(crate) fn respond<F>(request: &Command<F>, answer: Answer) -> Command {
    answer.unwrap_or_else(|failure| request.failure(failure.code, failure.remark))
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Failure::system(error.to_string())
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Failure::system(error.to_string())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Failure::parameter(error.to_string())
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        Failure::system(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed an administrator's request");
        Failure::system(error.to_string())
    }
}
