//! Consumer groups' settings: `config/subscriptionGroup.json`.

use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::tables::TableFile;
use ferromq_model::{names, perm};
use ferromq_protocol::body::{DataVersion, SubscriptionGroupConfig, SubscriptionGroupTable};
use ferromq_store::StoreError;
use foldhash::HashMap;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

struct Groups {
    by_name: HashMap<String, Arc<SubscriptionGroupConfig>>,
    /// What a group may not do with a topic, as permission bits.
    forbidden: BTreeMap<String, BTreeMap<String, i32>>,
    version: DataVersion,
}

/// The groups. Readers take a short shared lock and no memory; nothing here waits for the disk
/// except [`save`](GroupTable::save).
pub struct GroupTable {
    groups: RwLock<Groups>,
    file: TableFile,
}

impl GroupTable {
    /// Reads `subscriptionGroup.json` in `folder` and adds the groups that every broker has.
    pub fn load(folder: &Path) -> Result<Self, StoreError> {
        let file = TableFile::new(folder.join("subscriptionGroup.json"));
        let stored: SubscriptionGroupTable = file.load()?;
        let table = GroupTable {
            groups: RwLock::new(Groups {
                by_name: stored
                    .subscription_group_table
                    .into_iter()
                    .map(|(name, group)| (name, Arc::new(group)))
                    .collect(),
                forbidden: stored.forbidden_table,
                version: stored.data_version,
            }),
            file,
        };
        for group in names::SYSTEM_GROUPS {
            if table.get(group).is_none() {
                table.put(SubscriptionGroupConfig::new(group));
            }
        }
        Ok(table)
    }

    /// The group's settings.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.groups.read().by_name.get(group).cloned()
    }

    /// Whether the group exists.
    pub fn contains(&self, group: &str) -> bool {
        self.groups.read().by_name.contains_key(group)
    }

    /// The names of all groups, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.groups.read().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The group's settings, created with the defaults where the broker's settings allow it and the
    /// name is legal.
    pub fn get_or_create(
        &self,
        config: &BrokerConfig,
        group: &str,
    ) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(existing) = self.get(group) {
            return Some(existing);
        }
        let of_system =
            config.enable_create_sys_group && group.starts_with(names::SYSTEM_GROUP_PREFIX);
        if !config.auto_create_subscription_group && !of_system {
            return None;
        }
        if let Err(error) = names::check_group(group) {
            tracing::debug!(group, %error, "group not created on use");
            return None;
        }
        let mut groups = self.groups.write();
        if let Some(existing) = groups.by_name.get(group) {
            return Some(existing.clone());
        }
        let created = groups.insert(SubscriptionGroupConfig::new(group));
        drop(groups);
        self.file.changed();
        tracing::info!(group, "group created by its first use");
        Some(created)
    }

    /// Creates or replaces a group. `false` when it already is what is wanted.
    pub fn put(&self, group: SubscriptionGroupConfig) -> bool {
        let mut groups = self.groups.write();
        if groups.by_name.get(&group.group_name).is_some_and(|existing| **existing == group) {
            return false;
        }
        groups.insert(group);
        drop(groups);
        self.file.changed();
        true
    }

    /// Forgets a group and what it was forbidden. `false` when there was none.
    pub fn delete(&self, group: &str) -> bool {
        let mut groups = self.groups.write();
        let existed = groups.by_name.remove(group).is_some();
        let was_forbidden = groups.forbidden.remove(group).is_some();
        if !existed && !was_forbidden {
            return false;
        }
        groups.version.advance(now_ms());
        drop(groups);
        self.file.changed();
        existed
    }

    /// Whether the group may read the topic.
    pub fn may_read(&self, group: &str, topic: &str) -> bool {
        let groups = self.groups.read();
        let bits = groups.forbidden.get(group).and_then(|of| of.get(topic));
        bits.is_none_or(|bits| bits & (1 << READ_BIT) == 0)
    }

    /// Allows or forbids the group to read the topic.
    pub fn set_may_read(&self, group: &str, topic: &str, readable: bool) {
        if self.may_read(group, topic) == readable {
            return;
        }
        let mut groups = self.groups.write();
        let topics = groups.forbidden.entry(group.to_string()).or_default();
        let bits = topics.entry(topic.to_string()).or_default();
        match readable {
            true => *bits &= !(1 << READ_BIT),
            false => *bits |= 1 << READ_BIT,
        }
        if *bits == 0 {
            topics.remove(topic);
        }
        if topics.is_empty() {
            groups.forbidden.remove(group);
        }
        groups.version.advance(now_ms());
        drop(groups);
        self.file.changed();
    }

    /// The version of the table.
    pub fn version(&self) -> DataVersion {
        self.groups.read().version.clone()
    }

    /// The whole table.
    pub fn snapshot(&self) -> SubscriptionGroupTable {
        let (all, forbidden_table, data_version) = {
            let groups = self.groups.read();
            let all: Vec<_> = groups.by_name.values().cloned().collect();
            (all, groups.forbidden.clone(), groups.version.clone())
        };
        SubscriptionGroupTable {
            data_version,
            forbidden_table,
            subscription_group_table: all
                .into_iter()
                .map(|group| {
                    let name = group.group_name.clone();
                    (name, SubscriptionGroupConfig::clone(&group))
                })
                .collect(),
        }
    }

    /// Waits for a change that is not on disk.
    pub async fn until_changed(&self) {
        self.file.until_changed().await;
    }

    /// Writes changes to disk, if there are any. Blocks.
    pub fn save(&self) -> Result<(), StoreError> {
        self.file.save(|| self.snapshot())
    }
}

