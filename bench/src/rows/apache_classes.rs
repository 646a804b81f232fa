//! Apache's own load.

use super::{Counted, Row, SERVERS};
use crate::apache_load::{self, Class};
use crate::results::Subject;
use crate::scale::Scale;
use crate::unit::Unit;
use std::time::Duration;

const SIZE: u32 = 128;
/// The client's JVM is as cold as the servers are warm.
const WARM_UP: Duration = Duration::from_secs(10);

const fn rate(id: &'static str, what: &'static str) -> Counted {
    Counted { id, what, unit: Unit::MessagesPerSecond, targets: &[], headline: false }
}

fn lasts(_: &Scale, _: Subject) -> Duration {
    WARM_UP + apache_load::WINDOW + Duration::from_secs(2)
}

/// `Producer` and `Consumer`, together.
pub const PRODUCER_AND_CONSUMER: Row = Row {
    id: "apache-producer",
    title: "Apache's benchmark Producer and Consumer, 128 B",
    how: "org.apache.rocketmq.example.benchmark.Producer (64 threads) and Consumer (20 threads) of rocketmq-example 5.5.0, at the \
          same time; what they print, over ten seconds. They share the cores with the server, and are most of the load.",
    subjects: SERVERS,
    once: &[],
    measures: &[rate("sent", "sent"), rate("consumed", "consumed")],
    measure: |rig, subject| {
        rig.with(subject, |_, running| {
            apache_load::topic(running, "ApacheSends")?;
            let consumer = Class::consumer(running, "ApacheSends")?;
            let producer = Class::producer(running, "ApacheSends", SIZE)?;
            Ok(vec![("sent", producer.rate(WARM_UP)?), ("consumed", consumer.rate(WARM_UP)?)])
        })
    },
    lasts,
};

/// `BatchProducer`, alone.
pub const BATCH_PRODUCER: Row = Row {
    id: "apache-batch",
    title: "Apache's benchmark BatchProducer, 32 × 128 B",
    how: "org.apache.rocketmq.example.benchmark.BatchProducer (64 threads); as above.",
    subjects: SERVERS,
    once: SERVERS,
    measures: &[rate("sent", "sent")],
    measure: |rig, subject| {
        rig.with(subject, |_, running| {
            apache_load::topic(running, "ApacheBatches")?;
            let producer = Class::batch_producer(running, "ApacheBatches", SIZE)?;
            Ok(vec![("sent", producer.rate(WARM_UP)?)])
        })
    },
    lasts,
};
