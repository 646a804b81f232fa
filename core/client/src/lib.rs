//! Clients for any RocketMQ-compatible cluster: producers, consumers and administration.
//!
//! - [`Producer`] sends messages;
//! - [`PushConsumer`] hands messages to a listener as they come;
//! - [`Consumer`] is the same for an application that polls and settles messages itself;
//! - [`PullConsumer`] gives messages to whoever asks;
//! - [`Admin`] looks after topics, groups and progress.
//!
//! All of them find brokers through name servers and survive the loss of any of them. Those with
//! the same name servers share connections.

mod admin;
mod allocate;
mod config;
mod consumer;
mod error;
mod instance;
mod message;
mod producer;
mod pull_consumer;
mod route;
mod statistics;

pub use admin::Admin;
pub use allocate::Allocation;
pub use config::{ClientConfig, ConsumerConfig, ProducerConfig};
pub use consumer::{Consumed, Consumer, Delivery, PushConsumer, PushConsumerBuilder};
pub use error::{Error, ErrorKind};
pub use ferromq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
pub use message::{Message, ReceivedMessage, SendReceipt, SendStatus};
pub use producer::{Accepted, Producer, Sending};
pub use pull_consumer::{HeldMessages, PullConsumer};
pub use statistics::{ConsumerStatistics, LatencyStatistics, ProducerStatistics, QueueStatistics};
