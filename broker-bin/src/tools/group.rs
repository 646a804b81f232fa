//! `ferromq group`: list, describe, reset.

use super::{Cluster, time_text, with_admin};
use crate::exit::{Failure, Outcome};
use crate::output::{self, Row};
use clap::{Args, Subcommand};
use ferromq_client::Admin;
use ferromq_model::names;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

/// `ferromq group`.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List consumer groups
    List {
        #[command(flatten)]
        cluster: Cluster,
        /// Also those of the system
        #[arg(long)]
        all: bool,
    },
    /// Show a group's members and its progress
    Describe {
        #[command(flatten)]
        cluster: Cluster,
        /// The group
        group: String,
        /// Progress in this topic only
        #[arg(short, long)]
        topic: Option<String>,
    },
    /// Move a group's progress in a topic
    Reset(ResetArgs),
}

/// `ferromq group reset`.
#[derive(Args, Debug)]
pub struct ResetArgs {
    #[command(flatten)]
    cluster: Cluster,
    /// The group
    group: String,
    /// The topic
    #[arg(short, long)]
    topic: String,
    /// `earliest`, `latest`, ms since the epoch, or a time such as 2026-11-24T08:00:00Z (without
    /// a zone: this machine's)
    #[arg(long, value_parser = target)]
    to: i64,
}

