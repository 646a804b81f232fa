//! Reads the recorded files; `README.md` says what is in them.

use serde_json::Value;
use std::fmt;

/// One recorded entry and where it comes from.
pub struct Entry {
    /// The version of the classes that wrote it.
    pub version: &'static str,
    pub name: String,
    json: Value,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.version)
    }
}

impl Entry {
    pub fn value(&self, key: &str) -> &Value {
        &self.json[key]
    }

    pub fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_else(|| panic!("{self}: no text `{key}`"))
    }

    pub fn number(&self, key: &str) -> i64 {
        self.json[key].as_i64().unwrap_or_else(|| panic!("{self}: no number `{key}`"))
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        bytes(self.text(key))
    }

    /// The writing class without its package.
    pub fn class(&self) -> &str {
        self.json["class"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default()
    }
}

/// Hexadecimal text as bytes.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digit = |d: u8| char::from(d).to_digit(16).expect("fixtures are in hexadecimal") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The entries of both versions.
pub fn entries(category: &str) -> Vec<Entry> {
    let mut all = Vec::new();
    for version in ["4.9.8", "5.5.0"] {
        let path = format!("{}/tests/golden/{category}-{version}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file: Value =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let list = file["entries"].as_array().filter(|list| !list.is_empty());
        for json in list.unwrap_or_else(|| panic!("{path} has no entries")) {
            let name = json["name"].as_str().unwrap_or_default().to_string();
            all.push(Entry { version, name, json: json.clone() });
        }
    }
    all
}

/// A table of known differences that notices when one of them no longer exists.
pub struct Exceptions {
    table: &'static [(&'static str, &'static str)],
    used: Vec<bool>,
}

impl Exceptions {
    /// Each is what differs and why that is right on both sides.
    pub fn new(table: &'static [(&'static str, &'static str)]) -> Self {
        Exceptions { table, used: vec![false; table.len()] }
    }

    /// Whether `what` is a known difference.
    pub fn allow(&mut self, what: &str) -> bool {
        let found = self.table.iter().position(|(known, _)| *known == what);
        found.inspect(|index| self.used[*index] = true).is_some()
    }

    /// Fails if an exception was never needed: it would hide the next mistake.
    pub fn all_used(self) {
        let unused = self.table.iter().zip(self.used).filter(|(_, used)| !used);
        let unused: Vec<_> = unused.map(|((what, _), _)| *what).collect();
        assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
    }
}
