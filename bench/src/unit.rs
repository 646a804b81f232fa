//! Units of figures and how people read them.

use serde::{Deserialize, Serialize};

/// What a figure counts, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Messages a second.
    MessagesPerSecond,
    /// Messages for each second of CPU time.
    MessagesPerCpuSecond,
    /// Seconds of CPU time for a million messages.
    CpuSecondsPerMillion,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Percent of one core.
    PercentOfCore,
    /// How many times another figure of the same server.
    Times,
    /// Percent of what it is compared with by its name.
    PercentKept,
    /// Bytes.
    Bytes,
    /// Bytes written to disk for a message.
    BytesPerMessage,
    /// Bytes that are there to be worked on: no figure of anybody's quality.
    BytesOfWork,
}

impl Unit {
    /// Whether a larger figure is the better one.
    pub fn more_is_better(self) -> bool {
        matches!(
            self,
            Unit::MessagesPerSecond | Unit::MessagesPerCpuSecond | Unit::Times | Unit::PercentKept
        )
    }

    /// Whether one figure can be better than another.
    pub fn is_compared(self) -> bool {
        !matches!(self, Unit::BytesOfWork | Unit::Times)
    }

    /// What stands on the axis of a plot.
    pub fn axis(self) -> &'static str {
        match self {
            Unit::MessagesPerSecond => "messages/s",
            Unit::MessagesPerCpuSecond => "messages per CPU second",
            Unit::CpuSecondsPerMillion => "server CPU seconds per million messages",
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
            Unit::PercentOfCore => "% of a core",
            Unit::Times => "times",
            Unit::PercentKept => "%",
            Unit::Bytes | Unit::BytesPerMessage | Unit::BytesOfWork => "bytes",
        }
    }

    /// A figure with its unit, three digits of it.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::MessagesPerSecond => format!("{}/s", scaled(value)),
            Unit::MessagesPerCpuSecond => scaled(value),
            Unit::CpuSecondsPerMillion => format!("{} s", digits(value)),
            Unit::Microseconds if value >= 10_000.0 => format!("{} ms", digits(value / 1e3)),
            Unit::Microseconds => format!("{} µs", digits(value)),
            Unit::Milliseconds if value >= 10_000.0 => format!("{} s", digits(value / 1e3)),
            Unit::Milliseconds => format!("{} ms", digits(value)),
            Unit::PercentOfCore | Unit::PercentKept => format!("{} %", digits(value)),
            Unit::Times => format!("{} ×", digits(value)),
            Unit::Bytes | Unit::BytesPerMessage | Unit::BytesOfWork => bytes(value),
        }
    }
}

/// With a thousand or million as a letter.
pub fn scaled(value: f64) -> String {
    match value {
        v if v >= 999_500.0 => format!("{} M", digits(v / 1e6)),
        v if v >= 9_995.0 => format!("{} k", digits(v / 1e3)),
        v => digits(v),
    }
}

fn bytes(value: f64) -> String {
    const STEPS: [(f64, &str); 3] =
        [((1u64 << 30) as f64, "GiB"), ((1u64 << 20) as f64, "MiB"), (1024.0, "KiB")];
    match STEPS.iter().find(|(size, _)| value >= *size) {
        Some((size, name)) => format!("{} {name}", digits(value / size)),
        None => format!("{} B", digits(value)),
    }
}

/// Three significant digits, and no more than there are before the point.
pub fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value:.0}");
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let after = usize::try_from((3 - before).clamp(0, 5)).unwrap_or(0);
    let text = format!("{value:.after$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(Unit::MessagesPerSecond.show(412_345.0), "412 k/s");
        assert_eq!(Unit::MessagesPerSecond.show(1_934_567.0), "1.93 M/s");
        assert_eq!(Unit::MessagesPerSecond.show(812.0), "812/s");
        assert_eq!(Unit::CpuSecondsPerMillion.show(2.149), "2.15 s");
        assert_eq!(Unit::Microseconds.show(17.04), "17 µs");
        assert_eq!(Unit::Microseconds.show(41_500.0), "41.5 ms");
        assert_eq!(Unit::Milliseconds.show(7_012.0), "7012 ms");
        assert_eq!(Unit::Milliseconds.show(14_012.0), "14 s");
        assert_eq!(Unit::PercentOfCore.show(0.0312), "0.0312 %");
        assert_eq!(Unit::PercentOfCore.show(0.0), "0 %");
        assert_eq!(Unit::Bytes.show(11.5 * 1048576.0), "11.5 MiB");
        assert_eq!(Unit::Bytes.show(512.0), "512 B");
    }
}
