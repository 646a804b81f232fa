//! `ferromq standalone` and `ferromq broker`.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, errors, output};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use tempfile::tempdir;

/// Small files, so that tests need little space.
const SMALL: &str = "mapedFileSizeCommitLog=1048576\nmapedFileSizeConsumeQueue=30000\n\
    maxHashSlotNum=1000\nmaxIndexNum=1000\n";

const FREE: [&str; 7] =
    ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "small.conf"];

fn small(folder: &Path) {
    fs::write(folder.join("small.conf"), SMALL).unwrap();
}

/// The last line, which is the sentence that says what failed.
fn sentence(output: &std::process::Output) -> String {
    let told = errors(output);
    told.trim_end().lines().last().unwrap_or_default().to_string()
}

#[test]
fn serves_says_so_in_one_line_and_comes_back_after_sigterm() {
    let folder = tempdir().unwrap();
    small(folder.path());
    for _ in 0..2 {
        let mut server = Running::start(folder.path(), &FREE);
        let (names, broker) = (server.address("namesrv"), server.address("broker"));
        let expected = format!("ferromq standalone ready namesrv={names} broker={broker}");
        assert_eq!(server.ready, expected);
        TcpStream::connect(&names).unwrap();
        TcpStream::connect(&broker).unwrap();
        let (status, log) = server.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(TcpStream::connect(&names).is_err());
        assert!(TcpStream::connect(&broker).is_err());
        assert!(folder.path().join("ferromq-data/commitlog").is_dir());
        assert!(!folder.path().join("ferromq-data/abort").exists(), "{log}");
    }
}

#[test]
fn a_rocketmq_file_works_as_it_stands() {
    let folder = tempdir().unwrap();
    let text = "rocketmqHome=/opt/rocketmq\nnamesrvAddr=127.0.0.1:9876\n\
        mapedFileSizeCommitLog=52428800\nmapedFileSizeConsumeQueue=30000\n";
    fs::write(folder.path().join("broker.conf"), text).unwrap();
    let mut arguments = FREE;
    arguments[6] = "broker.conf";
    let mut server = Running::start(folder.path(), &arguments);
    let (_, log) = server.terminate();
    assert!(!log.contains("unknown setting"), "{log}");
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let _first = Running::start(folder.path(), &FREE);
    let second = output(folder.path(), &FREE);
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stdout.is_empty());
    let told = sentence(&second);
    assert!(told.contains("ferromq-data") && told.contains("in use by another broker"), "{told}");
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--namesrv-port", "--broker-port"] {
        let mut arguments = FREE.to_vec();
        let position = arguments.iter().position(|argument| *argument == flag).unwrap();
        arguments[position + 1] = &port;
        let failed = output(folder.path(), &arguments);
        assert_eq!(failed.status.code(), Some(1));
        let told = sentence(&failed);
        assert!(told.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{told}");
    }
}

#[test]
fn wrong_values_and_directories_are_one_sentence() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("bad.conf"), "brokerName=b\nmapedFileSizeCommitLog=1\n").unwrap();
    let failed = output(folder.path(), &["broker", "-c", "bad.conf"]);
    assert_eq!(failed.status.code(), Some(1));
    let told = sentence(&failed);
    assert!(
        told.starts_with("ferromq: bad.conf:2: `mappedFileSizeCommitLog` cannot be `1`"),
        "{told}"
    );
    assert!(told.contains("65_536..=4_294_967_296"), "{told}");

    fs::write(folder.path().join("file"), "").unwrap();
    small(folder.path());
    let mut arguments = FREE.to_vec();
    arguments.extend(["--data", "file"]);
    let failed = output(folder.path(), &arguments);
    assert_eq!(failed.status.code(), Some(1));
    let told = sentence(&failed);
    assert!(told.starts_with("ferromq: ") && told.contains("file"), "{told}");
}

#[test]
fn a_broker_by_itself_says_where_it_is() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let names = ["namesrv", "--host", "127.0.0.1", "--port", "0", "--data", "names"];
    let names = Running::start(folder.path(), &names);
    let address = names.address("namesrv");
    let mut broker = Running::start(
        folder.path(),
        &[
            "broker",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "-c",
            "small.conf",
            "--data",
            "data",
            "--namesrv",
            &address,
        ],
    );
    let expected = format!("ferromq broker ready broker={}", broker.address("broker"));
    assert_eq!(broker.ready, expected);
    TcpStream::connect(broker.address("broker")).unwrap();
    let (status, log) = broker.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}
