//! A consumer's progress: at the brokers for groups that share messages, in a local file for those
//! that broadcast (protocol §8.3).

use crate::error::{Error, ReadAnswer};
use crate::instance::{Instance, check};
use ferromq_model::MessageQueue;
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson::{self, QueueMap};
use ferromq_protocol::headers::{
    OffsetResponse, QueryConsumerOffsetRequest, UpdateConsumerOffsetRequest,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The file's content.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OffsetFile {
    offset_table: QueueMap<i64>,
}

pub(crate) struct Offsets {
    group: String,
    /// Where broadcasting consumers keep their progress.
    file: Option<PathBuf>,
    memory: Mutex<HashMap<MessageQueue, i64>>,
}

impl Offsets {
    pub(crate) fn remote(group: &str) -> Self {
        Offsets { group: group.to_string(), file: None, memory: Mutex::default() }
    }

    /// Reads the file, or its backup when the file is damaged.
    pub(crate) fn local(group: &str, file: PathBuf) -> Result<Self, Error> {
        let mut table = OffsetFile::default();
        for candidate in [file.clone(), file.with_extension("json.bak")] {
            match std::fs::read(&candidate) {
                Ok(text) => match fastjson::from_slice(&text) {
                    Ok(read) => {
                        table = read;
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(file = %candidate.display(), %error, "damaged offsets file");
                    }
                },
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(Error::File { path: candidate.display().to_string(), source });
                }
            }
        }
        let memory = table.offset_table.0.into_iter().collect();
        Ok(Offsets { group: group.to_string(), file: Some(file), memory: Mutex::new(memory) })
    }

    /// Progress known here.
    pub(crate) fn known(&self, queue: &MessageQueue) -> Option<i64> {
        self.memory.lock().get(queue).copied()
    }

    pub(crate) fn all(&self) -> HashMap<MessageQueue, i64> {
        self.memory.lock().clone()
    }

    /// Moves progress forward, never back.
    pub(crate) fn advance(&self, queue: &MessageQueue, offset: i64) {
        let mut memory = self.memory.lock();
        match memory.get_mut(queue) {
            Some(known) => *known = offset.max(*known),
            None => _ = memory.insert(queue.clone(), offset),
        }
    }

    /// Moves progress anywhere.
    pub(crate) fn set(&self, queue: &MessageQueue, offset: i64) {
        self.memory.lock().insert(queue.clone(), offset);
    }

    pub(crate) fn forget(&self, queue: &MessageQueue) {
        if self.file.is_none() {
            self.memory.lock().remove(queue);
        }
    }

    /// The stored progress of a queue; `None` when there is none.
    pub(crate) async fn load(
        &self,
        instance: &Instance,
        queue: &MessageQueue,
    ) -> Result<Option<i64>, Error> {
        if self.file.is_some() {
            return Ok(self.known(queue));
        }
        let (address, _) = instance.reader(&queue.broker_name, 0)?;
        let header = QueryConsumerOffsetRequest {
            consumer_group: &self.group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            set_zero_if_not_found: None,
            broker_name: Some(&queue.broker_name),
        };
        let request = Command::request_with(code::QUERY_CONSUMER_OFFSET, &header);
        let answer = instance.invoke(&address, request, TIMEOUT).await?;
        if answer.code == response::QUERY_NOT_FOUND {
            return Ok(None);
        }
        let answer = check("QUERY_CONSUMER_OFFSET", &address, answer)?;
        let header: OffsetResponse = answer.header().sent_by(&address)?;
        Ok(Some(header.offset))
    }

    /// Stores the progress of these queues; `answered` waits until the brokers say that they have it.
    pub(crate) async fn persist(
        &self,
        instance: &Instance,
        queues: &[MessageQueue],
        answered: bool,
    ) {
        let failed = match &self.file {
            Some(file) => self.save(file).err(),
            None => self.commit(instance, queues, answered).await.err(),
        };
        if let Some(error) = failed {
            tracing::warn!(group = self.group, %error, "progress was not stored; trying again");
        }
    }

    async fn commit(
        &self,
        instance: &Instance,
        queues: &[MessageQueue],
        answered: bool,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        let mut unreachable = BTreeSet::new();
        for queue in queues {
            let Some(offset) = self.known(queue) else { continue };
            if unreachable.contains(&queue.broker_name) {
                // Each of its queues would keep those of the others waiting, and whoever closes.
                continue;
            }
            let header = UpdateConsumerOffsetRequest {
                consumer_group: &self.group,
                topic: &queue.topic,
                queue_id: queue.queue_id,
                commit_offset: offset,
                broker_name: Some(&queue.broker_name),
            };
            let request = Command::request_with(code::UPDATE_CONSUMER_OFFSET, &header);
            let sent = match instance.reader(&queue.broker_name, 0) {
                Ok((address, _)) if answered => {
                    let answer = instance.invoke(&address, request, TIMEOUT).await;
                    answer.and_then(|it| check("UPDATE_CONSUMER_OFFSET", &address, it)).map(drop)
                }
                Ok((address, _)) => instance.send(&address, request).await,
                Err(error) => Err(error),
            };
            if let Err(Error::Net(_)) = sent {
                unreachable.insert(&queue.broker_name);
            }
            result = result.and(sent);
        }
        result
    }

    fn save(&self, file: &PathBuf) -> Result<(), Error> {
        let table = OffsetFile { offset_table: self.all().into_iter().collect() };
        let write = || {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let new = file.with_extension("json.tmp");
            std::fs::write(&new, fastjson::to_pretty(&table))?;
            if file.exists() {
                std::fs::rename(file, file.with_extension("json.bak"))?;
            }
            std::fs::rename(new, file)
        };
        write().map_err(|source| Error::File { path: file.display().to_string(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_survives_and_has_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client/G/offsets.json");
        let queue = MessageQueue::new("T", "b-a", 0);
        for offset in [11, 12] {
            let offsets = Offsets::local("G", file.clone()).unwrap();
            offsets.set(&queue, offset);
            offsets.save(&file).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("{\n\t\"offsetTable\":{\n"), "{text}");
        assert_eq!(Offsets::local("G", file.clone()).unwrap().known(&queue), Some(12));
        std::fs::write(&file, "{\"offsetT").unwrap();
        assert_eq!(Offsets::local("G", file).unwrap().known(&queue), Some(11));
    }

    #[test]
    fn progress_only_advances_unless_it_is_set() {
        let offsets = Offsets::remote("G");
        let queue = MessageQueue::new("T", "b", 0);
        offsets.advance(&queue, 5);
        offsets.advance(&queue, 3);
        assert_eq!(offsets.known(&queue), Some(5));
        offsets.set(&queue, 3);
        assert_eq!(offsets.known(&queue), Some(3));
    }
}
