//! What a load came to, for programs and for people. `docs/benchmarks/README.md` describes the
//! fields.

use super::engine::Observed;
use super::histogram::Summary;
use super::measured::interval;
use super::options::Common;
use super::tally::Tally;
use super::usage::{ClientUsage, ServerUsage};
use crate::exit::{FAILURE, Failure, Outcome};
use crate::output::{self, Row};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// One measured load.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// From the first message that counts to the last answer.
    pub seconds: f64,
    /// Messages that count.
    pub messages: u64,
    /// Messages before the interval.
    pub warm_up_messages: u64,
    /// Bytes of `messages`.
    pub bytes: u64,
    /// Requests answered.
    pub requests: u64,
    /// Messages that failed.
    pub failed: u64,
    /// By reason.
    pub failures: BTreeMap<String, u64>,
    /// Per second of `seconds`.
    pub messages_per_second: f64,
    /// Per second of `seconds`.
    pub bytes_per_second: f64,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Summary>,
    /// The whole histogram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_histogram: Option<String>,
    /// What the server used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerUsage>,
    /// What the generator used.
    pub client: ClientUsage,
}

impl Run {
    /// What was counted and observed of a load whose measured interval began after `warm_up`.
    pub fn new(tally: &Tally, observed: &Observed, warm_up: Duration, common: &Common) -> Self {
        Run::over(tally, observed, interval(tally, warm_up), common)
    }

    /// What was counted and observed in an interval of that length.
    pub fn over(tally: &Tally, observed: &Observed, interval: Duration, common: &Common) -> Self {
        let seconds = interval.as_secs_f64();
        let per_second = |count: u64| if seconds == 0.0 { 0.0 } else { count as f64 / seconds };
        let server = observed.server.as_ref();
        let used = |(before, after): &_| ServerUsage::between(before, after, tally.messages);
        let histogram = || tally.latencies.serialised();
        Run {
            seconds,
            messages: tally.messages,
            warm_up_messages: tally.warm_up_messages,
            bytes: tally.bytes,
            requests: tally.requests,
            failed: tally.failed(),
            failures: tally.failures.clone(),
            messages_per_second: per_second(tally.messages),
            bytes_per_second: per_second(tally.bytes),
            latency_us: tally.latencies.summary(),
            latency_histogram: common.histogram.then(histogram).flatten(),
            server: server.map(used),
            client: ClientUsage::between(&observed.client.0, &observed.client.1),
        }
    }
}

impl Run {
    /// Takes over the failures of a run that belongs to this one.
    pub fn also_failed(&mut self, other: &Run) {
        self.failed += other.failed;
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
    }

    /// Adds how many bytes of the server's memory a connection takes.
    pub fn per_connection(&mut self, bytes: f64) {
        if let Some(server) = &mut self.server {
            server.rss_bytes_per_connection = Some(bytes);
        }
    }
}

/// What is told at the end.
#[derive(Serialize)]
pub struct Report {
    kind: &'static str,
    version: &'static str,
    options: Value,
    #[serde(flatten)]
    run: Run,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Report {
    /// A report of one load, with the options that were in effect.
    pub fn new(kind: &'static str, common: &Common, options: &impl Serialize, run: Run) -> Self {
        let mut all = object(common);
        if common.broker.is_some() {
            all.remove("namesrv");
        }
        all.extend(object(options));
        Report {
            kind,
            version: env!("CARGO_PKG_VERSION"),
            options: Value::Object(all),
            run,
            more: Map::new(),
        }
    }

    /// Adds what only this kind of load has to say.
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.more.insert(name.to_string(), json!(value));
        self
    }

    /// Prints it; fails when messages did.
    pub fn finish(&self, common: &Common) -> Outcome {
        match common.json {
            true => output::json(self)?,
            false => output::rows(&self.figures(), false)?,
        }
        let failed = self.run.failed;
        if failed == 0 {
            return Ok(());
        }
        let reasons: Vec<_> =
            self.run.failures.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        Err(Failure {
            code: FAILURE,
            message: format!("{failed} messages failed: {}", reasons.join(", ")),
        })
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        figures_of(&object(&self.run), "", &mut figures);
        figures_of(&self.more, "", &mut figures);
        figures
    }
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match json!(value) {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// A line of the table for people.
#[derive(Serialize)]
struct Figure {
    name: String,
    value: String,
}

impl Row for Figure {
    const TITLES: &'static [&'static str] = &["FIGURE", ">VALUE"];
    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.value.clone()]
    }
}

fn figures_of(object: &Map<String, Value>, before: &str, figures: &mut Vec<Figure>) {
    for (name, value) in object {
        let name = format!("{before}{}", name.replace('_', " "));
        match value {
            Value::Object(inner) => figures_of(inner, &format!("{name}: "), figures),
            Value::Number(number) => figures.push(Figure { name, value: for_people(number) }),
            Value::String(text) if text.len() <= 60 => {
                figures.push(Figure { name, value: text.clone() });
            }
            _ => {}
        }
    }
}

/// As many decimals as a reader wants, and groups of three digits.
fn for_people(number: &serde_json::Number) -> String {
    let text = match number.as_f64() {
        Some(value) if number.is_f64() && value.abs() < 10.0 => format!("{value:.3}"),
        Some(value) if number.is_f64() && value.abs() < 1000.0 => format!("{value:.1}"),
        Some(value) if number.is_f64() => format!("{value:.0}"),
        _ => number.to_string(),
    };
    let (whole, decimals) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + decimals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let shown = |value: Value| match value {
            Value::Number(number) => for_people(&number),
            _ => String::new(),
        };
        assert_eq!(shown(json!(1_234_567)), "1,234,567");
        assert_eq!(shown(json!(123_456.7)), "123,457");
        assert_eq!(shown(json!(0.12345)), "0.123");
        assert_eq!(shown(json!(-123)), "-123");
        assert_eq!(shown(json!(45.67)), "45.7");
    }
}