/// The time to reset to in ms; -1 is the end.
fn target(text: &str) -> Result<i64, String> {
    match text {
        "earliest" => return Ok(0),
        "latest" => return Ok(-1),
        _ => {}
    }
    if let Ok(millis) = text.parse::<u32>() {
        return Err(format!("{millis} is no time in ms since 1970 that messages can have"));
    }
    if let Ok(millis) = text.parse::<i64>() {
        return if millis > 0 { Ok(millis) } else { Err("a time in ms is above 0".to_string()) };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let local =
        text.parse::<DateTime>().and_then(|time| time.to_zoned_datetime(TimeZone::system()));
    local
        .map(|time| time.timestamp().as_millisecond())
        .map_err(|error| format!("expected earliest, latest, ms or a time: {error}"))
}

/// Runs a command about groups.
pub async fn group(command: GroupCommand) -> Outcome {
    match command {
        GroupCommand::List { cluster, all } => {
            with_admin(&cluster, async |admin| list(admin, all, cluster.json).await).await
        }
        GroupCommand::Describe { cluster, group, topic } => {
            let topic = topic.as_deref();
            let work = async |admin: &Admin| describe(admin, &group, topic, cluster.json).await;
            with_admin(&cluster, work).await
        }
        GroupCommand::Reset(args) => {
            with_admin(&args.cluster, async |admin| reset(admin, &args).await).await
        }
    }
}

async fn list(admin: &Admin, all: bool, json: bool) -> Outcome {
    let groups = admin.groups().await?.into_values();
    let rows: Vec<_> = groups
        .filter(|group| all || !names::is_system_group(&group.group_name))
        .map(|group| GroupRow {
            group: group.group_name,
            consume_enable: group.consume_enable,
            retry_max_times: group.retry_max_times,
        })
        .collect();
    Ok(output::rows(&rows, json)?)
}

async fn describe(admin: &Admin, group: &str, topic: Option<&str>, json: bool) -> Outcome {
    let known = admin.groups().await?.contains_key(group);
    let connection = admin.consumer_connections(group).await?;
    if !known && connection.is_none() {
        return Err(unknown(group));
    }
    let members = connection.map_or_else(Vec::new, |connection| connection.connection_set);
    let members = members.into_iter().map(|member| MemberRow {
        client_id: member.client_id,
        address: member.client_addr,
        language: member.language,
        version: member.version,
    });
    let stats = admin.consume_stats(group, topic).await?;
    let progress = stats.offset_table.0.into_iter().map(|(queue, offsets)| ProgressRow {
        topic: queue.topic,
        broker: queue.broker_name,
        queue: queue.queue_id,
        consumer_offset: offsets.consumer_offset,
        broker_offset: offsets.broker_offset,
        lag: offsets.broker_offset - offsets.consumer_offset,
        last_timestamp: offsets.last_timestamp,
    });
    let description =
        Description { group, members: members.collect(), progress: progress.collect() };
    if json {
        return Ok(output::json(&description)?);
    }
    if description.members.is_empty() {
        output::line("nobody is connected")?;
    } else {
        output::rows(&description.members, false)?;
    }
    output::line("")?;
    if description.progress.is_empty() {
        output::line("no progress was committed")?;
    } else {
        output::rows(&description.progress, false)?;
        let lag: i64 = description.progress.iter().map(|row| row.lag).sum();
        output::line(&format!("\n{lag} messages behind"))?;
    }
    Ok(())
}

async fn reset(admin: &Admin, args: &ResetArgs) -> Outcome {
    let ResetArgs { group, topic, to, cluster } = args;
    if admin.route(topic).await?.is_none() {
        return Err(Failure::nothing(format!("topic `{topic}` does not exist")));
    }
    if !admin.groups().await?.contains_key(group) {
        return Err(unknown(group));
    }
    let offsets = admin.reset_offset(group, topic, *to).await?;
    let rows: Vec<_> = offsets
        .into_iter()
        .map(|(queue, offset)| OffsetRow {
            broker: queue.broker_name,
            queue: queue.queue_id,
            offset,
        })
        .collect();
    Ok(output::rows(&rows, cluster.json)?)
}

fn unknown(group: &str) -> Failure {
    Failure::nothing(format!("group `{group}` does not exist"))
}

#[derive(Serialize)]
struct Description<'a> {
    group: &'a str,
    members: Vec<MemberRow>,
    progress: Vec<ProgressRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupRow {
    group: String,
    consume_enable: bool,
    retry_max_times: i32,
}

impl Row for GroupRow {
    const TITLES: &'static [&'static str] = &["GROUP", "ENABLED", ">RETRIES"];
    fn cells(&self) -> Vec<String> {
        let enabled = if self.consume_enable { "yes" } else { "no" };
        vec![self.group.clone(), enabled.to_string(), self.retry_max_times.to_string()]
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRow {
    client_id: String,
    address: String,
    language: String,
    version: i32,
}

impl Row for MemberRow {
    const TITLES: &'static [&'static str] = &["CLIENT", "ADDRESS", "LANGUAGE", ">VERSION"];
    fn cells(&self) -> Vec<String> {
        let version = self.version.to_string();
        vec![self.client_id.clone(), self.address.clone(), self.language.clone(), version]
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgressRow {
    topic: String,
    broker: String,
    queue: i32,
    consumer_offset: i64,
    broker_offset: i64,
    lag: i64,
    last_timestamp: i64,
}

impl Row for ProgressRow {
    const TITLES: &'static [&'static str] =
        &["TOPIC", "BROKER", ">QUEUE", ">OFFSET", ">END", ">BEHIND", "LAST MESSAGE (UTC)"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            self.broker.clone(),
            self.queue.to_string(),
            self.consumer_offset.to_string(),
            self.broker_offset.to_string(),
            self.lag.to_string(),
            time_text(self.last_timestamp),
        ]
    }
}

#[derive(Serialize)]
struct OffsetRow {
    broker: String,
    queue: i32,
    offset: i64,
}

impl Row for OffsetRow {
    const TITLES: &'static [&'static str] = &["BROKER", ">QUEUE", ">NEW OFFSET"];
    fn cells(&self) -> Vec<String> {
        vec![self.broker.clone(), self.queue.to_string(), self.offset.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_a_reset() {
        assert_eq!(target("earliest"), Ok(0));
        assert_eq!(target("latest"), Ok(-1));
        assert_eq!(target("1700000000123"), Ok(1_700_000_000_123));
        assert_eq!(target("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(target("2023-11-14T23:13:20+01:00"), Ok(1_700_000_000_000));
        assert!(target("2023-11-14T22:13:20").is_ok());
        for wrong in ["soon", "-5", "17", ""] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
