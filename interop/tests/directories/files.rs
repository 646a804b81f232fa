//! The directory's files: whether those that our broker does not use are left alone, and whether those
//! that it does use have rolled over.

use crate::{Failure, Plan, SEGMENT, Turn, ensure_that};
use ferromq_interop::{Problem, ServerKind};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// What our broker writes, in the data directory.
const OURS: [&str; 8] =
    ["commitlog", "log-a", "log-b", "consumequeue", "index", "checkpoint", "abort", "lock"];
/// Its tables, of which the state before is kept in a `.bak` each.
const TABLES: [&str; 4] = [
    "config/topics.json",
    "config/subscriptionGroup.json",
    "config/consumerOffset.json",
    "config/delayOffset.json",
];

/// The content of each file that our broker does not use, as a length and a hash.
pub fn of_others(store: &Path) -> Result<BTreeMap<PathBuf, (u64, u64)>, Problem> {
    let mut found = BTreeMap::new();
    visit(store, store, &mut found)?;
    Ok(found)
}

fn visit(
    store: &Path,
    folder: &Path,
    found: &mut BTreeMap<PathBuf, (u64, u64)>,
) -> Result<(), Problem> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Problem::File { path, source }
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed(folder))?,
    };
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.strip_prefix(store).unwrap_or(&path).to_path_buf();
        let table = name.to_string_lossy();
        if OURS.iter().any(|ours| name == Path::new(ours))
            || TABLES.contains(&table.trim_end_matches(".bak"))
        {
            continue;
        }
        if path.is_dir() {
            visit(store, &path, found)?;
            continue;
        }
        let bytes = std::fs::read(&path).map_err(failed(&path))?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        found.insert(name, (bytes.len() as u64, hasher.finish()));
    }
    Ok(())
}

/// A broker of ours that wants the directory while another has it is turned away.
pub fn one_at_a_time(turn: &Turn<'_>, home: &Path) -> Result<(), Problem> {
    let mut settings = turn.plan.settings(turn.store);
    settings.push(("storePathRootDir", turn.store.display().to_string()));
    let second = home.join("second");
    std::fs::create_dir_all(&second).map_err(Problem::io("creating a folder"))?;
    match ServerKind::FerroMq.broker(&second, "second", turn.namesrv, &settings) {
        Err(Problem::Ended { tail, .. }) if tail.contains("in use by another broker") => Ok(()),
        Err(other) => Err(other),
        Ok(_) => Err(Problem::Wrong("two brokers use one directory".to_owned())),
    }
}

/// What was there is there, and as it was.
pub fn unchanged(
    before: &BTreeMap<PathBuf, (u64, u64)>,
    after: &BTreeMap<PathBuf, (u64, u64)>,
) -> Result<(), Failure> {
    let own = Path::new("ferromq-deleted-topics");
    for (path, content) in before.iter().filter(|(path, _)| *path != own) {
        ensure_that(after.get(path) == Some(content), || {
            format!("{} is not as the other broker left it: {:?}", path.display(), after.get(path))
        })?;
    }
    Ok(())
}

/// The numbers in the names of a folder's files.
fn numbers(folder: &Path) -> Result<Vec<i64>, Failure> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        numbers.push(entry?.file_name().to_string_lossy().parse()?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The turns wrote enough for several files of each kind, and segments lie where they belong.
pub fn rolled_over(plan: &Plan, store: &Path) -> Result<(), Failure> {
    let paths = plan.log_paths(store);
    let mut segments = 0;
    for (turn, path) in paths.iter().enumerate() {
        let found = numbers(path)?;
        segments += found.len();
        let belongs = |base: &i64| (base / SEGMENT) as usize % paths.len() == turn;
        ensure_that(found.iter().all(belongs), || format!("{}: {found:?}", path.display()))?;
    }
    let queue = numbers(&store.join("consumequeue/Kept/0"))?.len();
    let index = numbers(&store.join("index"))?.len();
    ensure_that(segments > 2 && queue > 2 && index > 2, || {
        format!("{segments} segments, {queue} queue files and {index} index files are too few")
    })
}
