//! Name server and broker of each kind, on this machine's disk, and how long they take to start and to end.

use crate::interrupt;
use crate::machine;
use crate::proc;
use crate::results::Subject;
use ferromq_interop::apache::{self, Version};
use ferromq_interop::process::Process;
use ferromq_interop::{Problem, ours, ports, wire};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Flags of Apache's servers: those of its `runbroker.sh` and `runserver.sh`, its sizes made to fit the machine.
#[derive(Clone, Debug)]
pub struct Jvm {
    /// Of the broker.
    pub broker: Vec<String>,
    /// Of the name server.
    pub namesrv: Vec<String>,
}

impl Jvm {
    /// An eighth of the memory for the broker's heap, at most the 8 GiB that the script asks for, and direct
    /// memory in the script's proportion, but room for one commit log segment at least.
    pub fn for_memory(bytes: u64) -> Jvm {
        let gib = bytes as f64 / (1u64 << 30) as f64;
        let heap = (gib / 8.0).round().clamp(1.0, 8.0);
        let direct = (heap * 15.0 / 8.0).floor().clamp(4.0, 15.0);
        let names = (heap / 2.0 * 1024.0).min(4096.0);
        let flags = |text: String| text.split_whitespace().map(str::to_owned).collect();
        Jvm {
            broker: flags(format!(
                "-server -Xms{heap}g -Xmx{heap}g -XX:+UseG1GC -XX:G1HeapRegionSize=16m -XX:G1ReservePercent=25 \
                 -XX:InitiatingHeapOccupancyPercent=30 -XX:SoftRefLRUPolicyMSPerMB=0 -XX:-OmitStackTraceInFastThrow \
                 -XX:+AlwaysPreTouch -XX:MaxDirectMemorySize={direct}g -XX:-UseLargePages"
            )),
            namesrv: flags(format!(
                "-server -Xms{names}m -Xmx{names}m -XX:+UseG1GC -XX:G1HeapRegionSize=16m -XX:G1ReservePercent=25 \
                 -XX:InitiatingHeapOccupancyPercent=30 -XX:SoftRefLRUPolicyMSPerMB=0 -XX:-OmitStackTraceInFastThrow \
                 -XX:-UseLargePages"
            )),
        }
    }

    /// For this machine.
    pub fn here() -> Jvm {
        Jvm::for_memory(machine::memory())
    }
}

/// Settings of a broker beyond name, addresses and directories.
pub type Settings<'a> = &'a [(&'static str, String)];

/// A running server, or the broker with its name server.
pub struct Running {
    /// Whose it is.
    pub subject: Subject,
    /// The name server, if there is one.
    pub namesrv: Option<String>,
    /// Where messages go.
    pub broker: String,
    /// From the start of the broker's process to its first acknowledgement.
    pub started_in: Duration,
    process: Process,
    names: Option<Process>,
    // Last, so that the servers have ended when their files go.
    folder: TempDir,
}

/// What a kind of server needs to start.
pub struct Launcher<'a> {
    /// The program `ferromq`.
    pub ferromq: &'a Path,
    /// Flags for Apache's servers.
    pub jvm: &'a Jvm,
    /// Where data directories are made.
    pub scratch: &'a Path,
}

const BROKER: &str = "bench-broker";
/// A commit log goes into gigabytes, and the disk may be fuller than servers like it: they would delete
/// what is measured, or refuse sends.
const ROOM: [(&str, &str); 3] = [
    ("diskMaxUsedSpaceRatio", "95"),
    ("diskSpaceCleanForciblyRatio", "97"),
    ("diskSpaceWarningLevelRatio", "98"),
];
/// A broker is at rest when it has used less than so much of a core in every interval of such a time.
const AT_REST: f64 = 0.2;
const LOOK: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(60);
const ENDED: Duration = Duration::from_secs(120);

impl Launcher<'_> {
    /// Starts a server on an empty data directory.
    pub fn start(&self, subject: Subject, settings: Settings<'_>) -> Result<Running, Problem> {
        let folder = tempfile::Builder::new()
            .prefix("data-")
            .tempdir_in(self.scratch)
            .map_err(Problem::io("creating a data directory"))?;
        match subject {
            Subject::Echo => self.echo(folder),
            _ => {
                let (names, address) = self.name_server(subject, folder.path())?;
                self.broker(subject, settings, names, address, folder)
            }
        }
    }

    /// Starts the broker again on the data directory of a server that was killed.
    pub fn again(&self, mut killed: Running, settings: Settings<'_>) -> Result<Running, Problem> {
        killed.process.kill();
        let _ = killed.process.wait_end(ENDED)?;
        match (killed.names, killed.namesrv) {
            (Some(names), Some(address)) => {
                self.broker(killed.subject, settings, names, address, killed.folder)
            }
            _ => Err(Problem::Wrong("the echo server has nothing to start again from".to_owned())),
        }
    }

    fn echo(&self, folder: TempDir) -> Result<Running, Problem> {
        let mut command = Command::new(self.ferromq);
        command.args(["bench", "echo"]);
        let since = Instant::now();
        let process = Process::start_guarded("echo", &command, folder.path())?;
        let line = process
            .wait_line("ready line", SETTLED, |line| line.starts_with("ferromq echo ready"))?;
        let broker = line
            .split("address=")
            .nth(1)
            .map(|rest| rest.trim().to_owned())
            .ok_or_else(|| Problem::Wrong(format!("no address in {line:?}")))?;
        let started_in = since.elapsed();
        let subject = Subject::Echo;
        Ok(Running { subject, namesrv: None, broker, started_in, process, names: None, folder })
    }

    fn name_server(&self, subject: Subject, home: &Path) -> Result<(Process, String), Problem> {
        if subject == Subject::Apache {
            let flags: Vec<&str> = self.jvm.namesrv.iter().map(String::as_str).collect();
            return apache::name_server_with(Version::V55, home, &flags);
        }
        let settings =
            [("listenPort", ports::single()?.to_string()), ("bindAddress", "127.0.0.1".to_owned())];
        ours::with_settings(self.ferromq, "namesrv", home, "namesrv", &settings, &[])
    }

    fn broker(
        &self,
        subject: Subject,
        settings: Settings<'_>,
        names: Process,
        namesrv: String,
        folder: TempDir,
    ) -> Result<Running, Problem> {
        let mut settings = settings.to_vec();
        settings.extend(ROOM.map(|(key, value)| (key, value.to_owned())));
        let home = folder.path();
        let since;
        let (process, broker) = match subject {
            Subject::Apache => {
                let flags: Vec<&str> = self.jvm.broker.iter().map(String::as_str).collect();
                since = Instant::now();
                apache::launch_broker(Version::V55, home, BROKER, &namesrv, &flags, &settings)?
            }
            _ => {
                settings.extend([
                    ("brokerClusterName", "DefaultCluster".to_owned()),
                    ("brokerName", BROKER.to_owned()),
                    ("brokerId", "0".to_owned()),
                    ("brokerIP1", "127.0.0.1".to_owned()),
                    ("bindAddress", "127.0.0.1".to_owned()),
                    ("listenPort", ports::broker()?.to_string()),
                    ("namesrvAddr", namesrv.clone()),
                    ("storePathRootDir", home.join("store").display().to_string()),
                ]);
                since = Instant::now();
                ours::with_settings(self.ferromq, "broker", home, BROKER, &settings, &[])?
            }
        };
        acknowledged(&process, &broker)?;
        let started_in = since.elapsed();
        wire::broker_name(&namesrv, &broker, SETTLED)?;
        let names = Some(names);
        Ok(Running { subject, namesrv: Some(namesrv), broker, started_in, process, names, folder })
    }
}

