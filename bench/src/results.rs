//! The figures of a run, as they are in `results.json`.

use crate::machine::Machine;
use crate::target::Target;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// FerroMQ.
    Ferromq,
    /// Apache RocketMQ.
    Apache,
    /// A server that answers and does nothing else.
    Echo,
    /// What the machine can do: its disk, its sockets.
    Machine,
}

impl Subject {
    /// Its name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Subject::Ferromq => "FerroMQ",
            Subject::Apache => "Apache",
            Subject::Echo => "echo server",
            Subject::Machine => "the machine",
        }
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When, how long and in which way.
    pub run: Run,
    /// On what.
    pub machine: Machine,
    /// In the order of the table.
    pub rows: Vec<Row>,
}

/// When, how long and in which way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// RFC 3339, UTC.
    pub started: String,
    /// Seconds that it took.
    pub seconds: u64,
    /// `default`, `quick` or `full`.
    pub mode: String,
    /// How often each row was measured.
    pub repetitions: u32,
}

/// A kind of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What `--only` calls it.
    pub id: String,
    /// The work, in a few words.
    pub title: String,
    /// How it is measured.
    pub how: String,
    /// What is counted.
    pub measures: Vec<Measure>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// One thing that is counted, for everyone who does the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// Short name, alone of its kind within the row.
    pub id: String,
    /// What is counted.
    pub what: String,
    /// In what.
    pub unit: Unit,
    /// One figure for each repetition.
    pub values: BTreeMap<Subject, Vec<f64>>,
    /// What FerroMQ's figure should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// Whether it stands in the README.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
}

/// A repetition that gave no figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Whose.
    pub subject: Subject,
    /// Which, from 1.
    pub repetition: u32,
    /// Why.
    pub reason: String,
}

impl Measure {
    /// The middle of a subject's figures.
    pub fn median(&self, subject: Subject) -> Option<f64> {
        median(self.values.get(&subject)?)
    }

    /// The smallest and the largest of a subject's figures.
    pub fn spread(&self, subject: Subject) -> Option<(f64, f64)> {
        let values = self.values.get(&subject)?;
        let smallest = values.iter().copied().min_by(f64::total_cmp)?;
        let largest = values.iter().copied().max_by(f64::total_cmp)?;
        Some((smallest, largest))
    }

    /// Whether each server's figures are near each other: those that are not tell of the run, not of
    /// the server.
    pub fn is_steady(&self) -> bool {
        [Subject::Ferromq, Subject::Apache].into_iter().all(|subject| {
            self.spread(subject).is_none_or(|(smallest, largest)| largest <= 2.0 * smallest)
        })
    }

    /// How many times better FerroMQ's median is than another's.
    pub fn better_than(&self, other: Subject) -> Option<f64> {
        let (ours, theirs) = (self.median(Subject::Ferromq)?, self.median(other)?);
        let (good, bad) = match self.unit.more_is_better() {
            true => (ours, theirs),
            false => (theirs, ours),
        };
        (bad > 0.0 && self.unit.is_compared()).then_some(good / bad)
    }
}

/// The middle of some figures: of the two in the middle, their mean.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        0 => Some((sorted[sorted.len() / 2 - 1] + upper) / 2.0),
        _ => Some(*upper),
    }
}
