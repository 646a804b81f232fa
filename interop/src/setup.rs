//! What has to be fetched or built before a test can run, each part once a process.

use crate::Problem;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A part that `interop/setup.sh` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The jars of Apache's 5.5.0 servers and tools.
    Servers55,
    /// The jars of Apache's 4.9.7 servers.
    Servers49,
    /// The driver on Apache's 5.5.0 Java client.
    Driver55,
    /// The driver on Apache's 4.9.8 Java client.
    Driver49,
    /// The driver on Apache's Go client.
    Go,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Servers55 => "servers55",
            Part::Servers49 => "servers49",
            Part::Driver55 => "driver55",
            Part::Driver49 => "driver49",
            Part::Go => "go",
        }
    }

    /// Where its jars or its binary end up.
    pub fn folder(self) -> PathBuf {
        match self {
            Part::Go => root().join("go/bin"),
            part => root().join("lib").join(part.name()),
        }
    }
}

/// The folder `interop` of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

static DONE: Mutex<Option<HashMap<Part, Result<(), String>>>> = Mutex::new(None);

/// Makes sure of a part; the first caller makes it, the others wait.
pub fn ensure(part: Part) -> Result<(), Problem> {
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let result = done.get_or_insert_with(HashMap::new).entry(part).or_insert_with(|| make(part));
    result.clone().map_err(|reason| Problem::Missing { tool: part.name().to_owned(), reason })
}

fn make(part: Part) -> Result<(), String> {
    if part != Part::Go {
        works("java", &["-version"])?;
    }
    let output = Command::new("sh")
        .arg(root().join("setup.sh"))
        .arg(part.name())
        .output()
        .map_err(|e| format!("setup.sh cannot run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    // A missing tool is the likeliest reason, and says more than what the script printed.
    match part {
        Part::Go => works("go", &["version"])?,
        _ => works("mvn", &["-v"])?,
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = text.lines().rev().take(8).collect();
    Err(format!("setup.sh failed: {tail:?}"))
}

fn works(tool: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`{tool}` ends with {}", output.status)),
        Err(e) => Err(format!("`{tool}` cannot be run: {e}")),
    }
}
