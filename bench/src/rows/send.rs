//! Single sends, many on their way.

use super::{Counted, Figures, Row, SERVERS_AND_ECHO, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::{at_least, at_most, no_more_than};
use crate::unit::Unit;
use ferromq_interop::Problem;

const RATE: Counted = Counted {
    id: "rate",
    what: "messages",
    unit: Unit::MessagesPerSecond,
    targets: &[at_least(10.0, Subject::Apache)],
    headline: true,
};

const WRITTEN: Counted = Counted {
    id: "written",
    what: "written to disk for a message",
    unit: Unit::BytesPerMessage,
    targets: &[],
    headline: false,
};

/// 128 bytes, where framing and sockets are most of the work.
pub const SMALL: Row = Row {
    id: "send-128",
    title: "Pipelined sends, 128 B",
    how: "4 connections with 256 sends on their way each, one topic of 4 queues, asynchronous flush. Memory is RssAnon of \
          the broker's process at the end: what belongs to no file, so the page cache of the log is not in it.",
    subjects: SERVERS_AND_ECHO,
    once: &[],
    measures: &[
        RATE,
        Counted {
            id: "cpu",
            what: "server CPU per million",
            unit: Unit::CpuSecondsPerMillion,
            targets: &[at_most(1.0 / 12.0, Subject::Apache), at_most(2.0, Subject::Echo)],
            headline: true,
        },
        WRITTEN,
        Counted {
            id: "memory",
            what: "memory under this load, without page cache",
            unit: Unit::Bytes,
            targets: &[no_more_than((64 << 20) as f64)],
            headline: true,
        },
    ],
    measure: |rig, subject| sends(rig, subject, 128),
    lasts: |scale, _| run_of(scale.load, scale),
};

/// 1 KiB, where bytes begin to matter.
pub const LARGE: Row = Row {
    id: "send-1k",
    title: "Pipelined sends, 1 KiB",
    how: "As with 128 B.",
    measures: &[
        RATE,
        Counted {
            id: "cpu",
            what: "server CPU per million",
            unit: Unit::CpuSecondsPerMillion,
            targets: &[at_most(1.0 / 12.0, Subject::Apache)],
            headline: false,
        },
        WRITTEN,
    ],
    measure: |rig, subject| sends(rig, subject, 1024),
    ..SMALL
};

fn sends(rig: &mut Rig, subject: Subject, size: u32) -> Result<Figures, Problem> {
    rig.with(subject, |rig, running| {
        let load = Load::new("produce", running)
            .topic(&format!("Sends{size}"))
            .size(size)
            .with("connections", 4)
            .with("window", 256)
            .warm_up(rig.scale.warm_up)
            .duration(rig.scale.load);
        let report = load::run(rig, running, &load)?;
        let mut figures = vec![("rate", report.rate()?), ("cpu", report.server_cpu()?)];
        if subject != Subject::Echo {
            let written = report.number("/server/written_bytes")?;
            figures.push(("written", written / report.number("/messages")?));
        }
        if size == 128 {
            figures.push(("memory", report.number("/server/rss_anon_bytes")?));
        }
        Ok(figures)
    })
}
