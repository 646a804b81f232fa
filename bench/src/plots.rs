//! Bars side by side, as SVG and PNG.

use crate::results::{Measure, Report, Subject};
use crate::unit::Unit;
use ferromq_interop::Problem;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use std::sync::Once;

/// A plot: a group of bars for each measure.
pub struct Plot {
    /// File name without its ending.
    pub file: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Whether each step up is ten times as much.
    pub logarithmic: bool,
    /// Row, measure, and what stands below the bars.
    pub groups: &'static [(&'static str, &'static str, &'static str)],
}

/// All plots.
pub const ALL: &[Plot] = &[
    Plot {
        file: "rates",
        title: "Messages a second (more is better)",
        logarithmic: false,
        groups: &[
            ("send-128", "rate", "sends, 128 B"),
            ("send-1k", "rate", "sends, 1 KiB"),
            ("batch", "rate", "batches of 32"),
            ("backlog", "rate", "backlog, 1 KiB"),
        ],
    },
    Plot {
        file: "cpu",
        title: "Server CPU seconds per million messages (less is better)",
        logarithmic: false,
        groups: &[
            ("send-128", "cpu", "sends, 128 B"),
            ("send-1k", "cpu", "sends, 1 KiB"),
            ("batch", "cpu", "batches of 32"),
            ("backlog", "cpu", "backlog, 1 KiB"),
        ],
    },
    Plot {
        file: "latency",
        title: "Latency (less is better; each line is ten times the one below)",
        logarithmic: true,
        groups: &[
            ("send-sync", "p50", "send, median"),
            ("send-sync", "p99_9", "send, p99.9"),
            ("end-to-end", "p50", "end to end, median"),
            ("end-to-end", "p99", "end to end, p99"),
            ("end-to-end", "p99_9", "end to end, p99.9"),
        ],
    },
    Plot {
        file: "life",
        title: "Start and stop (less is better; each line is ten times the one below)",
        logarithmic: true,
        groups: &[
            ("start", "time", "start to first message"),
            ("stop", "time", "clean stop"),
            ("restart", "time", "restart after kill"),
        ],
    },
    Plot {
        file: "memory",
        title: "Memory (less is better; each line is ten times the one below)",
        logarithmic: true,
        groups: &[
            ("idle", "memory", "idle, resident"),
            ("send-128", "memory", "under load, no cache"),
        ],
    },
    Plot {
        file: "clients",
        title: "Sends per client CPU second (more is better)",
        logarithmic: false,
        groups: &[
            ("clients", "rust", "Rust"),
            ("clients", "c", "C"),
            ("clients", "python", "Python"),
            ("clients", "node", "Node"),
        ],
    },
];

const SIZE: (u32, u32) = (960, 420);
/// Height of title and legend.
const HEAD: u32 = 60;
const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans-subset.ttf");
const INK: RGBColor = RGBColor(51, 51, 51);
/// Of a group's width, what its bars take.
const FILLED: f64 = 0.8;

fn colour(subject: Subject) -> RGBColor {
    match subject {
        Subject::Ferromq => RGBColor(206, 92, 36),
        Subject::Apache => RGBColor(86, 108, 150),
        Subject::Echo => RGBColor(176, 176, 176),
        Subject::Machine => RGBColor(130, 150, 120),
    }
}

fn legend(subject: Subject) -> &'static str {
    match subject {
        Subject::Apache => "Apache RocketMQ 5.5.0",
        Subject::Machine => "limit of the machine",
        other => other.label(),
    }
}

