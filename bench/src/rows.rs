//! The rows of the table: one module each, and the list of them in the order in which they are measured.

mod apache_classes;
mod backlog;
mod batch;
mod clients;
mod cores;
mod end_to_end;
mod idle;
mod idle_consumers;
mod restart;
mod send;
mod start;
mod stop;
mod sync_flush;
mod sync_send;
mod topics;

use crate::results::{Measure, Subject};
use crate::rig::Rig;
use crate::scale::Scale;
use crate::target::Target;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::collections::BTreeMap;
use std::time::Duration;

/// A kind of work and how it is measured.
pub struct Row {
    /// What `--only` calls it.
    pub id: &'static str,
    /// The work, in a few words.
    pub title: &'static str,
    /// How it is measured.
    pub how: &'static str,
    /// Who does it.
    pub subjects: &'static [Subject],
    /// Who does it in the first repetition alone, because it takes long.
    pub once: &'static [Subject],
    /// What is counted.
    pub measures: &'static [Counted],
    /// Lets one do the work.
    pub measure: fn(&mut Rig, Subject) -> Result<Figures, Problem>,
    /// About how long that takes, beyond starting Apache's broker.
    pub lasts: fn(&Scale, Subject) -> Duration,
}

/// Something that is counted.
pub struct Counted {
    /// Short name, alone of its kind within the row.
    pub id: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// In what.
    pub unit: Unit,
    /// What FerroMQ's figure should be.
    pub targets: &'static [Target],
    /// Whether it stands in the README.
    pub headline: bool,
}

/// Figures of one repetition, each under the name of what it counts.
pub type Figures = Vec<(&'static str, f64)>;

/// All rows, in the order in which they are measured: a JVM that has just been started first, what ends it last.
pub const ALL: &[&Row] = &[
    &start::ROW,
    &idle::ROW,
    &send::SMALL,
    &send::LARGE,
    &sync_send::ROW,
    &batch::ROW,
    &end_to_end::ROW,
    &backlog::ROW,
    &idle_consumers::ROW,
    &clients::ROW,
    &apache_classes::PRODUCER_AND_CONSUMER,
    &apache_classes::BATCH_PRODUCER,
    &stop::ROW,
    &sync_flush::ROW,
    &cores::ROW,
    &topics::ROW,
    &restart::ROW,
];

const SERVERS: &[Subject] = &[Subject::Ferromq, Subject::Apache];
const SERVERS_AND_ECHO: &[Subject] = &[Subject::Ferromq, Subject::Apache, Subject::Echo];

impl Row {
    /// Its measures, without figures yet.
    pub fn empty(&self) -> Vec<Measure> {
        self.measures
            .iter()
            .map(|counted| Measure {
                id: counted.id.to_owned(),
                what: counted.what.to_owned(),
                unit: counted.unit,
                values: BTreeMap::new(),
                targets: counted.targets.to_vec(),
                headline: counted.headline,
            })
            .collect()
    }
}

/// The length of one `ferromq bench` run with its start and end.
fn run_of(measured: Duration, scale: &Scale) -> Duration {
    measured + scale.warm_up + Duration::from_millis(1500)
}
