//! The key-value configuration and the name server's own settings (protocol §6.5).

use super::{Answer, NameService};
use crate::config::NamesrvConfig;
use crate::file;
use crate::kv::{KvConfig, KvError};
use ferromq_model::config::SettingError;
use ferromq_net::{Connection, Reply, Responder};
use ferromq_protocol::Command;
use ferromq_protocol::body::KvTable;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::header::HeaderError;
use ferromq_protocol::headers::{
    KvConfigRequest, KvConfigResponse, NamespaceRequest, PutKvConfigRequest,
};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Why settings could not be changed.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A setting on the black list.
    #[error("Can not update config in black list: {0}")]
    BlackListed(String),
    /// The text is no list of properties.
    #[error("the settings cannot be read: {0}")]
    Unreadable(#[from] java_properties::PropertiesError),
    /// A value does not fit.
    #[error(transparent)]
    Value(#[from] SettingError),
    /// The file cannot be written.
    #[error("the settings cannot be written to {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The name server's settings while it runs.
#[derive(Debug)]
pub struct Settings {
    /// Held over change and file, so that the file ends with the last change.
    writing: Mutex<()>,
    current: RwLock<Arc<NamesrvConfig>>,
}

impl Settings {
    /// Starts with `config`.
    pub fn new(config: NamesrvConfig) -> Self {
        Settings { writing: Mutex::new(()), current: RwLock::new(Arc::new(config)) }
    }

    /// The settings as of now.
    pub fn current(&self) -> Arc<NamesrvConfig> {
        Arc::clone(&self.current.read())
    }

    /// Applies lines `key=value` and writes all settings to their file. Nothing changes when one
    /// of them is refused or the file cannot be written.
    pub fn update(&self, text: &[u8]) -> Result<(), SettingsError> {
        let changes: BTreeMap<_, _> = java_properties::read(text)?.into_iter().collect();
        let _writing = self.writing.lock();
        let current = self.current();
        if let Some(key) = changes.keys().find(|key| current.is_black_listed(key)) {
            return Err(SettingsError::BlackListed(key.clone()));
        }
        let config = current.with(&changes)?;
        let path = PathBuf::from(&config.config_store_path);
        file::replace(&path, config.lines().as_bytes())
            .map_err(|source| SettingsError::File { path, source })?;
        *self.current.write() = Arc::new(config);
        Ok(())
    }
}

/// Why a request that changes a file failed.
#[derive(Debug, Error)]
enum ChangeError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl NameService {
    /// PUT_KV_CONFIG, DELETE_KV_CONFIG and UPDATE_NAMESRV_CONFIG: they write files, and so are
    /// done on a thread that may block.
    pub(super) fn write_file(&self, connection: &Arc<Connection>, request: Command) -> Reply {
        let responder = Responder::new(connection, &request);
        let (kv, settings) = (Arc::clone(&self.kv), Arc::clone(&self.settings));
        tokio::task::spawn_blocking(move || {
            let answer = match change(&kv, &settings, &request) {
                Ok(()) => request.response(response::SUCCESS),
                Err(error) => {
                    tracing::warn!(%error, "a change was refused");
                    request.failure(code_of(&error), error.to_string())
                }
            };
            responder.send(answer);
        });
        Reply::Later
    }

    /// GET_KV_CONFIG.
    pub(super) fn kv_value(&self, request: &Command) -> Answer {
        let KvConfigRequest { namespace, key } = request.header()?;
        let Some(value) = self.kv.value(namespace, key) else {
            let remark = format!("No config item, Namespace: {namespace} Key: {key}");
            return Ok(request.failure(response::QUERY_NOT_FOUND, remark));
        };
        Ok(request.success(&KvConfigResponse { value: Some(&value) }))
    }

    /// GET_KVLIST_BY_NAMESPACE.
    pub(super) fn kv_namespace(&self, request: &Command) -> Answer {
        let NamespaceRequest { namespace } = request.header()?;
        let Some(pairs) = self.kv.namespace(namespace) else {
            let remark = format!("No config item, Namespace: {namespace}");
            return Ok(request.failure(response::QUERY_NOT_FOUND, remark));
        };
        let body = KvTable { table: pairs.as_ref().clone() };
        Ok(request.success_body(fastjson::to_vec(&body)))
    }

    /// GET_NAMESRV_CONFIG.
    pub(super) fn list_settings(&self, request: &Command) -> Command {
        request.success_body(self.settings.current().lines().into_bytes())
    }
}

fn change(kv: &KvConfig, settings: &Settings, request: &Command) -> Result<(), ChangeError> {
    match request.code {
        code::PUT_KV_CONFIG => {
            let header: PutKvConfigRequest<'_> = request.header()?;
            kv.put(header.namespace, header.key, header.value)?;
        }
        code::DELETE_KV_CONFIG => {
            let header: KvConfigRequest<'_> = request.header()?;
            kv.delete(header.namespace, header.key)?;
        }
        _ => settings.update(&request.body)?,
    }
    Ok(())
}

fn code_of(error: &ChangeError) -> i32 {
    match error {
        ChangeError::Settings(SettingsError::BlackListed(_)) => response::NO_PERMISSION,
        _ => response::SYSTEM_ERROR,
    }
}
