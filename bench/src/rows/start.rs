//! Starting.

use super::{Counted, Row, SERVERS};
use crate::results::Subject;
use crate::target::no_more_than;
use crate::unit::Unit;
use std::time::Duration;

/// From nothing to the first message.
pub const ROW: Row = Row {
    id: "start",
    title: "Start to the first acknowledged message",
    how: "From the start of the broker's process on an empty directory, with its name server running, to the \
          acknowledgement of a message; a sender tries again every millisecond.",
    subjects: SERVERS,
    once: &[],
    measures: &[Counted {
        id: "time",
        what: "time",
        unit: Unit::Milliseconds,
        targets: &[no_more_than(60.0)],
        headline: true,
    }],
    measure: |rig, subject| {
        if subject == Subject::Apache {
            return Ok(vec![("time", rig.start_apache()?.as_secs_f64() * 1e3)]);
        }
        let mut figures = Vec::new();
        for _ in 0..rig.scale.restarts {
            let running = rig.launcher().start(subject, &[])?;
            figures.push(("time", running.started_in.as_secs_f64() * 1e3));
        }
        Ok(figures)
    },
    lasts: |_, subject| match subject {
        Subject::Apache => Duration::ZERO,
        _ => Duration::from_secs(1),
    },
};
