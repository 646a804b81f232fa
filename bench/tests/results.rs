//! From figures to verdicts, tables and plots.

use ferromq_bench::results::{Measure, Report, Subject, median};
use ferromq_bench::target::{Verdict, at_least, at_most, no_more_than};
use ferromq_bench::unit::Unit;
use ferromq_bench::{page, publish};

fn fixture() -> Report {
    serde_json::from_str(include_str!("fixtures/results.json")).expect("the fixture is valid")
}

#[test]
fn medians_are_in_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
}

#[test]
fn better_is_more_of_some_and_less_of_others() {
    let report = fixture();
    let [rate, cpu] = report.rows[0].measures.as_slice() else { panic!("two measures") };
    assert_eq!(rate.better_than(Subject::Apache), Some(10.0));
    assert_eq!(cpu.better_than(Subject::Apache), Some(38.0 / 2.45));
    assert_eq!(rate.spread(Subject::Ferromq), Some((400_000.0, 420_000.0)));
    assert_eq!(rate.better_than(Subject::Machine), None);
}

#[test]
fn verdicts_follow_the_medians() {
    let report = fixture();
    let [rate, cpu] = report.rows[0].measures.as_slice() else { panic!("two measures") };
    assert_eq!(at_least(10.0, Subject::Apache).verdict(rate), Verdict::Met);
    assert_eq!(at_least(10.1, Subject::Apache).verdict(rate), Verdict::Missed);
    assert_eq!(cpu.targets[0].verdict(cpu), Verdict::Met);
    assert_eq!(cpu.targets[1].verdict(cpu), Verdict::Missed);
    assert_eq!(at_most(1.0, Subject::Machine).verdict(cpu), Verdict::Unknown);
    let [memory, nothing] = report.rows[1].measures.as_slice() else { panic!("two measures") };
    assert_eq!(memory.targets[0].verdict(memory), Verdict::Met);
    assert_eq!(no_more_than(1.0).verdict(nothing), Verdict::Unknown);
}

#[test]
fn targets_are_written_as_people_say_them() {
    let report = fixture();
    let shown: Vec<String> = report
        .rows
        .iter()
        .flat_map(|row| &row.measures)
        .flat_map(|m| m.targets.iter().map(|t| t.show(m.unit)))
        .collect();
    assert_eq!(shown, ["≥ 10 × Apache", "≤ 1/12 × Apache", "≤ 2 × echo server", "≤ 15 MiB"]);
    assert_eq!(at_most(0.7, Subject::Machine).show(Unit::Bytes), "≤ 0.7 × the machine");
}

#[test]
fn the_page_has_every_figure_and_what_failed() {
    let page = page::page(&fixture());
    for wanted in [
        "| Pipelined sends, 128 B | messages | 410 k/s (400 k/s–420 k/s) | 41 k/s (40 k/s–42 k/s) | 900 k/s (880 k/s–910 k/s) (echo server) | 10 × | ≥ 10 × Apache | yes |",
        "| 15.5 × | ≤ 1/12 × Apache<br>≤ 2 × echo server | yes<br>**no** |",
        "| Idle server | resident memory | 12 MiB | – |  |  | ≤ 15 MiB | yes |",
        "- Idle server, Apache, repetition 1: java is not usable here: `java` cannot be run\n",
        "Some CPU @ 2.00GHz, 2 cores, 24 GiB",
        "![Messages a second (more is better)](rates.svg)",
    ] {
        assert!(page.contains(wanted), "{wanted}\nis not in\n{page}");
    }
    assert!(!page.contains("clients.svg"), "nothing was measured for that plot");
}

#[test]
fn the_readme_takes_the_headline_between_its_marks() {
    let readme = "# A\n<!-- benchmarks: written by `make bench` -->\nold\n<!-- end of benchmarks -->\nrest\n";
    let table = page::headline(Some(&fixture()));
    let new = page::with_headline(readme, &table).unwrap();
    assert!(new.starts_with("# A\n") && new.ends_with("<!-- end of benchmarks -->\nrest\n"));
    assert!(new.contains("| Pipelined sends, 128 B: messages | 410 k/s | 41 k/s | 10 × |"));
    assert!(!new.contains("server CPU per million") && !new.contains("old"));
    assert_eq!(page::with_headline(&new, &table).unwrap(), new);
    assert_eq!(page::with_headline("# A\n", &table), None);
}

#[test]
fn plots_are_drawn_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    publish::publish(&fixture(), folder.path()).unwrap();
    let svg = std::fs::read_to_string(folder.path().join("rates.svg")).unwrap();
    for wanted in ["sends, 128 B", "410 k/s", "900 k/s", "Apache RocketMQ 5.5.0"] {
        assert!(svg.contains(wanted), "{wanted} is not in the plot");
    }
    let png = std::fs::read(folder.path().join("rates.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 4000);
    // What is read is what was written, page and all.
    let read = publish::read(folder.path()).unwrap().unwrap();
    assert_eq!(read, fixture());
    let page = std::fs::read_to_string(folder.path().join(publish::PAGE)).unwrap();
    assert_eq!(page, page::page(&read));
}

#[test]
fn figures_far_apart_are_not_steady() {
    let measure = |apache: [f64; 2]| {
        let values = [(Subject::Ferromq, vec![1.0, 1.1]), (Subject::Apache, apache.to_vec())];
        Measure {
            id: "p99".to_owned(),
            what: "latency, p99".to_owned(),
            unit: Unit::Microseconds,
            values: values.into_iter().collect(),
            targets: Vec::new(),
            headline: true,
        }
    };
    assert!(measure([10.0, 19.0]).is_steady());
    assert!(!measure([10.0, 21.0]).is_steady());
}
