//! `ferromq bench`: puts load on a RocketMQ-compatible cluster and says what came of it.
//!
//! `docs/benchmarks/README.md` says what is measured and how the reports are to be read.

mod answer;
mod connection;
mod connections;
mod consume;
mod e2e;
mod echo;
mod engine;
mod frames;
mod fsync;
mod histogram;
mod measured;
mod options;
mod produce;
mod pulling;
mod report;
mod sending;
mod tally;
mod target;
mod topics;
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
    /// Read a backlog
    Consume(consume::ConsumeArgs),
    /// Measure how long a message takes from its sending to its receipt
    E2e(e2e::E2eArgs),
    /// Measure sends that wait for the disk
    Fsync(fsync::FsyncArgs),
    /// Compare many topics with one
    Topics(topics::TopicsArgs),
    /// Hold many idle consumers
    Connections(connections::ConnectionsArgs),
    /// Answer every request with success, and do nothing else
    Echo(echo::EchoArgs),
}

/// Runs a load.
pub async fn bench(command: BenchCommand) -> Outcome {
    match command {
        BenchCommand::Produce(args) => produce::produce(args).await,
        BenchCommand::Latency(args) => produce::latency(args).await,
        BenchCommand::Consume(args) => consume::consume(args).await,
        BenchCommand::E2e(args) => e2e::e2e(args).await,
        BenchCommand::Fsync(args) => fsync::fsync(args).await,
        BenchCommand::Topics(args) => topics::topics(args).await,
        BenchCommand::Connections(args) => connections::connections(args).await,
        BenchCommand::Echo(args) => echo::echo(args),
    }
}
