use crate::house::{checked, config, files, made, put, served};
use ferromq_store::tools::{Backup, backup};
use ferromq_store::*;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn back_up(source: &Path, target: &Path) -> Result<Backup, String> {
    let settings = Some(config(source));
    backup(source, settings, target, &|_, _| {}).map_err(|error| error.to_string())
}

fn bodies(root: &Path, topic: &str) -> Vec<(i64, usize)> {
    let store = Store::open(config(root)).unwrap();
    let all = served(&store, topic, 0);
    store.close();
    all
}

#[test]
fn a_backup_of_a_stopped_directory_is_the_same() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(source.path(), 60);
    fs::create_dir(source.path().join("config")).unwrap();
    fs::write(source.path().join("config/topics.json"), "{}").unwrap();
    let done = back_up(source.path(), target.path()).unwrap();
    let (check, findings) = checked(target.path());
    assert_eq!(findings, []);
    assert_eq!((check.records, check.log_end), (60, done.log_end));
    let before = files(source.path());
    for (path, content) in files(target.path()) {
        let name = path.strip_prefix(target.path()).unwrap();
        if name.starts_with("commitlog")
            || name.starts_with("consumequeue")
            || name.starts_with("config")
        {
            assert!(before[&source.path().join(name)] == content, "{}", name.display());
        }
    }
    assert_eq!(bodies(target.path(), "U"), bodies(source.path(), "U"));
}

#[test]
fn a_backup_is_continued_and_brought_up_to_date() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open_by_hand(Arc::new(OsDisk), config(source.path())).unwrap();
    let mut number = 0;
    let (mut last, mut kills) = (0, 0);
    for round in 0..6 {
        for _ in 0..25 {
            put(&store, "T", 0, number);
            number += 1;
            if number % 11 == 0 {
                store.flush();
                store.write_queues(number % 22 == 0);
                store.enter_keys();
            }
        }
        if round == 3 {
            store.remove_topic("Gone").unwrap();
            store.flush();
            store.write_queues(true);
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
            store.remove_expired(later).unwrap();
        }
        if round == 1 {
            put(&store, "Gone", 0, 5000);
        }
        // Killed again and again on the way, each time a little later.
        for steps in [0, 1, 7, 12] {
            let count = AtomicUsize::new(0);
            let killed = catch_unwind(AssertUnwindSafe(|| {
                let settings = Some(config(source.path()));
                backup(source.path(), settings, target.path(), &|_, _| {
                    if count.fetch_add(1, Ordering::Relaxed) == steps {
                        std::panic::resume_unwind(Box::new(()));
                    }
                })
            }));
            if !target.path().join("ferromq-backup-unfinished").exists() {
                continue; // It was done sooner.
            }
            assert!(killed.is_err());
            kills += 1;
            let refused = Store::open(config(target.path())).err().map(|error| error.to_string());
            let refused = refused.unwrap_or_default();
            assert!(refused.contains("ferromq-backup-unfinished marks a backup"), "{refused}");
        }
        let done = back_up(source.path(), target.path()).unwrap();
        assert_eq!(done.log_end, store.log_end());
        assert!(done.copied <= (store.log_end() - last) as u64, "only what is new");
        last = done.log_end;
        let (check, findings) = checked(target.path());
        assert_eq!(check.damage, 0, "{findings:#?}");
        assert_eq!(bodies(target.path(), "T"), served(&store, "T", 0), "round {round}");
        assert!(!served(&store, "T", 0).is_empty());
        let first = |root: &Path| {
            fs::read_dir(root.join("commitlog")).unwrap().map(|e| e.unwrap().file_name()).min()
        };
        assert_eq!(first(target.path()), first(source.path()), "segments expire here too");
        assert_eq!(target.path().join("consumequeue/Gone").exists(), round == 1 || round == 2);
    }
    assert!(store.log_start() > 0 && kills > 12, "{kills}");
    store.close();
}

#[test]
fn a_backup_under_load_has_everything_that_was_there_before() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = StoreConfig {
        mapped_file_size_commit_log: 64 << 10,
        max_hash_slot_num: 1000,
        mapped_file_size_consume_queue: 20_000,
        file_reserved_time: 72,
        disk_max_used_space_ratio: 99,
        clean_file_forcibly_enable: false,
        max_index_num: 100_000,
        flush_interval_consume_queue: 5,
        flush_consume_queue_thorough_interval: 20,
        ..config(source.path())
    };
    let store = Store::open(settings.clone()).unwrap();
    let (sent, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..30_000 {
                put(&store, "T", 0, number);
                sent.store(number + 1, Ordering::SeqCst);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..5 {
            let before = sent.load(Ordering::SeqCst);
            let copied =
                || backup(source.path(), Some(settings.clone()), target.path(), &|_, _| {});
            // What the writer does must not make the test hang.
            let copied = catch_unwind(AssertUnwindSafe(copied)).unwrap().inspect_err(|_| {
                over.store(true, Ordering::Relaxed);
            });
            copied.unwrap();
            let copy = StoreConfig {
                store_path_root_dir: target.path().display().to_string(),
                ..settings.clone()
            };
            let copy = Store::open(copy).unwrap();
            let served = served(&copy, "T", 0);
            over.store(served.len() < before, Ordering::Relaxed);
            assert!(served.len() >= before, "{} of {before}", served.len());
            let in_order = |(at, (offset, number)): (usize, &(i64, usize))| {
                at as i64 == *offset && at == *number
            };
            assert!(served.iter().enumerate().all(in_order));
            copy.close();
        }
        over.store(true, Ordering::Relaxed);
    });
    store.close();
}

#[test]
fn wrong_targets_are_refused() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(source.path(), 20);
    let told = back_up(source.path(), source.path()).unwrap_err();
    assert!(told.contains("is what is to be copied"), "{told}");
    fs::write(target.path().join("x"), "x").unwrap();
    let told = back_up(source.path(), target.path()).unwrap_err();
    assert!(told.contains("is not empty, and no backup"), "{told}");
    fs::remove_file(target.path().join("x")).unwrap();
    back_up(source.path(), target.path()).unwrap();
    // Another source.
    let other = tempfile::tempdir().unwrap();
    made(other.path(), 21);
    let told = back_up(other.path(), target.path()).unwrap_err();
    assert!(told.contains("belongs to another log"), "{told}");
    // Somebody uses the backup, and then it is none any more.
    let store = Store::open(config(target.path())).unwrap();
    let told = back_up(source.path(), target.path()).unwrap_err();
    assert!(told.contains("is in use by another broker"), "{told}");
    put(&store, "T", 0, 1);
    store.close();
    let told = back_up(source.path(), target.path()).unwrap_err();
    assert!(told.contains("has been used by a broker"), "{told}");
}

#[test]
fn a_damaged_source_is_named() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(source.path(), 60);
    let path = crate::house::segment(source.path(), 0);
    let mut content = fs::read(&path).unwrap();
    content[100] ^= 1;
    fs::write(&path, content).unwrap();
    let told = back_up(source.path(), target.path()).unwrap_err();
    assert!(told.contains(path.to_str().unwrap()) && told.contains("store repair"), "{told}");
}

#[test]
fn an_index_of_another_size_is_not_made_anew_with_a_wrong_one() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(source.path(), 60);
    let before = files(target.path());
    let told = backup(source.path(), None, target.path(), &|_, _| {}).unwrap_err().to_string();
    assert!(told.contains("index") && told.contains("maxIndexNum"), "{told}");
    assert_eq!(files(target.path()), before, "nothing was written");
    back_up(source.path(), target.path()).unwrap();
}
