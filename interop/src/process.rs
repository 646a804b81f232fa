//! A child process whose standard output is read line by line, with deadlines.

use crate::Problem;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line and when it was read.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// Without its line end.
    pub text: String,
}

#[derive(Default)]
struct Output {
    lines: Mutex<(Vec<Line>, bool)>,
    changed: Condvar,
}

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
    stderr: PathBuf,
    pid: u32,
}

/// Starts the program given as arguments, tells its process id, and ends it with SIGTERM when standard
/// input ends: so that no server outlives a test program that was killed itself.
const GUARD: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
echo "pid $pid"
( cat <&3 >/dev/null; kill -TERM $pid 2>/dev/null; kill -CONT $pid 2>/dev/null ) &
watch=$!
wait $pid
code=$?
kill $watch 2>/dev/null
exit $code"#;

impl Process {
    /// Starts a client, which must watch its own standard input.
    pub fn start(name: &str, mut command: Command, scratch: &Path) -> Result<Process, Problem> {
        let stderr = scratch.join(format!("{}.stderr", name.replace(['/', ' '], "-")));
        let errors = File::create(&stderr)
            .map_err(|source| Problem::File { path: stderr.clone(), source })?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(Problem::io(format!("starting {name}")))?;
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            let output = Arc::clone(&output);
            std::thread::spawn(move || read(stdout, &output));
        }
        Ok(Process {
            name: name.to_owned(),
            pid: child.id(),
            stdin: child.stdin.take(),
            child,
            output,
            stderr,
        })
    }

    /// Starts a server under a guard that ends it with this program.
    pub fn start_guarded(
        name: &str,
        command: &Command,
        scratch: &Path,
    ) -> Result<Process, Problem> {
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARD, "guard"]).arg(command.get_program());
        guarded.args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        let mut process = Process::start(name, guarded, scratch)?;
        let line = process.wait_line("its process id", Duration::from_secs(10), |line| {
            line.starts_with("pid ")
        })?;
        process.pid = line[4..]
            .parse()
            .map_err(|_| Problem::Wrong(format!("{name}: no process id in {line:?}")))?;
        Ok(process)
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the program itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything it has printed up to now.
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Waits for a line, whether it has come already or not.
    pub fn wait_line(
        &self,
        awaited: &str,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, Problem> {
        let found =
            self.wait(awaited, limit, |lines| lines.iter().find(|l| wanted(&l.text)).cloned())?;
        Ok(found.text)
    }

    /// Waits until the lines up to now give an answer.
    pub fn wait<T>(
        &self,
        awaited: &str,
        limit: Duration,
        mut answer: impl FnMut(&[Line]) -> Option<T>,
    ) -> Result<T, Problem> {
        let deadline = Instant::now() + limit;
        let mut state = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = answer(&state.0) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = state.1;
            if ended || left.is_zero() {
                drop(state);
                let (name, awaited, tail) = (self.name.clone(), awaited.to_owned(), self.tail());
                return Err(match ended {
                    true => Problem::Ended { name, awaited, tail },
                    false => Problem::Deadline { name, awaited, limit, tail },
                });
            }
            state = self
                .output
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until it has ended by itself.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus, Problem> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) =
                self.child.try_wait().map_err(Problem::io(format!("waiting for {}", self.name)))?
            {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Problem::Deadline {
                    name: self.name.clone(),
                    awaited: "end".to_owned(),
                    limit,
                    tail: self.tail(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, by ending its standard input, and waits.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus, Problem> {
        self.stdin = None;
        self.wait_end(limit)
    }

    /// Sends SIGTERM to the program itself and waits.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, Problem> {
        self.signal(Signal::TERM);
        self.wait_end(limit)
    }

    /// Freezes the program itself; its sockets and files stay as they are.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen program go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the program itself: nothing gets a chance to be written.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // It may have ended in the meantime, which is as good.
            let _ = kill_process(pid, signal);
        }
    }

    /// The end of what it printed on both streams, for messages.
    pub fn tail(&self) -> String {
        // Apache's servers tell at length how they set up their logs.
        let mut tail: Vec<String> =
            self.lines().into_iter().map(|l| l.text).filter(|l| !l.contains("|-INFO in")).collect();
        let errors = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        tail.extend(errors.lines().map(|l| format!("stderr: {l}")));
        let from = tail.len().saturating_sub(25);
        tail[from..].join("\n")
    }
}

fn read(stdout: impl std::io::Read, output: &Output) {
    for line in BufReader::new(stdout).split(b'\n') {
        let Ok(line) = line else { break };
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let mut state = output.lines.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push(Line { at: Instant::now(), text });
        output.changed.notify_all();
    }
    let mut state = output.lines.lock().unwrap_or_else(PoisonError::into_inner);
    state.1 = true;
    output.changed.notify_all();
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.stdin = None;
        // Reaped, so that it does not stay behind as a zombie.
        let _ = self.child.wait();
    }
}
