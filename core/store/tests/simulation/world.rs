//! The store beside a model of it: for each queue a list of messages. Operations are drawn from a
//! seed; after each restart, and now and then between, both are compared.

use crate::disk::{self, Lie, Machine, SimulatedDisk};
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::{NewRecord, RecordView};
use ferromq_store::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

const SEGMENT: i64 = 8 << 10;
const TOPICS: [&str; 3] = ["A", "B", "C"];

/// How many queues a topic has.
const QUEUES: i32 = 2;

/// Something that happens. Each has all that it needs to happen again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    Append {
        topic: usize,
        queue: i32,
        count: usize,
        size: usize,
        /// Whether it waits for a flush with others that come together.
        together: bool,
    },
    Flush,
    WriteQueues {
        sync: bool,
    },
    EnterKeys,
    Compare,
    Wait {
        ms: u64,
    },
    Expire,
    DeleteTopic {
        topic: usize,
    },
    SaveTable,
    FailSync,
    Full {
        full: bool,
    },
    Close,
    /// Stops, removes the queues so that they are made anew, and starts.
    Rebuild,
    Kill,
    CutPower {
        seed: u64,
    },
}

/// What is drawn from a seed: settings and operations.
#[derive(Clone, Debug)]
pub struct Plan {
    pub sync_flush: bool,
    pub verify: bool,
    pub operations: Vec<Operation>,
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut random = fastrand::Rng::with_seed(seed);
        let sync_flush = random.bool();
        let count = random.usize(10..120);
        let operations = (0..count).map(|_| draw(&mut random)).collect();
        Plan { sync_flush, verify: true, operations }
    }
}

fn draw(random: &mut fastrand::Rng) -> Operation {
    match random.u32(..100) {
        0..40 => Operation::Append {
            topic: random.usize(..TOPICS.len()),
            queue: random.i32(0..QUEUES),
            count: if random.u8(..4) == 0 { random.usize(2..5) } else { 1 },
            // Mostly of one size, so that what an old tail holds fits where new records end.
            size: [0, 64, 64, 64, 64, 600, random.usize(..1500)][random.usize(..7)],
            together: random.bool(),
        },
        40..53 => Operation::Flush,
        53..55 => Operation::SaveTable,
        55..65 => Operation::WriteQueues { sync: random.bool() },
        65..70 => Operation::EnterKeys,
        70..74 => Operation::Compare,
        74..82 => Operation::Wait { ms: [0, 1, 700, 5000][random.usize(..4)] },
        82..84 => Operation::Expire,
        84..86 => Operation::DeleteTopic { topic: random.usize(..TOPICS.len()) },
        86 => Operation::FailSync,
        87 => Operation::Full { full: true },
        88..90 => Operation::Full { full: false },
        90..92 => Operation::Close,
        92 => Operation::Rebuild,
        93..96 => Operation::Kill,
        _ => Operation::CutPower { seed: random.u64(..) },
    }
}

struct Message {
    body: Vec<u8>,
    key: String,
    physical_offset: i64,
    end: i64,
    /// 0 while nobody has heard; 1 when its sender was told that it is on disk.
    answer: Arc<AtomicU8>,
    /// A consumer got it.
    seen: bool,
    /// The system has it, so that it outlives the process.
    written: bool,
}

/// What went wrong, in words.
pub type Problem = String;

pub struct World {
    plan: Plan,
    machine: Machine,
    root: std::path::PathBuf,
    disk: Arc<SimulatedDisk>,
    store: Option<Store>,
    queues: BTreeMap<(usize, i32), Vec<Message>>,
    /// Up to where the log was on disk, as far as the store has said.
    flushed: i64,
    /// Whether the disk has failed since the last start.
    failed: bool,
    bodies: u64,
    /// What a table was saved as, and what was tried since without success.
    table: (u64, u64),
}

/// Runs a plan; a problem comes with the number of the operation that showed it.
pub fn run(plan: &Plan, lie: Lie) -> Result<(), (usize, Problem)> {
    let folder = tempfile::Builder::new().prefix("ferromq-simulation").tempdir_in(memory());
    let folder = folder.expect("a temporary directory");
    let root = folder.path().join("store");
    std::fs::create_dir_all(&root).expect("a directory");
    let machine = Machine::new(&root, lie);
    let disk = machine.disk();
    let mut world = World {
        plan: plan.clone(),
        machine,
        root,
        disk,
        store: None,
        queues: BTreeMap::new(),
        flushed: 0,
        failed: false,
        bodies: 0,
        table: (0, 0),
    };
    world.open().map_err(|problem| (0, problem))?;
    for (number, operation) in plan.operations.iter().enumerate() {
        world.act(*operation).map_err(|problem| (number, problem))?;
    }
    // Every run ends with the question that matters.
    let end = plan.operations.len();
    world.act(Operation::CutPower { seed: end as u64 }).map_err(|problem| (end, problem))?;
    world.act(Operation::Close).map_err(|problem| (end, problem))
}

