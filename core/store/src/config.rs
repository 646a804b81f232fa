//! The store's settings under RocketMQ's names (store §15.2).

use std::path::PathBuf;
use std::time::Duration;

ferromq_model::config_table! {
    /// The store's settings. Sizes are in bytes, times in ms unless said otherwise.
    pub struct StoreConfig {
        /// The data directory; empty means `store` in the user's home directory.
        store_path_root_dir: String = String::new(), "storePathRootDir";
        /// The commit log's directory, or several joined by `,` in which segments are made in turn; empty means `commitlog` in the data directory.
        store_path_commit_log: String = String::new(), "storePathCommitLog";
        /// Directories of commit log segments that are read but get no new ones, joined by `,`.
        read_only_commit_log_store_paths: String = String::new(), "readOnlyCommitLogStorePaths";
        /// Size of a commit log segment; existing segments must have it too.
        mapped_file_size_commit_log: i64 = 1 << 30, "mappedFileSizeCommitLog", range(65_536..=4_294_967_296), alias("mapedFileSizeCommitLog");
        /// Size of a consume queue file, rounded up to a multiple of 20; existing files must have it too.
        mapped_file_size_consume_queue: i64 = 6_000_000, "mappedFileSizeConsumeQueue", range(20..=1_073_741_824), alias("mapedFileSizeConsumeQueue");
        /// When an acknowledged message is on disk: `SYNC_FLUSH` before, `ASYNC_FLUSH` soon after.
        flush_disk_type: String = "ASYNC_FLUSH".to_string(), "flushDiskType";
        /// How often an asynchronous flush happens.
        flush_interval_commit_log: u64 = 500, "flushIntervalCommitLog", range(1..=60_000);
        /// How many dirty pages of 4096 an asynchronous flush waits for.
        flush_commit_log_least_pages: i64 = 4, "flushCommitLogLeastPages", range(0..=1_000_000);
        /// After how long an asynchronous flush waits for no more pages.
        flush_commit_log_thorough_interval: u64 = 10_000, "flushCommitLogThoroughInterval", range(1..=600_000);
        /// How often consume queue entries are written to their files.
        flush_interval_consume_queue: u64 = 1000, "flushIntervalConsumeQueue", range(1..=60_000);
        /// How often consume queue files are synced and the checkpoint is written.
        flush_consume_queue_thorough_interval: u64 = 60_000, "flushConsumeQueueThoroughInterval", range(1..=600_000);
        /// How long a synchronous flush may take before the send is answered FLUSH_DISK_TIMEOUT.
        sync_flush_timeout: u64 = 5000, "syncFlushTimeout", range(1..=600_000);
        /// The largest message body.
        max_message_size: i64 = 4 << 20, "maxMessageSize", range(10..=16_000_000);
        /// Whether recovery checks the bodies' checksums.
        check_crc_on_recover: bool = true, "checkCRCOnRecover";
        /// Whether a pull checks the bodies' checksums and leaves out what is damaged. RocketMQ's brokers have no such setting. Whatever is delivered later, retried or looked up by key is always checked.
        check_crc_on_read: bool = false, "checkCRCOnRead";
        /// Whether messages can be found by key and unique id.
        message_index_enable: bool = true, "messageIndexEnable";
        /// Hash slots of an index file; existing files must have them too.
        max_hash_slot_num: i64 = 5_000_000, "maxHashSlotNum", range(1..=100_000_000);
        /// Entries of an index file; existing files must have them too.
        max_index_num: i64 = 20_000_000, "maxIndexNum", range(2..=400_000_000);
        /// The most messages that a query by key answers.
        max_msgs_num_batch: i32 = 64, "maxMsgsNumBatch", range(1..=10_000);
        /// How many messages a query by unique id answers.
        default_query_max_num: i32 = 32, "defaultQueryMaxNum", range(1..=10_000);
        /// How many bytes one pull answers from memory.
        max_transfer_bytes_on_message_in_memory: i64 = 262_144, "maxTransferBytesOnMessageInMemory", range(1..=134_217_728);
        /// How many messages one pull answers from memory.
        max_transfer_count_on_message_in_memory: i32 = 32, "maxTransferCountOnMessageInMemory", range(1..=100_000);
        /// How many bytes one pull answers from disk.
        max_transfer_bytes_on_message_in_disk: i64 = 65_536, "maxTransferBytesOnMessageInDisk", range(1..=134_217_728);
        /// How many messages one pull answers from disk.
        max_transfer_count_on_message_in_disk: i32 = 8, "maxTransferCountOnMessageInDisk", range(1..=100_000);
        /// Messages within so many percent of the machine's memory of the log's end count as in memory.
        access_message_in_memory_max_ratio: i64 = 40, "accessMessageInMemoryMaxRatio", range(0..=100);
        /// How many bytes of consume queue entries one pull looks through for matching tags.
        max_filter_message_size: i64 = 16_000, "maxFilterMessageSize", range(20..=100_000_000);
        /// The delay of each level.
        message_delay_level: String = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".to_string(), "messageDelayLevel";
        /// How often the progress of delay levels is saved.
        flush_delay_offset_interval: u64 = 10_000, "flushDelayOffsetInterval", range(100..=600_000);
        /// How many hours messages are kept.
        file_reserved_time: i64 = 72, "fileReservedTime", range(0..=1_000_000);
        /// The local hours in which expired messages are deleted, joined by `;`.
        delete_when: String = "04".to_string(), "deleteWhen";
        /// Above this percentage of the disk in use, expired messages are deleted at any hour.
        disk_max_used_space_ratio: i64 = 75, "diskMaxUsedSpaceRatio", range(10..=99);
        /// Above this percentage, messages are deleted whatever their age.
        disk_space_clean_forcibly_ratio: i64 = 85, "diskSpaceCleanForciblyRatio", range(30..=99);
        /// Above this percentage, sends are refused.
        disk_space_warning_level_ratio: i64 = 90, "diskSpaceWarningLevelRatio", range(35..=100);
        /// Whether messages that have not expired may be deleted to make room.
        clean_file_forcibly_enable: bool = true, "cleanFileForciblyEnable";
        /// How often expired messages are looked for.
        clean_resource_interval: u64 = 10_000, "cleanResourceInterval", range(10..=600_000);
        /// How many segments are deleted at once.
        delete_file_batch_max: i64 = 10, "deleteFileBatchMax", range(1..=1000);
        /// `ASYNC_MASTER`, `SYNC_MASTER` or `SLAVE`.
        broker_role: String = "ASYNC_MASTER".to_string(), "brokerRole";
    }
}

