//! One caller that waits for each acknowledgement.

use super::{Counted, Row, SERVERS_AND_ECHO, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::target::{Target, at_most};
use crate::unit::Unit;

const fn percentile(id: &'static str, what: &'static str, targets: &'static [Target]) -> Counted {
    Counted { id, what, unit: Unit::Microseconds, targets, headline: true }
}

/// The time of a round trip.
pub const ROW: Row = Row {
    id: "send-sync",
    title: "Synchronous send, 1 KiB",
    how: "1 connection, 1 send on its way, asynchronous flush; from the write of the request to its answer.",
    subjects: SERVERS_AND_ECHO,
    once: &[],
    measures: &[
        percentile("p50", "latency, median", &[at_most(1.5, Subject::Echo)]),
        percentile("p99_9", "latency, p99.9", &[at_most(0.2, Subject::Apache)]),
    ],
    measure: |rig, subject| {
        rig.with(subject, |rig, running| {
            let load = Load::new("latency", running)
                .topic("SyncSends")
                .size(1024)
                .warm_up(rig.scale.warm_up)
                .duration(rig.scale.latency);
            let report = load::run(rig, running, &load)?;
            let percentile = |path| report.number(path);
            Ok(vec![
                ("p50", percentile("/latency_us/p50")?),
                ("p99_9", percentile("/latency_us/p99_9")?),
            ])
        })
    },
    lasts: |scale, _| run_of(scale.latency, scale),
};
