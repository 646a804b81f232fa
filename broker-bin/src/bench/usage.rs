//! What a process used, as the operating system tells it.

use serde::Serialize;
use std::fs;
use std::io;
use std::time::Duration;

/// A process's figures at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time of all its threads outside the kernel.
    pub user: Duration,
    /// CPU time of all its threads in the kernel.
    pub system: Duration,
    /// Threads.
    pub threads: u64,
    /// Resident memory in bytes, files that it maps included.
    pub rss: u64,
    /// Resident memory in bytes without files.
    pub rss_anon: u64,
    /// The most that was ever resident, in bytes.
    pub peak_rss: u64,
    /// Bytes that it caused to be written to disk.
    pub written: u64,
}

impl Usage {
    /// Reads `/proc/PID`.
    ///
    /// # Errors
    /// When there is no such process, or another user's.
    pub fn of(pid: i32) -> io::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            let told = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
            fs::read_to_string(&path).map_err(told)
        };
        let mut usage = Usage::default();
        usage.read_stat(&read("stat")?);
        usage.read_status(&read("status")?);
        // Only its own user may read this one.
        usage.read_io(&read("io").unwrap_or_default());
        Ok(usage)
    }

    /// This process's.
    pub fn own() -> Self {
        Usage::of(std::process::id() as i32).unwrap_or_default()
    }

    fn read_stat(&mut self, text: &str) {
        // The name may hold blanks and parentheses; what follows the last one does not.
        let fields: Vec<&str> = match text.rsplit_once(')') {
            Some((_, rest)) => rest.split_ascii_whitespace().collect(),
            None => return,
        };
        let number = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let time = |index| Duration::from_secs_f64(number(index).unwrap_or(0u64) as f64 / ticks);
        self.user = time(11);
        self.system = time(12);
        self.threads = number(17).unwrap_or(0);
    }

    fn read_status(&mut self, text: &str) {
        self.rss = kib(text, "VmRSS:");
        self.rss_anon = kib(text, "RssAnon:");
        self.peak_rss = kib(text, "VmHWM:");
    }

    fn read_io(&mut self, text: &str) {
        self.written = value(text, "write_bytes:").unwrap_or(0);
    }
}

fn kib(text: &str, name: &str) -> u64 {
    value(text, name).unwrap_or(0) * 1024
}

fn value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// What a server used while it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ServerUsage {
    /// CPU seconds outside the kernel.
    pub cpu_user_seconds: f64,
    /// CPU seconds in the kernel.
    pub cpu_system_seconds: f64,
    /// Both, per million messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_per_million: Option<f64>,
    /// Resident bytes at the end.
    pub rss_bytes: u64,
    /// Resident bytes without files and page cache, at the end.
    pub rss_anon_bytes: u64,
    /// By how much that has grown per connection, where connections are what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes_per_connection: Option<f64>,
    /// The most resident bytes of the process so far.
    pub peak_rss_bytes: u64,
    /// Bytes written to disk.
    pub written_bytes: u64,
    /// Threads at the end.
    pub threads: u64,
}

impl ServerUsage {
    /// What was used between two times, for so many messages.
    pub fn between(before: &Usage, after: &Usage, messages: u64) -> Self {
        let user = after.user.saturating_sub(before.user).as_secs_f64();
        let system = after.system.saturating_sub(before.system).as_secs_f64();
        let per_million = (user + system) * 1e6 / messages as f64;
        ServerUsage {
            cpu_user_seconds: user,
            cpu_system_seconds: system,
            cpu_seconds_per_million: (messages > 0).then_some(per_million),
            rss_bytes: after.rss,
            rss_anon_bytes: after.rss_anon,
            rss_bytes_per_connection: None,
            peak_rss_bytes: after.peak_rss,
            written_bytes: after.written.saturating_sub(before.written),
            threads: after.threads,
        }
    }
}

/// What the generator itself used.
#[derive(Clone, Debug, Serialize)]
pub struct ClientUsage {
    /// CPU seconds outside the kernel.
    pub cpu_user_seconds: f64,
    /// CPU seconds in the kernel.
    pub cpu_system_seconds: f64,
}

impl ClientUsage {
    /// What was used between two times.
    pub fn between(before: &Usage, after: &Usage) -> Self {
        ClientUsage {
            cpu_user_seconds: after.user.saturating_sub(before.user).as_secs_f64(),
            cpu_system_seconds: after.system.saturating_sub(before.system).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let mut usage = Usage::default();
        usage.read_stat(
            "17 (a ) b) S 1 17 17 0 -1 4194560 1 0 0 0 250 125 0 0 20 0 9 0 100 1 2 3\n",
        );
        usage.read_status("Name:\tx\nVmHWM:\t  30 kB\nVmRSS:\t  20 kB\nRssAnon:\t  10 kB\n");
        usage.read_io("rchar: 1\nwchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n");
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(usage.user, Duration::from_secs_f64(250.0 / ticks));
        assert_eq!(usage.system, Duration::from_secs_f64(125.0 / ticks));
        assert_eq!((usage.threads, usage.written), (9, 4096));
        assert_eq!((usage.peak_rss, usage.rss, usage.rss_anon), (30_720, 20_480, 10_240));
    }

    #[test]
    fn this_process_is_there_and_a_process_that_is_not_is_named() {
        assert!(Usage::own().rss > 0);
        assert!(Usage::of(i32::MAX).unwrap_err().to_string().contains("/proc/"));
    }
}
