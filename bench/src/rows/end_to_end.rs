//! From the sender to the receiver.

use super::{Counted, Row, SERVERS, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::target::at_most;
use crate::unit::Unit;

/// 20,000 messages a second, at fixed times.
pub const ROW: Row = Row {
    id: "end-to-end",
    title: "End to end at 20,000 messages/s, 128 B",
    how: "Messages are sent at fixed times, and received by consumers in long pulls; from the intended time of sending to the \
          receipt, so a pause of the server counts for every message that it delays.",
    subjects: SERVERS,
    once: &[],
    measures: &[
        Counted {
            id: "p50",
            what: "latency, median",
            unit: Unit::Microseconds,
            targets: &[],
            headline: false,
        },
        Counted {
            id: "p99",
            what: "latency, p99",
            unit: Unit::Microseconds,
            targets: &[at_most(1.0 / 3.0, Subject::Apache)],
            headline: true,
        },
        Counted {
            id: "p99_9",
            what: "latency, p99.9",
            unit: Unit::Microseconds,
            targets: &[at_most(1.0 / 3.0, Subject::Apache)],
            headline: false,
        },
    ],
    measure: |rig, subject| {
        rig.with(subject, |rig, running| {
            let load = Load::new("e2e", running)
                .topic("EndToEnd")
                .size(128)
                .with("rate", 20_000)
                .warm_up(rig.scale.warm_up)
                .duration(rig.scale.latency);
            let report = load::run(rig, running, &load)?;
            let at = |path| report.number(path);
            Ok(vec![
                ("p50", at("/latency_us/p50")?),
                ("p99", at("/latency_us/p99")?),
                ("p99_9", at("/latency_us/p99_9")?),
            ])
        })
    },
    lasts: |scale, _| run_of(scale.latency, scale),
};
