//! Settings as brokers read them from a file.

/// A key and its value.
pub type Setting = (&'static str, String);

/// `usual`, but for those that `wanted` gives.
pub fn merged(usual: &[Setting], wanted: &[Setting]) -> Vec<Setting> {
    let replaced = |(key, _): &&Setting| !wanted.iter().any(|(other, _)| other == key);
    usual.iter().filter(replaced).chain(wanted).cloned().collect()
}

/// The same as `key=value` lines.
pub fn lines(usual: &[Setting], wanted: &[Setting]) -> String {
    merged(usual, wanted).iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}
