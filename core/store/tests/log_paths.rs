//! Commit logs whose segments are spread over several directories.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, put, read_all};
use ferromq_store::*;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const SEGMENT: i64 = 64 << 10;

/// Directories whose names sort otherwise than the settings name them.
fn several(root: &Path) -> StoreConfig {
    let paths = ["b", "a", "c"].map(|name| root.join(name).to_str().unwrap().to_string());
    StoreConfig { store_path_commit_log: paths.join(","), ..config(root) }
}

/// The numbers of the segments in a directory.
fn segments(directory: &Path) -> Vec<i64> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let number = |entry| name(entry).to_str().unwrap().parse::<i64>().unwrap() / SEGMENT;
    let mut numbers: Vec<i64> = entries.map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Fills so many segments; three messages each.
fn fill(store: &Store, count: usize, bodies: &mut Vec<Vec<u8>>) {
    for _ in 0..3 * count {
        let body = vec![bodies.len() as u8; 20 << 10];
        put(store, "T", &body, "");
        bodies.push(body);
    }
}

#[test]
fn segments_take_turns_through_the_directories() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut bodies = Vec::new();
    let store = Store::open(several(root)).unwrap();
    fill(&store, 7, &mut bodies);
    assert_eq!(read_all(&store, "T"), bodies);
    drop(store);
    let placed = |names: [&str; 3]| names.map(|name| segments(&root.join(name)));
    assert_eq!(placed(["a", "b", "c"]), [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
    assert!(!root.join("commitlog").exists());

    // Opened after a kill, with queues made anew from the log, and one directory that is only read.
    std::fs::write(root.join("abort"), "1").unwrap();
    std::fs::remove_dir_all(root.join("consumequeue")).unwrap();
    let read_only = root.join("b").to_str().unwrap().to_string();
    let settings = StoreConfig { read_only_commit_log_store_paths: read_only, ..several(root) };
    let store = Store::open(settings).unwrap();
    assert_eq!(read_all(&store, "T"), bodies);
    fill(&store, 4, &mut bodies);
    assert_eq!(read_all(&store, "T"), bodies);
    drop(store);
    assert_eq!(placed(["a", "b", "c"]), [vec![0, 3, 6, 8, 10], vec![1, 4], vec![2, 5, 7, 9]]);

    // A directory that is no longer named but as one to be read is found all the same.
    let paths = |names: &[&str]| {
        names
            .iter()
            .map(|name| root.join(name).to_str().unwrap().to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let settings = StoreConfig {
        store_path_commit_log: paths(&["a"]),
        read_only_commit_log_store_paths: paths(&["b", "c"]),
        ..config(root)
    };
    assert_eq!(read_all(&Store::open(settings).unwrap(), "T"), bodies);
}

#[test]
fn old_segments_go_whichever_directory_they_are_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(several(folder.path())).unwrap();
    fill(&store, 7, &mut Vec::new());
    let later = SystemTime::now() + Duration::from_secs(73 * 3600);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let mut removed = 0;
    while removed < 6 {
        assert!(std::time::Instant::now() < deadline, "{removed} of 6 segments have gone");
        removed += store.remove_expired(later).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(store);
    let left = ["a", "b", "c"].map(|name| segments(&folder.path().join(name)));
    assert_eq!(left, [vec![6], vec![], vec![]]);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let settings = several(root);
    let nowhere = StoreConfig {
        read_only_commit_log_store_paths: settings.store_path_commit_log.clone(),
        ..settings.clone()
    };
    assert!(matches!(Store::open(nowhere), Err(StoreError::NoLogPath)));
    let store = Store::open(settings.clone()).unwrap();
    fill(&store, 2, &mut Vec::new());
    drop(store);
    let name = format!("{SEGMENT:020}");
    std::fs::copy(root.join("b").join(&name), root.join("c").join(&name)).unwrap();
    let error = Store::open(settings.clone()).err().unwrap();
    let StoreError::TwoSegments { path, other } = error else { panic!("{error}") };
    assert_eq!([other, path], ["b", "c"].map(|directory| root.join(directory).join(&name)));
    std::fs::remove_file(root.join("b").join(&name)).unwrap();
    std::fs::remove_file(root.join("c").join(&name)).unwrap();
    std::fs::write(root.join("c").join(format!("{:020}", 2 * SEGMENT)), vec![0; SEGMENT as usize])
        .unwrap();
    let error = Store::open(settings).err().unwrap();
    assert!(
        matches!(&error, StoreError::MissingSegment { path } if path.ends_with(&name)),
        "{error}"
    );
}

/// The real disk, some of whose directories are on file systems that are nearly full.
struct Filled {
    full: Arc<Mutex<Vec<PathBuf>>>,
}

impl Disk for Filled {
    fn space(&self, path: &Path) -> io::Result<Space> {
        let used = if self.full.lock().unwrap().iter().any(|full| full == path) { 88 } else { 10 };
        Ok(Space { total: 100, used, available: 100 - used })
    }
    fn create_segment(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        OsDisk.create_segment(path, length)
    }
    fn open_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        OsDisk.open_segment(path)
    }
    fn open_words(&self, path: &Path, length: u64) -> io::Result<Box<dyn Words>> {
        OsDisk.open_words(path, length)
    }
    fn open_file(&self, path: &Path, length: u64) -> io::Result<Arc<dyn RandomFile>> {
        OsDisk.open_file(path, length)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(path)
    }
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        OsDisk.replace(path, content)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_directory(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(path)
    }
}

#[test]
fn new_segments_keep_away_from_full_disks_as_long_as_there_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let full = Arc::new(Mutex::new(vec![root.join("b")]));
    let mut bodies = Vec::new();
    let settings = StoreConfig { clean_file_forcibly_enable: false, ..several(root) };
    let store = Store::open_by_hand(Arc::new(Filled { full: full.clone() }), settings).unwrap();
    let look = || store.make_room().unwrap();
    look();
    fill(&store, 4, &mut bodies);
    let placed = || ["a", "b", "c"].map(|name| segments(&root.join(name)));
    assert_eq!(placed(), [vec![0, 2], vec![], vec![1, 3]]);
    *full.lock().unwrap() = ["a", "b", "c"].map(|name| root.join(name)).to_vec();
    look();
    assert!(
        store.refusal().is_none(),
        "one disk has room below the mark at which sends are refused"
    );
    fill(&store, 3, &mut bodies);
    assert_eq!(placed(), [vec![0, 2, 6], vec![4], vec![1, 3, 5]]);
    assert_eq!(read_all(&store, "T"), bodies);
}