/// The number of the bit that forbids reading: that of the permission.
const READ_BIT: u32 = perm::READ.trailing_zeros();

impl Groups {
    fn insert(&mut self, group: SubscriptionGroupConfig) -> Arc<SubscriptionGroupConfig> {
        let group = Arc::new(group);
        self.by_name.insert(group.group_name.clone(), group.clone());
        self.version.advance(now_ms());
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::fastjson;
    use std::fs;

    #[test]
    fn every_broker_has_the_system_groups() {
        let folder = tempfile::tempdir().unwrap();
        let groups = GroupTable::load(folder.path()).unwrap();
        assert_eq!(groups.names().len(), 8);
        assert!(groups.get("CID_RMQ_SYS_TRANS").unwrap().consume_broadcast_enable);
    }

    #[test]
    fn reads_the_file_of_the_specification_and_writes_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"dataVersion":{"counter":2,"stateVersion":0,"timestamp":1700000000000},"forbiddenTable":{"G1":{"T":4}},"subscriptionGroupTable":{"G1":{"attributes":{},"brokerId":0,"consumeBroadcastEnable":false,"consumeEnable":true,"groupName":"G1","groupRetryPolicy":{"type":"CUSTOMIZED"},"retryMaxTimes":2,"retryQueueNums":1,"somethingNew":7}}}"#;
        fs::write(folder.path().join("subscriptionGroup.json"), text).unwrap();
        let groups = GroupTable::load(folder.path()).unwrap();
        let group = groups.get("G1").unwrap();
        assert!(!group.consume_broadcast_enable && group.consume_from_min_enable);
        assert_eq!(group.retry_max_times, 2);
        assert!(!groups.may_read("G1", "T") && groups.may_read("G1", "U"));
        groups.save().unwrap();
        assert_eq!(GroupTable::load(folder.path()).unwrap().snapshot(), groups.snapshot());
    }

    #[test]
    fn a_written_group_has_every_member_of_the_specification() {
        let written = fastjson::to_vec(&SubscriptionGroupConfig::new("G1"));
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"G1","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#
        );
    }

    #[test]
    fn creation_on_use_follows_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let groups = GroupTable::load(folder.path()).unwrap();
        let mut config = BrokerConfig::default();
        assert_eq!(groups.get_or_create(&config, "G").unwrap().retry_max_times, 16);
        assert!(groups.get_or_create(&config, "no good").is_none());
        config.auto_create_subscription_group = false;
        assert!(groups.get_or_create(&config, "H").is_none());
        assert!(groups.get_or_create(&config, "G").is_some());
        assert!(groups.get_or_create(&config, "CID_RMQ_SYS_X").is_some());
        config.enable_create_sys_group = false;
        assert!(groups.get_or_create(&config, "CID_RMQ_SYS_Y").is_none());
    }

    #[test]
    fn changes_advance_the_version_and_unchanged_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let groups = GroupTable::load(folder.path()).unwrap();
        let before = groups.version().counter;
        assert!(groups.put(SubscriptionGroupConfig::new("G")));
        assert!(!groups.put(SubscriptionGroupConfig::new("G")));
        groups.set_may_read("G", "T", false);
        groups.set_may_read("G", "T", false);
        assert_eq!(groups.snapshot().forbidden_table["G"]["T"], 4);
        groups.set_may_read("G", "T", true);
        assert!(groups.snapshot().forbidden_table.is_empty());
        assert!(groups.delete("G") && !groups.delete("G"));
        assert_eq!(groups.version().counter, before + 4);
    }
}
