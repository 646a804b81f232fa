//! The store on a disk that fails.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use ferromq_protocol::record::NewRecord;
use ferromq_store::*;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What fails at present.
#[derive(Default)]
struct Faults {
    sync: AtomicBool,
    /// How long a sync takes at least, in ms.
    sync_takes: AtomicU64,
    syncs_begun: AtomicU64,
    create: AtomicBool,
    index: AtomicBool,
    /// Held while no segment may be made.
    slow: Mutex<()>,
    /// Held while no queue's file may be opened.
    files: Mutex<()>,
    files_asked_for: AtomicU64,
}

/// The real disk, until it is told to fail.
struct FailingDisk {
    real: OsDisk,
    faults: Arc<Faults>,
}

struct FailingSegment {
    real: Box<dyn Segment>,
    faults: Arc<Faults>,
}

fn fails(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl Segment for FailingSegment {
    fn length(&self) -> usize {
        self.real.length()
    }
    fn published(&self) -> usize {
        self.real.published()
    }
    fn append(&self, at: usize, bytes: &[u8], end: usize) {
        self.real.append(at, bytes, end);
    }
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.real.slice(range)
    }
    fn sync(&self, end: usize) -> io::Result<()> {
        fails(&self.faults.sync)?;
        self.faults.syncs_begun.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(self.faults.sync_takes.load(Ordering::SeqCst)));
        self.real.sync(end)
    }
    fn truncate(&mut self, end: usize) -> io::Result<()> {
        self.real.truncate(end)
    }
}

impl Disk for FailingDisk {
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        fails(&self.faults.create)?;
        drop(self.faults.slow.lock());
        let real = self.real.create_segment(path, length)?;
        Ok(Box::new(FailingSegment { real, faults: self.faults.clone() }))
    }
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let real = self.real.open_segment(path)?;
        Ok(Box::new(FailingSegment { real, faults: self.faults.clone() }))
    }
    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>> {
        fails(&self.faults.index)?;
        self.real.open_words(path, length)
    }
    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>> {
        self.faults.files_asked_for.fetch_add(1, Ordering::SeqCst);
        drop(self.faults.files.lock());
        self.real.open_file(path, length)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.real.read(path)
    }
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.real.replace(path, content)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.real.remove_directory(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.real.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.real.list(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        self.real.space(path)
    }
}

fn open(root: &Path, flush: &str, faults: &Arc<Faults>) -> Result<Store, StoreError> {
    open_with(root, flush, faults, |_| ())
}

fn open_with(
    root: &Path,
    flush: &str,
    faults: &Arc<Faults>,
    adjust: impl FnOnce(&mut StoreConfig),
) -> Result<Store, StoreError> {
    let mut config = config(root, flush);
    adjust(&mut config);
    Store::open_on(Arc::new(FailingDisk { real: OsDisk, faults: faults.clone() }), config)
}

fn config(root: &Path, flush: &str) -> StoreConfig {
    StoreConfig {
        mapped_file_size_commit_log: 64 << 10,
        max_hash_slot_num: 100,
        max_index_num: 200,
        flush_disk_type: flush.into(),
        ..StoreConfig::for_directory(root.to_str().unwrap())
    }
}

fn put(store: &Store, body: &[u8]) -> Result<Appended, AppendError> {
    put_with(store, body, "")
}

fn put_with(store: &Store, body: &[u8], properties: &str) -> Result<Appended, AppendError> {
    put_to(store, "T", body, properties)
}

fn put_to(
    store: &Store,
    topic: &str,
    body: &[u8],
    properties: &str,
) -> Result<Appended, AppendError> {
    let host = "127.0.0.1:10911".parse().unwrap();
    let record = NewRecord {
        topic,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    };
    let mut records = NewRecords::one(&record, TagsCode::Hash(0));
    store.append(&store.queue(topic, 0).unwrap(), &mut records)
}

