//! All consume queues, by topic and number.

use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::disk::{DirEntry, Disk, FileSystem};
use crate::error::StoreError;
use crate::open_files::{LIMIT, OpenFiles};
use crate::queue::{Queue, QueueFiles};
use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The queues of one topic that were looked at, by number.
type OfTopic = Vec<Option<Arc<Queue>>>;

pub(crate) struct Queues {
    files: Arc<QueueFiles>,
    topics: RwLock<HashMap<Arc<str>, OfTopic, RandomState>>,
    /// Queues with entries that are not in their files.
    listed: Mutex<Vec<Arc<Queue>>>,
    /// Queues whose files were written since the last sync, by what tells them apart.
    unsynced: Mutex<BTreeMap<u64, Arc<Queue>>>,
    /// Held while files of a queue are written, synced or removed: those of a deleted topic must not
    /// come back.
    writing: Mutex<()>,
    /// Where they are, opened before anything is written.
    file_system: Option<Box<dyn FileSystem>>,
}

impl Queues {
    pub(crate) fn new(disk: Arc<dyn Disk>, config: &StoreConfig, trusted: i64) -> Self {
        // Where there is none, queues are synced one by one.
        let file_system = disk.file_system(&config.root()).ok().flatten();
        Queues {
            file_system,
            files: Arc::new(QueueFiles {
                disk,
                directory: config.root().join("consumequeue"),
                file_size: config.queue_file_size(),
                trusted,
                open: OpenFiles::default(),
                next_number: AtomicU64::new(0),
            }),
            topics: RwLock::default(),
            listed: Mutex::default(),
            unsynced: Mutex::default(),
            writing: Mutex::default(),
        }
    }

    /// Whether there is any queue on disk.
    pub(crate) fn exist(disk: &dyn Disk, config: &StoreConfig) -> Result<bool, StoreError> {
        let directory = config.root().join("consumequeue");
        disk.any_entry(&directory, &mut |_| true).map_err(StoreError::file("list", &directory))
    }

    /// The queue, whether or not it has messages. Costs no file until it is written.
    pub(crate) fn get(&self, topic: &str, id: i32) -> Option<Arc<Queue>> {
        let index = usize::try_from(id).ok()?;
        if let Some(Some(queue)) = self.topics.read().get(topic).and_then(|of| of.get(index)) {
            return Some(queue.clone());
        }
        let mut topics = self.topics.write();
        let entry = topics.entry(Arc::from(topic));
        let name = entry.key().clone();
        let queues = entry.or_default();
        if queues.len() <= index {
            queues.resize(index + 1, None);
        }
        let new = || Arc::new(Queue::new(self.files.clone(), name, id));
        Some(queues[index].get_or_insert_with(new).clone())
    }

    /// Puts a queue on the list of those to be written.
    pub(crate) fn list(&self, queue: &Arc<Queue>) {
        self.listed.lock().push(queue.clone());
    }

    /// Puts a queue on the list of those to be synced.
    pub(crate) fn list_unsynced(&self, queue: &Arc<Queue>) {
        self.unsynced.lock().insert(queue.number(), queue.clone());
    }

    /// Writes entries whose records end at or before `log_offset`. Returns whether none is left.
    pub(crate) fn write(&self, log_offset: i64) -> Result<bool, StoreError> {
        let listed = std::mem::take(&mut *self.listed.lock());
        let mut left = Vec::new();
        let mut written = Ok(());
        for (at, queue) in listed.iter().enumerate() {
            let _writing = self.writing.lock();
            match queue.write(log_offset) {
                Ok(true) => {}
                Ok(false) => left.push(queue.clone()),
                Err(error) => {
                    // Whoever tries again finds all that is not written.
                    left.extend_from_slice(&listed[at..]);
                    written = Err(error);
                    break;
                }
            }
        }
        let all = left.is_empty();
        self.listed.lock().append(&mut left);
        self.unsynced.lock().extend(listed.into_iter().map(|queue| (queue.number(), queue)));
        written.map(|()| all)
    }

