//! `ferromq store dump`: the records of the log as lines or JSON.

use super::Place;
use crate::exit::{Failure, Outcome};
use crate::tools::time_text;
use clap::Args;
use ferromq_protocol::properties::{self, key};
use ferromq_protocol::record::RecordView;
use ferromq_store::tools::{Directory, LogItem};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

/// `ferromq store dump`.
#[derive(Args, Debug)]
pub struct DumpArgs {
    #[command(flatten)]
    place: Place,
    /// Only records of this topic
    #[arg(short, long)]
    topic: Option<String>,
    /// Only records of this queue
    #[arg(short, long)]
    queue: Option<i32>,
    /// Only records with this key or unique id
    #[arg(short, long)]
    key: Option<String>,
    /// Only records stored at this time or later, such as 2026-01-31T12:00:00Z or ms since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<i64>,
    /// Only records stored before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<i64>,
}

fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| time.as_millisecond()).map_err(|error| error.to_string())
}

impl DumpArgs {
    fn wants(&self, record: &RecordView<'_>) -> bool {
        let (topic, time) = (record.topic(), record.store_timestamp());
        self.topic.as_ref().is_none_or(|wanted| wanted == topic)
            && self.queue.is_none_or(|wanted| wanted == record.queue_id())
            && self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to)
            && self.key.as_ref().is_none_or(|wanted| has_key(record, wanted))
    }
}

fn has_key(record: &RecordView<'_>, wanted: &str) -> bool {
    properties::pairs(record.properties()).any(|(name, value)| match name {
        key::UNIQUE_KEY => value == wanted,
        key::KEYS => value.split(' ').any(|key| key == wanted),
        _ => false,
    })
}

/// A record as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRecord<'a> {
    log_offset: i64,
    size: usize,
    topic: &'a str,
    queue: i32,
    queue_offset: i64,
    born_timestamp: i64,
    born_host: String,
    store_timestamp: i64,
    store_host: String,
    sys_flag: i32,
    flag: i32,
    reconsume_times: i32,
    properties: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Instead of `body` when it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hex: Option<String>,
}

fn json(record: &RecordView<'_>) -> serde_json::Result<String> {
    let body = std::str::from_utf8(record.body()).ok();
    let hex = || record.body().iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::to_string(&ShownRecord {
        log_offset: record.physical_offset(),
        size: record.bytes().len(),
        topic: record.topic(),
        queue: record.queue_id(),
        queue_offset: record.queue_offset(),
        born_timestamp: record.born_timestamp(),
        born_host: record.born_host().to_string(),
        store_timestamp: record.store_timestamp(),
        store_host: record.store_host().to_string(),
        sys_flag: record.sys_flag(),
        flag: record.flag(),
        reconsume_times: record.reconsume_times(),
        properties: properties::pairs(record.properties()).collect(),
        body_hex: body.is_none().then(hex),
        body,
    })
}

/// How much of a body a line shows, in bytes.
const SHOWN: usize = 100;

/// One line, on which nothing can do harm to a terminal.
fn text(record: &RecordView<'_>) -> String {
    let body = record.body();
    let start = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { "…" } else { "" };
    let keys = record.property(key::KEYS).unwrap_or("-");
    let tags = record.property(key::TAGS).unwrap_or("-");
    format!(
        "{} {} {} {} {} tags={} keys={} {} bytes: {}{more}",
        record.physical_offset(),
        time_text(record.store_timestamp()).replace(' ', "T"),
        safe(record.topic().as_bytes()),
        record.queue_id(),
        record.queue_offset(),
        safe(tags.as_bytes()),
        safe(keys.as_bytes()),
        body.len(),
        safe(start),
    )
}

/// Text with everything but printable characters escaped.
fn safe(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Controls, and what changes the direction of writing or is not seen.
            let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            match character.is_control() || hidden {
                true => shown.extend(character.escape_default()),
                false => shown.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// Prints records.
pub fn dump(args: &DumpArgs) -> Outcome {
    let directory = Directory::open(&args.place.directory, args.place.settings()?)?;
    let start = args.from.map_or(directory.log_start(), |from| directory.segment_before(from));
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let mut damage = 0;
    directory.read_log(start, |item| {
        match item {
            LogItem::Record(record) if args.wants(&record) => {
                let line = if args.place.json { json(&record) } else { Ok(text(&record)) };
                written = line.map_err(io::Error::from).and_then(|line| writeln!(out, "{line}"));
            }
            LogItem::Record(_) => {}
            LogItem::Gap(gap) => {
                damage += 1;
                eprintln!(
                    "ferromq: no whole record from log offset {} to {}: {}",
                    gap.range.start, gap.range.end, gap.reason
                );
            }
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match written.and_then(|()| out.flush()) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other?,
    }
    match damage {
        0 => Ok(()),
        _ => Err(Failure::damaged(format!(
            "the log of {} is damaged; `ferromq store check` tells more",
            args.place.directory.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bodies_do_no_harm() {
        assert_eq!(super::safe("grün 订单".as_bytes()), "grün 订单");
        assert_eq!(super::safe(b"a\x1b[2Jb\n\xff"), "a\\u{1b}[2Jb\\n\\xff");
        assert_eq!(super::safe("x\u{202e}y".as_bytes()), "x\\u{202e}y");
    }

    #[test]
    fn times() {
        assert_eq!(super::parse_time("1700000000123"), Ok(1_700_000_000_123));
        assert_eq!(super::parse_time("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert!(super::parse_time("yesterday").is_err());
    }
}