/// Waits until the broker acknowledges a message.
fn acknowledged(process: &Process, broker: &str) -> Result<(), Problem> {
    let fields = [
        ("producerGroup", "ferromq-bench"),
        ("topic", "FerroBenchFirst"),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", "0"),
        ("bornTimestamp", "0"),
        ("flag", "0"),
        ("properties", ""),
        ("reconsumeTimes", "0"),
        ("unitMode", "false"),
        ("batch", "false"),
    ];
    const SEND_MESSAGE: i32 = 10;
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let problem = match wire::succeed(broker, SEND_MESSAGE, &fields, b"first") {
            Ok(_) => return Ok(()),
            Err(problem) => problem,
        };
        interrupt::check()?;
        if Instant::now() >= deadline || !alive(process.pid()) {
            return Err(Problem::Wrong(format!("{problem}\n{}", process.tail())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

impl Running {
    /// The process of the broker, or of the echo server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How `ferromq bench` is told where it is.
    pub fn address(&self) -> [&str; 2] {
        match &self.namesrv {
            Some(namesrv) => ["--namesrv", namesrv],
            None => ["--broker", &self.broker],
        }
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it from running, so that it uses nothing while others are measured.
    pub fn freeze(&self) {
        self.process.freeze();
        if let Some(names) = &self.names {
            names.freeze();
        }
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        if let Some(names) = &self.names {
            names.thaw();
        }
        self.process.thaw();
    }

    /// Lets it go on after a long time, and waits until it has made up for what was due meanwhile and the name
    /// server knows the broker again.
    pub fn thaw(&self) -> Result<(), Problem> {
        self.go_on();
        self.rest()?;
        let Some(namesrv) = &self.namesrv else { return Ok(()) };
        wire::broker_name(namesrv, &self.broker, SETTLED).map(drop)
    }

    /// Waits until the broker has nothing left to do, so that no row pays for the one before, or for a start.
    pub fn rest(&self) -> Result<(), Problem> {
        let until = Instant::now() + SETTLED;
        let mut quiet = Duration::ZERO;
        while quiet < QUIET && Instant::now() < until {
            let (since, before) = (Instant::now(), proc::cpu_seconds(self.pid())?);
            interrupt::rest(LOOK)?;
            let used = proc::cpu_seconds(self.pid())? - before;
            quiet = match used <= AT_REST * since.elapsed().as_secs_f64() {
                true => quiet + LOOK,
                false => Duration::ZERO,
            };
        }
        Ok(())
    }

    /// Ends it with SIGTERM; how long that takes.
    pub fn stop(mut self) -> Result<Duration, Problem> {
        let since = Instant::now();
        self.process.terminate(ENDED)?;
        Ok(since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_fit_the_machine() {
        let has =
            |gib: u64, flag: &str| Jvm::for_memory(gib << 30).broker.iter().any(|f| f == flag);
        assert!(has(4, "-Xms1g") && has(4, "-XX:MaxDirectMemorySize=4g"));
        assert!(has(24, "-Xms3g") && has(24, "-XX:MaxDirectMemorySize=5g"));
        assert!(has(256, "-Xmx8g") && has(256, "-XX:MaxDirectMemorySize=15g"));
    }
}
