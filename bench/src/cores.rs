//! Which cores programs may run on.

use ferromq_interop::Problem;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The cores that this run may use, by their numbers.
pub fn ours() -> Result<Vec<usize>, Problem> {
    let set = allowed()?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Does what starts programs; these, and what they start, stay on the cores that are named.
pub fn only<T>(cores: &[usize], work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    let before = allowed()?;
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    // A program begins with the cores of the thread that starts it.
    allow(&set)?;
    let result = work();
    allow(&before)?;
    result
}

fn allowed() -> Result<CpuSet, Problem> {
    sched_getaffinity(None)
        .map_err(|e| Problem::io("reading which cores may be used")(io::Error::from(e)))
}

fn allow(set: &CpuSet) -> Result<(), Problem> {
    sched_setaffinity(None, set).map_err(|e| Problem::io("choosing cores")(io::Error::from(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_program_stays_on_its_core_and_this_thread_does_not() {
        let all = ours().unwrap();
        let last = *all.last().unwrap();
        let told = only(&[last], || {
            Command::new("grep")
                .args(["Cpus_allowed_list", "/proc/self/status"])
                .output()
                .map_err(Problem::io("starting grep"))
        });
        let text = String::from_utf8(told.unwrap().stdout).unwrap();
        assert_eq!(text.split_whitespace().last(), Some(last.to_string().as_str()), "{text}");
        assert_eq!(ours().unwrap(), all);
    }
}
