//! `ferromq bench`: puts load on a RocketMQ-compatible cluster and says what came of it.
//!
//! `docs/benchmarks/README.md` says what is measured and how the reports are to be read.

// The kinds that use the rest are on their way.
#![allow(dead_code)]

mod answer;
mod connection;
mod echo;
mod engine;
mod frames;
mod histogram;
mod options;
mod produce;
mod report;
mod sending;
mod tally;
mod target;
mod usage;

use crate::exit::Outcome;
use clap::Subcommand;

/// `ferromq bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Send as many messages as go
    Produce(produce::ProduceArgs),
    /// Measure how long a send takes
    Latency(produce::LatencyArgs),
    /// Answer every request with success, and do nothing else
    Echo(echo::EchoArgs),
}

/// Runs a load.
pub async fn bench(command: BenchCommand) -> Outcome {
    match command {
        BenchCommand::Produce(args) => produce::produce(args).await,
        BenchCommand::Latency(args) => produce::latency(args).await,
        BenchCommand::Echo(args) => echo::echo(args),
    }
}
