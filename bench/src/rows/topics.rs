//! Many topics.

use super::{Counted, Figures, Row, SERVERS};
use crate::load::{self, Load};
use crate::results::Subject;
use crate::rig::Rig;
use crate::servers::Running;
use crate::target::no_less_than;
use crate::unit::Unit;
use ferromq_interop::Problem;
use std::time::Duration;

/// How often each server has its turn.
const ROUNDS: usize = 7;
/// Of many topics, so many are loaded.
const LOADED: u32 = 100;
/// What topics' names begin with.
const MANY: &str = "Many";
/// The one topic: its name is as long as those of nearly all that are loaded where there are many.
const ONE: &str = "Many-10";

/// Thousands of topics, of which a hundred are used.
pub const ROW: Row = Row {
    id: "topics",
    title: "Many topics",
    how: "A server with one topic, one with 10,000 and, with `--full`, one with 100,000, of 4 queues each. They have pipelined sends of \
          128 B in turns, seven times, to the one topic or to a hundred of the many; those whose turn it is not are frozen. What is kept is \
          the rate of a turn against the one topic's in the same round.",
    subjects: SERVERS,
    once: SERVERS,
    measures: &[
        Counted {
            id: "rate-1",
            what: "messages with one topic",
            unit: Unit::MessagesPerSecond,
            targets: &[],
            headline: false,
        },
        Counted {
            id: "kept-10000",
            what: "kept with 10,000 topics",
            unit: Unit::PercentKept,
            targets: &[no_less_than(95.0)],
            headline: true,
        },
        Counted {
            id: "rate-10000",
            what: "messages with 10,000 topics",
            unit: Unit::MessagesPerSecond,
            targets: &[],
            headline: false,
        },
        Counted {
            id: "kept-100000",
            what: "kept with 100,000 topics",
            unit: Unit::PercentKept,
            targets: &[no_less_than(95.0)],
            headline: false,
        },
        Counted {
            id: "rate-100000",
            what: "messages with 100,000 topics",
            unit: Unit::MessagesPerSecond,
            targets: &[],
            headline: false,
        },
    ],
    measure: kept,
    lasts: |scale, subject| {
        let servers = 1 + scale.topics.len() as u32;
        let created = Duration::from_millis(scale.topics.iter().copied().sum::<u32>().into());
        let start = match subject {
            Subject::Apache => scale.jvm_warm_up + Duration::from_secs(12) + created / 20,
            _ => Duration::from_secs(3) + created / 200,
        };
        // With its start and its end, and the sync before.
        let turn = scale.turn * 5 / 4 + scale.settle + Duration::from_millis(800);
        (start + turn * ROUNDS as u32) * servers
    },
};

/// A server with so many topics. Unless it has its turn, it is frozen.
struct Server {
    running: Running,
    topics: u32,
}

impl Server {
    /// Starts it and makes its topics, with a first load, which makes files.
    fn start(rig: &mut Rig, subject: Subject, topics: u32) -> Result<Server, Problem> {
        let server = Server { running: rig.own(subject, &[])?, topics };
        if topics > 1 {
            let created = Load::new("topics", &server.running)
                .topic(MANY)
                .with("topics", topics)
                .with("loaded", 1)
                .with("rounds", 1)
                .warm_up(Duration::ZERO)
                .duration(rig.scale.turn / 10);
            load::run(rig, &server.running, &created)?;
        }
        let first = server.load(rig);
        load::run(rig, &server.running, &first)?;
        // The table of topics is written then, and the name server told.
        server.running.rest()?;
        server.running.freeze();
        Ok(server)
    }

    fn load(&self, rig: &Rig) -> Load {
        let (name, loaded) = match self.topics {
            1 => (ONE, 1),
            topics => (MANY, topics.min(LOADED)),
        };
        Load::new("produce", &self.running)
            .topic(name)
            .with("topics", loaded)
            .warm_up(rig.scale.turn / 4)
            .duration(rig.scale.turn)
    }

    /// Loads it; messages a second.
    fn turn(&self, rig: &mut Rig) -> Result<f64, Problem> {
        self.running.go_on();
        rig.written_back()?;
        let load = self.load(rig);
        let report = load::run(rig, &self.running, &load)?;
        self.running.freeze();
        report.rate()
    }

    /// What its rate is called, and what is kept of the rate with one topic.
    fn measures(&self) -> (&'static str, Option<&'static str>) {
        match self.topics {
            1 => ("rate-1", None),
            100_000 => ("rate-100000", Some("kept-100000")),
            _ => ("rate-10000", Some("kept-10000")),
        }
    }
}

fn kept(rig: &mut Rig, subject: Subject) -> Result<Figures, Problem> {
    let mut servers = vec![Server::start(rig, subject, 1)?];
    for topics in rig.scale.topics {
        servers.push(Server::start(rig, subject, *topics)?);
    }
    let mut figures = Vec::new();
    for round in 0..ROUNDS {
        let mut rates = vec![0.0; servers.len()];
        for turn in 0..servers.len() {
            // Each is first in some rounds.
            let which = (round + turn) % servers.len();
            rates[which] = servers[which].turn(rig)?;
        }
        for (server, rate) in servers.iter().zip(&rates) {
            let (name, kept) = server.measures();
            figures.push((name, *rate));
            figures.extend(kept.map(|kept| (kept, 100.0 * rate / rates[0])));
        }
    }
    Ok(figures)
}
