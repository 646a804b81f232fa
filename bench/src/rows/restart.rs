//! Starting again after a kill.

use super::{Counted, Figures, Row, SERVERS};
use crate::interrupt;
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::at_most;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

const SIZE: u32 = 1024;
/// Of a record in the log, beside the body.
const OVERHEAD: u64 = 180;

/// With gigabytes of log.
pub const ROW: Row = Row {
    id: "restart",
    title: "Restart after kill -9 with gigabytes of log",
    how: "The log is filled with messages of 1 KiB. Then, in each round, a second of load, kill -9 in the midst of its last \
          flush, and a start: from the start of the process to an acknowledgement, as above. 10 GiB of log, less where the disk has no room.",
    subjects: SERVERS,
    once: SERVERS,
    measures: &[
        Counted {
            id: "time",
            what: "time",
            unit: Unit::Milliseconds,
            targets: &[at_most(1.0 / 20.0, Subject::Apache)],
            headline: true,
        },
        Counted { id: "log", what: "log", unit: Unit::BytesOfWork, targets: &[], headline: false },
    ],
    measure: restarted,
    lasts: |scale, subject| {
        let gib = scale.log_bytes as f64 / (1u64 << 30) as f64;
        let (fill, start) = match subject {
            Subject::Apache => (8.0, 20.0),
            _ => (3.0, 3.0),
        };
        Duration::from_secs_f64(fill * gib + start * f64::from(scale.restarts))
    },
};

fn restarted(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let count = rig.log_bytes()? / (u64::from(SIZE) + OVERHEAD);
    let mut running = rig.launcher().start(subject, &[])?;
    let fill = Load::new("produce", &running)
        .topic("Log")
        .size(SIZE)
        .with("batch", 32)
        .with("window", 8)
        .with("count", count)
        .warm_up(Duration::ZERO);
    load::run(rig, &running, &fill)?;
    let mut figures = vec![("log", (count * (u64::from(SIZE) + OVERHEAD)) as f64)];
    for _ in 0..rig.scale.restarts {
        interrupt::check()?;
        let more = Load::new("produce", &running)
            .topic("Log")
            .size(SIZE)
            .warm_up(Duration::ZERO)
            .duration(Duration::from_secs(1));
        load::run(rig, &running, &more)?;
        running = rig.launcher().again(running, &[])?;
        figures.push(("time", running.started_in.as_secs_f64() * 1e3));
    }
    Ok(figures)
}
