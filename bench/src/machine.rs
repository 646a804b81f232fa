//! What a run was made on and with.

use crate::servers::Jvm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What a run was made on and with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// As `/proc/cpuinfo` names it.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Bytes.
    pub memory: u64,
    /// Whether the page cache was filled before each measurement.
    #[serde(default)]
    pub full_cache: bool,
    /// Release of the kernel.
    pub kernel: String,
    /// Commit of FerroMQ, with `+` if files had been changed since.
    pub commit: String,
    /// Programs and their versions.
    pub versions: BTreeMap<String, String>,
    /// Flags of Apache's broker.
    pub broker_jvm: Vec<String>,
    /// Flags of Apache's name server.
    pub namesrv_jvm: Vec<String>,
}

/// Looks at this machine.
pub fn look(ferromq: &Path, jvm: &Jvm, full_cache: bool) -> Machine {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = file("/proc/cpuinfo");
    let cpu = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    let tools = [
        ("ferromq", ferromq.display().to_string(), "--version"),
        ("rustc", "rustc".to_owned(), "--version"),
        ("java", "java".to_owned(), "-version"),
        ("python", "python3".to_owned(), "--version"),
        ("node", "node".to_owned(), "--version"),
        ("cc", "cc".to_owned(), "--version"),
    ];
    let mut versions: BTreeMap<String, String> = tools
        .into_iter()
        .filter_map(|(name, program, flag)| Some((name.to_owned(), printed(&program, &[flag])?)))
        .collect();
    versions.insert("rocketmq".to_owned(), "5.5.0".to_owned());
    Machine {
        cpu: cpu.map_or("unknown", |(_, name)| name.trim()).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        memory: memory(),
        full_cache,
        kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
        commit: commit(),
        versions,
        broker_jvm: jvm.broker.clone(),
        namesrv_jvm: jvm.namesrv.clone(),
    }
}

/// All of this machine's memory, in bytes.
pub fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram as u64 * u64::from(info.mem_unit)
}

/// Memory that nobody uses, not even as a cache, in bytes.
pub fn free_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.freeram as u64 * u64::from(info.mem_unit)
}

/// Whether a host hands out the memory.
pub fn is_virtual() -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.split_whitespace().any(|flag| flag == "hypervisor")
}

fn commit() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let git = |arguments: &[&str]| printed("git", &[&["-C", root], arguments].concat());
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if !changes.is_empty() => format!("{commit}+"),
        _ => commit,
    }
}

/// The first line that a program prints, wherever it prints it.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
