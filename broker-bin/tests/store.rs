//! `ferromq store` on directories of the real program.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, WAIT, errors, ferromq, output};
use ferromq_client::{ClientConfig, Message, Producer, ProducerConfig};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const ARGUMENTS: [&str; 7] =
    ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "small.conf"];
const DATA: &str = "ferromq-data";

fn start(folder: &Path) -> Running {
    let small = "mapedFileSizeCommitLog=1048576\nmapedFileSizeConsumeQueue=30000\n\
        maxHashSlotNum=1000\nmaxIndexNum=100000\n";
    fs::write(folder.join("small.conf"), small).unwrap();
    Running::start(folder, &ARGUMENTS)
}

fn send(folder: &Path, server: &Running, topic: &str, lines: &str) {
    fs::write(folder.join("lines"), lines).unwrap();
    let status = ferromq(folder, &["send", "-t", topic, "--tags", "A", "--keys", "k1"])
        .env("NAMESRV_ADDR", server.address("namesrv"))
        .stdin(fs::File::open(folder.join("lines")).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn store(folder: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["store", arguments[0], "-c", "small.conf"];
    all.extend(&arguments[1..]);
    output(folder, &all)
}

fn json(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A stopped directory with messages of two topics.
fn stopped(folder: &Path) {
    let mut server = start(folder);
    send(folder, &server, "Orders", "one\ntwo\nthree\n");
    send(folder, &server, "Other", "\u{1b}[2Jfour\n");
    assert!(server.terminate().0.success());
}

#[test]
fn check_dump_and_repair_of_a_stopped_broker() {
    let folder = tempfile::tempdir().unwrap();
    stopped(folder.path());
    let sound = store(folder.path(), &["check", DATA]);
    let told = String::from_utf8_lossy(&sound.stdout);
    assert_eq!(sound.status.code(), Some(0), "{told}{}", errors(&sound));
    assert!(told.starts_with("4 records, 4 queue entries, "), "{told}");

    let orders = store(folder.path(), &["dump", DATA, "--topic", "Orders", "--json"]);
    let orders = json(&orders);
    let mut bodies: Vec<_> = orders.iter().map(|record| record["body"].as_str().unwrap()).collect();
    bodies.sort();
    assert_eq!(bodies, ["one", "three", "two"]);
    assert_eq!(orders[0]["properties"]["TAGS"], "A");
    let text = store(folder.path(), &["dump", DATA, "--key", "k1", "-t", "Other"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.ends_with("8 bytes: \\u{1b}[2Jfour\n") && text.lines().count() == 1, "{text}");
    let none = store(folder.path(), &["dump", DATA, "--to", "2020-01-01T00:00:00Z"]);
    assert!(none.stdout.is_empty() && none.status.success());

    // The body of the second message.
    let segment = folder.path().join(DATA).join("commitlog/00000000000000000000");
    let mut content = fs::read(&segment).unwrap();
    let second = orders[1]["logOffset"].as_u64().unwrap() as usize + 88;
    content[second] ^= 1;
    fs::write(&segment, &content).unwrap();
    let damaged = store(folder.path(), &["check", DATA, "--json"]);
    assert_eq!(damaged.status.code(), Some(4), "{}", errors(&damaged));
    let findings = json(&damaged);
    assert_eq!((&findings[0]["kind"], &findings[0]["topic"]), (&"record".into(), &"Orders".into()));
    assert!(findings.last().unwrap()["damage"].as_u64().unwrap() > 0);
    assert!(errors(&damaged).contains("ferromq store repair"), "{}", errors(&damaged));

    let plan = store(folder.path(), &["repair", DATA, "--dry-run"]);
    assert_eq!(plan.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&plan.stdout).contains("would "));
    assert!(fs::read(&segment).unwrap() == content);
    let repaired = store(folder.path(), &["repair", DATA, "--json"]);
    assert_eq!(repaired.status.code(), Some(0), "{}", errors(&repaired));
    assert_eq!(json(&repaired).last().unwrap()["left"], 0);
    assert_eq!(store(folder.path(), &["check", DATA]).status.code(), Some(0));
    let server = start(folder.path());
    let received = ferromq(folder.path(), &["receive", "-t", "Orders", "--timeout", "3"])
        .env("NAMESRV_ADDR", server.address("namesrv"))
        .output()
        .unwrap();
    let lines = String::from_utf8(received.stdout).unwrap();
    assert!(lines.lines().count() >= 2, "{lines}");
}

#[test]
fn a_reader_that_closes_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    send(folder.path(), &server, "Orders", &"x\n".repeat(3000));
    assert!(server.terminate().0.success());
    let mut child = ferromq(folder.path(), &["store", "dump", DATA])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn what_is_no_data_directory_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["check", "dump", "repair"] {
        let output = output(folder.path(), &["store", command, "nothing"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains("nothing holds no commit log"), "{}", errors(&output));
    }
    let server = start(folder.path());
    let output = store(folder.path(), &["repair", DATA]);
    assert_eq!(output.status.code(), Some(1));
    let told = errors(&output);
    assert!(
        told.contains(&format!("in use by another broker (process {})", server.id())),
        "{told}"
    );
    let checked = store(folder.path(), &["check", DATA]);
    let told = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("a broker is using it (process {})", server.id())), "{told}");
}

/// Backups of a broker under load, the first of them killed, have what was acknowledged before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_broker_has_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let client =
        ClientConfig { namesrv_addr: server.address("namesrv"), ..ClientConfig::default() };
    let producer = Producer::start(client, ProducerConfig::default()).await.unwrap();
    let (count, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let sender = tokio::spawn({
        let (producer, count, over) = (producer.clone(), count.clone(), over.clone());
        async move {
            while !over.load(Ordering::Relaxed) {
                let number = count.load(Ordering::SeqCst);
                let message = Message::new("T", format!("{number} ").repeat(100));
                producer.send(message).await.unwrap();
                count.store(number + 1, Ordering::SeqCst);
            }
        }
    });
    let begun = Instant::now();
    while count.load(Ordering::SeqCst) < 500 {
        assert!(begun.elapsed() < WAIT, "messages do not flow");
        tokio::task::yield_now().await;
    }
    let arguments = ["store", "backup", "-c", "small.conf", DATA, "copy"];
    // Killed as soon as it has begun to copy.
    let mut killed = ferromq(folder.path(), &arguments).spawn().unwrap();
    let begun = Instant::now();
    while !folder.path().join("copy/commitlog").exists() {
        assert!(begun.elapsed() < WAIT, "nothing is copied");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    for _ in 0..2 {
        let acknowledged = count.load(Ordering::SeqCst);
        let done = output(folder.path(), &arguments);
        assert_eq!(done.status.code(), Some(0), "{}", errors(&done));
        let checked = store(folder.path(), &["check", "copy"]);
        let told = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{told}");
        let records = json(&store(folder.path(), &["dump", "copy", "-t", "T", "--json"]));
        let mut numbers: Vec<usize> = records
            .iter()
            .map(|record| {
                record["body"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() >= acknowledged, "{} of {acknowledged}", numbers.len());
        assert!(numbers.iter().enumerate().all(|(at, number)| at == *number));
    }
    over.store(true, Ordering::Relaxed);
    sender.await.unwrap();
    producer.close().await;
}
