//! Logs: to standard error, so that standard output belongs to results.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// The environment variable that filters logs, such as `debug` or `ferromq_broker=debug,info`.
pub const FILTER_VARIABLE: &str = "FERROMQ_LOG";

/// Starts logging; `level` is what is logged unless the environment says otherwise.
pub fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| level.to_string());
    let filter = EnvFilter::try_new(&text)
        .map_err(|error| format!("{FILTER_VARIABLE} cannot be `{text}`: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
