//! `make bench`: see `docs/benchmarks/README.md`.

use clap::{Parser, Subcommand, ValueEnum};
use ferromq_bench::results::Subject;
use ferromq_bench::rig::Rig;
use ferromq_bench::run::{Selection, run};
use ferromq_bench::scale::Scale;
use ferromq_bench::{interrupt, publish, rows};
use ferromq_interop::{Problem, skip};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures FerroMQ beside Apache RocketMQ and the machine's limits.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Action>,
    /// How often each row is measured [default: 3, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: Option<u32>,
    /// One short repetition, in about 11 minutes
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// 100,000 topics too
    #[arg(long)]
    full: bool,
    /// This row alone; may be given several times
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// These alone
    #[arg(long, value_delimiter = ',', default_value = "ferromq,apache,echo,machine")]
    subjects: Vec<Who>,
    /// GiB of log for the restart after a kill [default: 10, or 1 with --quick]
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..=1000))]
    log_gib: Option<u64>,
    /// Folder of the results [default: docs/benchmarks, or target/bench with --quick, --only or --subjects]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write tables and plots anew from the results in a folder
    Render {
        /// The folder [default: docs/benchmarks]
        folder: Option<PathBuf>,
    },
    /// List the rows
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    Ferromq,
    Apache,
    Echo,
    Machine,
}

impl From<Who> for Subject {
    fn from(who: Who) -> Subject {
        match who {
            Who::Ferromq => Subject::Ferromq,
            Who::Apache => Subject::Apache,
            Who::Echo => Subject::Echo,
            Who::Machine => Subject::Machine,
        }
    }
}

fn main() -> ExitCode {
    match carry_out(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("ferromq-bench: {problem}");
            ExitCode::from(if interrupt::asked() { 130 } else { 1 })
        }
    }
}

/// Whether everything could be measured.
fn carry_out(arguments: Arguments) -> Result<bool, Problem> {
    match &arguments.command {
        Some(Action::List) => {
            rows::ALL.iter().for_each(|row| println!("{:16} {}", row.id, row.title));
            Ok(true)
        }
        Some(Action::Render { folder }) => {
            let folder = folder.clone().unwrap_or_else(publish::committed);
            let report = publish::read(&folder)?.ok_or_else(|| {
                Problem::Wrong(format!("{} has no {}", folder.display(), publish::RESULTS))
            })?;
            publish::publish(&report, &folder).map(|()| true)
        }
        None => measure(arguments),
    }
}

fn measure(arguments: Arguments) -> Result<bool, Problem> {
    let mut scale = match (arguments.quick, arguments.full) {
        (true, _) => Scale::quick(),
        (_, true) => Scale::full(),
        _ => Scale::standard(),
    };
    scale.repetitions = arguments.repetitions.unwrap_or(scale.repetitions);
    scale.log_bytes = arguments.log_gib.map_or(scale.log_bytes, |gib| gib << 30);
    let subjects: Vec<Subject> = arguments.subjects.iter().map(|who| (*who).into()).collect();
    let selection = Selection::new(&arguments.only, &subjects)?;
    let part = arguments.quick || !arguments.only.is_empty() || subjects.len() < 4;
    let work = skip::target().join("bench");
    let folder = arguments.output.unwrap_or_else(|| match part {
        true => work.clone(),
        false => publish::committed(),
    });

    interrupt::listen()?;
    let mut rig = Rig::new(scale)?;
    // What there is when the run is cut short stays in the build folder.
    let report = run(&mut rig, &selection, |report| publish::keep(report, &work.join("partial")))?;
    publish::publish(&report, &folder)?;
    publish::keep_samples(&rig.samples, &folder)?;
    eprintln!("written: {}", folder.join(publish::PAGE).display());
    Ok(report.rows.iter().all(|row| row.failures.is_empty()))
}
