//! A row from end to end, in a fraction of a second: servers, load, figures. What they are is of no matter here.

use ferromq_bench::cores;
use ferromq_bench::results::{Report, Subject};
use ferromq_bench::rig::Rig;
use ferromq_bench::run::{Selection, run};
use ferromq_bench::scale::Scale;
use ferromq_interop::{Problem, ours, skip};

/// One row's figures of our server.
fn ours(id: &str) -> Result<Report, Problem> {
    let program = ours::program("ferromq", "FERROMQ_BIN")?;
    let mut rig = Rig::with_program(Scale::smoke(), program)?;
    let selection = Selection::new(&[id.to_owned()], &[Subject::Ferromq])?;
    run(&mut rig, &selection, |_| Ok(()))
}

fn medians(report: &Report) -> Vec<(&str, f64)> {
    let [row] = report.rows.as_slice() else { panic!("one row: {report:?}") };
    assert_eq!(row.failures, []);
    row.measures
        .iter()
        .filter_map(|measure| Some((measure.id.as_str(), measure.median(Subject::Ferromq)?)))
        .collect()
}

#[test]
fn one_topic_and_many_are_loaded_in_turns() {
    let work = || {
        let report = ours("topics")?;
        let figures = medians(&report);
        let names: Vec<&str> = figures.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["rate-1", "kept-10000", "rate-10000"]);
        assert!(figures.iter().all(|(_, figure)| *figure > 0.0), "{report:?}");
        let rounds: Vec<&[f64]> = report.rows[0]
            .measures
            .iter()
            .filter_map(|m| m.values.get(&Subject::Ferromq).map(Vec::as_slice))
            .collect();
        for round in 0..rounds[0].len() {
            let [one, kept, many] = [0, 1, 2].map(|measure| rounds[measure][round]);
            // On a machine with other things to do, a round may be over before anything is stored.
            let kept_of_one = || (kept - 100.0 * many / one).abs() < 1e-9;
            assert!(one == 0.0 || kept_of_one(), "round {round}: {rounds:?}");
        }
        assert!(rounds.iter().all(|figures| figures.len() == rounds[0].len() && figures.len() > 1));
        Ok(())
    };
    skip::unless_missing("a row of make bench", work()).unwrap();
}

#[test]
fn a_server_is_measured_on_one_core_and_on_two() {
    let work = || {
        if cores::ours()?.len() < 2 {
            let reason = "the row needs two".to_owned();
            return Err(Problem::Missing { tool: "a second core".to_owned(), reason });
        }
        let report = ours("cores")?;
        let figures = medians(&report);
        assert_eq!(figures.len(), 5, "{report:?}");
        assert!((figures[2].1 - figures[1].1 / figures[0].1).abs() < 1e-9, "{report:?}");
        Ok(())
    };
    skip::unless_missing("a row of make bench", work()).unwrap();
}

#[test]
fn sends_give_figures_of_our_server_and_of_the_echo_server() {
    skip::unless_missing("a row of make bench", measure()).unwrap();
}

fn measure() -> Result<(), Problem> {
    let program = ours::program("ferromq", "FERROMQ_BIN")?;
    let mut rig = Rig::with_program(Scale::smoke(), program)?;
    // Not where the other tests have theirs.
    let folder = tempfile::tempdir_in(&rig.scratch).expect("a folder");
    rig.scratch = folder.path().to_path_buf();
    let selection = Selection::new(&["send-128".to_owned()], &[Subject::Ferromq, Subject::Echo])?;
    let mut kept = 0;
    let report = run(&mut rig, &selection, |_| {
        kept += 1;
        Ok(())
    })?;
    let [row] = report.rows.as_slice() else { panic!("one row: {report:?}") };
    assert_eq!(row.failures, []);
    assert_eq!(kept, 1, "the figures are kept after each row");
    let measure = |id: &str| row.measures.iter().find(|m| m.id == id).expect("a measure");
    let median = |id: &str, subject| measure(id).median(subject).expect("a figure");
    for subject in [Subject::Ferromq, Subject::Echo] {
        assert!(median("rate", subject) > 0.0, "{subject:?}");
        assert!(median("cpu", subject) >= 0.0, "{subject:?}");
    }
    assert!(median("memory", Subject::Ferromq) > 0.0);
    assert_eq!(measure("rate").median(Subject::Apache), None);
    assert_eq!(rig.samples.len(), 2);
    assert!(rig.samples.iter().all(|s| s["row"] == "send-128" && s["repetition"] == 1));
    // Nothing is left on the disk.
    assert_eq!(std::fs::read_dir(&rig.scratch).expect("the scratch folder").count(), 0);
    Ok(())
}
