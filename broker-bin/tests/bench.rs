//! `ferromq bench` against a server of our own.

#![cfg(target_os = "linux")]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, errors, ferromq};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;
use tempfile::{TempDir, tempdir};

/// A server with small files, and where its data is.
struct Server {
    running: Running,
    folder: TempDir,
}

impl Server {
    fn start() -> Server {
        Server::with("")
    }

    fn with(setting: &str) -> Server {
        let folder = tempdir().unwrap();
        let small = format!(
            "mapedFileSizeCommitLog=4194304\nmapedFileSizeConsumeQueue=30000\n\
             maxHashSlotNum=1000\nmaxIndexNum=1000\n{setting}\n"
        );
        std::fs::write(folder.path().join("small.conf"), small).unwrap();
        let arguments =
            ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "small.conf"];
        let running = Running::start(folder.path(), &arguments);
        Server { running, folder }
    }

    fn bench(&self, kind: &str, arguments: &str) -> Output {
        let names = self.running.address("namesrv");
        let arguments = format!("-n {names} {arguments}");
        bench(&self.folder, kind, &arguments)
    }

    /// Messages in all queues of a topic.
    fn stored(&self, topic: &str) -> u64 {
        let names = self.running.address("namesrv");
        let arguments = ["topic", "describe", topic, "-n", names.as_str(), "--json"];
        let told = ferromq(self.folder.path(), &arguments).output().unwrap();
        let lines = String::from_utf8(told.stdout).unwrap();
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["messages"].as_u64().unwrap()).sum()
    }
}

fn bench(folder: &TempDir, kind: &str, arguments: &str) -> Output {
    let mut all = vec!["bench", kind, "--json"];
    all.extend(arguments.split_whitespace());
    ferromq(folder.path(), &all).output().unwrap()
}

/// The one object on standard output.
fn report(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}{}", errors(output));
    serde_json::from_str(&text).unwrap()
}

fn success(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", errors(output));
    let report = report(output);
    assert_eq!(report["failed"], 0);
    report
}

/// What every run has, whatever its kind.
fn check_run(run: &Value) {
    let number = |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("{name}: {run}"));
    assert!(number("seconds") > 0.0, "{run}");
    let per_second = number("messages") / number("seconds");
    assert!((number("messages_per_second") / per_second - 1.0).abs() < 1e-6, "{run}");
    assert!((number("bytes_per_second") * number("seconds") / number("bytes") - 1.0).abs() < 1e-6);
    for name in ["cpu_user_seconds", "cpu_system_seconds"] {
        assert!(run["client"][name].is_f64(), "{run}");
    }
    check_latency(&run["latency_us"], number("requests") as u64);
}

fn check_latency(latency: &Value, count: u64) {
    assert_eq!(latency["count"], count, "{latency}");
    let names = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
    let figures = names.map(|name| latency[name].as_f64().unwrap());
    assert!(figures[0] > 0.0 && figures.is_sorted(), "{latency}");
    let mean = latency["mean"].as_f64().unwrap();
    assert!(figures[0] <= mean * 1.01 && mean <= figures[6] * 1.01, "{latency}");
}

#[test]
fn produce_counts_what_the_broker_has() {
    let server = Server::start();
    let pid = server.running.id();
    let arguments = format!(
        "--topic A --count 1000 --warm-up 0 --size 200 --connections 3 --window 7 --threads 2 \
         --server-pid {pid} --histogram"
    );
    let report = success(&server.bench("produce", &arguments));
    assert_eq!(report["kind"], "produce");
    assert_eq!((&report["messages"], &report["bytes"]), (&1000.into(), &200_000.into()));
    assert_eq!(report["requests"], 1000);
    assert_eq!(report["warm_up_messages"], 0);
    check_run(&report);
    let options = &report["options"];
    assert_eq!((&options["size"], &options["window"]), (&200.into(), &7.into()));
    assert_eq!((&options["count"], &options["connections"]), (&1000.into(), &3.into()));
    assert!(options.get("duration").is_none() && options.get("broker").is_none());
    let used = &report["server"];
    for name in ["cpu_user_seconds", "cpu_system_seconds", "cpu_seconds_per_million"] {
        assert!(used[name].is_f64(), "{used}");
    }
    for name in ["rss_bytes", "rss_anon_bytes", "peak_rss_bytes", "threads"] {
        assert!(used[name].as_u64().unwrap() > 0, "{used}");
    }
    assert!(used["written_bytes"].is_u64(), "{used}");
    assert!(report["latency_histogram"].as_str().unwrap().starts_with("HIST"));
    assert_eq!(server.stored("A"), 1000);
}

