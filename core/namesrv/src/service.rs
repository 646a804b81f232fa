//! Dispatch: which handler answers which request.

mod brokers;
mod lookups;
mod settings;

pub use settings::{Settings, SettingsError};

use crate::clock::Clock;
use crate::kv::KvConfig;
use crate::routes::{MinIdNotice, RouteTables};
use ferromq_net::{Connection, Connections, NoRequests, Reply, ResponseWriter, Service};
use ferromq_protocol::Command;
use ferromq_protocol::body::RegistrationError;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson::BodyError;
use ferromq_protocol::header::HeaderError;
use ferromq_protocol::headers::MinBrokerIdChange;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A request that cannot be read; answered with SYSTEM_ERROR.
#[derive(Debug, Error)]
enum Unreadable {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

type Answer = Result<Command, Unreadable>;

/// How long a broker may take to accept a notice; it learns the same from its next look-up.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(300);

/// Answers the name server's requests.
pub struct NameService {
    routes: RwLock<RouteTables>,
    kv: Arc<KvConfig>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    started: i64,
    /// The connections that brokers are heard over, to close those of expired ones.
    heard_over: Mutex<HashMap<u64, Arc<Connection>>>,
    /// To the brokers, for notices.
    outgoing: Arc<Connections>,
}

impl NameService {
    /// A name server without any broker.
    pub fn new(
        settings: Settings,
        kv: KvConfig,
        clock: Arc<dyn Clock>,
        outgoing: Connections,
    ) -> Self {
        NameService {
            routes: RwLock::default(),
            kv: Arc::new(kv),
            settings: Arc::new(settings),
            started: clock.now(),
            clock,
            heard_over: Mutex::default(),
            outgoing: Arc::new(outgoing),
        }
    }

    /// Sends notices, if they are wanted, without waiting for anyone.
    fn notify(&self, notices: impl IntoIterator<Item = MinIdNotice>) {
        if !self.settings.current().notify_min_broker_id_changed {
            return;
        }
        for notice in notices {
            let header = MinBrokerIdChange {
                min_broker_id: Some(notice.id),
                broker_name: None,
                min_broker_addr: Some(&notice.address),
                offline_broker_addr: notice.offline.as_deref(),
                ha_broker_addr: notice.ha_address.as_deref(),
            };
            for broker in notice.recipients {
                let request = Command::request_with(code::NOTIFY_MIN_BROKER_ID_CHANGE, &header);
                let outgoing = Arc::clone(&self.outgoing);
                tokio::spawn(async move {
                    let sent = outgoing.send(&broker, request);
                    match tokio::time::timeout(NOTICE_TIMEOUT, sent).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!(broker, %error, "a notice was not sent"),
                        Err(_) => tracing::warn!(broker, "a notice was not sent in time"),
                    }
                });
            }
        }
    }

    /// Ends the connections to brokers.
    pub fn close(&self) {
        self.outgoing.close();
    }
}

impl Service for NameService {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        let answer = match request.code {
            code::GET_ROUTEINFO_BY_TOPIC => self.route(request),
            code::REGISTER_BROKER => self.register(connection, request),
            code::UNREGISTER_BROKER => self.unregister(request),
            code::BROKER_HEARTBEAT => self.heartbeat(connection, request),
            code::QUERY_DATA_VERSION => self.data_version(connection, request),
            code::GET_BROKER_MEMBER_GROUP => self.member_group(request),
            code::GET_BROKER_CLUSTER_INFO => self.cluster_info(request),
            code::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => self.all_topics(request),
            code::GET_SYSTEM_TOPIC_LIST_FROM_NS => self.system_topics(request),
            code::GET_TOPICS_BY_CLUSTER => self.topics_of_cluster(request),
            code::GET_UNIT_TOPIC_LIST
            | code::GET_HAS_UNIT_SUB_TOPIC_LIST
            | code::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => self.unit_topics(request),
            code::WIPE_WRITE_PERM_OF_BROKER => self.wipe_write_perm(request),
            code::ADD_WRITE_PERM_OF_BROKER => self.add_write_perm(request),
            code::DELETE_TOPIC_IN_NAMESRV => self.delete_topic(request),
            code::REGISTER_TOPIC_IN_NAMESRV => self.register_topic(request),
            code::GET_KV_CONFIG => self.kv_value(request),
            code::GET_KVLIST_BY_NAMESPACE => self.kv_namespace(request),
            code::GET_NAMESRV_CONFIG => Ok(self.list_settings(request)),
            code::PUT_KV_CONFIG | code::DELETE_KV_CONFIG | code::UPDATE_NAMESRV_CONFIG => {
                return self.write_file(connection, request.clone());
            }
            _ => return NoRequests.handle(connection, request, writer),
        };
        writer.write(
            answer
                .unwrap_or_else(|error| request.failure(response::SYSTEM_ERROR, error.to_string())),
        )
    }

    fn closed(&self, connection: &Arc<Connection>) {
        self.connection_closed(connection);
    }
}
