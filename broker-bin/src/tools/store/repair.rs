//! `ferromq store repair`.

use super::{Bar, Place, print_finding};
use crate::exit::{Failure, Outcome};
use crate::output;
use clap::Args;
use ferromq_store::tools;
use serde_json::json;

/// `ferromq store repair`.
#[derive(Args, Debug)]
pub struct RepairArgs {
    #[command(flatten)]
    place: Place,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Repairs a directory.
pub fn repair(args: &RepairArgs) -> Outcome {
    let place = &args.place;
    let bar = Bar::new("checking and mending");
    let mut printed = Ok(());
    let found = &mut |finding| {
        if printed.is_ok() {
            printed = print_finding(&bar, &finding, place.json);
        }
    };
    let settings = place.settings()?;
    let progress = |done, total| bar.show(done, total);
    let repair = tools::repair(&place.directory, settings, args.dry_run, &progress, found)?;
    bar.0.finish_and_clear();
    printed?;
    let would = if args.dry_run { "would " } else { "" };
    for step in &repair.steps {
        match place.json {
            true => output::json(&json!({
                "step": step.action, "file": step.file.display().to_string(), "done": !args.dry_run,
            }))?,
            false => output::line(&format!("{would}{}: {}", step.file.display(), step.action))?,
        }
    }
    let kept = repair.kept.as_ref().map(|kept| kept.display().to_string());
    let left = repair.after.as_ref().map_or(repair.before.damage, |after| after.damage);
    if place.json {
        let found = repair.before.damage;
        output::json(&json!({ "found": found, "left": left, "kept": kept }))?;
    } else if let Some(kept) = kept {
        output::line(&format!("what was taken away is in {kept}"))?;
    } else if repair.steps.is_empty() {
        output::line("nothing to mend")?;
    }
    match left {
        0 => Ok(()),
        left => Err(Failure::damaged(format!(
            "{} is damaged in {left} places{}",
            place.directory.display(),
            if args.dry_run { "" } else { " still; restore it from a backup" }
        ))),
    }
}