#[test]
fn a_count_is_rounded_up_to_batches_and_spread_over_topics() {
    let server = Server::start();
    let arguments = "--topic B --topics 3 --queues 2 --count 1000 --warm-up 0 --batch 32";
    let report = success(&server.bench("produce", arguments));
    assert_eq!((&report["messages"], &report["requests"]), (&1024.into(), &32.into()));
    check_run(&report);
    let stored = ["B-0", "B-1", "B-2"].map(|topic| server.stored(topic));
    assert_eq!(stored.iter().sum::<u64>(), 1024);
    assert!(stored.iter().all(|count| *count > 0), "{stored:?}");
}

#[test]
fn a_duration_counts_after_the_warm_up() {
    let server = Server::start();
    let report =
        success(&server.bench("produce", "--topic C --duration 0.3 --warm-up 0.1 --window 4"));
    let count = |name: &str| report[name].as_u64().unwrap();
    assert!(report["seconds"].as_f64().unwrap() >= 0.2, "{report}");
    // On a machine with other things to do, either may be over before anything is stored.
    let all = count("messages") + count("warm_up_messages");
    assert!(all > 0, "{report}");
    assert_eq!(server.stored("C"), all);
}

#[test]
fn latency_is_measured_with_one_on_its_way_and_at_a_rate() {
    let server = Server::start();
    let report = success(&server.bench("latency", "--topic D --count 200 --warm-up 0"));
    assert_eq!((&report["kind"], &report["messages"]), (&"latency".into(), &200.into()));
    assert_eq!(
        (&report["options"]["window"], &report["options"]["size"]),
        (&1.into(), &1024.into())
    );
    check_run(&report);

    let arguments = "--topic D --rate 2000 --duration 0.25 --warm-up 0.1";
    let report = success(&server.bench("latency", arguments));
    assert_eq!(report["options"]["window"], 256);
    // What was intended is what is sent, however long it takes.
    assert_eq!((&report["messages"], &report["warm_up_messages"]), (&500.into(), &200.into()));
    check_run(&report);
    assert_eq!(server.stored("D"), 900);
}

#[test]
fn the_echo_server_takes_sends_without_a_name_server() {
    let folder = tempdir().unwrap();
    let echo = Running::start(folder.path(), &["bench", "echo", "--threads", "2"]);
    assert!(echo.ready.starts_with("ferromq echo ready address=127.0.0.1:"), "{}", echo.ready);
    let address = echo.address("address");
    for kind in ["produce", "latency"] {
        let arguments = format!("--broker {address} --count 5000 --warm-up 0");
        let report = success(&bench(&folder, kind, &arguments));
        assert_eq!(report["messages"], 5000);
        assert_eq!(report["options"]["broker"], address.as_str());
        assert!(report["options"].get("namesrv").is_none());
        check_run(&report);
    }
}

#[test]
fn a_backlog_is_read_once_or_as_often_as_asked_for() {
    let server = Server::start();
    let arguments = "--topic E --produce 2000 --size 100 --connections 3";
    let report = success(&server.bench("consume", arguments));
    // Whole batches of 32.
    assert_eq!((&report["backlog"], &report["messages"]), (&2016.into(), &2016.into()));
    assert!(report["bytes"].as_u64().unwrap() > 2016 * 191, "{report}");
    assert!(report["requests"].as_u64().unwrap() >= 2016 / 32, "{report}");
    check_run(&report);
    assert_eq!(server.stored("E"), 2016);

    let arguments = "--topic E --count 5000 --threads 2 --pull-batch 8";
    let report = success(&server.bench("consume", arguments));
    let read = report["messages"].as_u64().unwrap();
    assert!((5000..5000 + 2 * 8 * 4).contains(&read), "{read}");

    let empty = server.bench("consume", "--topic Empty");
    assert_eq!(empty.status.code(), Some(3), "{}", errors(&empty));
}