impl Plot {
    fn measures<'a>(&self, report: &'a Report) -> Vec<(&'static str, &'a Measure)> {
        let found = |&(row, id, label): &(&str, &str, &'static str)| {
            let row = report.rows.iter().find(|r| r.id == row)?;
            let measure = row.measures.iter().find(|m| m.id == id && !m.values.is_empty())?;
            Some((label, measure))
        };
        self.groups.iter().filter_map(found).collect()
    }

    /// Whether a report has anything for it.
    pub fn has_figures(&self, report: &Report) -> bool {
        !self.measures(report).is_empty()
    }

    /// As SVG.
    pub fn svg(&self, report: &Report) -> Result<String, Problem> {
        let mut text = String::new();
        self.draw(report, SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// As PNG, into a file.
    pub fn png(&self, report: &Report, file: &Path) -> Result<(), Problem> {
        self.draw(report, BitMapBackend::new(file, SIZE).into_drawing_area())
    }

    fn draw<B: DrawingBackend>(
        &self,
        report: &Report,
        area: DrawingArea<B, Shift>,
    ) -> Result<(), Problem> {
        font();
        self.bars(&self.measures(report), &area)
            .and_then(|()| area.present())
            .map_err(|e| Problem::Wrong(format!("plot {} cannot be drawn: {e}", self.file)))
    }

    fn bars<B: DrawingBackend>(
        &self,
        measures: &[(&'static str, &Measure)],
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let (head, area) = area.split_vertically(HEAD);
        let scale = Heights::new(measures, self.logarithmic);
        let unit = measures.first().map_or(Unit::MessagesPerSecond, |(_, m)| m.unit);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..measures.len() as f64, scale.least..scale.most)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .y_labels(if self.logarithmic { scale.decades() } else { 6 })
            .y_label_formatter(&|height| unit.show(scale.value(*height)))
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;

        let subjects: Vec<Subject> =
            [Subject::Ferromq, Subject::Apache, Subject::Echo, Subject::Machine]
                .into_iter()
                .filter(|subject| measures.iter().any(|(_, m)| m.values.contains_key(subject)))
                .collect();
        let small = ("sans-serif", 12).into_font().color(&INK);
        let above = small.pos(Pos::new(HPos::Center, VPos::Bottom));
        for (group, (_, measure)) in measures.iter().enumerate() {
            let present: Vec<Subject> =
                subjects.iter().copied().filter(|s| measure.values.contains_key(s)).collect();
            let width = FILLED / present.len() as f64;
            for (at, &subject) in present.iter().enumerate() {
                let (Some(median), Some((least, most))) =
                    (measure.median(subject), measure.spread(subject))
                else {
                    continue;
                };
                let left = group as f64 + (1.0 - FILLED) / 2.0 + at as f64 * width;
                let (middle, top) = (left + width / 2.0, scale.height(median));
                chart.draw_series([Rectangle::new(
                    [(left, scale.least), (left + width * 0.94, top)],
                    colour(subject).filled(),
                )])?;
                let whisker = [(middle, scale.height(least)), (middle, scale.height(most))];
                chart.draw_series([PathElement::new(whisker, INK)])?;
                let place = (middle, scale.height(most.max(median)) + scale.span() * 0.01);
                chart.draw_series([Text::new(measure.unit.show(median), place, above.clone())])?;
            }
        }
        self.head(&subjects, &head)?;
        // Below the middle of each group, where the axis has no place for words of its own.
        let below =
            ("sans-serif", 13).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        for (group, (label, _)) in measures.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(group as f64 + 0.5, scale.least));
            area.draw(&Text::new(*label, (x, y - HEAD as i32 + 8), below.clone()))?;
        }
        Ok(())
    }

    /// The title, and below it whose colour is whose.
    fn head<B: DrawingBackend>(
        &self,
        subjects: &[Subject],
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let title =
            ("sans-serif", 18).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new(self.title, (SIZE.0 as i32 / 2, 20), title))?;
        let words = ("sans-serif", 13).into_font().color(&INK);
        let middle = words.pos(Pos::new(HPos::Left, VPos::Center));
        for (at, &subject) in subjects.iter().enumerate() {
            let x = 96 + 200 * at as i32;
            area.draw(&Rectangle::new([(x, 40), (x + 12, 52)], colour(subject).filled()))?;
            area.draw(&Text::new(legend(subject), (x + 18, 46), middle.clone()))?;
        }
        Ok(())
    }
}

/// How high a figure stands.
struct Heights {
    logarithmic: bool,
    least: f64,
    most: f64,
}

impl Heights {
    fn new(measures: &[(&'static str, &Measure)], logarithmic: bool) -> Heights {
        let all = || measures.iter().flat_map(|(_, m)| m.values.values().flatten().copied());
        let most = all().fold(0.0, f64::max).max(1e-9);
        if !logarithmic {
            return Heights { logarithmic, least: 0.0, most: most * 1.1 };
        }
        let least = all().filter(|v| *v > 0.0).fold(most, f64::min);
        let (least, most) = (least.log10().floor(), (most.log10() + 0.15).ceil());
        Heights { logarithmic, least, most }
    }

    fn span(&self) -> f64 {
        self.most - self.least
    }

    fn decades(&self) -> usize {
        self.span() as usize + 1
    }

    fn height(&self, value: f64) -> f64 {
        match self.logarithmic {
            true => value.max(1e-9).log10().max(self.least),
            false => value,
        }
    }

    fn value(&self, height: f64) -> f64 {
        match self.logarithmic {
            true => 10f64.powf(height),
            false => height,
        }
    }
}

/// The letters come along, so that a plot is the same on every machine.
fn font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // It is checked by the tests: they draw.
        let _ = plotters::style::register_font("sans-serif", FontStyle::Normal, FONT);
    });
}
