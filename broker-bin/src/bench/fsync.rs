//! `ferromq bench fsync`: sends that wait for the disk, beside what the disk itself does.

use super::histogram::{Latencies, Summary};
use super::options::{Common, Load, LoadArgs};
use super::produce;
use super::report::Report;
use super::target::{Broker, prepare, with_admin};
use crate::exit::{Failure, Outcome};
use clap::Args;
use rustix::fs::{FallocateFlags, fallocate};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `ferromq bench fsync`.
#[derive(Args, Debug)]
pub struct FsyncArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    load: LoadArgs,
    /// Measure how often a file in this directory can be synced: the broker's, or one on its disk
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<&'a Path>,
    #[serde(flatten)]
    load: &'a Load,
}

/// Measures the disk, then sends with one and with many on their way.
pub async fn fsync(args: FsyncArgs) -> Outcome {
    let (common, data_dir) = (&args.common, args.data_dir.as_deref());
    let load = args.load.or(Load { size: 1024, connections: 1, window: 64, ..Load::default() });
    load.check()?;
    let topics = [common.topic.clone()];
    let brokers = prepare(common, &topics).await?;
    let disk = data_dir.map(|path| measure_disk(path, load.size)).transpose()?;
    let one = Load { connections: 1, window: 1, ..load.clone() };
    let one_in_flight = produce::send(common, &one, &brokers, &topics)?;
    let before = counted(common, &brokers).await?;
    let mut run = produce::send(common, &load, &brokers, &topics)?;
    let after = counted(common, &brokers).await?;
    let many = run.messages_per_second;
    run.also_failed(&one_in_flight);
    let mut report = Report::new("fsync", common, &Options { data_dir, load: &load }, run)
        .with("one_in_flight", one_in_flight);
    if let Some(shared) = Shared::between(before, after, many) {
        report = report.with("syncs", shared);
    }
    if let Some(disk) = disk {
        report = report.with("messages_per_sync", many / disk.per_second).with("fdatasync", disk);
    }
    report.finish(common)
}

/// What brokers have counted since their start.
#[derive(Clone, Copy, Default)]
struct Counted {
    messages: u64,
    syncs: u64,
}

/// What the brokers have counted. Those that do not tell their syncs count none.
async fn counted(common: &Common, brokers: &[Broker]) -> Result<Counted, Failure> {
    if common.broker.is_some() {
        // Whoever names a broker has no name server to ask it through.
        return Ok(Counted::default());
    }
    with_admin(common, async |admin| {
        let mut all = Counted::default();
        for broker in brokers {
            let info = admin.runtime_info(&broker.address.to_string()).await?;
            let figure =
                |key: &str| info.get(key).and_then(|value| value.parse().ok()).unwrap_or(0);
            all.messages += figure("putMessageTimesTotal");
            all.syncs += figure("commitLogSyncTimesTotal");
        }
        Ok(all)
    })
    .await
}

/// How messages shared syncs, warm-up included.
#[derive(Serialize)]
struct Shared {
    /// Of the measured interval, by how many messages shared one.
    per_second: f64,
    messages_per_sync: f64,
}

impl Shared {
    fn between(before: Counted, after: Counted, rate: f64) -> Option<Shared> {
        let syncs = after.syncs.checked_sub(before.syncs).filter(|syncs| *syncs > 0)?;
        let messages = after.messages.saturating_sub(before.messages).max(1);
        let messages_per_sync = messages as f64 / syncs as f64;
        Some(Shared { per_second: rate / messages_per_sync, messages_per_sync })
    }
}

/// What the disk does.
#[derive(Serialize)]
struct Disk {
    per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Summary>,
}

/// How long the disk is measured.
const DURATION: Duration = Duration::from_secs(2);
/// Space that exists before anything is written, as in a broker's log.
const SPACE: u64 = 64 * 1024 * 1024;
/// What a record takes beside its body, about.
const AROUND: usize = 200;

/// Writes records one after the other into a file with space made beforehand, and syncs each.
fn measure_disk(directory: &Path, size: usize) -> io::Result<Disk> {
    let path = directory.join(format!("ferromq-bench-{}.tmp", std::process::id()));
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(told)?;
    let measured = sync_often(&file, size + AROUND).map_err(told);
    std::fs::remove_file(&path).map_err(told)?;
    measured
}

fn sync_often(file: &File, size: usize) -> io::Result<Disk> {
    fallocate(file, FallocateFlags::empty(), 0, SPACE)?;
    file.sync_all()?;
    let record = vec![b'x'; size];
    let mut latencies = Latencies::default();
    let (mut at, mut count) = (0, 0u32);
    let begin = Instant::now();
    while begin.elapsed() < DURATION {
        let start = Instant::now();
        file.write_all_at(&record, at)?;
        file.sync_data()?;
        latencies.record(start.elapsed().as_nanos() as u64);
        count += 1;
        at += size as u64;
        if at + size as u64 > SPACE {
            at = 0;
        }
    }
    let per_second = f64::from(count) / begin.elapsed().as_secs_f64();
    Ok(Disk { per_second, latency_us: latencies.summary() })
}
