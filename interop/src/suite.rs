//! Runs scenarios: a few at a time, over servers that start with the first scenario that needs them
//! and end with the last.

use crate::{Cluster, Problem, skip};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Servers that several scenarios share; they start when they are first asked for.
#[derive(Clone)]
pub struct Servers {
    start: Arc<dyn Fn() -> Result<Cluster, Problem> + Send + Sync>,
    started: Arc<OnceLock<Result<Cluster, Problem>>>,
}

impl Servers {
    /// Servers started by `start`.
    pub fn new(start: impl Fn() -> Result<Cluster, Problem> + Send + Sync + 'static) -> Servers {
        Servers { start: Arc::new(start), started: Arc::default() }
    }

    fn cluster(&self) -> Result<&Cluster, Problem> {
        let started = self.started.get_or_init(|| (self.start)());
        started.as_ref().map_err(|problem| match problem {
            Problem::Missing { tool, reason } => {
                Problem::Missing { tool: tool.clone(), reason: reason.clone() }
            }
            other => Problem::Wrong(format!("the servers did not start: {other}")),
        })
    }
}

/// How many client processes may run at once: each Java client wants most of a core while it starts.
const CLIENTS: usize = 6;

#[derive(Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    /// A scenario takes all it will need at once, so that two can never wait for each other.
    fn with<T>(&self, wanted: usize, work: impl FnOnce() -> T) -> T {
        let wanted = wanted.min(CLIENTS);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + wanted > CLIENTS {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += wanted;
        drop(taken);
        let result = work();
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) -= wanted;
        self.freed.notify_all();
        result
    }
}

/// The scenarios of one test program.
#[derive(Default)]
pub struct Suite {
    trials: Vec<Trial>,
    places: Arc<Places>,
}

impl Suite {
    /// An empty suite.
    pub fn new() -> Suite {
        Suite::default()
    }

    /// Adds a scenario that runs up to `clients` processes at once.
    pub fn add(
        &mut self,
        name: String,
        clients: usize,
        servers: &Servers,
        scenario: impl FnOnce(&Cluster) -> Result<(), Problem> + Send + 'static,
    ) {
        let (servers, places, test) = (servers.clone(), Arc::clone(&self.places), name.clone());
        let trial = Trial::test(name, move || {
            let result = places.with(clients, || {
                let cluster = servers.cluster()?;
                let begun = Instant::now();
                let result = scenario(cluster);
                if std::env::var_os("FERROMQ_TIMES").is_some() {
                    eprintln!("{test}: {:.1} s", begun.elapsed().as_secs_f32());
                }
                result.map_err(|problem| match problem {
                    Problem::Missing { .. } => problem,
                    other => Problem::Wrong(format!("{other}\n{}", cluster.tails())),
                })
            });
            skip::unless_missing(&test, result).map_err(Into::into)
        });
        self.trials.push(trial);
    }

    /// Runs what the command line asks for. The servers end when the caller's handles go.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Most of a scenario is waiting.
        arguments.test_threads = arguments.test_threads.or(Some(4));
        libtest_mimic::run(&arguments, self.trials).exit_code()
    }
}
