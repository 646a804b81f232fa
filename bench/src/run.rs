//! A whole run: all rows, several times, everyone in turns.

use crate::interrupt;
use crate::machine;
use crate::progress::Progress;
use crate::results::{Failure, Report, Row as Result_, Run, Subject};
use crate::rig::Rig;
use crate::rows::{self, Row};
use crate::scale::Scale;
use ferromq_interop::Problem;
use std::time::{Duration, Instant};

/// What of all that could be measured is.
pub struct Selection {
    /// Rows.
    pub rows: Vec<&'static Row>,
    /// Whose figures.
    pub subjects: Vec<Subject>,
}

impl Selection {
    /// Rows by their names, or all; of these subjects.
    pub fn new(only: &[String], subjects: &[Subject]) -> Result<Selection, Problem> {
        let known: Vec<&str> = rows::ALL.iter().map(|row| row.id).collect();
        if let Some(unknown) = only.iter().find(|id| !known.contains(&id.as_str())) {
            return Err(Problem::Wrong(format!(
                "there is no row {unknown}; there are {}",
                known.join(", ")
            )));
        }
        let wanted = |row: &&&Row| only.is_empty() || only.iter().any(|id| id == row.id);
        Ok(Selection {
            rows: rows::ALL.iter().filter(wanted).copied().collect(),
            subjects: subjects.to_vec(),
        })
    }

    /// Who does a row in a repetition (from 0), in which order: everyone is first, in turns.
    fn turns(&self, row: &Row, repetition: u32) -> Vec<Subject> {
        let taking_part = |subject: &Subject| {
            self.subjects.contains(subject) && (repetition == 0 || !row.once.contains(subject))
        };
        let mut turns: Vec<Subject> = row.subjects.iter().copied().filter(taking_part).collect();
        if !turns.is_empty() {
            let first = repetition as usize % turns.len();
            turns.rotate_left(first);
        }
        turns
    }

    /// About how long all of it takes.
    fn lasts(&self, scale: &Scale) -> Duration {
        let mut total = Duration::ZERO;
        for repetition in 0..scale.repetitions {
            for row in &self.rows {
                for subject in self.turns(row, repetition) {
                    total += step(row, scale, subject);
                }
            }
            if self.subjects.contains(&Subject::Apache) {
                total += scale.jvm_warm_up + Duration::from_secs(12);
            }
        }
        total
    }
}

/// About how long a row takes one subject, with what its server needs before.
fn step(row: &Row, scale: &Scale, subject: Subject) -> Duration {
    let thawed = match subject {
        Subject::Apache => Duration::from_secs(3),
        _ => Duration::from_millis(500),
    };
    (row.lasts)(scale, subject) + thawed + scale.settle
}

/// Measures, and calls `keep` with what there is after each row.
pub fn run(
    rig: &mut Rig,
    selection: &Selection,
    mut keep: impl FnMut(&Report) -> Result<(), Problem>,
) -> Result<Report, Problem> {
    let began = Instant::now();
    let mut progress = Progress::new(selection.lasts(&rig.scale));
    let mut report = Report {
        run: Run {
            started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            seconds: 0,
            mode: rig.scale.mode.to_owned(),
            repetitions: rig.scale.repetitions,
        },
        machine: machine::look(&rig.ferromq, &rig.jvm, rig.fills_cache()),
        rows: selection.rows.iter().map(|row| empty(row)).collect(),
    };
    for repetition in 0..rig.scale.repetitions {
        for (at, row) in selection.rows.iter().enumerate() {
            for subject in selection.turns(row, repetition) {
                let what = format!(
                    "{}/{} {}: {}",
                    repetition + 1,
                    rig.scale.repetitions,
                    row.title,
                    subject.label()
                );
                progress.begin(&what, step(row, &rig.scale, subject));
                measure(rig, row, subject, repetition + 1, &mut report.rows[at], &progress);
                interrupt::check()?;
            }
            report.run.seconds = began.elapsed().as_secs();
            keep(&report)?;
        }
        rig.end_repetition();
    }
    progress.end();
    report.run.seconds = began.elapsed().as_secs();
    Ok(report)
}

fn empty(row: &Row) -> Result_ {
    Result_ {
        id: row.id.to_owned(),
        title: row.title.to_owned(),
        how: row.how.to_owned(),
        measures: row.empty(),
        failures: Vec::new(),
    }
}

/// One subject's turn at a row. What fails costs its own figures only.
fn measure(
    rig: &mut Rig,
    row: &Row,
    subject: Subject,
    repetition: u32,
    result: &mut Result_,
    progress: &Progress,
) {
    let samples = rig.samples.len();
    let figures = (row.measure)(rig, subject);
    for sample in &mut rig.samples[samples..] {
        sample["row"] = row.id.into();
        sample["repetition"] = repetition.into();
    }
    let mut problems = std::mem::take(&mut rig.lost);
    match figures {
        Ok(figures) => {
            for (id, value) in figures {
                let Some(measure) = result.measures.iter_mut().find(|m| m.id == id) else {
                    continue;
                };
                progress.note(&format!("{}: {}", measure.what, measure.unit.show(value)));
                measure.values.entry(subject).or_default().push(value);
            }
        }
        Err(problem) => problems.push(problem),
    }
    for problem in problems {
        progress.note(&format!("FAILED: {problem}"));
        let reason = problem.to_string();
        result.failures.push(Failure { subject, repetition, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: [Subject; 4] =
        [Subject::Ferromq, Subject::Apache, Subject::Echo, Subject::Machine];

    #[test]
    fn everyone_is_first_in_turns_and_slow_ones_come_once() {
        let all = Selection::new(&[], &EVERYONE).unwrap();
        let row = |id: &str| *all.rows.iter().find(|row| row.id == id).unwrap();
        let first: Vec<Subject> = (0..4).map(|n| all.turns(row("send-128"), n)[0]).collect();
        assert_eq!(first, [Subject::Ferromq, Subject::Apache, Subject::Echo, Subject::Ferromq]);
        assert_eq!(all.turns(row("restart"), 0).len(), 2);
        assert!(all.turns(row("restart"), 1).is_empty());
    }

    #[test]
    fn rows_are_chosen_by_name() {
        let one = Selection::new(&["idle".to_owned()], &[Subject::Ferromq]).unwrap();
        assert_eq!(one.rows.len(), 1);
        assert_eq!(one.turns(one.rows[0], 0), [Subject::Ferromq]);
        assert!(Selection::new(&["idel".to_owned()], &EVERYONE).is_err());
    }

    #[test]
    fn names_are_unique_and_every_target_can_be_judged() {
        let mut names: Vec<&str> = rows::ALL.iter().map(|row| row.id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows::ALL.len());
        for row in rows::ALL {
            let measured = |subject| row.subjects.contains(&subject);
            for target in row.measures.iter().flat_map(|m| m.targets) {
                assert!(target.of.is_none_or(measured), "{}: {target:?}", row.id);
            }
        }
    }

    #[test]
    fn a_run_fits_its_time() {
        let all = Selection::new(&[], &EVERYONE).unwrap();
        let minutes = |scale: Scale| all.lasts(&scale).as_secs_f64() / 60.0;
        assert!(minutes(Scale::standard()) < 38.0, "{}", minutes(Scale::standard()));
        assert!(minutes(Scale::quick()) < 12.0, "{}", minutes(Scale::quick()));
    }
}
