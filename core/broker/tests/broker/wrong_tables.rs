//! Tables that cannot be read: the broker does not start, says which, and changes nothing.

use ferromq_broker::Broker;
use ferromq_broker::config::BrokerConfig;
use ferromq_store::StoreConfig;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

async fn start(root: &Path) -> Result<Broker, String> {
    let config = BrokerConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".to_string(),
        broker_ip1: "127.0.0.1".to_string(),
        ..BrokerConfig::default()
    };
    let store = StoreConfig {
        mapped_file_size_commit_log: 1 << 20,
        max_hash_slot_num: 100,
        max_index_num: 100,
        ..StoreConfig::for_directory(root.to_str().unwrap())
    };
    Broker::start(config, store).await.map_err(|error| error.to_string())
}

/// Every file with its content; directories have none.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
                all.insert(path, None);
            } else {
                all.insert(path.clone(), Some(fs::read(path).unwrap()));
            }
        }
    }
    all
}

#[tokio::test]
async fn tables_that_cannot_be_read_keep_the_broker_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path()).await.unwrap().close().await;
    let config = folder.path().join("config");
    fs::create_dir_all(&config).unwrap();
    let tables =
        ["topics.json", "subscriptionGroup.json", "consumerOffset.json", "delayOffset.json"];
    for table in tables {
        let path = config.join(table);
        let bak = config.join(format!("{table}.bak"));
        let (before, before_bak) = (fs::read(&path).ok(), fs::read(&bak).ok());
        for content in ["", "{\"half", "\u{0}\u{0}\u{0}"] {
            fs::write(&path, content).unwrap();
            fs::write(&bak, content).unwrap();
            let as_it_was = snapshot(folder.path());
            let told = start(folder.path()).await.err().expect(table);
            assert!(told.contains(path.to_str().unwrap()) && told.contains("restore"), "{told}");
            assert_eq!(told.lines().count(), 1);
            assert!(snapshot(folder.path()) == as_it_was, "{table}: something was changed");
        }
        // What cannot be read even by root.
        fs::remove_file(&path).unwrap();
        fs::remove_file(&bak).unwrap();
        fs::create_dir(&path).unwrap();
        let as_it_was = snapshot(folder.path());
        let told = start(folder.path()).await.err().expect(table);
        assert!(told.contains(path.to_str().unwrap()) && told.contains("directory"), "{told}");
        assert!(snapshot(folder.path()) == as_it_was, "{table}: something was changed");
        fs::remove_dir(&path).unwrap();
        for (path, content) in [(path, before), (bak, before_bak)] {
            if let Some(content) = content {
                fs::write(path, content).unwrap();
            }
        }
    }
    start(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn tables_in_a_database_are_told_apart_from_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("config/topics")).unwrap();
    let as_it_was = snapshot(folder.path());
    let told = start(folder.path()).await.err().unwrap();
    assert!(told.contains("config/topics holds topics in a RocksDB; "), "{told}");
    assert!(snapshot(folder.path()) == as_it_was);
}
