//! The command-line tools against a standalone server.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, WAIT, errors, ferromq};
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Instant;
use tempfile::{TempDir, tempdir};

/// A standalone server, and the tools that talk to it.
struct House {
    folder: TempDir,
    server: Running,
}

impl House {
    fn open() -> House {
        let folder = tempdir().unwrap();
        let small = "mapedFileSizeCommitLog=1048576\nmapedFileSizeConsumeQueue=30000\n\
            maxHashSlotNum=1000\nmaxIndexNum=1000\n";
        fs::write(folder.path().join("small.conf"), small).unwrap();
        let arguments =
            ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "small.conf"];
        let server = Running::start(folder.path(), &arguments);
        House { folder, server }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = ferromq(self.folder.path(), arguments)
            .env("NAMESRV_ADDR", self.server.address("namesrv"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a tool that must succeed, and gives the lines it printed.
    fn lines(&self, arguments: &[&str], input: &str) -> Vec<String> {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_string).collect()
    }

    fn json(&self, arguments: &[&str], input: &str) -> Vec<serde_json::Value> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let lines = self.lines(&arguments, input);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn messages_go_in_and_come_out() {
    let house = House::open();
    house.lines(&["topic", "create", "Orders", "--queues", "2"], "");
    let sent = house.json(
        &["send", "-t", "Orders", "--tags", "A", "--keys", "k1 k2", "--property", "x=y"],
        "one\n\ntwo\r\nthree",
    );
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|receipt| receipt["status"] == "SEND_OK"), "{sent:?}");
    let told = house.lines(&["send", "-t", "Orders", "--tags", "B"], "four\n");
    assert_eq!(told, ["1 messages sent to Orders"]);

    let receive = ["receive", "-t", "Orders", "-g", "G", "--timeout", "30"];
    let mut first = receive.to_vec();
    first.extend(["--tags", "A", "--count", "3"]);
    let received = house.json(&first, "");
    let mut bodies: Vec<_> = received.iter().map(|m| m["body"].as_str().unwrap()).collect();
    bodies.sort();
    assert_eq!(bodies, ["one", "three", "two"]);
    assert_eq!(received[0]["keys"], "k1 k2");
    assert_eq!(received[0]["tags"], "A");
    assert_eq!(received[0]["properties"]["x"], "y");

    let mut all = ["receive", "-t", "Orders", "-g", "H", "--timeout", "30", "--count"].to_vec();
    all.push("4");
    let mut bodies = house.lines(&all, "");
    bodies.sort();
    assert_eq!(bodies, ["four", "one", "three", "two"]);
}

#[test]
fn only_what_was_printed_is_handled() {
    let house = House::open();
    house.lines(&["topic", "create", "T", "--queues", "1"], "");
    house.lines(&["send", "-t", "T", "--parallel", "8"], "1\n2\n3\n4\n5\n");
    let receive = |count| {
        let arguments = ["receive", "-t", "T", "-g", "G", "--timeout", "30", "--count", count];
        house.lines(&arguments, "")
    };
    let mut all = receive("2");
    all.extend(receive("3"));
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4", "5"]);
}

#[test]
fn nothing_received_and_nothing_found_end_with_three() {
    let house = House::open();
    house.lines(&["topic", "create", "Empty"], "");
    let nothing: [&[&str]; 6] = [
        &["receive", "-t", "Empty", "--timeout", "1"],
        &["receive", "-t", "Absent", "--timeout", "1"],
        &["topic", "describe", "Absent"],
        &["topic", "delete", "Absent"],
        &["group", "describe", "Absent"],
        &["group", "reset", "Absent", "-t", "Empty", "--to", "earliest"],
    ];
    for arguments in nothing {
        let output = house.run(arguments, "");
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", errors(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let told = errors(&output);
        assert!(told.starts_with("ferromq: ") && told.lines().count() == 1, "{told}");
    }
}

#[test]
fn topics_are_created_listed_described_and_deleted() {
    let house = House::open();
    let arguments = ["topic", "create", "Orders", "--queues", "3", "--permission", "r"];
    assert_eq!(house.lines(&arguments, ""), ["topic Orders created"]);
    assert_eq!(house.lines(&["topic", "list"], ""), ["TOPIC", "Orders"]);
    let all = house.json(&["topic", "list", "--all"], "");
    assert!(all.iter().any(|row| row["topic"] == "TBW102"), "{all:?}");
    let queues = house.json(&["topic", "describe", "Orders"], "");
    assert_eq!(queues.len(), 3);
    assert!(queues.iter().all(|row| row["permission"] == "R--" && row["messages"] == 0));
    let table = house.lines(&["topic", "describe", "Orders"], "");
    assert_eq!(table.len(), 4);
    assert!(table[0].starts_with("BROKER"), "{table:?}");
    house.lines(&["topic", "delete", "Orders"], "");
    let deadline = Instant::now() + WAIT;
    while house.lines(&["topic", "list"], "") != ["TOPIC"] {
        assert!(Instant::now() < deadline, "the topic is still listed");
    }
}

#[test]
fn groups_are_listed_described_and_reset() {
    let house = House::open();
    house.lines(&["topic", "create", "T", "--queues", "1"], "");
    house.lines(&["send", "-t", "T"], "1\n2\n3\n");
    let receive = ["receive", "-t", "T", "-g", "G", "--timeout", "30", "--count", "3"];
    house.lines(&receive, "");
    let groups = house.lines(&["group", "list"], "");
    assert!(groups[0].starts_with("GROUP"), "{groups:?}");
    assert!(groups.iter().any(|line| line.starts_with("G ")), "{groups:?}");
    let progress = |offset: i64| {
        let described = house.json(&["group", "describe", "G", "-t", "T"], "");
        let row = &described[0]["progress"][0];
        assert_eq!(row["consumerOffset"], offset, "{described:?}");
        assert_eq!(row["brokerOffset"], 3);
        assert_eq!(row["lag"], 3 - offset);
    };
    progress(3);
    let described = house.lines(&["group", "describe", "G", "-t", "T"], "");
    assert_eq!(described[0], "nobody is connected");
    assert_eq!(described.last().unwrap(), "0 messages behind");
    let moved = house.json(&["group", "reset", "G", "-t", "T", "--to", "earliest"], "");
    assert_eq!(moved[0]["offset"], 0);
    assert_eq!(house.lines(&receive, ""), ["1", "2", "3"]);
    house.lines(&["group", "reset", "G", "-t", "T", "--to", "latest"], "");
    let wrong = house.run(&["group", "reset", "G", "-t", "T", "--to", "soon"], "");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn servers_that_are_down_are_one_sentence() {
    let folder = tempdir().unwrap();
    // A port on which nothing listens, nor will meanwhile.
    let address = "127.0.0.1:1";
    for arguments in [["topic", "list"], ["group", "list"]] {
        let output =
            ferromq(folder.path(), &arguments).args(["--namesrv", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains(address), "{}", errors(&output));
    }
}
