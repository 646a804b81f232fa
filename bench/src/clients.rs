//! The client of each language, in a small program of its own that sends with a window as long as it is told.

use crate::interrupt;
use crate::load;
use crate::proc;
use crate::servers::Running;
use ferromq_interop::process::Process;
use ferromq_interop::{Problem, setup, skip};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A language whose client is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `bench/src/bin/ferromq-bench-client.rs`.
    Rust,
    /// `bench/clients/client.c`.
    C,
    /// `bench/clients/client.py`.
    Python,
    /// `bench/clients/client.mjs`.
    Node,
}

/// Sends on their way: as many as Apache's Producer has threads.
pub const WINDOW: u32 = 64;

impl Language {
    /// Its program; `scripts/bench.sh` has built it.
    fn command(self) -> Result<Command, Problem> {
        let target = skip::target();
        let source = |name: &str| setup::root().join("../bench/clients").join(name);
        let there = |path: PathBuf| match path.exists() {
            true => Ok(path),
            false => Err(Problem::Missing {
                tool: format!("the {self:?} client"),
                reason: format!("{} is not there; run `make bench`", path.display()),
            }),
        };
        Ok(match self {
            Language::Rust => Command::new(there(target.join("release/ferromq-bench-client"))?),
            Language::C => Command::new(there(target.join("bench/client-c"))?),
            Language::Python => {
                let mut command = Command::new(there(target.join("bench/python/bin/python"))?);
                command.arg(source("client.py"));
                command
            }
            Language::Node => {
                there(setup::root().join("../bindings/node/dist/cjs"))?;
                let mut command = Command::new("node");
                command.arg(source("client.mjs"));
                command
            }
        })
    }

    /// Messages of `size` bytes that it sends for each second of its own CPU time.
    pub fn per_cpu_second(
        self,
        running: &Running,
        size: u32,
        warm_up: Duration,
        duration: Duration,
    ) -> Result<f64, Problem> {
        let namesrv = running.namesrv.as_deref().unwrap_or_default();
        let mut command = self.command()?;
        command.args([namesrv, "Clients"]);
        command.args([size, WINDOW].map(|n| n.to_string()));
        command.args([warm_up, duration].map(|d| d.as_secs_f64().to_string()));
        let name = format!("client-{self:?}");
        let mut process = Process::start(&name, command, running.folder())?;
        let patience = warm_up + duration + Duration::from_secs(60);
        process.wait_line("begin", patience, |line| line == "begin")?;
        let (since, before) = (Instant::now(), proc::cpu_seconds(process.pid())?);
        // It is looked at while it still runs: what it uses at its end is not for messages.
        interrupt::rest(duration.mul_f64(0.9))?;
        let (watched, used) = (since.elapsed(), proc::cpu_seconds(process.pid())? - before);
        let line = process.wait_line("end", patience, |line| line.starts_with("end "))?;
        load::end_of(&mut process, Duration::from_secs(60))?;
        let sent: f64 =
            line[4..].parse().map_err(|_| Problem::Wrong(format!("{name} printed {line:?}")))?;
        Ok(sent * watched.as_secs_f64() / duration.as_secs_f64() / used)
    }
}
