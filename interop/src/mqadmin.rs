//! Apache's admin tool, 5.5.0.

use crate::process::Process;
use crate::setup::Part;
use crate::{Cluster, Problem, apache};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static RUNS: AtomicU32 = AtomicU32::new(0);

/// What a command printed.
#[derive(Debug)]
pub struct Printed {
    /// All of standard output.
    pub text: String,
}

impl Printed {
    /// The first line with all of these words, in any place.
    pub fn line(&self, words: &[&str]) -> Result<&str, Problem> {
        self.text
            .lines()
            .find(|line| words.iter().all(|w| line.contains(w)))
            .ok_or_else(|| Problem::Wrong(format!("no line with {words:?} in:\n{}", self.text)))
    }
}

/// Runs `mqadmin COMMAND -n NAMESRV ARGUMENTS…`. The tool ends with 0 whatever happens: what it prints tells.
pub fn run(cluster: &Cluster, command: &str, arguments: &[&str]) -> Result<Printed, Problem> {
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let home = cluster.folder();
    let flags = [apache::SHORT_LIVED, &["-Xms64m", "-Xmx256m"]].concat();
    let main = "org.apache.rocketmq.tools.command.MQAdminStartup";
    let mut java = apache::java(Part::Servers55, home, &flags, main)?;
    // Some commands write their findings into the folder they run in.
    java.current_dir(home);
    java.arg(command).args(["-n", &cluster.namesrv]).args(arguments);
    let mut process = Process::start(&format!("mqadmin-{command}-{number}"), java, home)?;
    process.wait_end(Duration::from_secs(60))?;
    let _ = process.wait("", Duration::from_secs(5), |_| None::<()>);
    let lines: Vec<String> = process.lines().into_iter().map(|l| l.text).collect();
    let text = lines.join("\n");
    // Its own errors go to standard error or come as a stack trace.
    if process.tail().contains("SubCommandException") || text.contains("SubCommandException") {
        return Err(Problem::Reported {
            name: format!("mqadmin {command}"),
            text: "SubCommandException".to_owned(),
            tail: process.tail(),
        });
    }
    Ok(Printed { text })
}
