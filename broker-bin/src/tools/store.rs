//! `ferromq store`: tools for the person who owns the disk.

mod backup;
mod check;
mod dump;
mod repair;

use crate::config_file::ConfigFile;
use crate::exit::Outcome;
use crate::output;
use clap::{Args, Subcommand};
use ferromq_store::StoreConfig;
use ferromq_store::tools::Finding;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// `ferromq store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read every record and every entry and say what is damaged; changes nothing
    Check(check::CheckArgs),
    /// Print the records of the log
    Dump(dump::DumpArgs),
    /// Mend what is damaged, and keep what is taken away; the broker must be stopped
    Repair(repair::RepairArgs),
    /// Copy a directory that a broker may be using; run it again to go on or to catch up
    Backup(backup::BackupArgs),
}

/// Which directory, and how it is shown.
#[derive(Args, Clone, Debug)]
struct Place {
    /// Data directory: what storePathRootDir names
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The broker's file of settings [default: sizes are taken from the files]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, one object a line, instead of text for people
    #[arg(long)]
    json: bool,
}

impl Place {
    /// The broker's settings, if its file was named.
    fn settings(&self) -> Result<Option<StoreConfig>, crate::config_file::ConfigFileError> {
        let Some(path) = &self.config else { return Ok(None) };
        let mut config = StoreConfig::default();
        ConfigFile::read(path)?.apply(&mut [&mut config])?;
        Ok(Some(config))
    }
}

/// Runs a tool.
pub fn store(command: StoreCommand) -> Outcome {
    match command {
        StoreCommand::Check(args) => check::check(&args),
        StoreCommand::Dump(args) => dump::dump(&args),
        StoreCommand::Repair(args) => repair::repair(&args),
        StoreCommand::Backup(args) => backup::backup(&args),
    }
}

/// Shows on a terminal how many bytes are done; elsewhere it shows nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Bar(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0).with_message(what);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }

    fn show(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// Prints a line above the bar.
    fn line(&self, text: &str) -> std::io::Result<()> {
        self.0.suspend(|| output::line(text))
    }
}

/// A finding as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownFinding<'a> {
    kind: &'static str,
    damage: bool,
    file: String,
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_offset: Option<i64>,
    problem: &'a str,
}

/// Prints a finding, as it comes. Whoever reads may have had enough: the exit code tells the rest.
fn print_finding(bar: &Bar, finding: &Finding, json: bool) -> std::io::Result<()> {
    if !json {
        let kind = if finding.is_damage() { "damage" } else { "note" };
        return bar.line(&format!("{kind}: {finding}"));
    }
    let shown = ShownFinding {
        kind: finding.kind.name(),
        damage: finding.is_damage(),
        file: finding.file.display().to_string(),
        position: finding.position,
        log_offset: finding.log_offset,
        topic: finding.topic.as_deref(),
        queue: finding.queue,
        queue_offset: finding.queue_offset,
        problem: &finding.problem,
    };
    bar.line(&serde_json::to_string(&shown)?)
}
