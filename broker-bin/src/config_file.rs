//! Settings from a file in RocketMQ's own format: Java properties.

use ferromq_model::config::{ConfigTable, Setting, SettingError, nearest};
use java_properties::{LineContent, PropertiesError, PropertiesIter};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file of settings was refused.
#[derive(Debug, Error)]
pub enum ConfigFileError {
    /// It cannot be opened.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no properties file.
    #[error("the settings file {} is no properties file: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What was wrong and where.
        source: PropertiesError,
    },
    /// A value does not fit its setting.
    #[error("{}:{line}: {source}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The setting, the value and what would be accepted.
        source: SettingError,
    },
}

/// A group of settings that a file can fill.
pub trait Target {
    /// Sets one.
    fn assign(&mut self, key: &str, value: &str) -> Result<(), SettingError>;
    /// What there is to set.
    fn known(&self) -> &'static [Setting];
}

impl<T: ConfigTable> Target for T {
    fn assign(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        self.set(key, value)
    }

    fn known(&self) -> &'static [Setting] {
        T::settings()
    }
}

struct Entry {
    line: usize,
    key: String,
    value: String,
}

/// A setting of a file that nothing has.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownSetting {
    /// The line, from 1.
    pub line: usize,
    /// The name.
    pub key: String,
    /// The known name that looks most like it.
    pub nearest: Option<&'static str>,
}

/// A file of settings.
pub struct ConfigFile {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl ConfigFile {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let path = path.to_path_buf();
        let open = |path: &Path| {
            // A folder can be opened, but not read.
            let file = File::open(path)?;
            match file.metadata()?.is_dir() {
                true => Err(io::Error::from(io::ErrorKind::IsADirectory)),
                false => Ok(file),
            }
        };
        let file = match open(&path) {
            Ok(file) => file,
            Err(source) => return Err(ConfigFileError::Open { path, source }),
        };
        let mut entries = Vec::new();
        for line in PropertiesIter::new(BufReader::new(file)) {
            let line = match line {
                Ok(line) => line,
                Err(source) => return Err(ConfigFileError::Syntax { path, source }),
            };
            let number = line.line_number();
            if let LineContent::KVPair(key, value) = line.consume_content() {
                entries.push(Entry { line: number, key, value });
            }
        }
        Ok(ConfigFile { path, entries })
    }

    /// Where the file is, in full, since the program may change its folder later.
    pub fn path(&self) -> String {
        let full = std::path::absolute(&self.path);
        let path = full.unwrap_or_else(|_| self.path.clone());
        path.to_string_lossy().into_owned()
    }

    /// The value that the file gives to `key`, if it does.
    pub fn value(&self, key: &str) -> Option<&str> {
        let entries = self.entries.iter().rev();
        let entry = entries.into_iter().find(|entry| entry.key == key)?;
        Some(&entry.value)
    }

    /// Fills the targets; a setting that several have goes to all of them, because one file holds
    /// the settings of every part. The answer is the settings that none of them has.
    ///
    /// # Errors
    /// [`ConfigFileError::Value`] for the first value that does not fit.
    pub fn apply(
        &self,
        targets: &mut [&mut dyn Target],
    ) -> Result<Vec<UnknownSetting>, ConfigFileError> {
        let mut unknown = Vec::new();
        for entry in &self.entries {
            let mut found = false;
            for target in targets.iter_mut() {
                match target.assign(&entry.key, &entry.value) {
                    Ok(()) => found = true,
                    Err(SettingError::Unknown { .. }) => {}
                    Err(source) => {
                        return Err(ConfigFileError::Value {
                            path: self.path.clone(),
                            line: entry.line,
                            source,
                        });
                    }
                }
            }
            if !found {
                let settings = targets.iter().flat_map(|target| target.known());
                unknown.push(UnknownSetting {
                    line: entry.line,
                    key: entry.key.clone(),
                    nearest: nearest(&entry.key, settings.map(|setting| setting.key)),
                });
            }
        }
        Ok(unknown)
    }

    /// Warns of settings that nothing has. Those of RocketMQ that can have no effect here pass in
    /// silence; those whose feature is missing are told apart from misspellings.
    pub fn warn_of(&self, unknown: &[UnknownSetting], foreign: &Foreign) {
        let file = self.path.display();
        for setting in unknown {
            let UnknownSetting { line, key, nearest } = setting;
            if foreign.without_effect.contains(&key.as_str()) {
                tracing::debug!("{file}:{line}: `{key}` has no effect here");
            } else if foreign.not_supported.contains(&key.as_str()) {
                tracing::warn!("{file}:{line}: `{key}` is not supported and has no effect");
            } else if let Some(nearest) = nearest {
                tracing::warn!("{file}:{line}: unknown setting `{key}`; did you mean `{nearest}`?");
            } else {
                tracing::warn!("{file}:{line}: unknown setting `{key}`");
            }
        }
    }
}

/// RocketMQ's settings that no part here has, by name.
#[derive(Default)]
pub struct Foreign {
    /// They mean nothing here, such as sizes of thread pools.
    pub without_effect: &'static [&'static str],
    /// What they control does not exist here.
    pub not_supported: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_namesrv::NamesrvConfig;
    use ferromq_store::StoreConfig;
    use tempfile::TempDir;

    fn file(text: &str) -> (TempDir, ConfigFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.conf");
        std::fs::write(&path, text).unwrap();
        let file = ConfigFile::read(&path).unwrap();
        (folder, file)
    }

    #[test]
    fn one_file_fills_every_part() {
        let (_folder, file) = file(
            "# a comment\n\
             rocketmqHome=/opt/rocketmq\n\
             mapedFileSizeCommitLog = 52428800\n\
             mapedFileSizeConsumeQueue:30000\n\
             kvConfigPath=C\\:\\\\x\\\n    y\n\
             mappedFileSizeCommitLogg=1\n\
             zzzzzz=1\n",
        );
        let (mut names, mut store) = (NamesrvConfig::default(), StoreConfig::default());
        let unknown = file.apply(&mut [&mut names, &mut store]).unwrap();
        assert_eq!(names.rocketmq_home, "/opt/rocketmq");
        assert_eq!(names.kv_config_path, "C:\\xy");
        assert_eq!(store.mapped_file_size_commit_log, 52_428_800);
        assert_eq!(store.mapped_file_size_consume_queue, 30_000);
        let close = UnknownSetting {
            line: 7,
            key: "mappedFileSizeCommitLogg".to_string(),
            nearest: Some("mappedFileSizeCommitLog"),
        };
        assert_eq!(unknown.len(), 2);
        assert_eq!(unknown[0], close);
        assert_eq!((unknown[1].line, unknown[1].nearest), (8, None));
        assert_eq!(file.value("zzzzzz"), Some("1"));
        assert_eq!(file.value("nothing"), None);
    }

    #[test]
    fn a_bad_value_names_file_line_setting_and_range() {
        let (folder, file) = file("\n# note\nwaitSecondsForService=-1\n");
        let error = file.apply(&mut [&mut NamesrvConfig::default()]).unwrap_err();
        let path = folder.path().join("broker.conf");
        let expected = format!(
            "{}:3: `waitSecondsForService` cannot be `-1`: expected int in 0..=86400",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn files_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| ConfigFile::read(path).err().unwrap().to_string();
        assert!(told(&folder.path().join("none")).contains("none cannot be read"));
        assert!(told(folder.path()).contains("cannot be read"));
        let path = folder.path().join("bad");
        std::fs::write(&path, "key=\\u12").unwrap();
        assert!(told(&path).contains("is no properties file"));
    }
}
