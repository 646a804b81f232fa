//! Tests that cannot run here say so, in one list; where everything must run, they fail.

use crate::Problem;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Whether `FERROMQ_REQUIRE_ALL` forbids skips.
pub fn all_required() -> bool {
    std::env::var_os("FERROMQ_REQUIRE_ALL").is_some_and(|v| v == "1")
}

/// The list of skips of a test run; whoever starts a run empties it before.
pub fn list() -> PathBuf {
    target().join("skipped.txt")
}

/// The build folder: the test program lies in it.
pub fn target() -> PathBuf {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(folder);
    }
    crate::setup::root().join("../target")
}

/// Turns a missing tool into a reported skip, unless skips are forbidden; other problems stay what they are.
pub fn unless_missing(test: &str, result: Result<(), Problem>) -> Result<(), Problem> {
    let Err(Problem::Missing { tool, reason }) = &result else {
        return result;
    };
    if all_required() {
        return result;
    }
    eprintln!("skipped: {test}: {tool}: {reason}");
    let line = format!("{test}: {tool}: {reason}\n").replace(['\r'], " ");
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(list())
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|source| Problem::File { path: list(), source })
}
