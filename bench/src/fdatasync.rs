//! The limit of synchronous flush: how often the disk takes an append for good.

use ferromq_interop::Problem;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the file, written before: a sync is of data alone, as in a segment that has been prepared.
const FILE: usize = 64 << 20;

/// Writes of so many bytes that can be followed by fdatasync in a second.
pub fn per_second(scratch: &Path, bytes: usize, duration: Duration) -> Result<f64, Problem> {
    measure(scratch, bytes, duration).map_err(Problem::io("measuring fdatasync"))
}

fn measure(scratch: &Path, bytes: usize, duration: Duration) -> std::io::Result<f64> {
    let file: File = tempfile::tempfile_in(scratch)?;
    file.write_all_at(&vec![0; FILE], 0)?;
    file.sync_all()?;
    let append = vec![7; bytes];
    let since = Instant::now();
    let mut syncs = 0u64;
    while since.elapsed() < duration {
        let offset = syncs as usize * bytes % (FILE - bytes);
        file.write_all_at(&append, offset as u64)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(syncs as f64 / since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(per_second(folder.path(), 1200, Duration::from_millis(20)).unwrap() > 0.0);
    }
}