fn flushed(store: &Store, position: i64) -> FlushOutcome {
    let (sender, receiver) = mpsc::channel();
    store.when_flushed(position, Box::new(move |outcome| _ = sender.send(outcome)));
    receiver.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// One that waits until its message is on disk, and leaves it to others to see to that.
fn together(store: &Store, position: i64) -> mpsc::Receiver<FlushOutcome> {
    let (sender, receiver) = mpsc::channel();
    store.when_flushed_together(position, Box::new(move |outcome| _ = sender.send(outcome)));
    receiver
}

fn told(receiver: &mpsc::Receiver<FlushOutcome>) -> FlushOutcome {
    receiver.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// A store whose thread does nothing unless it is asked to.
fn quiet(root: &Path, faults: &Arc<Faults>) -> Store {
    let adjust = |config: &mut StoreConfig| config.flush_interval_commit_log = 60_000;
    open_with(root, "SYNC_FLUSH", faults, adjust).unwrap()
}

fn readable(store: &Store) -> i32 {
    let limits = ReadLimits { max_messages: 32, max_bytes: 1 << 20 };
    store.read(&store.queue("T", 0).unwrap(), 0, limits, |_| true).unwrap().count
}

#[test]
fn a_failed_sync_ends_writing_and_is_never_answered_as_stored() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = open(directory.path(), "SYNC_FLUSH", &faults).unwrap();
    let first = put(&store, b"safe").unwrap();
    assert_eq!(flushed(&store, first.end), FlushOutcome::Flushed);
    faults.sync.store(true, Ordering::SeqCst);
    let second = put(&store, b"lost").unwrap();
    assert_eq!(flushed(&store, second.end), FlushOutcome::Failed);
    assert_eq!(readable(&store), 1, "nobody sees what is not on disk");
    // The disk works again, but what it dropped in the meantime nobody knows.
    faults.sync.store(false, Ordering::SeqCst);
    let refused = put(&store, b"later").unwrap_err();
    assert!(refused.to_string().contains("cannot be synced"), "{refused}");
    assert_eq!(flushed(&store, second.end), FlushOutcome::Failed);
    drop(store);
    assert!(directory.path().join("abort").exists(), "the next start must recover");
    let store = open(directory.path(), "SYNC_FLUSH", &faults).unwrap();
    assert!(readable(&store) >= 1);
    assert!(put(&store, b"again").is_ok());
}

#[test]
fn every_key_is_entered_once_though_the_disk_was_full_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let disk = Arc::new(FailingDisk { real: OsDisk, faults: faults.clone() });
    let store = Store::open_by_hand(disk, config(directory.path(), "ASYNC_FLUSH")).unwrap();
    let put = |keys: Range<usize>| {
        for key in keys {
            put_with(&store, b"x", &format!("KEYS\u{1}k{key}\u{2}")).unwrap();
        }
    };
    let find = |key: usize| store.find("T", &format!("k{key}"), 10, 0, i64::MAX).len();
    put(0..100);
    store.enter_keys();
    // The first file takes 99 more.
    put(100..500);
    faults.index.store(true, Ordering::SeqCst);
    store.enter_keys();
    assert_eq!((find(198), find(199)), (1, 0));
    faults.index.store(false, Ordering::SeqCst);
    store.enter_keys();
    assert!((0..500).all(|key| find(key) == 1));
    let entries = |file: io::Result<std::fs::DirEntry>| {
        let file = std::fs::read(file.unwrap().path()).unwrap();
        u32::from_be_bytes(*file[36..].first_chunk().unwrap()) - 1
    };
    let files = std::fs::read_dir(directory.path().join("index")).unwrap();
    assert_eq!(files.map(entries).sum::<u32>(), 500);
}

#[test]
fn a_full_disk_refuses_messages_and_takes_them_again_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = open(directory.path(), "ASYNC_FLUSH", &faults).unwrap();
    faults.create.store(true, Ordering::SeqCst);
    let mut stored = 0;
    let refused = loop {
        match put(&store, &[7; 1000]) {
            Ok(_) => stored += 1,
            Err(refused) => break refused,
        }
        assert!(stored < 100, "the first segment is full by now");
    };
    assert!(matches!(refused, AppendError::NoSegment(_)), "{refused}");
    assert!(refused.to_string().contains("cannot create"), "{refused}");
    faults.create.store(false, Ordering::SeqCst);
    let next = put(&store, &[8; 1000]).unwrap();
    assert_eq!(next.queue_offset, stored, "what was refused left no gap");
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    faults.create.store(true, Ordering::SeqCst);
    let error = open(directory.path(), "ASYNC_FLUSH", &faults).err().unwrap().to_string();
    assert!(error.contains("commitlog"), "{error}");
}

#[test]
fn a_slow_disk_makes_senders_come_back_instead_of_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = Arc::new(open(directory.path(), "ASYNC_FLUSH", &faults).unwrap());
    let slow = faults.slow.lock().unwrap();
    let (failed, failures) = mpsc::channel();
    let fill = || {
        let (store, failed) = (store.clone(), failed.clone());
        // More than the first segment holds, so one of the two waits for the second.
        std::thread::spawn(move || {
            let failure = (0..100).find_map(|_| put(&store, &[7; 1000]).err());
            failure.into_iter().for_each(|failure| _ = failed.send(failure));
        })
    };
    let threads = [fill(), fill()];
    let busy = failures.recv_timeout(Duration::from_secs(4)).unwrap();
    assert!(matches!(busy, AppendError::Busy { .. }), "{busy}");
    assert!(store.would_wait(1000), "who must not wait can know before");
    drop(slow);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(failures.try_recv().is_err(), "whoever waited for the segment got it");
    assert!(!store.would_wait(1000));
    assert!(put(&store, b"again").is_ok());
}