impl StoreConfig {
    /// Settings for a data directory.
    pub fn for_directory(root: impl Into<String>) -> Self {
        StoreConfig { store_path_root_dir: root.into(), ..StoreConfig::default() }
    }

    /// The data directory.
    pub fn root(&self) -> PathBuf {
        match self.store_path_root_dir.as_str() {
            "" => std::env::home_dir().unwrap_or_default().join("store"),
            path => PathBuf::from(path),
        }
    }

    /// The commit log's directories, at least one.
    pub fn commit_log_directories(&self) -> Vec<PathBuf> {
        match directories(&self.store_path_commit_log) {
            none if none.is_empty() => vec![self.root().join("commitlog")],
            some => some,
        }
    }

    /// Directories of commit log segments that get no new ones.
    pub fn read_only_log_directories(&self) -> Vec<PathBuf> {
        directories(&self.read_only_commit_log_store_paths)
    }

    /// Whether a message is on disk before it is acknowledged.
    pub fn sync_flush(&self) -> bool {
        self.flush_disk_type == "SYNC_FLUSH"
    }

    /// The size of a consume queue file: whole entries.
    pub(crate) fn queue_file_size(&self) -> u64 {
        (self.mapped_file_size_consume_queue as u64).div_ceil(20) * 20
    }

    /// The delay of each level, from level 1; words that are no delay are left out.
    pub fn delay_levels(&self) -> Vec<Duration> {
        self.message_delay_level.split_whitespace().filter_map(parse_delay).collect()
    }
}

fn directories(list: &str) -> Vec<PathBuf> {
    list.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect()
}

fn parse_delay(word: &str) -> Option<Duration> {
    let unit = match word.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = word[..word.len() - 1].parse().ok()?;
    Some(Duration::from_secs(count * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_delay_levels() {
        let levels = StoreConfig::default().delay_levels();
        assert_eq!(levels.len(), 18);
        assert_eq!(levels[0], Duration::from_secs(1));
        assert_eq!(levels[2], Duration::from_secs(10));
        assert_eq!(levels[17], Duration::from_secs(7200));
    }
}
