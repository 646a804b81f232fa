//! Apache's own servers, on free ports: with small heaps for tests, or with the flags that the caller chooses.

use crate::process::Process;
use crate::settings::{self, Setting};
use crate::setup::{self, Part};
use crate::{Problem, ports};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Without these, Java 17 refuses what RocketMQ does.
pub const JVM_FLAGS: &[&str] = &[
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
];

/// Short lives on few cores: the second compiler and a parallel collector cost more than they give.
pub const SHORT_LIVED: &[&str] =
    &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

/// Which of Apache's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 4.9.7, the last 4.9 whose servers can be had as jars.
    V49,
    /// 5.5.0.
    V55,
}

impl Version {
    /// Its jars.
    pub fn part(self) -> Part {
        match self {
            Version::V49 => Part::Servers49,
            Version::V55 => Part::Servers55,
        }
    }
}

/// A Java command over a part's jars, its home moved to `home`.
pub fn java(part: Part, home: &Path, flags: &[&str], main: &str) -> Result<Command, Problem> {
    setup::ensure(part)?;
    let mut command = Command::new("java");
    command.args(JVM_FLAGS).args(flags);
    command.arg(format!("-Duser.home={}", home.display()));
    command.arg(format!("-Drmq.logback.configurationFile={}", quiet(home)?.display()));
    command.arg("-cp").arg(format!("{}/*", part.folder().display()));
    command.arg(main).env("ROCKETMQ_HOME", home);
    // The environment of whoever runs the tests must not reach the server.
    command.env_remove("NAMESRV_ADDR").env_remove("JAVA_OPT");
    Ok(command)
}

/// Settings for 5.x's logs: warnings to standard output, where a failed test shows them, and nothing to files.
const WARNINGS: &str = r#"<configuration>
  <statusListener class="org.apache.rocketmq.logging.ch.qos.logback.core.status.NopStatusListener"/>
  <appender name="out" class="org.apache.rocketmq.logging.ch.qos.logback.core.ConsoleAppender">
    <encoder class="org.apache.rocketmq.logging.ch.qos.logback.classic.encoder.PatternLayoutEncoder">
      <pattern>%d{HH:mm:ss.SSS} %p %c{0} %m%n</pattern>
    </encoder>
  </appender>
  <logger name="RocketmqTransaction" level="ERROR"/>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"#;

/// 4.9 insists on files of its own, with its own copy of the log library.
const LEGACY: [&str; 2] = ["logback_namesrv.xml", "logback_broker.xml"];

fn quiet(home: &Path) -> Result<PathBuf, Problem> {
    let file = home.join("logback.xml");
    if file.exists() {
        return Ok(file);
    }
    let conf = home.join("conf");
    std::fs::create_dir_all(&conf)
        .map_err(|source| Problem::File { path: conf.clone(), source })?;
    let legacy = WARNINGS.replace("org.apache.rocketmq.logging.ch", "ch");
    for name in LEGACY {
        write(&conf.join(name), &legacy)?;
    }
    write(&file, WARNINGS)?;
    Ok(file)
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).map_err(|source| Problem::File { path: path.to_owned(), source })
}

const STARTED: Duration = Duration::from_secs(90);

/// The flags of a short life with this heap.
fn small(heap: [&'static str; 2]) -> Vec<&'static str> {
    [SHORT_LIVED, &heap].concat()
}

/// Starts a name server and returns it with its address.
pub fn name_server(version: Version, home: &Path) -> Result<(Process, String), Problem> {
    name_server_with(version, home, &small(["-Xms128m", "-Xmx256m"]))
}

/// As [`name_server`], with flags for the JVM.
pub fn name_server_with(
    version: Version,
    home: &Path,
    flags: &[&str],
) -> Result<(Process, String), Problem> {
    let port = ports::single()?;
    let file = home.join("namesrv.conf");
    write(&file, &format!("listenPort={port}\nbindAddress=127.0.0.1\n"))?;
    let main = "org.apache.rocketmq.namesrv.NamesrvStartup";
    let mut command = java(version.part(), home, flags, main)?;
    command.arg("-c").arg(&file);
    let process = Process::start_guarded("apache-namesrv", &command, home)?;
    process.wait_line("boot success", STARTED, |l| l.contains("boot success"))?;
    Ok((process, format!("127.0.0.1:{port}")))
}

/// Starts a broker and returns it with its address; `wanted` are settings in place of the usual ones.
pub fn broker(
    version: Version,
    home: &Path,
    name: &str,
    namesrv: &str,
    wanted: &[Setting],
) -> Result<(Process, String), Problem> {
    let usual = [
        ("mappedFileSizeCommitLog", (64 << 20).to_string()),
        ("mapedFileSizeCommitLog", (64 << 20).to_string()),
        ("diskMaxUsedSpaceRatio", "95".to_owned()),
        ("enablePropertyFilter", "true".to_owned()),
        // A machine under load must be slow, not answer SYSTEM_BUSY.
        ("waitTimeMillsInSendQueue", "10000".to_owned()),
        ("waitTimeMillsInTransactionQueue", "10000".to_owned()),
        ("osPageCacheBusyTimeOutMills", "5000".to_owned()),
        ("sendMessageThreadPoolNums", "4".to_owned()),
        ("transactionCheckInterval", "3000".to_owned()),
        ("transactionTimeOut", "2000".to_owned()),
    ];
    let flags = small(["-Xms256m", "-Xmx512m"]);
    let settings = settings::merged(&usual, wanted);
    let (process, address) = launch_broker(version, home, name, namesrv, &flags, &settings)?;
    process.wait_line("boot success", STARTED, |l| l.contains("boot success"))?;
    Ok((process, address))
}

/// Starts a broker with flags for the JVM and settings beyond its name, addresses and directories, and does
/// not wait until it serves.
pub fn launch_broker(
    version: Version,
    home: &Path,
    name: &str,
    namesrv: &str,
    flags: &[&str],
    settings: &[Setting],
) -> Result<(Process, String), Problem> {
    let port = ports::broker()?;
    let store = home.join("store");
    let identity = [
        ("brokerClusterName", "DefaultCluster".to_owned()),
        ("brokerName", name.to_owned()),
        ("brokerId", "0".to_owned()),
        ("brokerIP1", "127.0.0.1".to_owned()),
        ("brokerIP2", "127.0.0.1".to_owned()),
        ("bindAddress", "127.0.0.1".to_owned()),
        ("listenPort", port.to_string()),
        ("namesrvAddr", namesrv.to_owned()),
        ("storePathRootDir", store.display().to_string()),
        ("storePathCommitLog", store.join("commitlog").display().to_string()),
    ];
    let file = home.join("broker.conf");
    write(&file, &settings::lines(&identity, settings))?;
    let main = "org.apache.rocketmq.broker.BrokerStartup";
    let mut command = java(version.part(), home, flags, main)?;
    command.arg("-c").arg(&file);
    let process = Process::start_guarded(&format!("apache-{name}"), &command, home)?;
    Ok((process, format!("127.0.0.1:{port}")))
}
