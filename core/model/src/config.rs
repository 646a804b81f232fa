//! The configuration table: one declaration per setting, from which come the typed structure, the
//! parser, the listing that tools ask for, and the manual.
//!
//! Declare a group of settings with [`config_table!`](crate::config_table). Every setting has the
//! name that RocketMQ gives it, a type, a default, and a line of help; numbers may have a range.
//! Values are text on the way in and out, as in a properties file.

use std::fmt::Display;
use thiserror::Error;

/// One setting as the manual and the tools see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// RocketMQ's name of the setting.
    pub key: &'static str,
    /// The field's name in Rust.
    pub field: &'static str,
    /// `int`, `long`, `boolean`, `double`, `string`, or the allowed words joined by `|`.
    pub kind: &'static str,
    /// What it does, with its unit.
    pub help: &'static str,
    /// Older spellings that are still read.
    pub aliases: &'static [&'static str],
    /// The allowed range, empty when every value of the kind is allowed.
    pub range: &'static str,
}

/// Why a setting was refused. Whoever reads a file adds its name and the line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    /// No setting has this name.
    #[error("unknown setting `{key}`{}", match nearest { Some(n) => format!("; did you mean `{n}`?"), None => String::new() })]
    Unknown {
        /// The name as given.
        key: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The value does not fit the setting.
    #[error("`{key}` cannot be `{value}`: expected {expected}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// The value as given.
        value: String,
        /// The kind or range that would be accepted.
        expected: String,
    },
}

/// A type that a setting can have.
pub trait SettingValue: Sized {
    /// The kind's name in the manual.
    const KIND: &'static str;
    /// Reads the value as it stands in a properties file.
    fn parse(text: &str) -> Option<Self>;
    /// The value as it stands in a properties file.
    fn render(&self) -> String;
}

