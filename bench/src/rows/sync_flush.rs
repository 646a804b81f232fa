//! Messages that are on disk before they are acknowledged.

use super::{Counted, Figures, Row, run_of};
use crate::fdatasync;
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::at_least;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// How many can share a sync when 64 are on their way.
const WINDOW: usize = 64;
/// A stored message.
const RECORD: usize = 1024 + 180;

/// `flushDiskType=SYNC_FLUSH`.
pub const ROW: Row = Row {
    id: "sync-flush",
    title: "Synchronous flush, 1 KiB",
    how: "flushDiskType=SYNC_FLUSH, 1 connection. The machine's figure is a program that writes as many messages as are on their \
          way, calls fdatasync, and does so again.",
    subjects: &[Subject::Ferromq, Subject::Apache, Subject::Machine],
    once: &[],
    measures: &[
        Counted {
            id: "rate-1",
            what: "messages, 1 on its way",
            unit: Unit::MessagesPerSecond,
            targets: &[at_least(3.0, Subject::Apache), at_least(0.85, Subject::Machine)],
            headline: false,
        },
        Counted {
            id: "rate-64",
            what: "messages, 64 on their way",
            unit: Unit::MessagesPerSecond,
            targets: &[at_least(3.0, Subject::Apache), at_least(0.85, Subject::Machine)],
            headline: true,
        },
        Counted {
            id: "groups-64",
            what: "syncs, of what a program makes that syncs as many messages at once as share a sync here, 64 on their way",
            unit: Unit::PercentKept,
            targets: &[],
            headline: false,
        },
    ],
    measure: flushed,
    lasts: |scale, subject| match subject {
        Subject::Machine => scale.load * 2,
        Subject::Apache => {
            run_of(scale.load, scale) * 2 + scale.jvm_warm_up + Duration::from_secs(12)
        }
        _ => run_of(scale.load, scale) * 2 + scale.load,
    },
};

fn flushed(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    rig.written_back()?;
    if subject == Subject::Machine {
        let syncs =
            |messages| fdatasync::per_second(&rig.scratch, RECORD * messages, rig.scale.load);
        return Ok(vec![("rate-1", syncs(1)?), ("rate-64", WINDOW as f64 * syncs(WINDOW)?)]);
    }
    let running = rig.own(subject, &[("flushDiskType", "SYNC_FLUSH".to_owned())])?;
    let load = Load::new("fsync", &running)
        .topic("Flushed")
        .size(1024)
        .with("window", WINDOW)
        .warm_up(rig.scale.warm_up)
        .duration(rig.scale.load);
    let report = load::run(rig, &running, &load)?;
    let mut figures = vec![
        ("rate-1", report.number("/one_in_flight/messages_per_second")?),
        ("rate-64", report.rate()?),
    ];
    // Apache's broker does not tell how often it syncs.
    if subject == Subject::Ferromq {
        drop(running);
        rig.written_back()?;
        let shared = report.number("/syncs/messages_per_sync")?;
        let group = (RECORD as f64 * shared) as usize;
        let disk = fdatasync::per_second(&rig.scratch, group, rig.scale.load)?;
        figures.push(("groups-64", 100.0 * report.number("/syncs/per_second")? / disk));
    }
    Ok(figures)
}
