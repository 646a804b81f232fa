//! Runs the built program.

// Each test file uses a part of this; and in helpers too, a failure is a failed test.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);

/// The program with `arguments`, in a home of its own so that no default file leaves `folder`.
pub fn ferromq(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferromq"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("NAMESRV_ADDR")
        .env_remove("ROCKETMQ_HOME")
        .env_remove("FERROMQ_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub fn output(folder: &Path, arguments: &[&str]) -> Output {
    ferromq(folder, arguments).output().unwrap()
}

/// What a command wrote to standard error, for messages.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server of this program; killed when dropped.
pub struct Running {
    child: Child,
    /// The line with which it said that it serves.
    pub ready: String,
    log: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a server and waits for its first line.
    pub fn start(folder: &Path, arguments: &[&str]) -> Running {
        let mut child = ferromq(folder, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, first) = mpsc::channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            let _ = lines.send(line);
            let mut rest = String::new();
            let _ = out.read_to_string(&mut rest);
            let _ = lines.send(rest);
        });
        let (text, log) = mpsc::channel();
        let mut err = child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut all = String::new();
            let _ = err.read_to_string(&mut all);
            let _ = text.send(all);
        });
        let ready = first.recv_timeout(WAIT).unwrap();
        if ready.is_empty() {
            panic!("it did not start: {}", log.recv_timeout(WAIT).unwrap());
        }
        let ready = ready.trim_end().to_string();
        Running { child, ready, log }
    }

    /// The address that the ready line tells under `name`.
    pub fn address(&self, name: &str) -> String {
        let words = self.ready.split_whitespace();
        let value = words.filter_map(|word| word.split_once('='));
        let found = value.into_iter().find(|(key, _)| *key == name);
        found.expect(&self.ready).1.to_string()
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and waits for the end; gives the exit status and the log.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> (ExitStatus, String) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + WAIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it ignores SIGTERM");
            thread::sleep(Duration::from_millis(10));
        };
        (status, self.log.recv_timeout(WAIT).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
