//! Many topics.

use super::{Counted, Figures, Row, SERVERS};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::no_less_than;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// How often the one topic and the many are loaded.
const ROUNDS: u32 = 7;

/// Thousands of topics, of which a hundred are used.
pub const ROW: Row = Row {
    id: "topics",
    title: "Many topics",
    how: "The rate of pipelined sends of 128 B to 100 topics of 4 queues among as many as are named, against the rate to one \
          topic on the same server, in turns of a second: the median of the ratios of each turn and the next.",
    subjects: SERVERS,
    once: SERVERS,
    measures: &[
        Counted {
            id: "kept-10000",
            what: "kept with 10,000 topics",
            unit: Unit::PercentKept,
            targets: &[no_less_than(95.0)],
            headline: true,
        },
        Counted {
            id: "rate-10000",
            what: "messages with 10,000 topics",
            unit: Unit::MessagesPerSecond,
            targets: &[],
            headline: false,
        },
        Counted {
            id: "kept-100000",
            what: "kept with 100,000 topics",
            unit: Unit::PercentKept,
            targets: &[no_less_than(95.0)],
            headline: false,
        },
        Counted {
            id: "rate-100000",
            what: "messages with 100,000 topics",
            unit: Unit::MessagesPerSecond,
            targets: &[],
            headline: false,
        },
    ],
    measure: kept,
    lasts: |scale, subject| {
        let java = match subject {
            Subject::Apache => scale.jvm_warm_up + Duration::from_secs(12),
            _ => Duration::ZERO,
        };
        let created: u32 = scale.topics.iter().sum();
        let one =
            (scale.turn + scale.warm_up / ROUNDS) * 2 * ROUNDS + java + Duration::from_secs(3);
        one * scale.topics.len() as u32 + Duration::from_millis(u64::from(created))
    },
};

fn kept(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let mut figures = Vec::new();
    for &topics in rig.scale.topics {
        let running = rig.own(subject, &[])?;
        let load = Load::new("topics", &running)
            .topic("Many")
            .with("topics", topics)
            .with("loaded", topics.min(100))
            .with("rounds", ROUNDS)
            .warm_up(rig.scale.warm_up)
            .duration(rig.scale.turn * ROUNDS);
        let report = load::run(rig, &running, &load)?;
        let (kept, rate) = match topics {
            100_000 => ("kept-100000", "rate-100000"),
            _ => ("kept-10000", "rate-10000"),
        };
        figures.push((kept, 100.0 * report.number("/ratio")?));
        figures.push((rate, report.rate()?));
    }
    Ok(figures)
}