    /// Syncs the files that were written. If they are more than may be open at a time, that is the whole file
    /// system, which costs more than they: it syncs the log and the index, too, whose pages are then
    /// faults again. Returns how many queues those were.
    pub(crate) fn sync(&self) -> Result<usize, StoreError> {
        let unsynced = std::mem::take(&mut *self.unsynced.lock());
        let open = &self.files.open;
        let too_many = unsynced.len() > LIMIT || open.closed_unsynced();
        if let Some(file_system) = self.file_system.as_ref().filter(|_| too_many) {
            let _writing = self.writing.lock();
            match file_system.sync() {
                // A system that does not let this process do that, as filters of system calls say, has said
                // nothing of the disk.
                Err(error) if is_refusal(&error) => {}
                synced => {
                    synced.map_err(StoreError::file("sync", &self.files.directory))?;
                    open.synced();
                    unsynced.values().try_for_each(|queue| queue.synced())?;
                    return Ok(unsynced.len());
                }
            }
        }
        // One by one, each would wait for the disk.
        open.begin_sync();
        unsynced.values().try_for_each(|queue| {
            let _writing = self.writing.lock();
            queue.sync()
        })?;
        open.synced();
        Ok(unsynced.len())
    }

    /// Whether every entry is on disk.
    pub(crate) fn are_on_disk(&self) -> bool {
        self.listed.lock().is_empty() && self.unsynced.lock().is_empty()
    }

    /// Closes files that nobody has used for a while.
    pub(crate) fn close_idle_files(&self) {
        self.files.open.close_idle();
    }

    /// Every queue that has a directory, as topic and number.
    pub(crate) fn on_disk(&self) -> Result<Vec<(String, i32)>, StoreError> {
        let mut found = Vec::new();
        for topic in
            self.entries_of(&self.files.directory)?.iter().filter(|entry| entry.is_directory)
        {
            let ids = self.ids_on_disk(&topic.path)?;
            found.extend(ids.into_iter().map(|id| (topic.name.clone(), id)));
        }
        Ok(found)
    }

    fn entries_of(&self, path: &Path) -> Result<Vec<DirEntry>, StoreError> {
        self.files.disk.list(path).map_err(StoreError::file("list", path))
    }

    fn ids_on_disk(&self, topic: &Path) -> Result<Vec<i32>, StoreError> {
        let entries = self.entries_of(topic)?;
        let directories = entries.iter().filter(|entry| entry.is_directory);
        Ok(directories.filter_map(|entry| entry.name.parse().ok()).collect())
    }

    /// Removes every queue: without a log they point nowhere.
    pub(crate) fn remove_all(&self) -> Result<(), StoreError> {
        self.topics.write().clear();
        self.remove_directory(&self.files.directory)
    }

    /// Removes the queues of a topic.
    pub(crate) fn remove_topic(&self, topic: &str) -> Result<(), StoreError> {
        let _writing = self.writing.lock();
        if let Some(queues) = self.topics.write().remove(topic) {
            queues.iter().flatten().for_each(|queue| queue.retire());
        }
        self.listed.lock().retain(|queue| queue.topic() != topic);
        self.unsynced.lock().retain(|_, queue| queue.topic() != topic);
        self.remove_directory(&self.files.directory.join(topic))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.files.disk.remove_directory(path).map_err(StoreError::file("remove", path))
    }

    /// Removes queues that a crash has brought back after their topic was deleted: those without an
    /// entry of a later life.
    pub(crate) fn finish_deletions(&self, deleted: &DeletedTopics) -> Result<(), StoreError> {
        for (topic, log_end) in deleted.all() {
            for id in self.ids_on_disk(&self.files.directory.join(&topic))? {
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
            (self.topics.write().get_mut(queue.topic()), usize::try_from(queue.id()))
            && let Some(place) = queues.get_mut(index)
        {
            *place = None;
        }
    }

    /// Removes files whose records are all gone from a log that starts at `log_start`. Only queues
    /// with several files are looked at: the last stays in any case.
    pub(crate) fn remove_expired(&self, log_start: i64) -> Result<(), StoreError> {
        for (topic, id) in self.on_disk()? {
            let directory = self.files.directory.join(&topic).join(id.to_string());
            if self.entries_of(&directory)?.len() > 1
                && let Some(queue) = self.get(&topic, id)
            {
                queue.remove_expired(log_start)?;
            }
        }
        Ok(())
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}
