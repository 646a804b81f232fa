//! That what is sent arrives, and as it was sent.

use super::{Pair, SOON, by_body, same_bodies};
use crate::driver::{Event, named};
use crate::{Driver, Problem, ensure};
use std::collections::BTreeMap;
use std::time::Duration;

const QUEUES: i32 = 8;

/// Every way of sending, one after another, into one consumer.
pub fn modes(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, QUEUES)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name).start()?;
    let sent = Driver::produce(pair.producer, cluster, name, 20)
        .with("mode", "sync,async,oneway,batch,queue,orderly")
        .with("keys", "key-")
        .with("property", "number=n{i}")
        .run()?;
    let sent = named(&sent, "sent");
    ensure!(sent.len() == 120, "{} of 120 messages sent", sent.len());
    let received = consumer.wait_messages(sent.len(), SOON)?;
    consumer.stop()?;
    same_bodies(&sent, &received)?;
    let received = by_body(&received)?;
    for event in &sent {
        let body = event.text("body");
        if !body.contains("oneway") {
            agrees(event, &received[body])?;
        }
        let number = body.rsplit('-').next().unwrap_or_default();
        ensure!(
            received[body].text("keys") == format!("key-{number}")
                && received[body].text("properties").contains(&format!("n{number}")),
            "keys or properties of {:?}",
            received[body]
        );
    }
    placed_as_asked(&sent)
}

/// The answer to a send tells where the message is: the consumer must have found it there.
fn agrees(sent: &Event, received: &Event) -> Result<(), Problem> {
    ensure!(sent.text("status") == "SEND_OK", "{sent:?}");
    // The Go client does not tell the ids of a batch.
    let untold = sent.text("msgId").is_empty() && sent.text("body").contains("batch");
    for member in ["queueId", "queueOffset"] {
        ensure!(
            sent.number(member) == received.number(member),
            "{member}: sent {sent:?}, received {received:?}"
        );
    }
    ensure!(
        sent.text("broker") == received.text("broker"),
        "broker: sent {sent:?}, received {received:?}"
    );
    ensure!(
        untold || sent.text("msgId") == received.text("msgId"),
        "message id: sent {sent:?}, received {received:?}"
    );
    Ok(())
}

/// Messages for named queues are there, and offsets of a queue are handed out once and in order.
fn placed_as_asked(sent: &[Event]) -> Result<(), Problem> {
    let mut queues: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    for event in sent.iter().filter(|e| !e.text("status").is_empty()) {
        let queue = (event.text("broker").to_owned(), event.number("queueId"));
        queues.entry(queue).or_default().push(event.number("queueOffset"));
    }
    for (queue, mut offsets) in queues {
        let count = offsets.len();
        offsets.sort_unstable();
        offsets.dedup();
        ensure!(offsets.len() == count, "an offset of {queue:?} was given twice");
    }
    let targeted: Vec<&Event> = sent.iter().filter(|e| e.text("body").contains("queue-")).collect();
    for pair in targeted.windows(QUEUES as usize + 1) {
        ensure!(
            pair[0].number("queueId") == pair[QUEUES as usize].number("queueId")
                && pair[0].number("queueId") != pair[1].number("queueId"),
            "queues were not taken in turn: {pair:?}"
        );
    }
    Ok(())
}

/// A subscription to two of three tags brings those and no others.
pub fn tags(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let consumer =
        Driver::consume(pair.consumer, cluster, name, name).with("tags", "TagA || TagC").start()?;
    Driver::produce(pair.producer, cluster, name, 30)
        .with("tag", "TagA")
        .with("tag", "TagB")
        .with("tag", "TagC")
        .run()?;
    let received = consumer.wait_messages(20, SOON)?;
    // The last ones sent: what was to be left out would have come before them or beside them.
    Driver::produce(pair.producer, cluster, name, 8)
        .with("body-prefix", "last-")
        .with("tag", "TagA")
        .with("mode", "queue")
        .run()?;
    let all = consumer.wait_messages(28, SOON)?;
    consumer.stop()?;
    ensure!(all.iter().all(|m| m.text("tags") != "TagB"), "a message with another tag: {all:?}");
    for message in by_body(&received)?.values() {
        let number: usize = message.text("body")["message-".len()..].parse().unwrap_or(1);
        ensure!(
            message.text("tags") == ["TagA", "TagB", "TagC"][number % 3],
            "the tag of {message:?}"
        );
    }
    Ok(())
}

/// Bodies beyond the size from which clients compress, and one near the largest.
pub fn large_bodies(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name).start()?;
    let mut sent = Vec::new();
    for (prefix, size, above) in
        [("packed-", 20_000, 4096), ("plain-", 100_000, 1 << 30), ("huge-", 3_500_000, 1 << 30)]
    {
        let events = Driver::produce(pair.producer, cluster, name, 3)
            .with("body-prefix", prefix)
            .with("size", size)
            .with("compress-above", above)
            .run()?;
        sent.extend(named(&events, "sent"));
    }
    let received = consumer.wait_messages(sent.len(), SOON)?;
    consumer.stop()?;
    same_bodies(&sent, &received)?;
    for message in received {
        let wanted = match message.text("body").split('-').next() {
            Some("packed") => 20_000,
            Some("plain") => 100_000,
            _ => 3_500_000,
        };
        ensure!(
            message.number("size") == wanted,
            "{} arrived with {} bytes",
            message.text("body"),
            message.number("size")
        );
    }
    Ok(())
}

/// Delay level 2: five seconds, not less.
pub fn delayed(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name).start()?;
    let sent = Driver::produce(pair.producer, cluster, name, 6).with("delay-level", 2).run()?;
    let sent = named(&sent, "sent");
    let received = consumer.wait_messages(6, SOON)?;
    consumer.stop()?;
    same_bodies(&sent, &received)?;
    let received = by_body(&received)?;
    for event in &sent {
        let message = &received[event.text("body")];
        let waited = message.at.saturating_duration_since(event.at);
        // The send was reported somewhat after it happened.
        ensure!(
            waited > Duration::from_millis(4500),
            "{} came after {waited:?}",
            event.text("body")
        );
        ensure!(message.text("topic") == *name, "topic of {message:?}");
    }
    Ok(())
}
