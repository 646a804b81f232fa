//! The manual of settings, made from the declarations that also read them.

use crate::exit::Outcome;
use crate::output;
use clap::ValueEnum;
use ferromq_broker::config::BrokerConfig;
use ferromq_client::{ClientConfig, ConsumerConfig, ProducerConfig};
use ferromq_model::config::{Readers, manual};
use ferromq_namesrv::NamesrvConfig;
use ferromq_store::StoreConfig;

/// A group of settings.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// Of the broker
    Broker,
    /// Of the broker's store, which reads the same file
    Store,
    /// Of the name server
    Namesrv,
    /// Of every client
    Client,
    /// Of producers
    Producer,
    /// Of consumers
    Consumer,
}

/// Prints a group's settings.
pub fn print(part: Part) -> Outcome {
    let text = match part {
        Part::Broker => manual::<BrokerConfig>(Readers::FilesAndLanguages),
        Part::Store => manual::<StoreConfig>(Readers::FilesAndLanguages),
        Part::Namesrv => manual::<NamesrvConfig>(Readers::Files),
        Part::Client => manual::<ClientConfig>(Readers::Languages),
        Part::Producer => manual::<ProducerConfig>(Readers::Languages),
        Part::Consumer => manual::<ConsumerConfig>(Readers::Languages),
    };
    Ok(output::line(text.trim_end())?)
}