macro_rules! from_str_setting {
    ($($type:ty => $kind:literal),*) => {$(
        impl SettingValue for $type {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
            fn render(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

from_str_setting!(i32 => "int", u16 => "port", i64 => "long", usize => "long", u64 => "long", f64 => "double");

impl SettingValue for bool {
    const KIND: &'static str = "boolean";
    fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
    fn render(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for String {
    const KIND: &'static str = "string";
    fn parse(text: &str) -> Option<Self> {
        Some(text.trim().to_string())
    }
    fn render(&self) -> String {
        self.clone()
    }
}

/// Parses `text` for `key` and checks the range; used by the generated code.
pub fn parse_setting<T: SettingValue>(
    key: &'static str,
    text: &str,
    in_range: impl FnOnce(&T) -> bool,
    range: &str,
) -> Result<T, SettingError> {
    let expected = || match range {
        "" => T::KIND.to_string(),
        range => format!("{} in {range}", T::KIND),
    };
    T::parse(text).filter(in_range).ok_or_else(|| SettingError::Invalid {
        key,
        value: text.to_string(),
        expected: expected(),
    })
}

/// The known name that looks most like `key`, when one does.
pub fn nearest<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| {
            (strsim::jaro_winkler(&name.to_ascii_lowercase(), &key.to_ascii_lowercase()), name)
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A group of settings declared with [`config_table!`](crate::config_table).
pub trait ConfigTable {
    /// The settings, in the order of their declaration.
    fn settings() -> &'static [Setting];
    /// Sets one; [`SettingError::Unknown`] when the group has no such setting.
    fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError>;
    /// Every setting and its value.
    fn entries(&self) -> Vec<(&'static str, String)>;

    /// The value of one setting.
    fn get(&self, key: &str) -> Option<String> {
        self.entries().into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// The name of a setting in languages that write words in small letters, which is Python:
/// `sendMsgTimeout` is `send_msg_timeout` there. Elsewhere it is the key as it is.
///
/// ```
/// # use ferromq_model::config::snake_case;
/// assert_eq!(snake_case("retryAnotherBrokerWhenNotStoreOK"), "retry_another_broker_when_not_store_ok");
/// assert_eq!(snake_case("brokerIP1"), "broker_ip1");
/// ```
pub fn snake_case(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    for character in key.chars() {
        if character.is_ascii_uppercase() && !name.ends_with(|c: char| c.is_ascii_uppercase()) {
            name.push('_');
        }
        name.push(character);
    }
    name.to_ascii_lowercase()
}

/// Who reads a table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Servers, from files.
    Files,
    /// Servers from files, and embedded servers from the languages.
    FilesAndLanguages,
    /// Clients, in the languages.
    Languages,
}

/// A row of the manual for each setting of a table, as Markdown: its name wherever it can be set, and what
/// it is.
pub fn manual<T: ConfigTable + Default>(readers: Readers) -> String {
    let defaults = T::default();
    let row = |setting: &Setting, default: &dyn Display| {
        let Setting { key, field, kind, help, range, .. } = setting;
        let python = match readers {
            Readers::Files => String::new(),
            _ => format!(" `{}` |", snake_case(key)),
        };
        let within = if range.is_empty() { "" } else { " in " };
        format!("| `{key}` |{python} `{field}` | {kind}{within}{range} | `{default}` | {help} |\n")
    };
    let rows = T::settings().iter().zip(defaults.entries()).map(|(s, (_, value))| row(s, &value));
    let names = match readers {
        Readers::Files => "in files | in Rust",
        Readers::FilesAndLanguages => "in files, C and Node | in Python | in Rust",
        Readers::Languages => "in C and Node | in Python | in Rust",
    };
    let head = format!("| {names} | type | default | meaning |");
    let line = "|---".repeat(head.matches('|').count() - 1);
    format!("{head}\n{line}|\n{}", rows.collect::<String>())
}

/// Declares a group of settings.
///
/// ```
/// ferromq_model::config_table! {
///     /// Settings of the tea kitchen.
///     pub struct Kitchen {
///         /// Cups on the shelf.
///         cups: i32 = 4, "cups", range(1..=100);
///         /// Where tea comes from.
///         origin: String = "Assam".to_string(), "teaOrigin", alias("teeOrigin");
///     }
/// }
/// use ferromq_model::config::ConfigTable;
/// let mut kitchen = Kitchen::default();
/// kitchen.set("teeOrigin", "Ceylon").unwrap();
/// assert!(kitchen.set("cups", "0").is_err());
/// assert_eq!(kitchen.get("teaOrigin").as_deref(), Some("Ceylon"));
/// ```
#[macro_export]
macro_rules! config_table {
    ($(#[$doc:meta])* pub struct $name:ident {
        $(#[doc = $help:literal] $field:ident : $type:ty = $default:expr, $key:literal
            $(, range($range:expr))? $(, alias($($alias:literal),+))? ;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        impl $crate::config::ConfigTable for $name {
            fn settings() -> &'static [$crate::config::Setting] {
                const SETTINGS: &[$crate::config::Setting] = &[$($crate::config::Setting {
                    key: $key,
                    field: stringify!($field),
                    kind: <$type as $crate::config::SettingValue>::KIND,
                    help: ($help).trim_ascii(),
                    aliases: &[$($($alias),+)?],
                    range: concat!("" $(, stringify!($range))?),
                }),*];
                SETTINGS
            }

            fn set(&mut self, key: &str, value: &str) -> Result<(), $crate::config::SettingError> {
                match key {
                    $($key $($(| $alias)+)? => {
                        self.$field = $crate::config::parse_setting::<$type>(
                            $key,
                            value,
                            |_value| true $(&& ($range).contains(_value))?,
                            concat!("" $(, stringify!($range))?),
                        )?;
                        Ok(())
                    })*
                    _ => Err($crate::config::SettingError::Unknown {
                        key: key.to_string(),
                        nearest: $crate::config::nearest(
                            key,
                            <Self as $crate::config::ConfigTable>::settings().iter().map(|s| s.key),
                        ),
                    }),
                }
            }

            fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$(($key, $crate::config::SettingValue::render(&self.$field))),*]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::config_table! {
        /// For the tests.
        pub struct Sample {
            /// The port, 1 to 65535.
            port: i32 = 10911, "listenPort", range(1..=65535);
            /// Size of a segment in bytes.
            segment: i64 = 1 << 30, "mappedFileSizeCommitLog", alias("mapedFileSizeCommitLog");
            /// Whether it is on.
            on: bool = true, "enabled";
        }
    }

    #[test]
    fn sets_lists_and_refuses() {
        let mut sample = Sample::default();
        sample.set("mapedFileSizeCommitLog", " 52428800 ").unwrap();
        assert_eq!(sample.segment, 52428800);
        assert_eq!(
            sample.set("listenPort", "0").unwrap_err().to_string(),
            "`listenPort` cannot be `0`: expected int in 1..=65535"
        );
        assert_eq!(
            sample.set("listenprot", "1").unwrap_err().to_string(),
            "unknown setting `listenprot`; did you mean `listenPort`?"
        );
        assert!(sample.set("zzz", "1").unwrap_err().to_string().ends_with("`zzz`"));
        assert_eq!(sample.get("enabled").as_deref(), Some("true"));
    }

    #[test]
    fn the_manual_names_settings_wherever_they_can_be_set() {
        let rest = "int in 1..=65535 | `10911` | The port, 1 to 65535. |";
        let files = manual::<Sample>(Readers::Files);
        assert!(files.contains(&format!("| `listenPort` | `port` | {rest}")), "{files}");
        let both = manual::<Sample>(Readers::FilesAndLanguages);
        assert!(
            both.contains(&format!("| `listenPort` | `listen_port` | `port` | {rest}")),
            "{both}"
        );
        assert!(manual::<Sample>(Readers::Languages).starts_with("| in C and Node |"));
    }
}
