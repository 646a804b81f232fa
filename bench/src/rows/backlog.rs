//! Reading what has been waiting.

use super::{Counted, Figures, Row, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::sendfile;
use crate::target::{at_least, at_most};
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

const PULL: u32 = 32;
const SIZE: u32 = 1024;
const TOPIC: &str = "Backlog";
/// A stored message: its record's fixed part and properties, and the topic, go with the body.
const RECORD: usize = SIZE as usize + 143 + TOPIC.len();

/// 1 KiB, against sendfile.
pub const ROW: Row = Row {
    id: "backlog",
    title: "Reading a backlog, 1 KiB",
    how: "32 messages a pull, 4 queues, one pull on its way in each; the messages are in the page cache. The machine's figure \
          is a plain sendfile of as many bytes, 32 messages a call, over one connection of loopback.",
    subjects: &[Subject::Ferromq, Subject::Apache, Subject::Machine],
    once: &[],
    measures: &[
        Counted {
            id: "rate",
            what: "messages",
            unit: Unit::MessagesPerSecond,
            targets: &[at_least(4.0, Subject::Apache), at_least(0.7, Subject::Machine)],
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
    measure: reads,
    lasts: |scale, subject| match subject {
        Subject::Machine => scale.load + Duration::from_millis(500),
        // Filling is slower than reading.
        _ => run_of(scale.load, scale) + Duration::from_secs(scale.backlog / 100_000),
    },
};

fn reads(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    if subject == Subject::Machine {
        rig.written_back()?;
        let chunk = PULL as usize * RECORD;
        let bytes = sendfile::bytes_per_second(&rig.scratch, chunk, rig.scale.load)?;
        return Ok(vec![("rate", bytes / RECORD as f64)]);
    }
    rig.with(subject, |rig, running| {
        let load = Load::new("consume", running)
            .topic(TOPIC)
            .size(SIZE)
            .with("produce", rig.scale.backlog)
            .with("pull-batch", PULL)
            .duration(rig.scale.load);
        let report = load::run(rig, running, &load)?;
        Ok(vec![("rate", report.rate()?), ("cpu", report.server_cpu()?)])
    })
}
