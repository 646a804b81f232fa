//! All consume queues, by topic and number.

use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::queue::Queue;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type TopicQueues = Arc<RwLock<Vec<Option<Arc<Queue>>>>>;

pub(crate) struct Queues {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file_size: u64,
    trusted: i64,
    topics: RwLock<HashMap<Arc<str>, TopicQueues>>,
    /// Queues with entries that are not in their files.
    listed: Mutex<Vec<Arc<Queue>>>,
    /// Queues whose files were written since the last sync.
    unsynced: Mutex<Vec<Arc<Queue>>>,
}

impl Queues {
    pub(crate) fn new(disk: Arc<dyn Disk>, config: &StoreConfig, trusted: i64) -> Self {
        Queues {
            disk,
            directory: config.root().join("consumequeue"),
            file_size: config.queue_file_size(),
            trusted,
            topics: RwLock::default(),
            listed: Mutex::default(),
            unsynced: Mutex::default(),
        }
    }

    /// Whether there is any queue on disk.
    pub(crate) fn exist(disk: &dyn Disk, config: &StoreConfig) -> Result<bool, StoreError> {
        let directory = config.root().join("consumequeue");
        let entries = disk.list(&directory).map_err(StoreError::file("list", &directory))?;
        Ok(!entries.is_empty())
    }

    /// The queue, whether or not it has messages. Costs no file until it is written.
    pub(crate) fn get(&self, topic: &str, id: i32) -> Option<Arc<Queue>> {
        let index = usize::try_from(id).ok()?;
        let known = self.topics.read().get(topic).cloned();
        let queues = known
            .unwrap_or_else(|| self.topics.write().entry(Arc::from(topic)).or_default().clone());
        if let Some(Some(queue)) = queues.read().get(index) {
            return Some(queue.clone());
        }
        let mut queues = queues.write();
        if queues.len() <= index {
            queues.resize(index + 1, None);
        }
        let queue = queues[index].get_or_insert_with(|| {
            let directory = self.directory.join(topic).join(id.to_string());
            let (disk, topic) = (self.disk.clone(), Arc::from(topic));
            Arc::new(Queue::new(disk, topic, id, directory, self.file_size, self.trusted))
        });
        Some(queue.clone())
    }

    /// Puts a queue on the list of those to be written.
    pub(crate) fn list(&self, queue: &Arc<Queue>) {
        self.listed.lock().push(queue.clone());
    }

    /// Puts a queue on the list of those to be synced.
    pub(crate) fn list_unsynced(&self, queue: &Arc<Queue>) {
        self.unsynced.lock().push(queue.clone());
    }

    /// Writes entries whose records end at or before `log_offset`. Returns whether none is left.
    pub(crate) fn write(&self, log_offset: i64) -> Result<bool, StoreError> {
        let listed = std::mem::take(&mut *self.listed.lock());
        let mut left = Vec::new();
        for queue in &listed {
            queue.create_directory()?;
            if !queue.write(log_offset)? {
                left.push(queue.clone());
            }
        }
        let all = left.is_empty();
        self.listed.lock().append(&mut left);
        self.unsynced.lock().extend(listed);
        Ok(all)
    }

    /// Syncs the files that were written.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let unsynced = std::mem::take(&mut *self.unsynced.lock());
        unsynced.iter().try_for_each(|queue| queue.sync())
    }

    /// Every queue that has a directory, as topic and number.
    pub(crate) fn on_disk(&self) -> Result<Vec<(String, i32)>, StoreError> {
        let list = |path: &PathBuf| self.disk.list(path).map_err(StoreError::file("list", path));
        let mut found = Vec::new();
        for topic in list(&self.directory)?.iter().filter(|entry| entry.is_directory) {
            let ids = self.ids_on_disk(&topic.path)?;
            found.extend(ids.into_iter().map(|id| (topic.name.clone(), id)));
        }
        Ok(found)
    }

    fn ids_on_disk(&self, topic: &Path) -> Result<Vec<i32>, StoreError> {
        let entries = self.disk.list(topic).map_err(StoreError::file("list", topic))?;
        let directories = entries.iter().filter(|entry| entry.is_directory);
        Ok(directories.filter_map(|entry| entry.name.parse().ok()).collect())
    }

    /// Removes every queue: without a log they point nowhere.
    pub(crate) fn remove_all(&self) -> Result<(), StoreError> {
        self.topics.write().clear();
        self.disk
            .remove_directory(&self.directory)
            .map_err(StoreError::file("remove", &self.directory))
    }

    /// Removes the queues of a topic.
    pub(crate) fn remove_topic(&self, topic: &str) -> Result<(), StoreError> {
        self.topics.write().remove(topic);
        self.listed.lock().retain(|queue| queue.topic() != topic);
        self.unsynced.lock().retain(|queue| queue.topic() != topic);
        let directory = self.directory.join(topic);
        self.disk.remove_directory(&directory).map_err(StoreError::file("remove", &directory))
    }

    /// Removes queues that a crash has brought back after their topic was deleted: those without an
    /// entry of a later life.
    pub(crate) fn finish_deletions(&self, deleted: &DeletedTopics) -> Result<(), StoreError> {
        for (topic, log_end) in deleted.all() {
            for id in self.ids_on_disk(&self.directory.join(&topic))? {
                let Some(queue) = self.get(&topic, id) else { continue };
                if queue.physical_end()? <= log_end {
                    self.forget(&queue);
                    queue.remove_files()?;
                }
            }
        }
        Ok(())
    }

    fn forget(&self, queue: &Queue) {
        if let (Some(queues), Ok(index)) =
            (self.topics.read().get(queue.topic()), usize::try_from(queue.id()))
            && let Some(place) = queues.write().get_mut(index)
        {
            *place = None;
        }
    }

    /// Removes files whose records are all gone from a log that starts at `log_start`.
    pub(crate) fn remove_expired(&self, log_start: i64) -> Result<(), StoreError> {
        for (topic, id) in self.on_disk()? {
            if let Some(queue) = self.get(&topic, id) {
                queue.remove_expired(log_start)?;
            }
        }
        Ok(())
    }
}
