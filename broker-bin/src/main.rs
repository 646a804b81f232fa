//! The program `ferromq`: servers and command-line tools.

#[cfg(target_os = "linux")]
mod bench;
mod config_file;
mod exit;
mod logging;
mod manual;
mod output;
mod serve;
mod tools;

use crate::exit::{Failure, Outcome};
use crate::logging::LogFormat;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::process::ExitCode;

/// Servers and tools for FerroMQ and any other RocketMQ-compatible cluster.
#[derive(Debug, Parser)]
#[command(name = "ferromq", version, after_help = exit::HELP)]
struct Arguments {
    /// How log lines on standard error look
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a name server and a broker in one process
    Standalone(serve::StandaloneArgs),
    /// Run a name server
    Namesrv(serve::NamesrvArgs),
    /// Run a broker
    Broker(serve::BrokerArgs),
    /// Send the lines of standard input as messages
    Send(tools::send::SendArgs),
    /// Print messages as they come
    Receive(tools::receive::ReceiveArgs),
    /// Create, list, describe and delete topics
    #[command(subcommand)]
    Topic(tools::topic::TopicCommand),
    /// List and describe consumer groups, and move their progress
    #[command(subcommand)]
    Group(tools::group::GroupCommand),
    /// Put load on a cluster and measure it
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Check, print, repair and copy a data directory of this broker or Apache's
    #[command(subcommand)]
    Store(tools::store::StoreCommand),
    /// Print the settings of a server or client as a table in Markdown
    Settings {
        /// Whose settings
        #[arg(value_enum)]
        part: manual::Part,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// Servers tell what they do; tools only what goes wrong.
    fn log_level(&self) -> &'static str {
        match self {
            Command::Standalone(_) | Command::Namesrv(_) | Command::Broker(_) => "info",
            _ => "warn",
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: Arguments) -> Outcome {
    logging::start(arguments.log_format, arguments.command.log_level())
        .map_err(|message| Failure { code: exit::FAILURE, message })?;
    if let Command::Completions { shell } = arguments.command {
        clap_complete::generate(
            shell,
            &mut Arguments::command(),
            "ferromq",
            &mut std::io::stdout(),
        );
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(dispatch(arguments.command));
    // Threads that read standard input cannot be waited for.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Standalone(args) => serve::standalone(args).await,
        Command::Broker(args) => serve::broker(args).await,
        Command::Namesrv(args) => serve::namesrv(args).await,
        Command::Send(args) => tools::send::send(args).await,
        Command::Receive(args) => tools::receive::receive(args).await,
        Command::Topic(command) => tools::topic::topic(command).await,
        Command::Group(command) => tools::group::group(command).await,
        #[cfg(target_os = "linux")]
        Command::Bench(command) => bench::bench(command).await,
        // Blocks this thread, which has nothing else to do.
        Command::Store(command) => tokio::task::block_in_place(|| tools::store::store(command)),
        Command::Settings { part } => manual::print(part),
        Command::Completions { .. } => Ok(()),
    }
}
