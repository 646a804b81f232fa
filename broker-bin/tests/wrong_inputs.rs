//! The real program on directories that it cannot use.

#![cfg(unix)]
// In helpers too, a failure here is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, errors, ferromq};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const ARGUMENTS: [&str; 7] =
    ["standalone", "--namesrv-port", "0", "--broker-port", "0", "-c", "small.conf"];

fn settings(folder: &Path) {
    let small = "mapedFileSizeCommitLog=1048576\nmapedFileSizeConsumeQueue=30000\n\
        maxHashSlotNum=1000\nmaxIndexNum=1000\n";
    fs::write(folder.join("small.conf"), small).unwrap();
}

/// The last line of what a program said that did not start.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(stdout.is_empty());
    told.lines().last().unwrap_or_default().to_string()
}

#[test]
fn a_directory_in_use_is_refused_with_the_number_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path());
    let server = Running::start(folder.path(), &ARGUMENTS);
    let told = refusal(&mut ferromq(folder.path(), &ARGUMENTS));
    let expected = format!("is in use by another broker (process {})", server.id());
    assert!(told.starts_with("ferromq: ") && told.contains(&expected), "{told}");
}

#[test]
fn files_of_another_user_are_named_with_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path());
    let (status, log) = Running::start(folder.path(), &ARGUMENTS).terminate();
    assert!(status.success(), "{log}");
    let segment = folder.path().join("ferromq-data/commitlog/00000000000000000000");
    fs::set_permissions(&segment, fs::Permissions::from_mode(0o600)).unwrap();
    // Only root can give files away and be somebody else; the others are at home here.
    let root = rustix::process::geteuid().is_root();
    const NOBODY: u32 = 65534;
    if !root {
        return;
    }
    for entry in walk(folder.path()) {
        if entry != segment {
            chown(entry, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    // The program may lie where nobody else can run it.
    let program = folder.path().join("ferromq");
    fs::copy(env!("CARGO_BIN_EXE_ferromq"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(ARGUMENTS).current_dir(folder.path()).env("HOME", folder.path()).uid(NOBODY);
    let told = refusal(&mut command);
    let expected = "commitlog/00000000000000000000: it belongs to user 0, and this process runs as \
                    user 65534; change its owner, or run as that user";
    assert!(told.contains(expected), "{told}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(walk(&path));
        } else {
            all.push(path);
        }
    }
    all
}

#[test]
fn a_damaged_table_is_named() {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path());
    fs::create_dir_all(folder.path().join("ferromq-data/config")).unwrap();
    fs::write(folder.path().join("ferromq-data/config/topics.json"), "").unwrap();
    let output = ferromq(folder.path(), &ARGUMENTS).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = errors(&output);
    assert!(told.contains("topics.json nor its .bak can be read: it is empty; restore"), "{told}");
    assert!(!folder.path().join("ferromq-data/commitlog").exists());
}
