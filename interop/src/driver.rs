//! Clients in processes of their own: one command line and one set of events for every client library.

use crate::apache::{JVM_FLAGS, SHORT_LIVED};
use crate::process::{Line, Process};
use crate::setup::{self, Part};
use crate::{Cluster, Problem, ours};
use serde_json::{Map, Value};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Whose client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// Apache's Java client 4.9.8.
    Java49,
    /// Apache's Java client 5.5.0.
    Java55,
    /// Apache's Go client.
    Go,
    /// Ours: the program `ferromq-driver`.
    FerroMq,
}

impl DriverKind {
    /// A short name for tests.
    pub fn label(self) -> &'static str {
        match self {
            DriverKind::Java49 => "java49",
            DriverKind::Java55 => "java55",
            DriverKind::Go => "go",
            DriverKind::FerroMq => "ferromq",
        }
    }

    fn command(self, cluster: &Cluster) -> Result<Command, Problem> {
        let part = match self {
            DriverKind::Java49 => Part::Driver49,
            DriverKind::Java55 => Part::Driver55,
            DriverKind::Go => Part::Go,
            DriverKind::FerroMq => {
                let program = ours::program("ferromq-driver", "FERROMQ_DRIVER_BIN")?;
                return Ok(Command::new(program));
            }
        };
        setup::ensure(part)?;
        if part == Part::Go {
            let mut command = Command::new(part.folder().join("driver"));
            // The Go client keeps broadcast progress under the home folder.
            command.env("HOME", cluster.folder());
            return Ok(command);
        }
        let mut command = Command::new("java");
        command.args(JVM_FLAGS).args(SHORT_LIVED).args(["-Xms32m", "-Xmx192m"]);
        command.arg(format!("-Duser.home={}", cluster.folder().display()));
        command.arg("-Drocketmq.client.logUseSlf4j=false");
        command.arg("-cp").arg(format!("{}/*", part.folder().display()));
        command.arg("org.ferromq.interop.driver.Driver");
        Ok(command)
    }
}

/// A client about to be started.
pub struct Driver<'a> {
    kind: DriverKind,
    cluster: &'a Cluster,
    role: &'static str,
    options: Vec<(String, String)>,
}

static STARTED: AtomicU32 = AtomicU32::new(0);

impl<'a> Driver<'a> {
    fn new(kind: DriverKind, cluster: &'a Cluster, role: &'static str, topic: &str) -> Self {
        Driver { kind, cluster, role, options: Vec::new() }
            .with("namesrv", &cluster.namesrv)
            .with("topic", topic)
            .with("timeout-seconds", 120)
    }

    /// A producer of `count` messages.
    pub fn produce(kind: DriverKind, cluster: &'a Cluster, topic: &str, count: usize) -> Self {
        Driver::new(kind, cluster, "produce", topic).with("count", count)
    }

    /// A push consumer of everything in the topic.
    pub fn consume(kind: DriverKind, cluster: &'a Cluster, topic: &str, group: &str) -> Self {
        Driver::new(kind, cluster, "consume", topic).with("group", group).with("from", "first")
    }

    /// A reader by hand.
    pub fn pull(kind: DriverKind, cluster: &'a Cluster, topic: &str, group: &str) -> Self {
        Driver::new(kind, cluster, "pull", topic).with("group", group)
    }

    /// Adds an option; some may be given several times.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.options.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Result<Client, Problem> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", self.kind.label(), self.role);
        let mut command = self.kind.command(self.cluster)?;
        command.arg(self.role);
        for (option, value) in &self.options {
            command.arg(format!("--{option}")).arg(value);
        }
        let process = Process::start(&name, command, self.cluster.folder())?;
        let client = Client { process };
        client.wait("readiness", Duration::from_secs(60), |events| match has(events, "ready") {
            true => Some(()),
            false => None,
        })?;
        Ok(client)
    }

    /// Starts it and waits until it has done its work; returns what it told.
    pub fn run(self) -> Result<Vec<Event>, Problem> {
        self.start()?.finish(Duration::from_secs(120))
    }
}

