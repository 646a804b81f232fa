//! Consumers that wait.

use super::{Counted, Figures, Row, SERVERS};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::no_more_than;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// 10,000 of them, in long pulls.
pub const ROW: Row = Row {
    id: "idle-consumers",
    title: "10,000 idle consumers",
    how: "Each has a connection of its own, sends a heartbeat within the 30 s of the row, and waits in long pulls of 15 s. Memory is the growth of RssAnon \
          for each; Apache's heap is resident from the start (AlwaysPreTouch), so what its objects take does not show.",
    subjects: SERVERS,
    once: &[],
    measures: &[
        Counted {
            id: "cpu",
            what: "server CPU",
            unit: Unit::PercentOfCore,
            targets: &[no_more_than(2.0)],
            headline: true,
        },
        Counted {
            id: "memory",
            what: "memory each",
            unit: Unit::Bytes,
            targets: &[no_more_than(8192.0)],
            headline: false,
        },
    ],
    measure: held,
    lasts: |scale, _| scale.hold + Duration::from_secs(8),
};

fn held(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    rig.with(subject, |rig, running| {
        let load = Load::new("connections", running)
            .topic("Waiting")
            .with("connections", rig.scale.consumers)
            .with("hold", rig.scale.hold.as_secs_f64());
        let report = load::run(rig, running, &load)?;
        let cpu = report.number("/server/cpu_user_seconds")?
            + report.number("/server/cpu_system_seconds")?;
        let held = report.number("/held")?;
        if held < f64::from(rig.scale.consumers) {
            return Err(Problem::Wrong(format!(
                "only {held} of {} consumers were held",
                rig.scale.consumers
            )));
        }
        Ok(vec![
            ("cpu", 100.0 * cpu / report.number("/seconds")?),
            ("memory", report.number("/server/rss_bytes_per_connection")?),
        ])
    })
}
