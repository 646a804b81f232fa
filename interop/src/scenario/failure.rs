//! Messages that a consumer refuses: they come again later, and in the end go to the dead letters.

use super::Pair;
use crate::driver::named;
use crate::{Driver, Problem, ensure, wire};
use std::time::Duration;

/// The first retry comes after delay level 3, ten seconds; clients look for the retry topic's route every
/// 30 s (Go), and share its queues every 20 s (Java).
const RETRIED: Duration = Duration::from_secs(80);

/// Creates the topic and the retry topic of its group: a client finds the route of a retry topic that is
/// created only when it starts half a minute later. Not by a consumer that comes and goes: Apache's broker now and
/// then goes on listing one that has left, for two minutes, and queues are shared with it.
fn create_topics(pair: &Pair<'_>) -> Result<(), Problem> {
    pair.cluster.topic(&pair.name, 4)?;
    pair.cluster.topic(&format!("%RETRY%{}", pair.name), 1)
}

/// A message refused once comes again, as a retry, and is accepted.
pub fn retries(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    create_topics(pair)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name)
        .with("fail-times", 1)
        .with("rebalance-ms", 2000)
        .start()?;
    let sent = Driver::produce(pair.producer, cluster, name, 4)
        .with("tag", "TagA")
        .with("keys", "key-")
        .run()?;
    let sent = named(&sent, "sent");
    let deliveries = consumer.wait_messages(sent.len(), RETRIED)?;
    consumer.stop()?;
    for event in &sent {
        let body = event.text("body");
        let mine: Vec<_> = deliveries.iter().filter(|d| d.text("body") == body).collect();
        ensure!(mine.len() == 2, "{body} was delivered {} times", mine.len());
        ensure!(
            mine[0].number("reconsumeTimes") == 0 && mine[1].number("reconsumeTimes") == 1,
            "the count of retries: {mine:?}"
        );
        ensure!(
            mine[1].text("topic") == *name && mine[1].text("tags") == "TagA",
            "a retry does not look like its message: {:?}",
            mine[1]
        );
        let waited = mine[1].at - mine[0].at;
        ensure!(waited > Duration::from_millis(9500), "the retry of {body} came after {waited:?}");
    }
    Ok(())
}

/// A message refused more often than its group allows ends among the dead letters.
pub fn dead_letters(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    create_topics(pair)?;
    let consumer = Driver::consume(pair.consumer, cluster, name, name)
        .with("fail-times", 99)
        .with("max-reconsume", 1)
        .with("rebalance-ms", 2000)
        .start()?;
    Driver::produce(pair.producer, cluster, name, 3).run()?;
    let dead = format!("%DLQ%{name}");
    wire::until("three dead letters", RETRIED, || {
        let mut letters = 0;
        for broker in &cluster.brokers {
            // Before the first one there is no such topic.
            let queue = [("topic", dead.as_str()), ("queueId", "0")];
            let answer = wire::ask(&broker.address, 30, &queue, &[])?;
            if answer.code == 0 {
                letters += wire::max_offset(&broker.address, &dead, 0)?;
            }
        }
        Ok((letters >= 3).then_some(()))
    })?;
    let events = consumer.stop()?;
    let deliveries = named(&events, "message");
    ensure!(
        deliveries.len() == 6,
        "{} deliveries of 3 messages that may be retried once: {deliveries:?}",
        deliveries.len()
    );
    Ok(())
}
