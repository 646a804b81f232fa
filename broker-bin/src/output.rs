//! Results on standard output: tables for people, JSON for programs.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;
use std::io::{self, Write};

/// Something that can be shown as rows.
pub trait Row: Serialize {
    /// The columns' titles; a title that starts with `>` stands over numbers.
    const TITLES: &'static [&'static str];
    /// The cells of this row.
    fn cells(&self) -> Vec<String>;
}

/// Writes text and a line end. Whoever reads may have had enough: that is no failure.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a value as one line of JSON.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Writes rows as a table, or, for programs, each as a line of JSON.
pub fn rows<R: Row>(rows: &[R], as_json: bool) -> io::Result<()> {
    if as_json {
        return rows.iter().try_for_each(json);
    }
    line(&table(rows))
}

fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(R::TITLES.iter().map(|title| title.trim_start_matches('>')))
        .add_rows(rows.iter().map(Row::cells));
    for (column, title) in table.column_iter_mut().zip(R::TITLES) {
        column.set_padding((0, 2));
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_string());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Fruit {
        name: &'static str,
        count: u32,
    }

    impl Row for Fruit {
        const TITLES: &'static [&'static str] = &["NAME", ">COUNT"];
        fn cells(&self) -> Vec<String> {
            vec![self.name.to_string(), self.count.to_string()]
        }
    }

    #[test]
    fn a_table_has_aligned_columns() {
        let fruits = [Fruit { name: "apple", count: 7 }, Fruit { name: "fig", count: 4711 }];
        assert_eq!(table(&fruits), "NAME   COUNT\napple      7\nfig     4711");
    }
}
