//! Settings as brokers read them from a file.

/// A key and its value.
pub type Setting = (&'static str, String);

/// `key=value` lines: `usual`, but for those that `wanted` gives.
pub fn lines(usual: &[Setting], wanted: &[Setting]) -> String {
    let replaced = |(key, _): &&Setting| !wanted.iter().any(|(other, _)| other == key);
    let kept = usual.iter().filter(replaced).chain(wanted);
    kept.map(|(key, value)| format!("{key}={value}\n")).collect()
}
