//! The tables beside the log: topics, groups and their progress.

use crate::{End, Failure, LONG_GROUP, Turn, ensure_that};
use ferromq_interop::{Problem, wire};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const TOPIC: &str = "Marked";
const GROUP: &str = "marked";

/// Leaves a group with a name longer than 5.5.0 takes by now, as brokers before it did.
pub fn with_long_group(store: &Path) -> Result<(), Problem> {
    let failed = |source| Problem::File { path: store.to_path_buf(), source };
    let table = serde_json::json!({
        "dataVersion": {"counter": 1, "stateVersion": 0, "timestamp": 1_700_000_000_000_i64},
        "subscriptionGroupTable": {LONG_GROUP: {
            "groupName": LONG_GROUP, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1,
            "consumeEnable": true, "consumeBroadcastEnable": true, "consumeFromMinEnable": true,
            "notifyConsumerIdsChangedEnable": true, "retryMaxTimes": 16, "retryQueueNums": 1,
        }},
    });
    std::fs::create_dir_all(store.join("config")).map_err(failed)?;
    std::fs::write(store.join("config/subscriptionGroup.json"), table.to_string()).map_err(failed)
}

/// Where a table is, its member with the entries, and the entry that must stay as it is.
const TABLES: [(&str, &str, &str); 2] = [
    ("config/topics.json", "topicConfigTable", TOPIC),
    ("config/subscriptionGroup.json", "subscriptionGroupTable", GROUP),
];

#[derive(Default)]
pub struct Tables {
    /// By queue, what the group's progress may be: after a kill not only what was committed last.
    progress: BTreeMap<i32, BTreeSet<i64>>,
    /// The entries as they were first written.
    entries: BTreeMap<&'static str, Value>,
    /// The counters of the tables' versions.
    counters: BTreeMap<&'static str, i64>,
}

impl Tables {
    /// A topic and a group with settings of their own.
    pub fn create(turn: &Turn<'_>) -> Result<(), Failure> {
        let mut fields = vec![
            ("topic", TOPIC),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", "3"),
            ("writeQueueNums", "2"),
            ("perm", "4"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "true"),
        ];
        if turn.plan.is_5x() {
            fields.push(("attributes", "+message.type=FIFO"));
        }
        wire::succeed(turn.address, 17, &fields, &[])?;
        let mut group = serde_json::json!({
            "groupName": GROUP, "retryMaxTimes": 3, "consumeBroadcastEnable": false, "retryQueueNums": 2,
            "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1, "consumeEnable": true,
            "consumeFromMinEnable": true, "notifyConsumerIdsChangedEnable": true,
        });
        if turn.plan.is_5x() {
            group["consumeMessageOrderly"] = true.into();
            group["consumeTimeoutMinute"] = 7.into();
            group["attributes"] = serde_json::json!({"+priority.factor": "3"});
        }
        wire::succeed(turn.address, 200, &[], group.to_string().as_bytes())?;
        Ok(())
    }

    /// Commits other progress than before.
    pub fn commit(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        for queue in 0..2 {
            let offset = i64::from(queue) * 5 + turn.number as i64 + 1;
            let (id, text) = (queue.to_string(), offset.to_string());
            let fields = [
                ("consumerGroup", GROUP),
                ("topic", "Kept"),
                ("queueId", id.as_str()),
                ("commitOffset", text.as_str()),
            ];
            wire::succeed(turn.address, 15, &fields, &[])?;
            self.progress.entry(queue).or_default().insert(offset);
            let told = wire::progress(turn.address, GROUP, "Kept", queue)?;
            ensure_that(told == Some(offset), || format!("{offset} committed, {told:?} told"))?;
        }
        Ok(())
    }

    /// The progress is what was committed last.
    pub fn check(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        for (queue, possible) in &mut self.progress {
            let told = wire::progress(turn.address, GROUP, "Kept", *queue)?;
            // Before the first table was written there is none: 4.9 says 0 then.
            let lost = told.is_none_or(|offset| offset == 0) && !turn.ends.contains(&End::Stop);
            ensure_that(lost || told.is_some_and(|offset| possible.contains(&offset)), || {
                format!("the progress of queue {queue} is {told:?} instead of one of {possible:?}")
            })?;
            possible.retain(|offset| Some(*offset) == told);
        }
        Ok(())
    }

    /// The files say what they said after the turns before; `end` is how this one ended.
    pub fn on_disk(&mut self, turn: &Turn<'_>, end: End) -> Result<(), Failure> {
        if end == End::Stop {
            for possible in self.progress.values_mut() {
                *possible = possible.last().copied().into_iter().collect();
            }
        }
        for (file, member, name) in TABLES {
            let text = std::fs::read(turn.store.join(file)).map_err(|e| format!("{file}: {e}"))?;
            let table: Value = serde_json::from_slice(&text).map_err(|e| format!("{file}: {e}"))?;
            let entry = &table[member][name];
            ensure_that(entry.is_object(), || format!("{file} has no {name}: {table}"))?;
            let known = self.entries.entry(file).or_insert_with(|| entry.clone());
            // Each version has members that the other does not keep.
            let both = |(key, value): (&String, &Value)| {
                (turn.plan.is_5x() || entry.get(key).is_some()) && entry.get(key) != Some(value)
            };
            let changed: Vec<_> =
                known.as_object().into_iter().flatten().filter(|member| both(*member)).collect();
            ensure_that(changed.is_empty(), || {
                format!("{file} had {known} and has {entry} for {name}")
            })?;
            let counter = table["dataVersion"]["counter"].as_i64().unwrap_or(-1);
            let before = self.counters.insert(file, counter).unwrap_or(0);
            ensure_that(counter >= before, || {
                format!("the version of {file} went back from {before} to {counter}")
            })?;
        }
        Ok(())
    }
}