#[test]
fn a_queue_whose_file_the_disk_keeps_waiting_for_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = Arc::new(open(directory.path(), "ASYNC_FLUSH", &faults).unwrap());
    let files = faults.files.lock().unwrap();
    put(&store, b"first").unwrap();
    store.flush();
    let start = Instant::now();
    while faults.files_asked_for.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "its entry is to be written");
        std::thread::yield_now();
    }
    let (done, outcome) = mpsc::channel();
    let sender = store.clone();
    let thread = std::thread::spawn(move || _ = done.send(put(&sender, b"second")));
    let busy = outcome.recv_timeout(Duration::from_secs(10)).unwrap().unwrap_err();
    assert!(matches!(busy, AppendError::Busy { .. }), "{busy}");
    assert_eq!(put_to(&store, "Other", b"x", "").unwrap().queue_offset, 0);
    drop(files);
    thread.join().unwrap();
    assert_eq!(put(&store, b"third").unwrap().queue_offset, 1, "what was refused left no gap");
}

#[test]
fn a_led_sync_that_fails_is_told_to_everyone_and_is_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let store = quiet(directory.path(), &faults);
    let waiting: Vec<_> =
        (0..3).map(|_| together(&store, put(&store, b"lost").unwrap().end)).collect();
    faults.sync.store(true, Ordering::SeqCst);
    let lead = store.lead_flush().unwrap();
    assert!(store.lead_flush().is_none(), "one at a time");
    let other = together(&store, store.log_end());
    lead.sync();
    for receiver in waiting.iter().chain([&other]) {
        assert_eq!(told(receiver), FlushOutcome::Failed);
    }
    faults.sync.store(false, Ordering::SeqCst);
    assert_eq!(told(&together(&store, store.log_end())), FlushOutcome::Failed);
    store.flush();
    assert_eq!(store.log_flushed(), 0, "no sync is tried again");
    assert_eq!(readable(&store), 0);
}

#[test]
fn a_lead_that_is_given_up_goes_to_the_thread() {
    let directory = tempfile::tempdir().unwrap();
    let store = quiet(directory.path(), &Arc::default());
    let waiting = together(&store, put(&store, b"x").unwrap().end);
    drop(store.lead_flush().unwrap());
    assert_eq!(told(&waiting), FlushOutcome::Flushed);
    assert!(store.lead_flush().is_none(), "nobody waits any more");
}

#[test]
fn whoever_comes_during_a_sync_is_served_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = quiet(directory.path(), &Arc::default());
    let first = together(&store, put(&store, b"x").unwrap().end);
    let lead = store.lead_flush().unwrap();
    let late = put(&store, b"y").unwrap().end;
    // Looks for the lead, and relies on whoever has it.
    assert!(store.lead_flush().is_none());
    let late = together(&store, late);
    assert!(store.lead_flush().is_none());
    lead.sync();
    assert_eq!(told(&first), FlushOutcome::Flushed);
    assert_eq!(told(&late), FlushOutcome::Flushed);
}

#[test]
fn on_a_slow_disk_those_who_were_answered_share_the_next_sync_with_those_who_came_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    faults.sync_takes.store(20, Ordering::SeqCst);
    let store = quiet(directory.path(), &faults);
    let send = || {
        let waiting = together(&store, put(&store, b"x").unwrap().end);
        store.flush_soon();
        waiting
    };
    let mut shared = 0;
    for _ in 0..10 {
        let (begun, before) = (faults.syncs_begun.load(Ordering::SeqCst), store.log_syncs());
        let first = send();
        while faults.syncs_begun.load(Ordering::SeqCst) == begun {
            std::thread::yield_now();
        }
        let meanwhile = send();
        assert_eq!(told(&first), FlushOutcome::Flushed);
        let again = send();
        assert_eq!(told(&meanwhile), FlushOutcome::Flushed);
        assert_eq!(told(&again), FlushOutcome::Flushed);
        shared += usize::from(store.log_syncs() == before + 2);
    }
    // Whoever sends again may be kept from its core for longer than anybody waits, but not each time.
    assert!(shared > 3, "{shared} of 10");
}

#[test]
fn a_disk_that_hangs_is_told_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let adjust = |config: &mut StoreConfig| {
        config.sync_flush_timeout = 20;
        config.flush_interval_commit_log = 10;
    };
    let store = open_with(directory.path(), "SYNC_FLUSH", &Arc::default(), adjust).unwrap();
    // Whoever leads is stuck. The thread sleeps until something is appended.
    let leading = together(&store, i64::MAX);
    let lead = store.lead_flush().unwrap();
    let waiting = together(&store, put(&store, b"x").unwrap().end);
    assert_eq!(told(&leading), FlushOutcome::TimedOut);
    assert_eq!(told(&waiting), FlushOutcome::TimedOut);
    assert_eq!(store.log_flushed(), 0);
    lead.sync();
    assert_eq!(store.log_flushed(), store.log_end());
}

#[test]
fn nobody_who_waits_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let store = quiet(directory.path(), &Arc::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..100 {
                    let placed = loop {
                        match put(store, b"x") {
                            Err(AppendError::Busy { .. }) => {}
                            outcome => break outcome.unwrap(),
                        }
                    };
                    let waiting = together(store, placed.end);
                    match (thread + round) % 4 {
                        0 => store.flush_soon(),
                        1 => drop(store.lead_flush()),
                        _ => _ = store.lead_flush().map(FlushLead::sync),
                    }
                    assert_eq!(told(&waiting), FlushOutcome::Flushed);
                }
            });
        }
    });
}
