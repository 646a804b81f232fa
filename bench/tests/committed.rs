//! The committed page, plots and README are what the committed figures give: they cannot drift apart.
//! `cargo run -p ferromq-bench -- render` writes them anew.

use ferromq_bench::{page, plots, publish};

fn text(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_readme_shows_the_committed_figures() {
    let report = publish::read(&publish::committed()).unwrap();
    let readme = text(&publish::root().join("README.md"));
    let current = page::with_headline(&readme, &page::headline(report.as_ref()));
    assert_eq!(current.as_deref(), Some(readme.as_str()), "run `ferromq-bench render`");
}

#[test]
fn page_and_plots_show_the_committed_figures() {
    let folder = publish::committed();
    let Some(report) = publish::read(&folder).unwrap() else {
        assert!(!folder.join(publish::PAGE).exists(), "a page without figures");
        return;
    };
    assert_eq!(
        text(&folder.join(publish::PAGE)),
        page::page(&report),
        "run `ferromq-bench render`"
    );
    for plot in plots::ALL.iter().filter(|plot| plot.has_figures(&report)) {
        let file = folder.join(format!("{}.svg", plot.file));
        assert_eq!(text(&file), plot.svg(&report).unwrap(), "run `ferromq-bench render`");
        assert!(file.with_extension("png").exists(), "{} as PNG", plot.file);
    }
}
