//! Options that the kinds of load share.

use crate::exit::FAILURE;
use crate::exit::Failure;
use clap::Args;
use serde::Serialize;
use std::time::Duration;

/// What is loaded, and how that is told.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Common {
    /// Name servers, joined by `;`
    #[arg(
        short,
        long,
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        value_name = "HOST:PORT"
    )]
    pub namesrv: String,
    /// Load this broker alone, without asking a name server or creating topics
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// Topic, or beginning of the topics' names
    #[arg(long, default_value = "FerroBench")]
    pub topic: String,
    /// Queues of each topic, on each broker
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub queues: i32,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,
    /// Report what this process used
    #[arg(long, value_name = "PID")]
    #[serde(skip)]
    pub server_pid: Option<i32>,
    /// Print one JSON object instead of text for people
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
    /// Add the whole histogram of latencies to the JSON
    #[arg(long)]
    #[serde(skip)]
    pub histogram: bool,
}

/// How messages are sent; what is not given is decided by the kind of load.
#[derive(Args, Clone, Debug, Default)]
pub struct LoadArgs {
    /// Bytes of a message's body
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    size: Option<u32>,
    /// Connections that send
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Requests on their way at once on each connection
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=32767))]
    window: Option<u16>,
    /// Messages of a request
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: Option<u16>,
    /// Messages a second in all, whatever the answers do
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rate: Option<u64>,
    /// Seconds of the measured load [default: 10, unless there is a count]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<f64>,
    /// End after so many messages, rounded up to whole batches
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds of load before the measured one [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    warm_up: Option<f64>,
    /// Where the bodies' pseudo-random text starts [default: 1]
    #[arg(long)]
    seed: Option<u64>,
}

/// Seconds that can be waited for.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds between 0 and a million".to_string()),
    }
}

/// How messages are sent, nothing left open.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Bytes of a body.
    pub size: usize,
    /// Connections that send.
    pub connections: usize,
    /// Requests on their way per connection.
    pub window: usize,
    /// Messages of a request.
    pub batch: usize,
    /// Messages a second in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Seconds of the measured load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Messages of the measured load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Seconds before the measured load.
    pub warm_up: f64,
    /// Of the bodies' text.
    pub seed: u64,
}

impl Default for Load {
    fn default() -> Self {
        Load {
            size: 128,
            connections: 4,
            window: 256,
            batch: 1,
            rate: None,
            duration: None,
            count: None,
            warm_up: 1.0,
            seed: 1,
        }
    }
}

impl LoadArgs {
    /// Takes what is not given from `defaults`.
    pub fn or(&self, defaults: Load) -> Load {
        let count = self.count.or(defaults.count);
        let duration = self.duration.or(defaults.duration);
        Load {
            size: self.size.map_or(defaults.size, |size| size as usize),
            connections: self.connections.map_or(defaults.connections, usize::from),
            window: self.window.map_or(defaults.window, usize::from),
            batch: self.batch.map_or(defaults.batch, usize::from),
            rate: self.rate.or(defaults.rate),
            duration: duration.or(count.is_none().then_some(10.0)),
            count,
            warm_up: self.warm_up.unwrap_or(defaults.warm_up),
            seed: self.seed.unwrap_or(defaults.seed),
        }
    }

    /// Whether there is a rate.
    pub fn is_open_loop(&self) -> bool {
        self.rate.is_some()
    }
}

impl Load {
    /// Fails when a request would be larger than any broker takes.
    pub fn check(&self) -> Result<(), Failure> {
        const MOST: usize = 4 * 1024 * 1024;
        if self.batch * (self.size + 100) > MOST && self.batch > 1 {
            return Err(Failure {
                code: FAILURE,
                message: format!(
                    "a batch of {} messages of {} bytes exceeds the 4 MiB that a broker takes; \
                     choose a smaller --batch or --size",
                    self.batch, self.size
                ),
            });
        }
        Ok(())
    }

    /// One of `parts` equal parts of it, each with its part of the warm-up.
    pub fn part(&self, parts: u32) -> Load {
        Load {
            duration: self.duration.map(|seconds| seconds / f64::from(parts)),
            count: self.count.map(|count| count.div_ceil(u64::from(parts))),
            warm_up: self.warm_up / f64::from(parts),
            ..self.clone()
        }
    }

    /// Before what is measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }
}
