//! What a client costs.

use super::{Counted, Figures, Row};
use crate::apache_load::{self, Class};
use crate::clients::Language;
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::{Target, at_least};
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

const SIZE: u32 = 128;

const LANGUAGES: [(&str, Language); 4] = [
    ("rust", Language::Rust),
    ("c", Language::C),
    ("python", Language::Python),
    ("node", Language::Node),
];

const fn sends(
    id: &'static str,
    what: &'static str,
    targets: &'static [Target],
    headline: bool,
) -> Counted {
    Counted { id, what, unit: Unit::MessagesPerCpuSecond, targets, headline }
}

/// Sends for each second of the client's CPU time.
pub const ROW: Row = Row {
    id: "clients",
    title: "Sends per client CPU second, 128 B",
    how: "A FerroMQ broker takes the messages of all; 64 sends are on their way. Apache's figure is its Java client's, in its own \
          benchmark Producer with 64 threads, after 20 s of warm-up.",
    subjects: &[Subject::Ferromq, Subject::Apache],
    once: &[],
    measures: &[
        sends("rust", "Rust", &[at_least(4.0, Subject::Apache)], true),
        sends("c", "C", &[at_least(4.0, Subject::Apache)], true),
        sends("python", "Python", &[at_least(1.0, Subject::Apache)], true),
        sends("node", "Node", &[at_least(1.0, Subject::Apache)], true),
    ],
    measure: sent,
    lasts: |scale, subject| match subject {
        Subject::Apache => scale.jvm_warm_up + apache_load::WINDOW + Duration::from_secs(2),
        _ => (scale.load + scale.warm_up + Duration::from_secs(1)) * 4,
    },
};

fn sent(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    // Whoever's client it is, the server is ours: a slow one would make its clients wait, and not work.
    rig.with(Subject::Ferromq, |rig, running| {
        apache_load::topic(running, "Clients")?;
        if subject == Subject::Apache {
            let java = Class::producer(running, "Clients", SIZE)?;
            let rate = java.per_cpu_second(rig.scale.jvm_warm_up)?;
            return Ok(LANGUAGES.map(|(id, _)| (id, rate)).to_vec());
        }
        let (warm_up, duration) = (rig.scale.warm_up, rig.scale.load);
        let mut figures = Vec::new();
        for (id, language) in LANGUAGES {
            match language.per_cpu_second(running, SIZE, warm_up, duration) {
                Ok(rate) => figures.push((id, rate)),
                // A machine without Node still measures Python.
                Err(problem) => rig.lost.push(problem),
            }
        }
        Ok(figures)
    })
}
