//! Stopping.

use super::{Counted, Figures, Row, SERVERS, run_of};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::no_more_than;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// SIGTERM after load.
pub const ROW: Row = Row {
    id: "stop",
    title: "Clean stop after load",
    how: "From SIGTERM to the end of the broker's process, right after pipelined sends of 1 KiB.",
    subjects: SERVERS,
    once: &[],
    measures: &[Counted {
        id: "time",
        what: "time",
        unit: Unit::Milliseconds,
        targets: &[no_more_than(300.0)],
        headline: true,
    }],
    measure: stopped,
    lasts: |scale, subject| {
        run_of(scale.load, scale)
            + Duration::from_secs(match subject {
                Subject::Apache => 14,
                _ => 1,
            })
    },
};

fn stopped(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let running = match subject {
        Subject::Apache => rig.last_of_apache()?,
        _ => rig.own(subject, &[])?,
    };
    let load = Load::new("produce", &running)
        .topic("Last")
        .size(1024)
        .warm_up(Duration::ZERO)
        .duration(rig.scale.load);
    load::run(rig, &running, &load)?;
    Ok(vec![("time", running.stop()?.as_secs_f64() * 1e3)])
}
