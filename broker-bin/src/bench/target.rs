//! Whom a load is for: the brokers, and topics on them.

use super::options::Common;
use crate::exit::{FAILURE, Failure};
use ferromq_client::{Admin, ClientConfig, Error};
use ferromq_protocol::body::TopicConfig;
use ferromq_protocol::code::response;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Range;

/// A master broker.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Its name, when a name server told it.
    pub name: Option<String>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The brokers that `common` names, with `topics` made on them unless they are there.
pub async fn prepare(common: &Common, topics: &[String]) -> Result<Vec<Broker>, Failure> {
    if let Some(address) = &common.broker {
        return Ok(vec![Broker { name: None, address: resolve(address)? }]);
    }
    with_admin(common, async |admin| {
        for topic in topics {
            create(admin, topic, common.queues).await?;
        }
        masters(admin).await
    })
    .await
}

/// Does something as an administrator.
pub async fn with_admin<T>(
    common: &Common,
    work: impl AsyncFnOnce(&Admin) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = ClientConfig { namesrv_addr: common.namesrv.clone(), ..ClientConfig::default() };
    let admin = Admin::new(config)?;
    let result = work(&admin).await;
    admin.close().await;
    result
}

/// Creates a topic, or gives it more queues; one that has enough stays as it is.
async fn create(admin: &Admin, topic: &str, queues: i32) -> Result<(), Failure> {
    let there = admin.route(topic).await?.is_some_and(|route| {
        route
            .queue_datas
            .iter()
            .all(|data| data.write_queue_nums.min(data.read_queue_nums) >= queues)
    });
    if !there {
        admin.create_topic(&TopicConfig::new(topic, queues)).await?;
    }
    Ok(())
}

/// All master brokers.
pub async fn masters(admin: &Admin) -> Result<Vec<Broker>, Failure> {
    // Fails when there is none.
    admin.masters().await?;
    let brokers = admin.cluster_info().await?.broker_addr_table;
    let masters = brokers.into_iter().filter_map(|(name, broker)| {
        let address = broker.master()?.to_string();
        Some((name, address))
    });
    masters
        .map(|(name, address)| Ok(Broker { name: Some(name), address: resolve(&address)? }))
        .collect()
}

fn resolve(address: &str) -> Result<SocketAddr, Failure> {
    let wrong = |why: &str| Failure {
        code: FAILURE,
        message: format!("`{address}` is no address of a broker: {why}"),
    };
    let mut found = address.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("it has none"))
}

/// A queue on a broker, and the offsets of its messages.
pub struct Extent {
    /// The broker's index.
    pub broker: usize,
    /// The queue's number.
    pub queue: i32,
    /// From the first message to after the last.
    pub offsets: Range<i64>,
}

/// The queues of the topic that are loaded. One that its broker does not know yet is empty.
pub async fn extents(common: &Common, brokers: &[Broker]) -> Result<Vec<Extent>, Failure> {
    with_admin(common, async |admin| {
        let mut extents = Vec::new();
        for (broker, Broker { address, .. }) in brokers.iter().enumerate() {
            let stats = match admin.topic_stats_of(&address.to_string(), &common.topic).await {
                Ok(stats) => stats.offset_table.0,
                Err(Error::Refused { code: response::TOPIC_NOT_EXIST, .. }) => BTreeMap::new(),
                Err(error) => return Err(error.into()),
            };
            let known: BTreeMap<i32, Range<i64>> = stats
                .into_iter()
                .map(|(queue, extent)| (queue.queue_id, extent.min_offset..extent.max_offset))
                .collect();
            extents.extend((0..common.queues).map(|queue| Extent {
                broker,
                queue,
                offsets: known.get(&queue).cloned().unwrap_or(0..0),
            }));
        }
        Ok(extents)
    })
    .await
}

/// The names of `count` topics.
pub fn topic_names(topic: &str, count: usize) -> Vec<String> {
    match count {
        1 => vec![topic.to_string()],
        _ => (0..count).map(|index| format!("{topic}-{index}")).collect(),
    }
}
