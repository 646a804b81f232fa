//! Writes what came of a run.

use crate::page;
use crate::plots;
use crate::results::Report;
use ferromq_interop::{Problem, setup};
use std::path::{Path, PathBuf};

/// The folder of the repository.
pub fn root() -> PathBuf {
    setup::root().join("..")
}

/// Where the results of whole runs are committed.
pub fn committed() -> PathBuf {
    root().join("docs/benchmarks")
}

/// The file of all figures.
pub const RESULTS: &str = "results.json";
/// The page.
pub const PAGE: &str = "results.md";

/// Reads `results.json` of a folder, if there is one.
pub fn read(folder: &Path) -> Result<Option<Report>, Problem> {
    let path = folder.join(RESULTS);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|source| Problem::File { path: path.clone(), source })?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Problem::Wrong(format!("{}: {e}", path.display())))
}

/// Writes `results.json` alone.
pub fn keep(report: &Report, folder: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(folder)
        .map_err(|source| Problem::File { path: folder.to_owned(), source })?;
    let text = serde_json::to_string_pretty(report)
        .map_err(|e| Problem::Wrong(format!("the results cannot be written as JSON: {e}")))?;
    write(&folder.join(RESULTS), &(text + "\n"))
}

/// Writes the samples.
pub fn keep_samples(samples: &[serde_json::Value], folder: &Path) -> Result<(), Problem> {
    let text: String = samples.iter().map(|sample| format!("{sample}\n")).collect();
    write(&folder.join("samples.jsonl"), &text)
}

/// Writes figures, page and plots; and the table of the README if it is there that results are committed.
pub fn publish(report: &Report, folder: &Path) -> Result<(), Problem> {
    keep(report, folder)?;
    write(&folder.join(PAGE), &page::page(report))?;
    for plot in plots::ALL.iter().filter(|plot| plot.has_figures(report)) {
        write(&folder.join(format!("{}.svg", plot.file)), &plot.svg(report)?)?;
        plot.png(report, &folder.join(format!("{}.png", plot.file)))?;
    }
    let same = |a: &Path, b: &Path| a.canonicalize().ok() == b.canonicalize().ok();
    if !same(folder, &committed()) {
        return Ok(());
    }
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path)
        .map_err(|source| Problem::File { path: path.clone(), source })?;
    match page::with_headline(&readme, &page::headline(Some(report))) {
        Some(readme) => write(&path, &readme),
        None => {
            Err(Problem::Wrong("README.md has no place for the table of benchmarks".to_owned()))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).map_err(|source| Problem::File { path: path.to_owned(), source })
}
