//! Messages that are on disk before they are acknowledged.

use super::{Counted, Figures, Row, SERVERS, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::at_least;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// How many can share a sync when 64 are on their way.
const WINDOW: u32 = 64;

/// `flushDiskType=SYNC_FLUSH`.
pub const ROW: Row = Row {
    id: "sync-flush",
    title: "Synchronous flush, 1 KiB",
    how: "flushDiskType=SYNC_FLUSH, 1 connection. The machine's figure is how often the disk syncs an append of a message with \
          fdatasync, times the sends on their way: as many messages as could share a sync.",
    subjects: SERVERS,
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
    ],
    measure: flushed,
    lasts: |scale, subject| {
        let java = match subject {
            Subject::Apache => scale.jvm_warm_up + Duration::from_secs(12),
            _ => Duration::ZERO,
        };
        run_of(scale.load, scale) * 3 + java
    },
};

fn flushed(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let running = rig.own(subject, &[("flushDiskType", "SYNC_FLUSH".to_owned())])?;
    let mut load = Load::new("fsync", &running)
        .topic("Flushed")
        .size(1024)
        .with("window", WINDOW)
        .warm_up(rig.scale.warm_up)
        .duration(rig.scale.load);
    if subject == Subject::Ferromq {
        load = load.with("data-dir", running.folder().display());
    }
    let report = load::run(rig, &running, &load)?;
    Ok(vec![
        ("rate-1", report.number("/one_in_flight/messages_per_second")?),
        ("rate-64", report.rate()?),
    ])
}
