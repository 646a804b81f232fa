//! Batches.

use super::{Counted, Row, SERVERS, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::target::{at_least, at_most};
use crate::unit::Unit;

/// 32 messages of 128 bytes a request.
pub const ROW: Row = Row {
    id: "batch",
    title: "Batches of 32 × 128 B",
    how: "4 connections with 16 batches on their way each, asynchronous flush.",
    subjects: SERVERS,
    once: &[],
    measures: &[
        Counted {
            id: "rate",
            what: "messages",
            unit: Unit::MessagesPerSecond,
            targets: &[at_least(4.0, Subject::Apache)],
            headline: true,
        },
        Counted {
            id: "cpu",
            what: "server CPU per million",
            unit: Unit::CpuSecondsPerMillion,
            targets: &[at_most(1.0 / 6.0, Subject::Apache)],
            headline: false,
        },
    ],
    measure: |rig, subject| {
        rig.with(subject, |rig, running| {
            let load = Load::new("produce", running)
                .topic("Batches")
                .size(128)
                .with("batch", 32)
                .with("connections", 4)
                .with("window", 16)
                .warm_up(rig.scale.warm_up)
                .duration(rig.scale.load);
            let report = load::run(rig, running, &load)?;
            Ok(vec![("rate", report.rate()?), ("cpu", report.server_cpu()?)])
        })
    },
    lasts: |scale, _| run_of(scale.load, scale),
};
