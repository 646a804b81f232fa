//! What brokers ask: registration, signs of life, departure (protocol §6.2 and §6.3).

use super::{Answer, NameService};
use crate::routes::{BrokerKey, Identity, MinIdNotice, Registered, Registration};
use ferromq_net::Connection;
use ferromq_protocol::Command;
use ferromq_protocol::body::{DataVersion, KvTable, RegisterBrokerBody};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    BrokerHeartbeatRequest, BrokerIdentityRequest, QueryDataVersionResponse, RegisterBrokerRequest,
    RegisterBrokerResponse,
};
use std::hash::Hasher;
use std::sync::Arc;

/// From this protocol version (5.0.0) on, compressed registrations have a section for mappings.
const VERSION_WITH_MAPPINGS: i32 = 413;

impl NameService {
    /// REGISTER_BROKER. A body is read on the connection's task however long it is, because the
    /// registrations of one broker must take effect in the order in which it sent them.
    pub(super) fn register(&self, connection: &Arc<Connection>, request: &Command) -> Answer {
        let header: RegisterBrokerRequest<'_> = request.header()?;
        if header.body_crc32 != 0 && crc31(&request.body) != header.body_crc32 {
            return Ok(request.failure(response::SYSTEM_ERROR, "crc32 not match"));
        }
        let registration = Registration {
            identity: Identity {
                cluster: header.cluster_name,
                name: header.broker_name,
                address: header.broker_addr,
                id: header.broker_id,
            },
            ha_address: header.ha_server_addr,
            timeout: header.heartbeat_timeout_millis,
            acting_master: header.enable_acting_master,
            zone: header.zone_name,
            connection: connection.id(),
            digest: digest(&request.body),
        };
        let now = self.clock.now();
        let unchanged = self.routes.write().register_unchanged(&registration, now);
        let registered = match unchanged {
            Some(registered) => registered,
            None => {
                let with_mappings = request.version >= VERSION_WITH_MAPPINGS;
                let body = RegisterBrokerBody::decode(&request.body, with_mappings)?;
                let prune = self.settings.current().delete_topic_with_broker_registration;
                let mut routes = self.routes.write();
                let joined = routes.version(registration.identity).is_none();
                let registered = routes.register(&registration, body, prune, now);
                drop(routes);
                if joined && matches!(registered, Registered::Accepted { .. }) {
                    let (address, group) = (header.broker_addr, header.broker_name);
                    tracing::info!(address, group, id = header.broker_id, "broker joined");
                }
                registered
            }
        };
        self.track(connection);
        let address = header.broker_addr;
        match registered {
            Registered::Accepted { master, notice } => {
                self.notify(notice);
                let (master_addr, ha_server_addr) = master.unzip();
                let answer = request.success(&RegisterBrokerResponse {
                    ha_server_addr: ha_server_addr.as_deref(),
                    master_addr: master_addr.as_deref(),
                });
                Ok(answer.with_body(self.ordered_topics()))
            }
            Registered::Outdated => {
                let group = header.broker_name;
                tracing::warn!(address, group, "ignored a broker whose id has a newer holder");
                Ok(request.response(response::SUCCESS))
            }
            Registered::Incomplete => {
                tracing::warn!(address, "refused a first registration with a single topic");
                Ok(request.failure(response::SYSTEM_ERROR, "register broker failed"))
            }
        }
    }

    /// The ordered topics as a registration's answer tells them; empty when there are none.
    fn ordered_topics(&self) -> Vec<u8> {
        if !self.settings.current().return_order_topic_config_to_broker {
            return Vec::new();
        }
        let pairs = self.kv.ordered_topics();
        pairs.map_or_else(Vec::new, |pairs| {
            fastjson::to_vec(&KvTable { table: pairs.as_ref().clone() })
        })
    }

