//! Servers without work.

use super::{Counted, Row, SERVERS};
use crate::interrupt;
use crate::proc;
use crate::target::no_more_than;
use crate::unit::Unit;
use std::time::{Duration, Instant};

/// Nothing to do.
pub const ROW: Row = Row {
    id: "idle",
    title: "Idle server",
    how: "A broker that has been started, has taken one message, and rested. Memory is all that is resident (VmRSS), mapped \
          files among it.",
    subjects: SERVERS,
    once: &[],
    measures: &[
        Counted {
            id: "cpu",
            what: "server CPU",
            unit: Unit::PercentOfCore,
            targets: &[no_more_than(0.3)],
            headline: true,
        },
        Counted {
            id: "memory",
            what: "resident memory",
            unit: Unit::Bytes,
            targets: &[no_more_than((15 << 20) as f64)],
            headline: true,
        },
    ],
    measure: |rig, subject| {
        let (rest, watched) = rig.scale.idle;
        rig.with_cold(subject, |_, running| {
            interrupt::rest(rest)?;
            let (since, before) = (Instant::now(), proc::cpu_seconds(running.pid())?);
            interrupt::rest(watched)?;
            let used = proc::cpu_seconds(running.pid())? - before;
            let memory = proc::memory(running.pid())?;
            let percent = 100.0 * used / since.elapsed().as_secs_f64();
            Ok(vec![("cpu", percent), ("memory", memory.resident as f64)])
        })
    },
    lasts: |scale, _| scale.idle.0 + scale.idle.1 + Duration::from_millis(500),
};
