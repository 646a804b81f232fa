//! `docs/protocol-headers.md` is generated from the declarations; with `UPDATE_DOCS=1` this test
//! writes it anew.

use ferromq_protocol::headers;
use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol-headers.md");

const INTRODUCTION: &str = "\
# Typed headers

Generated from the declarations in `core/protocol/src/headers`; `make docs` writes it anew.

The extension fields of each request and answer that FerroMQ reads or writes, by their names on the wire. In a frame every value
is text: `int` and `long` are decimal, 32 and 64 bits wide; `bool` is true when it reads `true` in any case. A request without a
required field is refused. Fields that are not listed are ignored, and of a repeated field the last counts.
";

#[test]
fn page_is_current() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let first = written.lines().zip(page.lines()).position(|(old, new)| old != new);
    assert!(
        written == page,
        "docs/protocol-headers.md is out of date from line {} on; `make docs` writes it anew",
        first.unwrap_or(written.lines().count().min(page.lines().count())) + 1
    );
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> =
        headers::ALL.iter().flat_map(|(_, list)| *list).map(|h| h.name).collect();
    assert!(names.len() > 50, "{names:?}");
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for header in headers::ALL.iter().flat_map(|(_, list)| *list) {
        let mut fields: Vec<_> = header.fields.iter().map(|field| field.name).collect();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields.len(), header.fields.len(), "{}: a name twice", header.name);
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_string();
    for (section, list) in headers::ALL {
        let _ = writeln!(page, "\n## {section}");
        for header in *list {
            let _ = writeln!(page, "\n### {}\n\n{}\n", header.name, header.help.trim());
            page.push_str("| field | type | required | |\n|---|---|---|---|\n");
            for field in header.fields {
                let required = if field.required { "yes" } else { "" };
                let help = field.help.trim().replace('|', "\\|");
                let _ =
                    writeln!(page, "| `{}` | {} | {required} | {help} |", field.name, field.kind);
            }
        }
    }
    page
}
