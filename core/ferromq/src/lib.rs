//! FerroMQ for applications.
//!
//! Clients work with any RocketMQ 4.9 or 5 cluster. With the feature `server`, a name server and a
//! broker run inside the process, which is what tests want.
//!
#![cfg_attr(feature = "server", doc = "```")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ferromq::{Message, Producer, ProducerConfig, PullConsumer, ConsumerConfig, Server};
//! use std::time::Duration;
//!
//! let server = Server::start().await?;
//! let producer = Producer::start(server.client(), ProducerConfig::default()).await?;
//! producer.send(Message::new("Orders", "order 17").tag("created")).await?;
//!
//! let group = ConsumerConfig {
//!     group: "billing".into(),
//!     consume_from_where: "CONSUME_FROM_FIRST_OFFSET".into(),
//!     ..ConsumerConfig::default()
//! };
//! let consumer = PullConsumer::start(server.client(), group).await?;
//! consumer.subscribe("Orders", "created || paid").await?;
//! let messages = consumer.poll(32, Duration::from_secs(10)).await?;
//! assert_eq!(messages[0].body, "order 17");
//!
//! consumer.close().await;
//! producer.close().await;
//! server.close().await;
//! # Ok(())
//! # }
//! ```

mod runtime;
#[cfg(feature = "server")]
mod server;
mod settings;

pub use ferromq_client::*;
pub use ferromq_model::MessageQueue;
pub use ferromq_model::config::{ConfigTable, SettingError, snake_case};
pub use runtime::runtime;
#[cfg(feature = "server")]
pub use server::{Server, ServerError, ServerOptions};
pub use settings::configure;

/// Compiles and runs the Rust of the README.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
