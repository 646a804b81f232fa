//! `ferromq topic`: create, list, describe, delete.

use super::{Cluster, time_text, with_admin};
use crate::exit::{Failure, Outcome};
use crate::output::{self, Row};
use clap::{Args, Subcommand, ValueEnum};
use ferromq_client::Admin;
use ferromq_model::{names, perm};
use ferromq_protocol::body::{TopicConfig, TopicOffset};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// `ferromq topic`.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Create a topic on every master broker, or change it
    Create(CreateArgs),
    /// List topics
    List {
        #[command(flatten)]
        cluster: Cluster,
        /// Also those of the system, and groups' retry and dead letter topics
        #[arg(long)]
        all: bool,
    },
    /// Show a topic's queues
    Describe {
        #[command(flatten)]
        cluster: Cluster,
        /// The topic
        topic: String,
    },
    /// Delete a topic with its messages
    Delete {
        #[command(flatten)]
        cluster: Cluster,
        /// The topic
        topic: String,
    },
}

/// `ferromq topic create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    #[command(flatten)]
    cluster: Cluster,
    /// The topic
    topic: String,
    /// Queues on each broker
    #[arg(short, long, default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=65535))]
    queues: i32,
    /// What clients may do
    #[arg(long, value_enum, default_value_t)]
    permission: Permission,
    /// Mark the topic as strictly ordered
    #[arg(long)]
    ordered: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Permission {
    /// Send and receive
    #[default]
    Rw,
    /// Receive
    R,
    /// Send
    W,
}

/// Runs a command about topics.
pub async fn topic(command: TopicCommand) -> Outcome {
    match command {
        TopicCommand::Create(args) => {
            with_admin(&args.cluster, async |admin| create(admin, &args).await).await
        }
        TopicCommand::List { cluster, all } => {
            with_admin(&cluster, async |admin| list(admin, all, cluster.json).await).await
        }
        TopicCommand::Describe { cluster, topic } => {
            with_admin(&cluster, async |admin| describe(admin, &topic, cluster.json).await).await
        }
        TopicCommand::Delete { cluster, topic } => {
            with_admin(&cluster, async |admin| delete(admin, &topic, cluster.json).await).await
        }
    }
}

async fn create(admin: &Admin, args: &CreateArgs) -> Outcome {
    let config = TopicConfig {
        perm: match args.permission {
            Permission::Rw => perm::READ_WRITE,
            Permission::R => perm::READ,
            Permission::W => perm::WRITE,
        },
        order: args.ordered,
        ..TopicConfig::new(&args.topic, args.queues)
    };
    admin.create_topic(&config).await?;
    Ok(done(&args.topic, "created", args.cluster.json)?)
}

async fn list(admin: &Admin, all: bool, json: bool) -> Outcome {
    let mut topics = admin.topics().await?;
    if !all {
        // Clusters and brokers have topics of their own names.
        let clusters = admin.cluster_info().await?;
        let mut reserved: BTreeSet<String> = clusters.cluster_addr_table.into_keys().collect();
        reserved.extend(clusters.broker_addr_table.into_keys());
        topics.retain(|topic| !reserved.contains(topic) && !belongs_to_system(topic));
    }
    let rows: Vec<_> = topics.into_iter().map(|topic| TopicRow { topic }).collect();
    Ok(output::rows(&rows, json)?)
}

fn belongs_to_system(topic: &str) -> bool {
    names::is_system_topic(topic)
        || topic.starts_with(names::RETRY_PREFIX)
        || topic.starts_with(names::DLQ_PREFIX)
        || topic.ends_with("_REPLY_TOPIC")
}

async fn describe(admin: &Admin, topic: &str, json: bool) -> Outcome {
    let route = admin.route(topic).await?.ok_or_else(|| unknown(topic))?;
    let perms = route.queue_datas.iter().map(|data| (data.broker_name.as_str(), data.perm));
    let perms: BTreeMap<&str, i32> = perms.collect();
    let stats = admin.topic_stats(topic).await?;
    let rows: Vec<_> = stats
        .offset_table
        .0
        .into_iter()
        .map(|(queue, extent)| {
            let TopicOffset { min_offset, max_offset, last_update_timestamp } = extent;
            QueueRow {
                permission: perms
                    .get(queue.broker_name.as_str())
                    .map_or_else(String::new, |bits| perm::describe(*bits)),
                broker: queue.broker_name,
                queue: queue.queue_id,
                min_offset,
                max_offset,
                messages: max_offset - min_offset,
                last_update_timestamp,
            }
        })
        .collect();
    Ok(output::rows(&rows, json)?)
}

async fn delete(admin: &Admin, topic: &str, json: bool) -> Outcome {
    admin.route(topic).await?.ok_or_else(|| unknown(topic))?;
    admin.delete_topic(topic).await?;
    Ok(done(topic, "deleted", json)?)
}

fn unknown(topic: &str) -> Failure {
    Failure::nothing(format!("topic `{topic}` does not exist"))
}

fn done(topic: &str, what: &str, json: bool) -> std::io::Result<()> {
    match json {
        true => output::json(&serde_json::json!({ "topic": topic, "result": what })),
        false => output::line(&format!("topic {topic} {what}")),
    }
}

#[derive(Serialize)]
struct TopicRow {
    topic: String,
}

impl Row for TopicRow {
    const TITLES: &'static [&'static str] = &["TOPIC"];
    fn cells(&self) -> Vec<String> {
        vec![self.topic.clone()]
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueRow {
    broker: String,
    queue: i32,
    permission: String,
    min_offset: i64,
    max_offset: i64,
    messages: i64,
    last_update_timestamp: i64,
}

impl Row for QueueRow {
    const TITLES: &'static [&'static str] =
        &["BROKER", ">QUEUE", "PERM", ">MIN", ">MAX", ">MESSAGES", "LAST MESSAGE (UTC)"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.broker.clone(),
            self.queue.to_string(),
            self.permission.clone(),
            self.min_offset.to_string(),
            self.max_offset.to_string(),
            self.messages.to_string(),
            time_text(self.last_update_timestamp),
        ]
    }
}
