//! The broker's settings while it runs.

use crate::answer::{Answer, Failure};
use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::inner::Inner;
use crate::marks::Marks;
use ferromq_model::config::{ConfigTable, SettingError};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::BrokerConfigResponse;
use ferromq_store::{StoreConfig, tables};
use java_properties::{LineContent, PropertiesError, PropertiesIter, PropertiesWriter};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Settings that say who the broker is. A change of them or of the store's settings is written to
/// the file and counts from the next start on.
const AT_START: &[&str] =
    &["brokerName", "brokerClusterName", "brokerId", "listenPort", "bindAddress", "namesrvAddr"];

/// GET_BROKER_CONFIG: every setting as `key=value`, in order.
pub(super) fn get(broker: &Arc<Inner>, request: &Command) -> Answer {
    let version = fastjson::to_vec(&*broker.config_version.lock());
    let version = String::from_utf8_lossy(&version);
    let header = BrokerConfigResponse { version: &version };
    let mut entries: BTreeMap<_, _> = broker.config.load().entries().into_iter().collect();
    entries.extend(broker.store.config().entries());
    let lines: String = entries.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    Ok(request.success(&header).with_body(lines))
}

/// UPDATE_BROKER_CONFIG: lines `key=value`. All are applied, or none is.
pub(super) fn update(broker: &Arc<Inner>, request: &Command) -> Answer {
    let changes: BTreeMap<String, String> = java_properties::read(&request.body[..])
        .map_err(|error| Failure::system(format!("the settings cannot be read: {error}")))?
        .into_iter()
        .collect();
    let mut version = broker.config_version.lock();
    let before = broker.config.load_full();
    if changes.keys().any(|key| !before.may_change(key)) {
        let remark = "Can not update config in black list.";
        return Err(Failure::new(response::NO_PERMISSION, remark));
    }
    let (after, known) = changed(&before, broker.store.config(), &changes)
        .map_err(|error| Failure::system(error.to_string()))?;
    if !before.broker_config_path.is_empty() && !known.is_empty() {
        rewrite(Path::new(&before.broker_config_path), &known)?;
    }
    tracing::info!(changes = ?known, "settings changed by an administrator");
    let permission_changed = after.broker_permission != before.broker_permission;
    let after = Arc::new(after);
    broker.marks.store(Arc::new(Marks::new(after.clone())));
    broker.config.store(after);
    version.advance(now_ms());
    if permission_changed {
        broker.topics.announce_everything();
    }
    Ok(request.response(response::SUCCESS))
}

/// The settings after the changes, and the changes to settings that exist. Others are left out, as
/// tools send one list to brokers of different versions.
fn changed<'a>(
    before: &BrokerConfig,
    store: &StoreConfig,
    changes: &'a BTreeMap<String, String>,
) -> Result<(BrokerConfig, BTreeMap<&'a str, &'a str>), SettingError> {
    let mut after = before.clone();
    let mut known = BTreeMap::new();
    for (key, value) in changes {
        let later = AT_START.contains(&key.as_str());
        let target = match later {
            true => &mut before.clone(),
            false => &mut after,
        };
        let mut result = target.set_known(key, value).map(|_| ());
        if let Err(SettingError::Unknown { .. }) = result {
            result = store.clone().set(key, value);
        }
        match result {
            Ok(()) => known.insert(key.as_str(), value.as_str()),
            Err(SettingError::Unknown { .. }) => {
                tracing::warn!(key, "an administrator changes a setting that does not exist");
                continue;
            }
            Err(error) => return Err(error),
        };
    }
    Ok((after, known))
}

/// Changes some settings of a properties file and keeps every other line, comments too.
fn rewrite(path: &Path, changes: &BTreeMap<&str, &str>) -> Result<(), Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let path = path.display();
            return Err(Failure::system(format!(
                "the settings cannot be read from {path}: {error}"
            )));
        }
    };
    let mut out = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !sets_one_of(line, changes) {
            out.extend_from_slice(line);
        }
    }
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    let unwritable = |error: PropertiesError| {
        Failure::system(format!("the settings cannot be written: {error}"))
    };
    let mut writer = PropertiesWriter::new(&mut out);
    for (key, value) in changes {
        writer.write(key, value).map_err(unwritable)?;
    }
    writer.finish().map_err(unwritable)?;
    drop(writer);
    Ok(tables::save(path, &out)?)
}

fn sets_one_of(line: &[u8], changes: &BTreeMap<&str, &str>) -> bool {
    PropertiesIter::new(line).flatten().any(|line| {
        matches!(line.content(), LineContent::KVPair(key, _) if changes.contains_key(key.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.conf");
        std::fs::write(&path, "# mine\nbrokerPermission = 6\n\nlistenPort=10911").unwrap();
        let changes = BTreeMap::from([("brokerPermission", "4"), ("regionId", "a\\b")]);
        rewrite(&path, &changes).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\n\nlistenPort=10911\nbrokerPermission=4\nregionId=a\\\\b\n");
        let again = java_properties::read(text.as_bytes()).unwrap();
        assert_eq!(again["regionId"], "a\\b");
        assert!(folder.path().join("broker.conf.bak").exists());
    }
}
