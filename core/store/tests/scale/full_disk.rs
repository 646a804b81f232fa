//! A file system that is really full. It is a small one in memory, mounted in a name space of its own,
//! in which this program runs once more.

use crate::*;
use std::process::Command;
use std::sync::Arc;

const INSIDE: &str = "FERROMQ_FULL_DISK";

/// Runs a test of this program with a file system of so many bytes; returns whether that is possible
/// here.
fn run_on_small_disk(test: &str, size: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let mount = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && exec \"$@\"");
    let unshare = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let possible = Command::new("unshare").args(unshare).args([&mount, root, "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine lets nobody mount a file system");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(unshare)
        .args([&mount, root])
        .arg(program)
        .args(["--exact", "--nocapture", test])
        .env(INSIDE, root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
    assert!(text.contains("1 passed"), "{text}");
    true
}

fn fill(root: &Path) -> std::path::PathBuf {
    let path = root.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    path
}

fn open(root: &Path) -> Result<Store, StoreError> {
    Store::open_by_hand(Arc::new(OsDisk), config(&root.join("store")))
}

fn readable(store: &Store) -> i64 {
    let mut offset = 0;
    loop {
        let read = read(store, "T", 0, offset);
        if read.status != ReadStatus::Found {
            return offset;
        }
        let bytes = read.chunks.iter().flat_map(|chunk| chunk.iter());
        assert!(bytes.filter(|byte| **byte == 7).count() >= 4000 * read.count as usize);
        offset = read.next_offset;
    }
}

#[test]
fn a_full_disk_is_an_error_everywhere() {
    let Some(root) = std::env::var_os(INSIDE) else {
        run_on_small_disk("full_disk::a_full_disk_is_an_error_everywhere", "1m");
        return;
    };
    let root = Path::new(&root);
    let store = open(root).unwrap();
    let mut stored = 0;
    let refused = loop {
        match try_put(&store, "T", 0, &[7; 4000]) {
            Ok(appended) => stored = appended.queue_offset + 1,
            Err(refused) => break refused,
        }
        store.flush();
    };
    assert!(matches!(refused, AppendError::NoSegment(_)), "{refused}");
    assert!(stored > 100 && readable(&store) == stored);
    // Now there is not a page left, for queues, index, checkpoint and tables.
    let filler = fill(root);
    store.write_queues(true);
    store.enter_keys();
    assert!(tables::save(&root.join("table.json"), &[1; 10_000]).is_err());
    assert!(try_put(&store, "T", 0, &[7; 4000]).is_err());
    assert_eq!(readable(&store), stored, "what is stored can be read");
    store.close();
    drop(store);
    // A start that finds no room says so, and the next finds everything.
    if let Ok(store) = open(root) {
        assert_eq!(readable(&store), stored);
        assert!(try_put(&store, "T", 0, &[7; 40_000]).is_err());
    }
    std::fs::remove_file(filler).unwrap();
    let store = open(root).unwrap();
    assert_eq!(readable(&store), stored);
    assert_eq!(store.max_offset(&store.queue("T", 0).unwrap()).unwrap(), stored);
}

/// As long as nothing was lost, a restart is not needed.
#[test]
fn a_store_that_had_no_room_goes_on_when_it_has() {
    let Some(root) = std::env::var_os(INSIDE) else {
        run_on_small_disk("full_disk::a_store_that_had_no_room_goes_on_when_it_has", "1m");
        return;
    };
    let root = Path::new(&root);
    let store = open(root).unwrap();
    let filler = fill(root);
    for _ in 0..5 {
        put(&store, "T", 0, &[7; 4000]);
    }
    store.flush();
    store.write_queues(true);
    let refused = try_put(&store, "T", 0, &[7; 4000]).unwrap_err();
    assert!(refused.to_string().contains("disk is full"), "{refused}");
    assert_eq!(readable(&store), 5);
    std::fs::remove_file(filler).unwrap();
    store.make_room().unwrap();
    store.write_queues(true);
    assert_eq!(put(&store, "T", 0, &[7; 4000]).queue_offset, 5);
    store.close();
    assert!(!root.join("store/abort").exists(), "all is on disk");
    drop(store);
    assert_eq!(readable(&open(root).unwrap()), 6);
}

/// Another broker's last segment may be sparse: what is written behind its end needs room.
#[test]
fn a_sparse_segment_on_a_full_disk_is_refused_before_it_is_written() {
    let Some(root) = std::env::var_os(INSIDE) else {
        let test = "full_disk::a_sparse_segment_on_a_full_disk_is_refused_before_it_is_written";
        run_on_small_disk(test, "1m");
        return;
    };
    let root = Path::new(&root);
    let store = open(root).unwrap();
    put(&store, "T", 0, &[7; 4000]);
    drop(store);
    let segment = &files(&root.join("store/commitlog"))[0];
    let content = std::fs::read(segment).unwrap();
    let mut file = std::fs::File::create(segment).unwrap();
    std::io::Write::write_all(&mut file, &content[..8192]).unwrap();
    file.set_len(content.len() as u64).unwrap();
    let filler = fill(root);
    let error = open(root).err().expect("no room").to_string();
    assert!(error.contains("commitlog") || error.contains("abort"), "{error}");
    std::fs::remove_file(filler).unwrap();
    let store = open(root).unwrap();
    assert_eq!(readable(&store), 1);
    assert_eq!(put(&store, "T", 0, &[7; 40_000]).queue_offset, 1);
}
