//! Large tables in pages.

use crate::answer::Failure;
use crate::config::BrokerConfig;
use ferromq_protocol::body::DataVersion;
use ferromq_protocol::fastjson;
use std::collections::BTreeMap;

/// What a peer asks of a table: the number of its first entry, the version that it has pages of
/// already, and at most how many entries.
pub(super) struct Page<'a> {
    pub(super) first: Option<i32>,
    pub(super) version: Option<&'a str>,
    pub(super) most: Option<i32>,
}

impl Page<'_> {
    /// Leaves only the page in `table`. Peers that ask for no page get everything; those whose other
    /// pages are of another version start again from the first.
    pub(super) fn cut<T>(
        &self,
        table: &mut BTreeMap<String, T>,
        version: &DataVersion,
        config: &BrokerConfig,
    ) -> Result<(), Failure> {
        let (Some(first), Some(most)) = (self.first, self.most) else {
            return Ok(());
        };
        if !config.enable_split_metadata {
            return Ok(());
        }
        let theirs: Option<DataVersion> = match self.version {
            Some(text) if !text.is_empty() => Some(fastjson::from_slice(text.as_bytes())?),
            _ => None,
        };
        let first = match theirs.as_ref() == Some(version) {
            true => usize::try_from(first).unwrap_or(0),
            false => 0,
        };
        let most = usize::try_from(most.min(config.split_metadata_size)).unwrap_or(0);
        let whole = std::mem::take(table);
        table.extend(whole.into_iter().skip(first).take(most));
        Ok(())
    }
}
