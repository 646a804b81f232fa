//! Attributes of topics (broker §1.8): how a request changes them, and which there are.

use std::collections::BTreeMap;
use thiserror::Error;

/// Why a change of attributes was refused. The texts are those that Apache's broker answers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AttributeError {
    /// A pair whose key has no `+`.
    #[error("add/alter attribute format is wrong: {0}")]
    AddFormat(String),
    /// A lone key without `-`.
    #[error("delete attribute format is wrong: {0}")]
    DeleteFormat(String),
    /// A key twice.
    #[error("key duplication: {0}")]
    Duplicate(String),
    /// A removal while the topic is created.
    #[error("only add attribute is supported while creating topic. key: {0}")]
    DeleteWhileCreating(String),
    /// A removal of what is not there.
    #[error("attempt to delete a nonexistent key: {0}")]
    DeleteMissing(String),
    /// A key with neither `+` nor `-`.
    #[error("wrong format key: {0}")]
    Sign(String),
    /// A key that is only a sign, or nothing.
    #[error("kv string format wrong.")]
    Format,
    /// No such attribute.
    #[error("unsupported key: {0}")]
    Unsupported(String),
    /// An attribute that only creation may set.
    #[error("attempt to update an unchangeable attribute. key: {0}")]
    Unchangeable(String),
    /// A value that the attribute cannot have.
    #[error("value is not in set: [{}]", .0.join(", "))]
    Value(&'static [&'static str]),
    /// `reserve.time` needs tiered storage.
    #[error("Update topic reserveTime not supported")]
    ReserveTime,
}

struct Attribute {
    key: &'static str,
    values: &'static [&'static str],
    changeable: bool,
}

/// Only values that this broker honours are accepted: it has one format of consume queues and
/// deletes old messages, so the batch format and compaction are refused rather than ignored.
const ATTRIBUTES: [Attribute; 3] = [
    Attribute {
        key: "message.type",
        values: &["UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED"],
        changeable: true,
    },
    Attribute { key: "queue.type", values: &["SimpleCQ"], changeable: false },
    Attribute { key: "cleanup.policy", values: &["DELETE"], changeable: false },
];

/// Splits `+key=value,-key`; keys keep their sign.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, AttributeError> {
    let mut changes = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = match part.split_once('=') {
            Some((key, _)) if !key.starts_with('+') => {
                return Err(AttributeError::AddFormat(key.to_string()));
            }
            Some((key, value)) => (key, value),
            None if !part.starts_with('-') => {
                return Err(AttributeError::DeleteFormat(part.to_string()));
            }
            None => (part, ""),
        };
        if changes.insert(key.to_string(), value.to_string()).is_some() {
            return Err(AttributeError::Duplicate(key.to_string()));
        }
    }
    Ok(changes)
}

/// The attributes after `changes`; `existing` is `None` for a topic that is being created.
pub(super) fn alter(
    existing: Option<&BTreeMap<String, String>>,
    changes: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AttributeError> {
    let mut result = existing.cloned().unwrap_or_default();
    let mut seen = Vec::with_capacity(changes.len());
    for (signed, value) in changes {
        let mut letters = signed.chars();
        let (sign, key) = (letters.next(), letters.as_str());
        if key.is_empty() {
            return Err(AttributeError::Format);
        }
        if seen.contains(&key) {
            return Err(AttributeError::Duplicate(key.to_string()));
        }
        seen.push(key);
        match (sign, existing) {
            (Some('+'), _) => {
                check(key, existing.is_some())?;
                check_value(key, value)?;
                result.insert(key.to_string(), value.clone());
            }
            (_, None) => return Err(AttributeError::DeleteWhileCreating(key.to_string())),
            (Some('-'), Some(_)) => {
                if result.remove(key).is_none() {
                    return Err(AttributeError::DeleteMissing(key.to_string()));
                }
                check(key, true)?;
            }
            _ => return Err(AttributeError::Sign(signed.clone())),
        }
    }
    Ok(result)
}

fn check(key: &str, exists: bool) -> Result<(), AttributeError> {
    if key == "reserve.time" {
        return Err(AttributeError::ReserveTime);
    }
    let attribute = ATTRIBUTES
        .iter()
        .find(|attribute| attribute.key == key)
        .ok_or_else(|| AttributeError::Unsupported(key.to_string()))?;
    match exists && !attribute.changeable {
        true => Err(AttributeError::Unchangeable(key.to_string())),
        false => Ok(()),
    }
}

fn check_value(key: &str, value: &str) -> Result<(), AttributeError> {
    match ATTRIBUTES.iter().find(|attribute| attribute.key == key) {
        Some(attribute) if !attribute.values.contains(&value) => {
            Err(AttributeError::Value(attribute.values))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(existing: Option<&[(&str, &str)]>, text: &str) -> Result<Vec<String>, String> {
        let existing = existing.map(|pairs| {
            let own = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
            pairs.iter().map(own).collect()
        });
        let changes = parse(text).map_err(|error| error.to_string())?;
        let result = alter(existing.as_ref(), &changes).map_err(|error| error.to_string())?;
        Ok(result.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }

    #[test]
    fn adds_alters_and_removes() {
        let fifo: &[_] = &[("message.type", "FIFO")];
        assert_eq!(change(None, "").unwrap(), [""; 0]);
        assert_eq!(
            change(None, "+message.type=FIFO,+queue.type=SimpleCQ").unwrap(),
            ["message.type=FIFO", "queue.type=SimpleCQ"]
        );
        assert_eq!(change(Some(fifo), "+message.type=DELAY").unwrap(), ["message.type=DELAY"]);
        assert_eq!(change(Some(fifo), "-message.type").unwrap(), [""; 0]);
        assert_eq!(change(Some(fifo), "").unwrap(), ["message.type=FIFO"]);
    }

    #[test]
    fn refuses_in_the_words_of_the_reference() {
        let none: Option<&[_]> = Some(&[]);
        for (existing, text, remark) in [
            (none, "a=b", "add/alter attribute format is wrong: a"),
            (none, "a", "delete attribute format is wrong: a"),
            (none, "+a=b,+a=c", "key duplication: +a"),
            (
                None,
                "-message.type",
                "only add attribute is supported while creating topic. key: message.type",
            ),
            (none, "-message.type", "attempt to delete a nonexistent key: message.type"),
            (none, "+=b", "kv string format wrong."),
            (none, "+color=red", "unsupported key: color"),
            (
                none,
                "+queue.type=SimpleCQ",
                "attempt to update an unchangeable attribute. key: queue.type",
            ),
            (
                None,
                "+message.type=ODD",
                "value is not in set: [UNSPECIFIED, NORMAL, FIFO, DELAY, TRANSACTION, MIXED]",
            ),
            (None, "+reserve.time=1", "Update topic reserveTime not supported"),
        ] {
            assert_eq!(change(existing, text).unwrap_err(), remark, "{text}");
        }
    }
}
