//! How the program ends, for scripts to rely on.

use std::process::ExitCode;

/// Something failed, and a sentence on standard error says what.
pub const FAILURE: u8 = 1;
/// What was asked for does not exist, or nothing was received.
pub const NOTHING: u8 = 3;

/// A data directory is damaged.
pub const DAMAGED: u8 = 4;

/// Shown below the help text. Wrong arguments end with 2, as argument parsing sees to.
pub const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 not found or nothing received,\n  4 a data directory is damaged.\n\
    Environment: FERROMQ_LOG filters logs (such as debug), NAMESRV_ADDR names the name servers.";

/// A command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The sentence for standard error.
    pub message: String,
}

impl Failure {
    /// Ends with [`NOTHING`].
    pub fn nothing(message: impl Into<String>) -> Self {
        Failure { code: NOTHING, message: message.into() }
    }

    /// Ends with [`DAMAGED`].
    pub fn damaged(message: impl Into<String>) -> Self {
        Failure { code: DAMAGED, message: message.into() }
    }

    /// Says why, and gives the code to end with.
    pub fn report(&self) -> ExitCode {
        eprintln!("ferromq: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { code: FAILURE, message: error.to_string() }
    }
}

/// What a command comes to.
pub type Outcome = Result<(), Failure>;
