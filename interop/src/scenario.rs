//! What every pair of clients must manage on every kind of server.
//!
//! A scenario is a function of the cluster, the producer's client and the consumer's client; the name of its topic
//! comes from both, so that scenarios can run side by side on the same servers.

mod delivery;
mod failure;
mod groups;
mod reading;

use crate::driver::Event;
use crate::suite::{Servers, Suite};
use crate::{Cluster, DriverKind, Problem, ensure, wire};
use std::collections::BTreeMap;
use std::time::Duration;

pub use delivery::{delayed, large_bodies, modes, tags};
pub use failure::{dead_letters, retries};
pub use groups::{broadcasting, orderly, rebalancing};
pub use reading::{progress_is_kept, pulling};

/// A scenario and how many client processes it runs at once.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name in test names.
    pub name: &'static str,
    /// Client processes at once.
    pub clients: usize,
    /// What it does.
    pub run: fn(&Pair<'_>) -> Result<(), Problem>,
}

/// All scenarios.
pub const ALL: &[Scenario] = &[
    // The long ones first: they mostly wait.
    Scenario { name: "rebalancing", clients: 4, run: rebalancing },
    Scenario { name: "dead_letters", clients: 2, run: dead_letters },
    Scenario { name: "retries", clients: 2, run: retries },
    Scenario { name: "modes", clients: 2, run: modes },
    Scenario { name: "tags", clients: 2, run: tags },
    Scenario { name: "large_bodies", clients: 2, run: large_bodies },
    Scenario { name: "broadcasting", clients: 3, run: broadcasting },
    Scenario { name: "orderly", clients: 2, run: orderly },
    Scenario { name: "delayed", clients: 2, run: delayed },
    Scenario { name: "pulling", clients: 2, run: pulling },
    Scenario { name: "progress_is_kept", clients: 2, run: progress_is_kept },
];

/// A scenario by its name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|s| s.name == name)
}

/// Who sends and who receives, and where.
pub struct Pair<'a> {
    /// The servers.
    pub cluster: &'a Cluster,
    /// The sending side.
    pub producer: DriverKind,
    /// The receiving side.
    pub consumer: DriverKind,
    /// A name for topics and groups that no other scenario has.
    pub name: String,
}

/// How long a message may be on its way when nothing is wrong. Generous: the machine may be busy.
pub const SOON: Duration = Duration::from_secs(40);

/// Adds a scenario for one pair of clients.
pub fn add(
    suite: &mut Suite,
    prefix: &str,
    servers: &Servers,
    scenario: &'static Scenario,
    producer: DriverKind,
    consumer: DriverKind,
) {
    let pair = format!("{}-to-{}", producer.label(), consumer.label());
    let name = format!("{}-{}-{pair}", scenario.name, prefix.replace('/', "-"));
    suite.add(
        format!("{prefix}/{}/{pair}", scenario.name),
        scenario.clients,
        servers,
        move |cluster| (scenario.run)(&Pair { cluster, producer, consumer, name }),
    );
}

/// The events by their body; a body that came twice is a failure.
fn by_body(events: &[Event]) -> Result<BTreeMap<String, Event>, Problem> {
    let mut bodies = BTreeMap::new();
    for event in events {
        let body = event.text("body").to_owned();
        if let Some(before) = bodies.insert(body.clone(), event.clone()) {
            return Err(Problem::Wrong(format!("{body} came twice: {before:?} and {event:?}")));
        }
    }
    Ok(bodies)
}

/// Every message sent was delivered exactly once.
fn same_bodies(sent: &[Event], received: &[Event]) -> Result<(), Problem> {
    let (sent, received) = (by_body(sent)?, by_body(received)?);
    let lost: Vec<&String> = sent.keys().filter(|b| !received.contains_key(*b)).collect();
    let strange: Vec<&String> = received.keys().filter(|b| !sent.contains_key(*b)).collect();
    ensure!(
        lost.is_empty() && strange.is_empty(),
        "not delivered: {lost:?}; delivered but not sent: {strange:?}"
    );
    Ok(())
}

/// Waits until the brokers know the progress of the group up to the end of every queue: clients tell it
/// every few seconds, and a queue that changes hands before that starts again at an older place.
fn committed(pair: &Pair<'_>, queues: i32) -> Result<(), Problem> {
    let mut behind = String::new();
    let known = wire::until("the group's progress at the brokers", SOON, || {
        for broker in &pair.cluster.brokers {
            for queue in 0..queues {
                let end = wire::max_offset(&broker.address, &pair.name, queue)?;
                let progress = wire::progress(&broker.address, &pair.name, &pair.name, queue)?;
                if progress.unwrap_or(0) < end {
                    behind = format!("{} queue {queue}: {progress:?} of {end}", broker.name);
                    return Ok(None);
                }
            }
        }
        Ok(Some(()))
    });
    known.map_err(|problem| Problem::Wrong(format!("{behind}: {problem}")))
}
