//! Our own servers: the `ferromq` program.

use crate::process::Process;
use crate::settings::{self, Setting};
use crate::{Problem, ports, skip};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const STARTED: Duration = Duration::from_secs(30);

/// A program of ours: `variable` names it, or it lies in the build folder.
pub fn program(name: &str, variable: &str) -> Result<PathBuf, Problem> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(PathBuf::from(path));
    }
    let candidates = ["debug", "release"].map(|profile| skip::target().join(profile).join(name));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| Problem::Missing {
        tool: name.to_owned(),
        reason: format!("it is not built; run `cargo build` or set {variable}"),
    })
}

fn server() -> Result<PathBuf, Problem> {
    program("ferromq", "FERROMQ_BIN")
}

/// The value of `key=` in a line of words.
fn value(line: &str, key: &str) -> Result<String, Problem> {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        .map(str::to_owned)
        .ok_or_else(|| Problem::Wrong(format!("no {key}= in {line:?}")))
}

/// Name server and broker in one process; returns both addresses.
pub fn standalone(home: &Path) -> Result<(Process, String, String), Problem> {
    let mut command = Command::new(server()?);
    command.arg("standalone").arg("--data").arg(home.join("data"));
    command.args(["--namesrv-port", "0", "--broker-port", "0"]);
    let process = Process::start_guarded("ferromq-standalone", &command, home)?;
    let line =
        process.wait_line("ready line", STARTED, |l| l.starts_with("ferromq standalone ready"))?;
    Ok((process, value(&line, "namesrv")?, value(&line, "broker")?))
}

/// Starts `program broker` or `program namesrv` with a file of settings and waits until it serves; `wanted` are
/// settings in place of the usual ones.
pub fn with_settings(
    program: &Path,
    kind: &str,
    home: &Path,
    name: &str,
    usual: &[Setting],
    wanted: &[Setting],
) -> Result<(Process, String), Problem> {
    let file = home.join(format!("{name}.conf"));
    std::fs::write(&file, settings::lines(usual, wanted))
        .map_err(|source| Problem::File { path: file.clone(), source })?;
    let mut command = Command::new(program);
    command.args([kind, "-c"]).arg(&file);
    let process = Process::start_guarded(&format!("ferromq-{name}"), &command, home)?;
    let line = process
        .wait_line("ready line", STARTED, |l| l.starts_with(&format!("ferromq {kind} ready")))?;
    let address = value(&line, kind)?;
    Ok((process, address))
}

/// A name server of ours.
pub fn name_server(home: &Path) -> Result<(Process, String), Problem> {
    let usual =
        [("listenPort", ports::single()?.to_string()), ("bindAddress", "127.0.0.1".to_owned())];
    with_settings(&server()?, "namesrv", home, "namesrv", &usual, &[])
}

/// A broker of ours; `wanted` are settings in place of the usual ones.
pub fn broker(
    home: &Path,
    name: &str,
    namesrv: &str,
    wanted: &[Setting],
) -> Result<(Process, String), Problem> {
    let usual = [
        ("brokerClusterName", "DefaultCluster".to_owned()),
        ("brokerName", name.to_owned()),
        ("brokerId", "0".to_owned()),
        ("brokerIP1", "127.0.0.1".to_owned()),
        ("bindAddress", "127.0.0.1".to_owned()),
        ("listenPort", ports::broker()?.to_string()),
        ("namesrvAddr", namesrv.to_owned()),
        ("storePathRootDir", home.join("store").display().to_string()),
        ("mapedFileSizeCommitLog", (64 << 20).to_string()),
    ];
    with_settings(&server()?, "broker", home, name, &usual, wanted)
}

/// Has `ferromq store check` read a data directory whose broker had `wanted` as settings; damage is an error.
pub fn check_store(home: &Path, store: &Path, wanted: &[Setting]) -> Result<(), Problem> {
    store_tool("check", &[store], home, wanted)
}

/// Has `ferromq store backup` copy a data directory whose broker has `wanted` as settings, and may be running.
pub fn back_up(
    home: &Path,
    store: &Path,
    target: &Path,
    wanted: &[Setting],
) -> Result<(), Problem> {
    store_tool("backup", &[store, target], home, wanted)
}

fn store_tool(
    name: &str,
    arguments: &[&Path],
    home: &Path,
    wanted: &[Setting],
) -> Result<(), Problem> {
    let file = home.join(format!("{name}.conf"));
    std::fs::write(&file, settings::lines(&[], wanted))
        .map_err(|source| Problem::File { path: file.clone(), source })?;
    let mut command = Command::new(server()?);
    command.args(["store", name]).args(arguments).arg("-c").arg(&file);
    let output = command.output().map_err(Problem::io("running ferromq store"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let [said, errors] = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Err(Problem::Wrong(format!("ferromq store {name}: {}\n{said}{errors}", output.status)))
        }
    }
}
