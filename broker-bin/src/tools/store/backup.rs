//! `ferromq store backup`.

use super::{Bar, Place};
use crate::exit::Outcome;
use crate::output;
use clap::Args;
use ferromq_store::tools;
use serde_json::json;
use std::path::PathBuf;

/// `ferromq store backup`.
#[derive(Args, Debug)]
pub struct BackupArgs {
    #[command(flatten)]
    place: Place,
    /// Where the copy goes: an empty directory, or an earlier backup of the same one
    #[arg(value_name = "TARGET")]
    target: PathBuf,
}

/// Copies a directory.
pub fn backup(args: &BackupArgs) -> Outcome {
    let BackupArgs { place, target } = args;
    let bar = Bar::new("copying");
    let progress = |done, total| bar.show(done, total);
    let done = tools::backup(&place.directory, place.settings()?, target, &progress)?;
    bar.0.finish_and_clear();
    match place.json {
        true => output::json(&json!({
            "copied": done.copied,
            "logStart": done.log_start,
            "logEnd": done.log_end,
            "queues": done.queues,
        }))?,
        false => output::line(&format!(
            "{} bytes of log copied; {} has the log from {} to {}, and {} queues",
            done.copied,
            target.display(),
            done.log_start,
            done.log_end,
            done.queues
        ))?,
    }
    Ok(())
}
