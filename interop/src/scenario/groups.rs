//! Consumers of one group: sharing, repeating for each, keeping order.

use super::{Pair, SOON, by_body, committed, same_bodies};
use crate::driver::{Client, Event, named};
use crate::{Driver, Problem, ensure, wire};
use std::collections::BTreeMap;
use std::time::Duration;

/// A group grows from one client to three and shrinks to two; each time the queues are shared anew and every
/// message reaches one of them, once.
pub fn rebalancing(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 8)?;
    let queues = 8 * cluster.brokers.len() as i64;
    let member = |number: usize| {
        Driver::consume(pair.consumer, cluster, name, name)
            .with("instance", format!("member-{number}"))
            .start()
    };
    let mut members = vec![member(1)?];
    shared(&members, queues)?;
    round(pair, &members, "alone-")?;
    members.push(member(2)?);
    members.push(member(3)?);
    shared(&members, queues)?;
    // The brokers made the group's retry topic when they first heard of it.
    let retries = format!("%RETRY%{}", pair.name);
    wire::wait_route(&pair.cluster.namesrv, &retries, pair.cluster.brokers.len(), SOON)?;
    let before: Vec<usize> = members.iter().map(|m| m.messages().len()).collect();
    round(pair, &members, "three-")?;
    for (member, before) in members.iter().zip(before) {
        ensure!(member.messages().len() > before, "one of three members got nothing");
    }
    let mut gone = members.pop().map(Client::stop).transpose()?.unwrap_or_default();
    shared(&members, queues)?;
    round(pair, &members, "two-")?;
    for member in members {
        gone.extend(member.stop()?);
    }
    let all = by_body(&named(&gone, "message"))?;
    ensure!(all.len() == 180, "{} of 180 messages", all.len());
    Ok(())
}

/// Waits until every queue has an owner and no member has more than its share.
fn shared(members: &[Client], queues: i64) -> Result<(), Problem> {
    let share = queues.div_euclid(members.len() as i64);
    // Members hear of each other from the broker at once; asking by themselves takes them 20 s.
    wire::until("a fair sharing of the queues", Duration::from_secs(15), || {
        let counts: Vec<i64> = members.iter().map(|m| m.assigned().unwrap_or(0)).collect();
        let fair = counts.iter().all(|c| *c == share || *c == share + 1);
        Ok((fair && counts.iter().sum::<i64>() == queues).then_some(()))
    })
}

/// Sends 60 messages, waits until the members have them, and until their progress is with the brokers:
/// a queue that changes hands before that would start again at an older place.
fn round(pair: &Pair<'_>, members: &[Client], prefix: &str) -> Result<(), Problem> {
    let sent = Driver::produce(pair.producer, pair.cluster, &pair.name, 60)
        .with("body-prefix", prefix)
        .run()?;
    let sent = named(&sent, "sent");
    let received = wire::until(&format!("the messages {prefix}"), SOON, || {
        let received: Vec<Event> = members
            .iter()
            .flat_map(Client::messages)
            .filter(|m| m.text("body").starts_with(prefix))
            .collect();
        Ok((received.len() >= sent.len()).then_some(received))
    })?;
    same_bodies(&sent, &received)?;
    committed(pair, 8)
}

/// With broadcasting, each of two clients gets every message.
pub fn broadcasting(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let member = |number: usize| {
        Driver::consume(pair.consumer, cluster, name, name)
            .with("model", "broadcasting")
            .with("instance", format!("{name}-{number}"))
            .start()
    };
    let members = [member(1)?, member(2)?];
    let sent = Driver::produce(pair.producer, cluster, name, 30).run()?;
    let sent = named(&sent, "sent");
    for member in members {
        let received = member.wait_messages(30, SOON)?;
        member.stop()?;
        same_bodies(&sent, &received)?;
    }
    Ok(())
}

/// Messages of a queue are consumed in their order, also when each is refused once.
pub fn orderly(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name)
        .with("listener", "orderly")
        .with("fail-times", 1)
        .with("suspend-ms", 50)
        .start()?;
    let sent = Driver::produce(pair.producer, cluster, name, 40)
        .with("mode", "orderly")
        .with("shards", 4)
        .run()?;
    let sent = named(&sent, "sent");
    let deliveries = consumer.wait_messages(40, SOON)?;
    consumer.stop()?;
    let accepted: Vec<Event> = deliveries.iter().filter(|m| m.is("accepted")).cloned().collect();
    same_bodies(&sent, &accepted)?;
    let mut queues: BTreeMap<(&str, i64), Vec<&Event>> = BTreeMap::new();
    for delivery in &deliveries {
        let queue = (delivery.text("broker"), delivery.number("queueId"));
        queues.entry(queue).or_default().push(delivery);
    }
    for (queue, deliveries) in queues {
        // Each message twice, refused and accepted, before the next one.
        for (i, delivery) in deliveries.iter().enumerate() {
            let first = deliveries[i / 2 * 2];
            ensure!(
                delivery.text("body") == first.text("body")
                    && delivery.is("accepted") == (i % 2 == 1),
                "out of order in {queue:?} at {i}: {delivery:?}"
            );
            ensure!(
                i < 2
                    || first.number("queueOffset")
                        > deliveries[i - 2 - i % 2].number("queueOffset"),
                "offsets of {queue:?} go back at {i}: {delivery:?}"
            );
        }
    }
    Ok(())
}
