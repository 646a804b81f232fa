//! Runs of `ferromq bench`: the options that rows use, and the report that comes back.

use crate::interrupt;
use crate::rig::Rig;
use crate::servers::Running;
use ferromq_interop::Problem;
use ferromq_interop::process::Process;
use serde_json::Value;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Debug)]
pub struct Load {
    kind: &'static str,
    options: Vec<(&'static str, String)>,
}

impl Load {
    /// A kind of load on a server, with that kind's defaults.
    pub fn new(kind: &'static str, running: &Running) -> Load {
        let [option, address] = running.address();
        let load = Load { kind, options: Vec::new() };
        match option {
            "--broker" => load.with("broker", address),
            _ => load.with("namesrv", address),
        }
    }

    /// Sets an option; a second time replaces it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Load {
        self.options.retain(|(known, _)| *known != name);
        self.options.push((name, value.to_string()));
        self
    }

    /// The topic.
    #[must_use]
    pub fn topic(self, name: &str) -> Load {
        self.with("topic", name)
    }

    /// Bytes of a body.
    #[must_use]
    pub fn size(self, bytes: u32) -> Load {
        self.with("size", bytes)
    }

    /// Length of the measured load.
    #[must_use]
    pub fn duration(self, duration: Duration) -> Load {
        self.with("duration", duration.as_secs_f64())
    }

    /// What goes before it.
    #[must_use]
    pub fn warm_up(self, duration: Duration) -> Load {
        self.with("warm-up", duration.as_secs_f64())
    }
}

/// What `ferromq bench` said.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// Of so many messages one may fail: a broker that turns some away under load is still measured.
const ONE_IN: f64 = 100.0;

impl Report {
    /// A number, by its path: `/server/cpu_seconds_per_million`.
    pub fn number(&self, path: &str) -> Result<f64, Problem> {
        self.0
            .pointer(path)
            .and_then(Value::as_f64)
            .ok_or_else(|| Problem::Wrong(format!("ferromq bench reported no {path}: {}", self.0)))
    }

    /// Messages a second.
    pub fn rate(&self) -> Result<f64, Problem> {
        self.number("/messages_per_second")
    }

    /// Seconds of the server's CPU time for a million messages.
    pub fn server_cpu(&self) -> Result<f64, Problem> {
        self.number("/server/cpu_seconds_per_million")
    }

    fn mostly_successful(&self) -> bool {
        let failed = self.number("/failed").unwrap_or(0.0);
        let messages = self.number("/messages").unwrap_or(0.0);
        failed * ONE_IN <= messages + failed
    }
}

/// Longer than any load takes beyond its duration: creating topics, filling a backlog.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs a load and returns its report, which is kept with the run's samples too. It fails when more than a few
/// messages do.
pub fn run(rig: &mut Rig, running: &Running, load: &Load) -> Result<Report, Problem> {
    let report = run_whatever_fails(rig, running, load)?;
    if report.mostly_successful() {
        return Ok(report);
    }
    let name = format!("ferromq bench {}", load.kind);
    let text = report.0["failures"].to_string();
    Err(Problem::Reported { name, text, tail: String::new() })
}

/// Runs a load that is only to warm a server up: a cold one may turn messages away.
pub fn run_whatever_fails(
    rig: &mut Rig,
    running: &Running,
    load: &Load,
) -> Result<Report, Problem> {
    let mut command = Command::new(&rig.ferromq);
    command.args(["bench", load.kind, "--json", "--server-pid"]).arg(running.pid().to_string());
    for (name, value) in &load.options {
        command.arg(format!("--{name}")).arg(value);
    }
    let name = format!("ferromq bench {}", load.kind);
    let mut process = Process::start(&name, command, running.folder())?;
    end_of(&mut process, LIMIT)?;
    // The reader of its output may be a moment behind its end.
    let _ = process.wait("end of output", Duration::from_secs(5), |_| None::<()>);
    let text: Vec<String> = process.lines().into_iter().map(|line| line.text).collect();
    let report: Value = serde_json::from_str(&text.join("\n")).map_err(|e| {
        Problem::Wrong(format!("{name} printed no report ({e}):\n{}", process.tail()))
    })?;
    let report = Report(report);
    rig.samples.push(serde_json::json!({ "subject": running.subject, "report": report.0 }));
    Ok(report)
}

/// Waits for the end of a program; ends it if the run is interrupted.
pub fn end_of(process: &mut Process, limit: Duration) -> Result<ExitStatus, Problem> {
    let deadline = Instant::now() + limit;
    loop {
        match process.wait_end(Duration::from_millis(100)) {
            Err(Problem::Deadline { .. }) if Instant::now() < deadline => interrupt::check()?,
            ended => return ended,
        }
    }
}