fn has(events: &[Event], name: &str) -> bool {
    events.iter().any(|e| e.name() == name)
}

/// Something a client told.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was read.
    pub at: Instant,
    members: Map<String, Value>,
}

impl Event {
    fn parse(line: &Line) -> Option<Event> {
        let members = serde_json::from_str::<Map<String, Value>>(&line.text).ok()?;
        members.contains_key("event").then_some(Event { at: line.at, members })
    }

    /// `ready`, `sent`, `message`, `assigned`, `committed`, `checked`, `done`, `timeout` or `error`.
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// A member as text; empty where there is none.
    pub fn text(&self, member: &str) -> &str {
        self.members.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member as a number; -1 where there is none.
    pub fn number(&self, member: &str) -> i64 {
        self.members.get(member).and_then(Value::as_i64).unwrap_or(-1)
    }

    /// Whether a member is true.
    pub fn is(&self, member: &str) -> bool {
        self.members.get(member) == Some(&Value::Bool(true))
    }
}

/// A running client.
pub struct Client {
    process: Process,
}

impl Client {
    /// Everything it has told up to now.
    pub fn events(&self) -> Vec<Event> {
        self.process.lines().iter().filter_map(Event::parse).collect()
    }

    /// The deliveries up to now.
    pub fn messages(&self) -> Vec<Event> {
        named(&self.events(), "message")
    }

    /// How many queues it was given last, if it has told.
    pub fn assigned(&self) -> Option<i64> {
        self.events().iter().rev().find(|e| e.name() == "assigned").map(|e| e.number("count"))
    }

    /// Waits until its events give an answer; an error it reports ends the wait.
    pub fn wait<T>(
        &self,
        awaited: &str,
        limit: Duration,
        mut answer: impl FnMut(&[Event]) -> Option<T>,
    ) -> Result<T, Problem> {
        let name = self.process.name().to_owned();
        let found = self.process.wait(awaited, limit, |lines| {
            let events: Vec<Event> = lines.iter().filter_map(Event::parse).collect();
            if let Some(error) = events.iter().find(|e| e.name() == "error") {
                return Some(Err(error.text("text").to_owned()));
            }
            answer(&events).map(Ok)
        })?;
        found.map_err(|text| Problem::Reported { name, text, tail: self.process.tail() })
    }

    /// Waits for so many accepted deliveries and returns all deliveries up to then.
    pub fn wait_messages(&self, count: usize, limit: Duration) -> Result<Vec<Event>, Problem> {
        self.wait(&format!("{count} messages"), limit, |events| {
            let messages = named(events, "message");
            let accepted = messages.iter().filter(|m| m.is("accepted")).count();
            (accepted >= count).then_some(messages)
        })
    }

    /// Waits until it has done its work and returns everything it told.
    pub fn finish(mut self, limit: Duration) -> Result<Vec<Event>, Problem> {
        let status = self.process.wait_end(limit)?;
        self.check(status.success(), &format!("ended with {status}"))
    }

    /// Has it leave the cluster, and returns everything it told.
    pub fn stop(mut self) -> Result<Vec<Event>, Problem> {
        let status = self.process.stop(Duration::from_secs(30))?;
        self.check(status.success(), &format!("ended with {status} when stopped"))
    }

    fn check(&self, good: bool, text: &str) -> Result<Vec<Event>, Problem> {
        // The last lines may still be on their way from the reading thread.
        let _ = self.process.wait("", Duration::from_secs(5), |_| None::<()>);
        if good {
            return Ok(self.events());
        }
        Err(Problem::Reported {
            name: self.process.name().to_owned(),
            text: text.to_owned(),
            tail: self.process.tail(),
        })
    }
}

/// The events of one name.
pub fn named(events: &[Event], name: &str) -> Vec<Event> {
    events.iter().filter(|e| e.name() == name).cloned().collect()
}