#[test]
fn every_message_is_received_once_after_it_was_sent() {
    let server = Server::start();
    // What is there before is none of the run's.
    success(&server.bench("produce", "--topic F --count 10 --warm-up 0"));
    let arguments = "--topic F --rate 2000 --duration 0.3 --warm-up 0.1 --threads 2 --consumers 3";
    let report = success(&server.bench("e2e", arguments));
    assert_eq!((&report["messages"], &report["sent"]), (&600.into(), &600.into()));
    assert_eq!((&report["warm_up_messages"], &report["duplicates"]), (&200.into(), &0.into()));
    check_latency(&report["latency_us"], 600);
    check_latency(&report["send_latency_us"], 600);
    assert_eq!(report["bytes"], 600 * 128);
    assert_eq!(server.stored("F"), 810);
}

#[test]
fn syncs_are_measured_beside_the_disk() {
    let server = Server::with("flushDiskType=SYNC_FLUSH");
    let data = server.folder.path().to_str().unwrap();
    let arguments = format!("--topic G --count 100 --warm-up 0 --window 8 --data-dir {data}");
    let report = success(&server.bench("fsync", &arguments));
    check_run(&report);
    check_run(&report["one_in_flight"]);
    assert_eq!(
        (&report["messages"], &report["one_in_flight"]["messages"]),
        (&100.into(), &100.into())
    );
    assert_eq!(server.stored("G"), 200);
    let disk = &report["fdatasync"];
    assert!(disk["per_second"].as_f64().unwrap() > 0.0, "{disk}");
    let shared =
        report["messages_per_second"].as_f64().unwrap() / disk["per_second"].as_f64().unwrap();
    assert!((report["messages_per_sync"].as_f64().unwrap() / shared - 1.0).abs() < 1e-6);
    let syncs = &report["syncs"];
    let figure = |name: &str| syncs[name].as_f64().unwrap();
    assert!((1.0..=100.0).contains(&figure("messages_per_sync")), "{syncs}");
    let product = figure("per_second") * figure("messages_per_sync");
    assert!((product / report["messages_per_second"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    // Nothing of the measurement stays.
    let left = std::fs::read_dir(data).unwrap().filter_map(Result::ok);
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn topics_are_created_and_some_are_loaded() {
    let server = Server::start();
    let arguments = "--topic H --topics 30 --loaded 3 --rounds 3 --queues 2 --count 60 --warm-up 0";
    let report = success(&server.bench("topics", arguments));
    check_run(&report);
    check_run(&report["one_topic"]);
    assert_eq!(report["created"]["topics"], 30);
    assert!(report["created"]["topics_per_second"].as_f64().unwrap() > 0.0);
    let mut ratios: Vec<f64> =
        report["ratios"].as_array().unwrap().iter().map(|ratio| ratio.as_f64().unwrap()).collect();
    ratios.sort_by(f64::total_cmp);
    assert_eq!((ratios.len(), report["ratio"].as_f64().unwrap()), (3, ratios[1]));
    assert_eq!(server.stored("H"), 60);
    let loaded = ["H-0", "H-10", "H-20"].map(|topic| server.stored(topic));
    assert_eq!(loaded.iter().sum::<u64>(), 60);
    assert!(loaded.iter().all(|count| *count > 0), "{loaded:?}");
    let names = server.running.address("namesrv");
    let arguments = ["topic", "list", "-n", names.as_str(), "--json"];
    let told = ferromq(server.folder.path(), &arguments).output().unwrap();
    let listed = String::from_utf8(told.stdout).unwrap();
    assert_eq!(listed.lines().filter(|line| line.contains("H-")).count(), 30, "{listed}");
}

#[test]
fn idle_consumers_are_held() {
    let server = Server::start();
    let pid = server.running.id();
    let arguments = format!(
        "--topic I --connections 60 --groups 5 --hold 2 --poll-timeout 0.2 --threads 2          --server-pid {pid}"
    );
    let report = success(&server.bench("connections", &arguments));
    assert_eq!((&report["opened"], &report["held"]), (&60.into(), &60.into()));
    assert!(report["seconds"].as_f64().unwrap() >= 2.0, "{report}");
    assert!(report["pulls"].as_u64().unwrap() > 0, "{report}");
    assert!(report["server"]["rss_bytes_per_connection"].is_f64(), "{report}");
    assert_eq!(report["messages"], 0);
}

#[test]
fn what_cannot_be_loaded_is_one_sentence() {
    let folder = tempdir().unwrap();
    for (kind, arguments, sentence) in [
        ("produce", "--broker 127.0.0.1:1", "127.0.0.1:1: "),
        ("produce", "--broker nowhere", "is no address of a broker"),
        ("produce", "--broker 127.0.0.1:1 --batch 4096 --size 4096", "exceeds the 4 MiB"),
        ("topics", "--broker 127.0.0.1:1", "--namesrv"),
        ("topics", "--topics 1 --loaded 2", "must not exceed"),
        ("e2e", "--broker 127.0.0.1:1 --size 8", "--size 16"),
    ] {
        let output = bench(&folder, kind, arguments);
        assert_eq!(output.status.code(), Some(1), "{kind} {arguments}");
        assert!(output.stdout.is_empty());
        let told = errors(&output);
        assert!(told.lines().count() == 1 && told.contains(sentence), "{told}");
    }
}

/// A server whose answers are `answers` in turn; after the last it closes the connection.
fn scripted(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame).unwrap();
            let text = String::from_utf8_lossy(&frame).into_owned();
            let after = text.split("\"opaque\":").nth(1).unwrap();
            let opaque: String = after.chars().take_while(char::is_ascii_digit).collect();
            let header = answer.replace("OPAQUE", &opaque);
            let mut bytes = (header.len() as u32 + 4).to_be_bytes().to_vec();
            bytes.extend((header.len() as u32).to_be_bytes());
            bytes.extend(header.as_bytes());
            stream.write_all(&bytes).unwrap();
        }
    });
    address
}

