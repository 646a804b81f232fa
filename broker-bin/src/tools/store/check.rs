//! `ferromq store check`.

use super::{Bar, Place, print_finding};
use crate::exit::{Failure, Outcome};
use crate::output;
use clap::Args;
use ferromq_store::tools::{self, Check, Directory};
use serde::Serialize;

/// `ferromq store check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    place: Place,
}

/// What a check came to, as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownCheck {
    records: u64,
    entries: u64,
    index_entries: u64,
    log_start: i64,
    log_end: i64,
    damage: u64,
}

impl ShownCheck {
    pub(super) fn of(check: &Check, log_start: i64) -> Self {
        ShownCheck {
            records: check.records,
            entries: check.entries,
            index_entries: check.index_entries,
            log_start,
            log_end: check.log_end,
            damage: check.damage,
        }
    }
}

/// Checks a directory.
pub fn check(args: &CheckArgs) -> Outcome {
    let place = &args.place;
    let directory = Directory::open(&place.directory, place.settings()?)?;
    let bar = Bar::new("checking");
    let mut printed = Ok(());
    let found = &mut |finding| {
        if printed.is_ok() {
            printed = print_finding(&bar, &finding, place.json);
        }
    };
    let check = tools::check(&directory, &|done, total| bar.show(done, total), found)?;
    bar.0.finish_and_clear();
    printed?;
    match place.json {
        true => output::json(&ShownCheck::of(&check, directory.log_start()))?,
        false => output::line(&format!(
            "{} records, {} queue entries, {} index entries; log from {} to {}",
            check.records,
            check.entries,
            check.index_entries,
            directory.log_start(),
            check.log_end
        ))?,
    }
    match check.damage {
        0 => Ok(()),
        damage => Err(Failure::damaged(format!(
            "{} is damaged in {damage} places; `ferromq store repair` mends it, with --dry-run it \
             says how",
            place.directory.display()
        ))),
    }
}
