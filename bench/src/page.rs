//! Results as people read them: the page in `docs/benchmarks/` and the table in the README.

use crate::machine::Machine;
use crate::plots;
use crate::results::{Measure, Report, Row, Subject};
use std::fmt::Write;

/// `docs/benchmarks/results.md`.
pub fn page(report: &Report) -> String {
    let mut text = String::from("# FerroMQ beside Apache RocketMQ 5.5.0\n\n");
    text.push_str(&provenance(report));
    text.push_str(INTRODUCTION);
    text.push_str("| work | counted | FerroMQ | Apache | limit | better by | target | met |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for row in &report.rows {
        for (at, measure) in row.measures.iter().filter(|m| !m.values.is_empty()).enumerate() {
            text.push_str(&line(row, measure, at == 0));
        }
    }
    text.push('\n');
    for plot in plots::ALL.iter().filter(|plot| plot.has_figures(report)) {
        let _ = writeln!(text, "![{}]({}.svg)\n", plot.title, plot.file);
    }
    text.push_str("## How each is measured\n\n");
    for row in &report.rows {
        let _ = writeln!(text, "- **{}** (`--only {}`): {}", row.title, row.id, row.how);
    }
    failures(report, &mut text);
    let _ = write!(
        text,
        "\n## Apache's flags\n\nBroker: `{}`\n\nName server: `{}`\n",
        report.machine.broker_jvm.join(" "),
        report.machine.namesrv_jvm.join(" ")
    );
    text
}

const INTRODUCTION: &str = "\
Written by `make bench`, which measures all of this on any machine with Java 17 and Maven. Each row is measured for FerroMQ, for Apache's \
broker, and for a limit where there is one, in turns; a figure is the median of the repetitions, with the least and the greatest in brackets. \
Each server has the same load from the same program, `ferromq bench` ([README.md](README.md)), and from Apache's own benchmark classes \
in two rows. FerroMQ is started for each row; Apache's broker serves a whole repetition, is loaded for 20 s before it is measured, and frozen \
(SIGSTOP) while others are; it goes on, and has come to rest, before it is measured. Data directories are on the disk, asynchronous flush unless said otherwise, and the disk is synced before each \
measurement. CPU time is user and system time of the broker's process. The reports of the load generator, as they came, \
are in `samples.jsonl`, all figures in `results.json`.\n\n";

fn provenance(report: &Report) -> String {
    let (run, machine) = (&report.run, &report.machine);
    let version = |name: &str| machine.versions.get(name).map_or("?", String::as_str);
    format!(
        "{} on {}, {} cores, {:.0} GiB, Linux {}; {}; {} at {}; {} repetitions in {} minutes ({}).\n\n",
        run.started.split('T').next().unwrap_or_default(),
        machine.cpu,
        machine.cores,
        machine.memory as f64 / (1u64 << 30) as f64,
        machine.kernel,
        version("java"),
        version("ferromq"),
        machine.commit,
        run.repetitions,
        run.seconds.div_ceil(60),
        run.mode,
    ) + full_cache(machine)
}

fn full_cache(machine: &Machine) -> &'static str {
    match machine.full_cache {
        true => {
            "The machine is a virtual one, whose host hands out memory at the first touch; so its page cache was full before each measurement, as \
             on a machine that has run for a day.\n\n"
        }
        false => "",
    }
}

fn line(row: &Row, measure: &Measure, first: bool) -> String {
    let limit = [Subject::Echo, Subject::Machine]
        .into_iter()
        .find(|subject| measure.values.contains_key(subject));
    let limit = limit.map(|s| format!("{} ({})", figure(measure, s, true), s.label()));
    let targets: Vec<String> = measure.targets.iter().map(|t| t.show(measure.unit)).collect();
    let met: Vec<&str> = measure.targets.iter().map(|t| t.verdict(measure).show()).collect();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
        if first { row.title.as_str() } else { "" },
        measure.what,
        figure(measure, Subject::Ferromq, true),
        figure(measure, Subject::Apache, true),
        limit.unwrap_or_default(),
        better(measure),
        targets.join("<br>"),
        met.join("<br>"),
    )
}

fn figure(measure: &Measure, subject: Subject, with_spread: bool) -> String {
    let Some(median) = measure.median(subject) else { return "–".to_owned() };
    let unit = measure.unit;
    let spread = measure.spread(subject).filter(|(least, most)| with_spread && least < most);
    match spread {
        Some((least, most)) => {
            format!("{} ({}–{})", unit.show(median), unit.show(least), unit.show(most))
        }
        None => unit.show(median),
    }
}

fn better(measure: &Measure) -> String {
    match measure.better_than(Subject::Apache) {
        Some(times) => format!("{} ×", crate::unit::digits(times)),
        None => String::new(),
    }
}

fn failures(report: &Report, text: &mut String) {
    if report.rows.iter().all(|row| row.failures.is_empty()) {
        return;
    }
    text.push_str("\n## What could not be measured\n\n");
    for row in &report.rows {
        for failure in &row.failures {
            let reason = failure.reason.lines().next().unwrap_or_default();
            let _ = writeln!(
                text,
                "- {}, {}, repetition {}: {reason}",
                row.title,
                failure.subject.label(),
                failure.repetition
            );
        }
    }
}

/// The table of the README.
pub fn headline(report: Option<&Report>) -> String {
    let Some(report) = report else {
        return "`make bench` measures FerroMQ beside Apache's broker on your machine; no run has been committed yet.\n"
            .to_owned();
    };
    let mut text =
        String::from("| | FerroMQ | Apache RocketMQ 5.5.0 | better by |\n|---|---|---|---|\n");
    for row in &report.rows {
        let told = |m: &&Measure| m.headline && !m.values.is_empty() && m.is_steady();
        for measure in row.measures.iter().filter(told) {
            let _ = writeln!(
                text,
                "| {}: {} | {} | {} | {} |",
                row.title,
                measure.what,
                figure(measure, Subject::Ferromq, false),
                figure(measure, Subject::Apache, false),
                better(measure)
            );
        }
    }
    let _ = write!(
        text,
        "\n{} cores of {}, medians of {} repetitions, Apache's JVM warm, each server's own defaults; figures that differ by more than twice between repetitions are left out. The whole table, the limits of the machine, \
         plots and how each figure is measured: [docs/benchmarks/results.md](docs/benchmarks/results.md). `make bench` measures \
         all of it on your machine.\n",
        report.machine.cores, report.machine.cpu, report.run.repetitions
    );
    text
}

const BEGIN: &str = "<!-- benchmarks: written by `make bench` -->\n";
const END: &str = "<!-- end of benchmarks -->";

/// A README with another table; nothing if it has no place for one.
pub fn with_headline(readme: &str, headline: &str) -> Option<String> {
    let begin = readme.find(BEGIN)? + BEGIN.len();
    let end = begin + readme[begin..].find(END)?;
    Some([&readme[..begin], headline, &readme[end..]].concat())
}