fn sent_to_script(answers: &'static [&'static str]) -> Value {
    let folder = tempdir().unwrap();
    let address = scripted(answers);
    let arguments =
        format!("--broker {address} --connections 1 --window 1 --queues 1 --count 4 --warm-up 0");
    let output = bench(&folder, "produce", &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("messages failed"), "{}", errors(&output));
    report(&output)
}

const OK: &str = r#"{"code":0,"flag":1,"opaque":OPAQUE}"#;
const BUSY: &str = r#"{"code":2,"flag":1,"opaque":OPAQUE,"remark":"\"code\":0"}"#;
const FLUSH: &str = r#"{"code":10,"flag":1,"opaque":OPAQUE}"#;
const AT_5: &str = r#"{"code":0,"extFields":{"queueOffset":"5"},"flag":1,"opaque":OPAQUE}"#;

#[test]
fn refusals_and_lost_connections_are_counted() {
    let report = sent_to_script(&[OK, BUSY, FLUSH]);
    assert_eq!((&report["messages"], &report["failed"]), (&1.into(), &3.into()));
    let failures = serde_json::json!(
        { "CONNECTION_LOST": 1, "FLUSH_DISK_TIMEOUT": 1, "SYSTEM_BUSY": 1 }
    );
    assert_eq!(report["failures"], failures);
}

#[test]
fn an_offset_given_twice_is_a_failure() {
    let report = sent_to_script(&[AT_5, AT_5, OK, OK]);
    assert_eq!(report["failures"], serde_json::json!({ "WRONG_OFFSET": 1 }));
    assert_eq!((&report["messages"], &report["failed"]), (&3.into(), &1.into()));
}

#[test]
fn a_killed_broker_is_told() {
    let mut server = Server::start();
    let names = server.running.address("namesrv");
    let folder = tempdir().unwrap();
    let arguments = ["bench", "produce", "-n", &names, "--duration", "60", "--json"];
    let load = ferromq(folder.path(), &arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while server.stored("FerroBench") == 0 {
        thread::yield_now();
    }
    server.running.kill();
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
}
