//! How long and how much: the same for everyone who is measured.

use std::time::Duration;

/// How much of everything a run does.
#[derive(Clone, Debug)]
pub struct Scale {
    /// `default`, `quick` or `full`.
    pub mode: &'static str,
    /// A load whose rate or CPU time counts.
    pub load: Duration,
    /// One of the turns of loads that are compared with each other.
    pub turn: Duration,
    /// A load whose highest percentiles count.
    pub latency: Duration,
    /// Before a load of which the figures count.
    pub warm_up: Duration,
    /// What the disk is given to come to rest before a measurement.
    pub settle: Duration,
    /// Whether a virtual machine's page cache is filled before each measurement.
    pub full_cache: bool,
    /// Load on a Java server before it is measured at all.
    pub jvm_warm_up: Duration,
    /// Rest before idle servers are watched, and how long they are.
    pub idle: (Duration, Duration),
    /// How long idle consumers are held: as long as it is from one heartbeat of theirs to the next.
    pub hold: Duration,
    /// How many idle consumers.
    pub consumers: u32,
    /// Messages of a backlog.
    pub backlog: u64,
    /// How many topics there are, in turn.
    pub topics: &'static [u32],
    /// How much log there is before a kill.
    pub log_bytes: u64,
    /// How often servers are killed and started again, or started, within one repetition.
    pub restarts: u32,
    /// How often everything is done.
    pub repetitions: u32,
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Scale {
    /// About 38 minutes on two cores.
    pub fn standard() -> Scale {
        Scale {
            mode: "default",
            load: seconds(5),
            turn: seconds(1),
            latency: seconds(8),
            warm_up: seconds(1),
            settle: Duration::from_millis(500),
            full_cache: true,
            jvm_warm_up: seconds(20),
            idle: (seconds(5), seconds(10)),
            hold: seconds(30),
            consumers: 10_000,
            backlog: 1_000_000,
            topics: &[10_000],
            log_bytes: 10 << 30,
            restarts: 3,
            repetitions: 3,
        }
    }

    /// As [`Scale::standard`], with 100,000 topics too.
    pub fn full() -> Scale {
        Scale { mode: "full", topics: &[10_000, 100_000], ..Scale::standard() }
    }

    /// About 11 minutes on two cores.
    pub fn quick() -> Scale {
        Scale {
            mode: "quick",
            load: seconds(2),
            turn: Duration::from_millis(500),
            latency: seconds(3),
            idle: (seconds(3), seconds(5)),
            hold: seconds(5),
            backlog: 300_000,
            log_bytes: 1 << 30,
            restarts: 1,
            repetitions: 1,
            ..Scale::standard()
        }
    }

    /// Just enough to see that a row works.
    pub fn smoke() -> Scale {
        Scale {
            mode: "smoke",
            load: Duration::from_millis(200),
            turn: Duration::from_millis(50),
            latency: Duration::from_millis(200),
            warm_up: Duration::ZERO,
            settle: Duration::ZERO,
            full_cache: false,
            jvm_warm_up: Duration::ZERO,
            idle: (Duration::ZERO, Duration::from_millis(200)),
            hold: Duration::from_millis(200),
            consumers: 10,
            backlog: 1000,
            topics: &[10],
            log_bytes: 1 << 20,
            restarts: 1,
            repetitions: 1,
        }
    }
}