    /// UNREGISTER_BROKER.
    pub(super) fn unregister(&self, request: &Command) -> Answer {
        let header: BrokerIdentityRequest<'_> = request.header()?;
        let identity = identity(&header);
        let key = BrokerKey::from(identity);
        let notice = self.routes.write().unregister(&key, identity.name);
        tracing::info!(address = identity.address, group = identity.name, "broker left");
        self.notify(notice);
        Ok(request.response(response::SUCCESS))
    }

    /// BROKER_HEARTBEAT.
    pub(super) fn heartbeat(&self, connection: &Arc<Connection>, request: &Command) -> Answer {
        let header: BrokerHeartbeatRequest<'_> = request.header()?;
        let identity = Identity {
            cluster: header.cluster_name,
            name: header.broker_name,
            address: header.broker_addr,
            id: header.broker_id.unwrap_or_default(),
        };
        let now = self.clock.now();
        self.routes.write().heard(identity, connection.id(), now);
        self.track(connection);
        Ok(request.response(response::SUCCESS))
    }

    /// QUERY_DATA_VERSION: tells a broker whether it must register again, and counts as a sign of
    /// life.
    pub(super) fn data_version(&self, connection: &Arc<Connection>, request: &Command) -> Answer {
        let header: BrokerIdentityRequest<'_> = request.header()?;
        let asked: DataVersion = fastjson::from_slice(&request.body)?;
        let identity = identity(&header);
        let known = {
            let mut routes = self.routes.write();
            routes.heard(identity, connection.id(), self.clock.now());
            routes.version(identity)
        };
        self.track(connection);
        let answer = request.success(&QueryDataVersionResponse {
            changed: !matches!(&known, Some((version, true)) if *version == asked),
        });
        Ok(match known {
            Some((version, _)) => answer.with_body(fastjson::to_vec(&version)),
            None => answer,
        })
    }

    /// Keeps the connection's handle if brokers are heard over it.
    fn track(&self, connection: &Arc<Connection>) {
        let id = connection.id();
        if self.routes.read().uses(id) {
            self.heard_over.lock().entry(id).or_insert_with(|| connection.clone());
        }
    }

    pub(super) fn connection_closed(&self, connection: &Connection) {
        if self.heard_over.lock().remove(&connection.id()).is_none() {
            return;
        }
        let (brokers, notices) = self.routes.write().connection_closed(connection.id());
        self.removed(&brokers, notices, "its connection ended");
    }

    /// Removes brokers that were silent for too long and closes their connections.
    pub fn remove_silent_brokers(&self) {
        let now = self.clock.now();
        // Most scans find nothing, and then nobody has to wait for a writer.
        if self.routes.read().expired(now).is_empty() {
            return;
        }
        let (expired, (brokers, notices)) = {
            let mut routes = self.routes.write();
            let expired = routes.expired(now);
            let keys = expired.iter().map(|(key, _)| key.clone()).collect();
            (expired, routes.remove_all(keys))
        };
        for (_, connection) in expired {
            let handle = self.heard_over.lock().get(&connection).cloned();
            if let Some(handle) = handle {
                handle.close();
            }
        }
        self.removed(&brokers, notices, "it was silent for too long");
    }

    fn removed(&self, brokers: &[BrokerKey], notices: Vec<MinIdNotice>, reason: &str) {
        for broker in brokers {
            let BrokerKey { cluster, address } = broker;
            tracing::warn!(address, cluster, reason, "removed a broker");
        }
        self.notify(notices);
    }
}

fn identity<'a>(header: &BrokerIdentityRequest<'a>) -> Identity<'a> {
    Identity {
        cluster: header.cluster_name,
        name: header.broker_name,
        address: header.broker_addr,
        id: header.broker_id,
    }
}

/// The checksum that headers carry: CRC32 without its sign bit.
fn crc31(body: &[u8]) -> i32 {
    (crc32fast::hash(body) & 0x7FFF_FFFF) as i32
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(body);
    hasher.finish()
}
