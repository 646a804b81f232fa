//! What a second core brings.

use super::{Counted, Figures, Row, SERVERS, run_of};
use crate::cores;
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::target::Target;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

const fn counted(id: &'static str, what: &'static str, unit: Unit) -> Counted {
    const NONE: &[Target] = &[];
    Counted { id, what, unit, targets: NONE, headline: false }
}

/// The server on one core, then on two.
pub const ROW: Row = Row {
    id: "cores",
    title: "From one core to two",
    how: "Pipelined sends of 128 B, as above, to a server that is started on one core, and to another that is started on two. The generator \
          has the cores from the third on. On a machine of two it has the second, which the server then shares with it: \
          what the server gains there is only what the generator leaves of that core.",
    subjects: SERVERS,
    once: &[Subject::Apache],
    measures: &[
        counted("rate-1", "messages, server on one core", Unit::MessagesPerSecond),
        counted("rate-2", "messages, server on two", Unit::MessagesPerSecond),
        counted("growth", "two cores to one", Unit::Times),
        counted("cpu-1", "server CPU per million, one core", Unit::CpuSecondsPerMillion),
        counted("cpu-2", "server CPU per million, two", Unit::CpuSecondsPerMillion),
    ],
    measure: grown,
    lasts: |scale, subject| {
        let java = match subject {
            // On one core everything takes a JVM longer.
            Subject::Apache => scale.jvm_warm_up + Duration::from_secs(20),
            _ => Duration::from_secs(1),
        };
        (run_of(scale.load, scale) + java) * 2
    },
};

fn grown(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let all = cores::ours()?;
    let [first, second, rest @ ..] = all.as_slice() else {
        let reason = "this run may use one core alone".to_owned();
        return Err(Problem::Missing { tool: "a second core".to_owned(), reason });
    };
    let generator = if rest.is_empty() { &[*second] } else { rest };
    let (rate_1, cpu_1) = on(rig, subject, &[*first], generator)?;
    let (rate_2, cpu_2) = on(rig, subject, &[*first, *second], generator)?;
    Ok(vec![
        ("rate-1", rate_1),
        ("rate-2", rate_2),
        ("growth", rate_2 / rate_1),
        ("cpu-1", cpu_1),
        ("cpu-2", cpu_2),
    ])
}

/// Messages a second, and the server's CPU seconds for a million.
fn on(
    rig: &mut Rig,
    subject: Subject,
    server: &[usize],
    generator: &[usize],
) -> Result<(f64, f64), Problem> {
    let running = cores::only(server, || rig.cold(subject, &[]))?;
    cores::only(generator, || {
        rig.warm(&running)?;
        rig.written_back()?;
        let load = Load::new("produce", &running)
            .topic("Cores")
            .size(128)
            .warm_up(rig.scale.warm_up)
            .duration(rig.scale.load);
        let report = load::run(rig, &running, &load)?;
        Ok((report.rate()?, report.server_cpu()?))
    })
}