/// Where files cost least.
fn memory() -> std::path::PathBuf {
    let shared = std::path::PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

/// A queue, or the one beside it.
fn beside(queue: i32, index: usize) -> i32 {
    (queue + index as i32) % QUEUES
}

impl World {
    fn open(&mut self) -> Result<(), Problem> {
        let config = StoreConfig {
            mapped_file_size_commit_log: SEGMENT,
            mapped_file_size_consume_queue: 20 * 8,
            max_hash_slot_num: 7,
            max_index_num: 24,
            max_msgs_num_batch: 10_000,
            flush_disk_type: match self.plan.sync_flush {
                true => "SYNC_FLUSH".to_string(),
                false => "ASYNC_FLUSH".to_string(),
            },
            check_crc_on_recover: self.plan.verify,
            file_reserved_time: 1,
            ..StoreConfig::for_directory(self.root.display().to_string())
        };
        self.disk = self.machine.disk();
        let store = Store::open_by_hand(self.disk.clone(), config);
        self.store = Some(store.map_err(|error| format!("does not open: {error}"))?);
        self.failed = false;
        Ok(())
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open between operations")
    }

    fn act(&mut self, operation: Operation) -> Result<(), Problem> {
        match operation {
            Operation::Append { topic, queue, count, size, together } => {
                self.append(topic, queue, count, size, together)?;
            }
            Operation::Flush => self.store().flush(),
            Operation::WriteQueues { sync } => self.store().write_queues(sync),
            Operation::EnterKeys => {
                self.store().enter_keys();
                self.compare_keys()?;
            }
            Operation::Compare => self.compare()?,
            Operation::Wait { ms } => self.machine.wait(Duration::from_millis(ms)),
            Operation::Expire => {
                // A full disk or a failed one does not let go of files either, which is no problem.
                let _ =
                    self.store().remove_expired(self.machine.now() + Duration::from_secs(2 * 3600));
            }
            Operation::DeleteTopic { topic } => {
                if self.store().remove_topic(TOPICS[topic]).is_ok() {
                    self.queues.retain(|(other, _), _| *other != topic);
                }
            }
            Operation::SaveTable => {
                self.table.1 += 1;
                let content = self.table.1.to_string().repeat(300);
                if tables::save_on(&*self.disk, &self.table_path(), content.as_bytes()).is_ok() {
                    self.table.0 = self.table.1;
                }
            }
            Operation::FailSync => self.machine.fail_log_sync(),
            Operation::Full { full } => self.machine.set_full(full),
            Operation::Close => self.restart(End::Close)?,
            Operation::Rebuild => self.restart(End::Rebuild)?,
            Operation::Kill => self.restart(End::Kill)?,
            Operation::CutPower { seed } => self.restart(End::PowerCut(seed))?,
        }
        let store = self.store();
        self.flushed = store.log_flushed();
        Ok(())
    }

    fn append(
        &mut self,
        topic: usize,
        queue: i32,
        count: usize,
        size: usize,
        together: bool,
    ) -> Result<(), Problem> {
        let (mut records, mut messages) = (NewRecords::new(), Vec::new());
        let mut marks = vec![records.mark()];
        for number in 0..count {
            if number == count - count / 2 {
                // The others go to the queue beside, with the same call.
                marks.push(records.mark());
            }
            self.bodies += 1;
            let mut body = vec![self.bodies as u8; size + 8];
            body[..8].copy_from_slice(&self.bodies.to_be_bytes());
            let mut text = String::new();
            let key = format!("k{}", self.bodies % 50);
            properties::append(&mut text, key::KEYS, &key);
            let host = "127.0.0.1:1".parse().expect("an address");
            let record = NewRecord {
                topic: TOPICS[topic],
                queue_id: beside(queue, marks.len() - 1),
                flag: 0,
                sys_flag: 0,
                born_timestamp: 1,
                born_host: host,
                store_host: host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &body,
                properties: &text,
            };
            let before = records.byte_length();
            records.push(&record, TagsCode::Hash(0), Keys::new(None, Some(key.as_bytes())));
            messages.push((body, key, records.byte_length() - before));
        }
        marks.push(records.mark());
        let store = self.store.as_ref().expect("open between operations");
        let at = |index| store.queue(TOPICS[topic], beside(queue, index)).expect("a queue");
        let parts = marks.windows(2).enumerate();
        let mut appends: Vec<_> =
            parts.map(|(index, marks)| Append::new(at(index), marks[0], marks[1])).collect();
        store.append_all(&mut records, &mut appends);
        let mut messages = messages.into_iter();
        for append in appends {
            let messages = messages.by_ref().take(append.len()).collect();
            self.note(topic, append.queue().id(), append.outcome(), messages, together)?;
        }
        Ok(())
    }

    /// Notes what became of messages that were to be stored, each with its body, key and length.
    fn note(
        &mut self,
        topic: usize,
        queue: i32,
        outcome: Result<Appended, AppendError>,
        messages: Vec<(Vec<u8>, String, usize)>,
        together: bool,
    ) -> Result<(), Problem> {
        let Ok(placed) = outcome else {
            // A store that has failed or has no room says no; the comparison sees whether it meant it.
            return Ok(());
        };
        let store = self.store.as_ref().expect("open between operations");
        let list = self.queues.entry((topic, queue)).or_default();
        if placed.queue_offset != list.len() as i64 {
            return Err(format!(
                "{}-{queue} goes on at {} instead of {}",
                TOPICS[topic],
                placed.queue_offset,
                list.len()
            ));
        }
        let answer = Arc::new(AtomicU8::new(0));
        let told = answer.clone();
        let callback: FlushCallback = Box::new(move |outcome| {
            told.store(u8::from(outcome == FlushOutcome::Flushed), Ordering::SeqCst);
        });
        match together {
            true => store.when_flushed_together(placed.end, callback),
            false => store.when_flushed(placed.end, callback),
        }
        // Until the flush, a process that is killed takes along who waits for it together with others.
        let written = !(together && self.plan.sync_flush);
        if written {
            for message in self.queues.values_mut().flatten() {
                message.written = true;
            }
        }
        let list = self.queues.entry((topic, queue)).or_default();
        let mut start = placed.physical_offset;
        for (body, key, length) in messages {
            let end = start + length as i64;
            let answer = answer.clone();
            let physical_offset = start;
            list.push(Message { body, key, physical_offset, end, answer, seen: false, written });
            start = end;
        }
        Ok(())
    }

    /// Every queue is what the model says, as far as consumers may see it.
    fn compare(&mut self) -> Result<(), Problem> {
        let store = self.store.as_ref().expect("open between operations");
        for ((topic, id), messages) in &mut self.queues {
            let name = format!("{}-{id}", TOPICS[*topic]);
            let queue = store.queue(TOPICS[*topic], *id).expect("a queue");
            let problem = |error: StoreError| format!("{name}: {error}");
            let (min, max) = (
                store.min_offset(&queue).map_err(problem)?,
                store.max_offset(&queue).map_err(problem)?,
            );
            if max > messages.len() as i64 {
                return Err(format!("{name} has {max} messages instead of {}", messages.len()));
            }
            let gone =
                messages.iter().filter(|message| message.physical_offset < store.log_start());
            let gone = gone.count() as i64;
            if min != gone.min(max) {
                return Err(format!("{name} begins at {min} instead of {gone}"));
            }
            let entries = store.entries(&queue, min, messages.len()).map_err(problem)?;
            if entries.len() as i64 != max - min {
                return Err(format!("{name}: {} entries in {min}..{max}", entries.len()));
            }
            for (offset, entry) in (min..).zip(entries) {
                let message = &mut messages[offset as usize];
                if entry.physical_offset != message.physical_offset {
                    return Err(format!(
                        "{name}: message {offset} is at {} instead of {}",
                        entry.physical_offset, message.physical_offset
                    ));
                }
                let record = store
                    .record_at(entry.physical_offset)
                    .ok_or_else(|| format!("{name}: message {offset} cannot be read"))?;
                let record = RecordView::parse(&record).map_err(|error| error.to_string())?;
                if record.body() != message.body || record.queue_offset() != offset {
                    return Err(format!("{name}: message {offset} is another one"));
                }
                message.seen = true;
            }
        }
        Ok(())
    }

    fn table_path(&self) -> std::path::PathBuf {
        self.root.join("config/table.json")
    }

    /// The table is what was saved last, or what was tried to be.
    fn compare_table(&self) -> Result<(), Problem> {
        let whole = |content: &[u8]| {
            let text = String::from_utf8_lossy(content).into_owned();
            let number: u64 = match text.len() % 300 {
                0 => text[..text.len() / 300].parse().map_err(|_| "no number")?,
                _ => return Err("a part of a table"),
            };
            if number.to_string().repeat(300) == text { Ok(number) } else { Err("a mixed table") }
        };
        let loaded = tables::load_from(&*self.disk, &self.table_path(), whole);
        let number = loaded.map_err(|error| format!("the table: {error}"))?.unwrap_or_default();
        match (self.table.0..=self.table.1).contains(&number) {
            true => Ok(()),
            false => Err(format!("the table is {number} instead of {:?}", self.table)),
        }
    }

    /// Every message in the log is found by its key.
    fn compare_keys(&self) -> Result<(), Problem> {
        let store = self.store();
        if store.refusal().is_some() {
            // A store that has failed enters no more.
            return Ok(());
        }
        for ((topic, id), messages) in &self.queues {
            for (offset, message) in messages.iter().enumerate() {
                if message.physical_offset < store.log_start()
                    || (self.plan.sync_flush && message.end > store.log_flushed())
                {
                    continue;
                }
                let found = store.find(TOPICS[*topic], &message.key, 10_000, 0, i64::MAX);
                let here = |record: &bytes::Bytes| {
                    RecordView::parse(record)
                        .is_ok_and(|record| record.physical_offset() == message.physical_offset)
                };
                if !found.iter().any(here) {
                    let topic = TOPICS[*topic];
                    return Err(format!(
                        "{topic}-{id}: message {offset} is not found by {}",
                        message.key
                    ));
                }
            }
        }
        Ok(())
    }

    /// Ends the store in one way or another, opens it again, and compares all of it.
    fn restart(&mut self, end: End) -> Result<(), Problem> {
        let store = self.store.take().expect("open between operations");
        let failed = store.refusal().is_some();
        let flushed = store.log_flushed();
        match end {
            End::Close => {
                store.close();
                drop(store);
                self.machine.after_kill();
            }
            End::Rebuild => {
                // Queues without messages in the log would begin again; nobody does this to them.
                let whole = store.log_start() == 0;
                store.close();
                drop(store);
                self.machine.after_kill();
                if whole {
                    let queues = self.root.join("consumequeue");
                    let removed = self.machine.disk().remove_directory(&queues);
                    removed.map_err(|error| format!("queues cannot be removed: {error}"))?;
                }
            }
            End::Kill => {
                self.disk.die();
                drop(store);
                self.machine.after_kill();
            }
            End::PowerCut(seed) => {
                self.disk.die();
                drop(store);
                self.machine.after_power_cut(&mut fastrand::Rng::with_seed(seed));
            }
        }
        // A new day: somebody has made room.
        self.machine.set_full(false);
        let mut failed = failed || self.machine.syncs_failed() > 0;
        while let Err(problem) = self.open() {
            if !problem.contains(disk::FAILED_SYNC) {
                return Err(problem);
            }
            // Which is as it should be, and what the system could not write is gone.
            failed = true;
            self.disk.die();
            self.machine.after_kill();
        }
        let store = self.store.as_ref().expect("just opened");
        let log_end = store.log_end();
        for ((topic, id), messages) in &mut self.queues {
            let name = format!("{}-{id}", TOPICS[*topic]);
            let queue = store.queue(TOPICS[*topic], *id).expect("a queue");
            let max = store.max_offset(&queue).map_err(|error| format!("{name}: {error}"))?;
            let must = messages.iter().rposition(|message| {
                let promised = message.answer.load(Ordering::SeqCst) == 1;
                let shown = self.plan.sync_flush && message.seen;
                let kept = match end {
                    End::Close | End::Rebuild => !failed,
                    End::Kill => message.written && !failed,
                    End::PowerCut(_) => false,
                };
                promised || shown || kept || message.end <= flushed
            });
            let must = must.map_or(0, |last| last as i64 + 1);
            if max < must {
                return Err(format!("{name} has lost messages: {max} of {must} are left"));
            }
            let within = messages.iter().filter(|message| message.end <= log_end).count() as i64;
            if max != within {
                return Err(format!("{name} has {max} messages; the log has {within} of it"));
            }
            messages.truncate(max as usize);
        }
        self.flushed = store.log_flushed();
        self.compare_table()?;
        self.compare()?;
        self.store().enter_keys();
        self.compare_keys()
    }
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Rebuild,
    Kill,
    PowerCut(u64),
}
