//! Shares of queues against those that Apache's client computes, recorded as fixtures.
#![allow(clippy::unwrap_used)]

use ferromq_client::Allocation;
use ferromq_model::MessageQueue;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    topic: String,
    queues: Vec<String>,
    result: BTreeMap<String, Vec<usize>>,
}

fn check(text: &str) {
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    assert!(fixture.entries.len() > 400);
    for entry in fixture.entries {
        let way = match entry.name.as_str() {
            "AVG" => Allocation::Averagely,
            "AVG_BY_CIRCLE" => Allocation::AveragelyByCircle,
            "CONSISTENT_HASH" => Allocation::ConsistentHash,
            "MACHINE_ROOM" => Allocation::MachineRoom(["room1".into(), "room2".into()].into()),
            other => panic!("the fixture has an unknown strategy {other}"),
        };
        let queues: Vec<MessageQueue> = entry
            .queues
            .iter()
            .map(|queue| {
                let (broker, id) = queue.rsplit_once(':').unwrap();
                MessageQueue::new(entry.topic.as_str(), broker, id.parse().unwrap())
            })
            .collect();
        let members: Vec<String> = entry.result.keys().cloned().collect();
        for (member, positions) in &entry.result {
            let expected: Vec<_> = positions.iter().map(|index| queues[*index].clone()).collect();
            let own = way.allocate(member, &queues, &members);
            assert_eq!(own, expected, "{} {} {member}", entry.name, entry.queues.len());
        }
    }
}

#[test]
fn shares_are_those_of_apache_4_9() {
    check(include_str!("../../protocol/tests/golden/allocation-4.9.8.json"));
}

#[test]
fn shares_are_those_of_apache_5() {
    check(include_str!("../../protocol/tests/golden/allocation-5.5.0.json"));
}
