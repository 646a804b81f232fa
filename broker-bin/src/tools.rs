//! Command-line tools, for this and any other RocketMQ-compatible cluster.

pub mod group;
pub mod receive;
pub mod send;
pub mod store;
pub mod topic;

use crate::exit::Outcome;
use clap::Args;
use ferromq_client::{Admin, ClientConfig};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// What every tool needs to know.
#[derive(Args, Clone, Debug)]
pub struct Cluster {
    /// Name servers, joined by `;`
    #[arg(
        short,
        long,
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        value_name = "HOST:PORT"
    )]
    namesrv: String,
    /// Print JSON, one object a line, instead of text for people
    #[arg(long)]
    pub json: bool,
}

impl Cluster {
    /// Settings for a client of the cluster.
    pub fn client(&self) -> ClientConfig {
        ClientConfig { namesrv_addr: self.namesrv.clone(), ..ClientConfig::default() }
    }
}

/// Does administrative work and leaves the cluster afterwards, whatever came of it.
pub async fn with_admin(cluster: &Cluster, work: impl AsyncFnOnce(&Admin) -> Outcome) -> Outcome {
    let admin = Admin::new(cluster.client())?;
    let outcome = work(&admin).await;
    admin.close().await;
    outcome
}

/// Shows on a terminal how far long work has come; elsewhere it shows nothing. Without a `total`
/// it counts.
pub fn progress(total: Option<u64>, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {pos}/{len}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {pos} ({per_sec})"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_message(what)
}

/// A time in ms since the epoch as people write it, in UTC.
pub fn time_text(millis: i64) -> String {
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) if millis > 0 => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => "-".to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_for_people() {
        assert_eq!(super::time_text(1_700_000_000_123), "2023-11-14 22:13:20");
        assert_eq!(super::time_text(0), "-");
        assert_eq!(super::time_text(i64::MAX), "-");
    }
}
