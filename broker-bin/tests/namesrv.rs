//! `ferromq namesrv` and what every command has in common.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, errors, output};
use std::net::TcpStream;
use tempfile::tempdir;

const LOCAL: [&str; 5] = ["namesrv", "--host", "127.0.0.1", "--port", "0"];

#[test]
fn serves_and_ends_on_sigterm() {
    let folder = tempdir().unwrap();
    let mut server = Running::start(folder.path(), &LOCAL);
    let address = server.address("namesrv");
    assert_eq!(server.ready, format!("ferromq namesrv ready namesrv={address}"));
    TcpStream::connect(&address).unwrap();
    let (status, log) = server.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("SIGTERM"), "{log}");
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let folder = tempdir().unwrap();
    let server = Running::start(folder.path(), &LOCAL);
    let address = server.address("namesrv");
    let port = address.rsplit(':').next().unwrap();
    let second = output(folder.path(), &["namesrv", "--host", "127.0.0.1", "--port", port]);
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stdout.is_empty());
    let told = errors(&second);
    let last = told.trim_end().lines().last().unwrap();
    assert!(last.starts_with(&format!("ferromq: cannot listen on {address}: ")), "{told}");
}

#[test]
fn settings_come_from_a_file_and_flags_win() {
    let folder = tempdir().unwrap();
    let text = "listenPort=1\nbindAddress=127.0.0.1\nlistenPrt=3\nkvConfigPath=kv/kvConfig.json\n";
    std::fs::write(folder.path().join("namesrv.conf"), text).unwrap();
    let arguments = ["namesrv", "-c", "namesrv.conf", "--port", "0", "--log-format", "json"];
    let mut server = Running::start(folder.path(), &arguments);
    assert!(server.address("namesrv").starts_with("127.0.0.1:"));
    let (_, log) = server.terminate();
    let warning = "namesrv.conf:3: unknown setting `listenPrt`; did you mean `listenPort`?";
    assert!(log.contains(warning), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
}

#[test]
fn wrong_files_and_values_are_one_sentence() {
    let folder = tempdir().unwrap();
    let missing = output(folder.path(), &["namesrv", "-c", "none.conf"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(errors(&missing).contains("none.conf cannot be read"), "{}", errors(&missing));
    std::fs::write(folder.path().join("bad.conf"), "\nwaitSecondsForService=soon\n").unwrap();
    let bad = output(folder.path(), &["namesrv", "-c", "bad.conf"]);
    assert_eq!(bad.status.code(), Some(1));
    let expected = "ferromq: bad.conf:2: `waitSecondsForService` cannot be `soon`: expected int in 0..=86400\n";
    assert_eq!(errors(&bad), expected);
}

#[test]
fn a_key_value_file_that_cannot_be_read_is_one_sentence() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("kvConfig.json")).unwrap();
    let arguments = ["namesrv", "--host", "127.0.0.1", "--port", "0", "--data", "."];
    let failed = output(folder.path(), &arguments);
    assert_eq!(failed.status.code(), Some(1));
    assert!(errors(&failed).contains("kvConfig.json cannot be read"), "{}", errors(&failed));
}

#[test]
fn usage_errors_end_with_two() {
    let folder = tempdir().unwrap();
    assert_eq!(output(folder.path(), &["namesrv", "--port", "70000"]).status.code(), Some(2));
    assert_eq!(output(folder.path(), &["nonsense"]).status.code(), Some(2));
    let filter =
        common::ferromq(folder.path(), &LOCAL).env("FERROMQ_LOG", "a=b=c").output().unwrap();
    assert_eq!(filter.status.code(), Some(1));
    assert!(errors(&filter).contains("FERROMQ_LOG cannot be"), "{}", errors(&filter));
}

#[test]
fn completions_name_the_commands() {
    let folder = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = output(folder.path(), &["completions", shell]);
        assert_eq!(script.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&script.stdout).contains("namesrv"));
    }
}
