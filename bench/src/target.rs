//! What a figure should be, and whether it is.

use crate::results::{Measure, Subject};
use crate::unit::{Unit, digits};
use serde::{Deserialize, Serialize};

/// A bound for FerroMQ's median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Which way it binds.
    pub bound: Bound,
    /// So much, or so many times another's median.
    pub amount: f64,
    /// Whose median it is a multiple of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Subject>,
}

/// Which way a target binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// No less than.
    AtLeast,
    /// No more than.
    AtMost,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is met.
    Met,
    /// It is not.
    Missed,
    /// A figure is missing.
    Unknown,
}

/// No less than `amount` times another's median.
pub const fn at_least(amount: f64, of: Subject) -> Target {
    Target { bound: Bound::AtLeast, amount, of: Some(of) }
}

/// No more than `amount` times another's median.
pub const fn at_most(amount: f64, of: Subject) -> Target {
    Target { bound: Bound::AtMost, amount, of: Some(of) }
}

/// No less than this.
pub const fn no_less_than(amount: f64) -> Target {
    Target { bound: Bound::AtLeast, amount, of: None }
}

/// No more than this.
pub const fn no_more_than(amount: f64) -> Target {
    Target { bound: Bound::AtMost, amount, of: None }
}

impl Target {
    /// Whether the measure meets it.
    pub fn verdict(&self, measure: &Measure) -> Verdict {
        let limit = match self.of {
            Some(other) => measure.median(other).map(|theirs| theirs * self.amount),
            None => Some(self.amount),
        };
        match (measure.median(Subject::Ferromq), limit, self.bound) {
            (Some(ours), Some(limit), Bound::AtLeast) if ours >= limit => Verdict::Met,
            (Some(ours), Some(limit), Bound::AtMost) if ours <= limit => Verdict::Met,
            (Some(_), Some(_), _) => Verdict::Missed,
            _ => Verdict::Unknown,
        }
    }

    /// `≥ 10 × Apache`, `≤ 1/12 × Apache`, `≤ 64 MiB`.
    pub fn show(&self, unit: Unit) -> String {
        let sign = match self.bound {
            Bound::AtLeast => "≥",
            Bound::AtMost => "≤",
        };
        let inverse = 1.0 / self.amount;
        match self.of {
            None => format!("{sign} {}", unit.show(self.amount)),
            Some(other) if self.amount < 0.5 && (inverse - inverse.round()).abs() < 1e-6 => {
                format!("{sign} 1/{inverse:.0} × {}", other.label())
            }
            Some(other) => format!("{sign} {} × {}", digits(self.amount), other.label()),
        }
    }
}

impl Verdict {
    /// As it stands in the table.
    pub fn show(self) -> &'static str {
        match self {
            Verdict::Met => "yes",
            Verdict::Missed => "**no**",
            Verdict::Unknown => "not measured",
        }
    }
}
