//! Writes the golden bytes of `core/protocol/tests/golden` as first inputs: `seeds FOLDER`.

use serde_json::Value;
use std::error::Error;
use std::fs;
use std::path::Path;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/protocol/tests/golden");
/// Longer ones would teach nothing and slow every run.
const MAX_LENGTH: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let folder = Path::new(&folder);
    for version in ["4.9.8", "5.5.0"] {
        for (category, target, key) in [
            ("frames", "command", "frame"),
            ("bodies", "bodies", "text"),
            ("bodies", "bodies", "pretty"),
            ("records", "records", "hex"),
            ("messages", "records", "hex"),
            ("messages", "properties", "id"),
            ("bodies", "compressed", "hex"),
            ("compression", "compressed", "hex"),
        ] {
            let file = fs::read(format!("{GOLDEN}/{category}-{version}.json"))?;
            let file: Value = serde_json::from_slice(&file)?;
            for (index, entry) in file["entries"].as_array().into_iter().flatten().enumerate() {
                let Some(text) = entry[key].as_str() else { continue };
                let bytes = match key {
                    "frame" | "hex" => hex(text).ok_or("a fixture is not in hexadecimal")?,
                    _ => text.into(),
                };
                write(folder, target, &format!("{category}-{key}-{version}-{index}"), &bytes)?;
            }
        }
        properties(folder, version)?;
    }
    Ok(())
}

/// The fields of headers as property strings.
fn properties(folder: &Path, version: &str) -> Result<(), Box<dyn Error>> {
    let file = fs::read(format!("{GOLDEN}/frames-{version}.json"))?;
    let file: Value = serde_json::from_slice(&file)?;
    for (index, entry) in file["entries"].as_array().into_iter().flatten().enumerate() {
        let pairs = entry["ext"].as_object().into_iter().flatten();
        let text: Vec<_> = pairs
            .map(|(name, value)| format!("{name}\u{1}{}", value.as_str().unwrap_or_default()))
            .collect();
        write(folder, "properties", &format!("{version}-{index}"), text.join("\u{2}").as_bytes())?;
    }
    Ok(())
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    if bytes.len() <= MAX_LENGTH {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |d: u8| char::from(d).to_digit(16).map(|d| d as u8);
    text.as_bytes().chunks_exact(2).map(|p| Some(digit(p[0])? << 4 | digit(p[1])?)).collect()
}
