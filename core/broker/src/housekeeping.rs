//! What a broker does by itself from time to time: saving tables and dropping silent clients.

use crate::clock::now_ms;
use crate::inner::Inner;
use ferromq_store::StoreError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How often silent clients are looked for.
const CLIENT_SCAN: Duration = Duration::from_secs(10);

/// How long a table that cannot be saved is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub(crate) async fn run(broker: Arc<Inner>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(save_topics(broker.clone()));
    tasks.spawn(save_groups(broker.clone()));
    tasks.spawn(save_offsets(broker.clone()));
    tasks.spawn(save_delays(broker.clone()));
    tasks.spawn(drop_silent_clients(broker));
    while tasks.join_next().await.is_some() {}
}

/// Writes every table that has changed. Blocks; for the end of a broker.
pub(crate) fn save_all(broker: &Inner) -> Result<(), StoreError> {
    let results = [
        broker.topics.save_whole(),
        broker.groups.save(),
        broker.offsets.save(),
        broker.delay.save(),
    ];
    results.into_iter().collect()
}

/// How long changes of topics may be in their journal alone.
const WHOLE_TABLE: Duration = Duration::from_secs(1);

/// A table that changes all the time is left alone for so many times as long as it took to save:
/// with many entries, writing it must not become all that the broker does.
const REST: u32 = 9;

/// Saves a table on a thread that may block, and returns how long to leave it alone. Repeats a
/// failure until the disk takes it: nobody else would, as long as the table does not change again.
async fn save(broker: &Arc<Inner>, table: fn(&Inner) -> Result<(), StoreError>) -> Duration {
    loop {
        let broker = broker.clone();
        let start = Instant::now();
        match tokio::task::spawn_blocking(move || table(&broker)).await {
            Ok(Ok(())) => return start.elapsed() * REST,
            Ok(Err(error)) => tracing::error!(%error, "a table cannot be saved; it is tried again"),
            Err(error) => tracing::error!(%error, "saving a table was cut short"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn save_topics(broker: Arc<Inner>) {
    loop {
        broker.topics.until_changed().await;
        let rest = save(&broker, |broker| broker.topics.save()).await;
        if broker.topics.is_journaled() {
            // Creators do not wait for the whole table; it follows behind them.
            tokio::time::sleep(rest.max(WHOLE_TABLE)).await;
            let rest = save(&broker, |broker| broker.topics.save_whole()).await;
            tokio::time::sleep(rest).await;
        }
    }
}

async fn save_groups(broker: Arc<Inner>) {
    loop {
        broker.groups.until_changed().await;
        let rest = save(&broker, |broker| broker.groups.save()).await;
        tokio::time::sleep(rest).await;
    }
}

async fn save_offsets(broker: Arc<Inner>) {
    let mut rest = Duration::ZERO;
    loop {
        let pause = broker.config.load().flush_consumer_offset_interval;
        tokio::time::sleep(rest.max(Duration::from_millis(pause))).await;
        rest = save(&broker, |broker| broker.offsets.save()).await;
    }
}

async fn save_delays(broker: Arc<Inner>) {
    let pause = Duration::from_millis(broker.store.config().flush_delay_offset_interval);
    loop {
        tokio::time::sleep(pause).await;
        save(&broker, |broker| broker.delay.save()).await;
    }
}

async fn drop_silent_clients(broker: Arc<Inner>) {
    let mut ticks = interval(CLIENT_SCAN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let patience = broker.config.load().channel_expired_timeout;
        broker.clients.drop_silent(now_ms() - patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PATIENCE, broker_with};

    #[tokio::test]
    async fn changes_reach_the_disk_by_themselves() {
        let broker = broker_with(|config| config.flush_consumer_offset_interval = 100);
        let running = tokio::spawn(run(broker.broker.clone()));
        let config = broker.config.load_full();
        broker.topics.get_or_create(&config, "Made", "TBW102", 1, 0);
        broker.groups.get_or_create(&config, "MadeToo");
        broker.offsets.commit("G", "T", 0, 4711);
        let deadline = std::time::Instant::now() + PATIENCE;
        for (file, text) in [
            ("topics.json", "\"Made\""),
            ("subscriptionGroup.json", "\"MadeToo\""),
            ("consumerOffset.json", "4711"),
        ] {
            let path = broker.folder().join("config").join(file);
            let there = || std::fs::read_to_string(&path).is_ok_and(|found| found.contains(text));
            while !there() {
                assert!(std::time::Instant::now() < deadline, "{file}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        running.abort();
    }
}
