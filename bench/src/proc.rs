//! What the operating system says a process has used.

use ferromq_interop::Problem;
use std::path::PathBuf;

/// Reads `/proc/PID/name`.
fn read(pid: u32, name: &str) -> Result<String, Problem> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    std::fs::read_to_string(&path).map_err(|source| Problem::File { path, source })
}

/// Seconds of CPU time, user and system, that a process has used.
pub fn cpu_seconds(pid: u32) -> Result<f64, Problem> {
    let text = read(pid, "stat")?;
    let ticks = ticks(&text).ok_or_else(|| Problem::Wrong(format!("strange stat: {text}")))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Fields 14 and 15; the name in field 2 may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident, pages of mapped files among it.
    pub resident: u64,
    /// What is resident and of no file: heap, stacks, and what Java took.
    pub anonymous: u64,
}

/// What a process holds now.
pub fn memory(pid: u32) -> Result<Memory, Problem> {
    let text = read(pid, "status")?;
    let field = |name| kibibytes(&text, name).map(|n| n << 10);
    match (field("VmRSS"), field("RssAnon")) {
        (Some(resident), Some(anonymous)) => Ok(Memory { resident, anonymous }),
        _ => Err(Problem::Wrong(format!("process {pid} has no memory figures; it has ended"))),
    }
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 120 34 0 0 20 0 1 0 9 0 0";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn own_figures_are_there() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.resident >= memory.anonymous && memory.anonymous > 0);
        assert!(cpu_seconds(own).unwrap() >= 0.0);
    }
}
