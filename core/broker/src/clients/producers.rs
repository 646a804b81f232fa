//! The producer groups that are connected.

use super::Client;
use ferromq_net::Connection;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub(super) struct Producers {
    /// Clients by connection, in the order in which they came.
    groups: RwLock<HashMap<String, BTreeMap<u64, Client>>>,
    turn: AtomicUsize,
}

impl Producers {
    pub(super) fn register(&self, client: &Client, group: &str) -> bool {
        let mut groups = self.groups.write();
        if let Some(known) =
            groups.get_mut(group).and_then(|clients| clients.get_mut(&client.connection.id()))
        {
            known.clone_from(client);
            return false;
        }
        let clients = groups.entry(group.to_string()).or_default();
        clients.insert(client.connection.id(), client.clone());
        true
    }

    pub(super) fn remove(&self, connection: u64, group: &str) {
        let mut groups = self.groups.write();
        if let Some(clients) = groups.get_mut(group) {
            clients.remove(&connection);
            if clients.is_empty() {
                groups.remove(group);
            }
        }
    }

    pub(super) fn get(&self, group: &str) -> Option<Vec<Client>> {
        let groups = self.groups.read();
        Some(groups.get(group)?.values().cloned().collect())
    }

    pub(super) fn all(&self) -> BTreeMap<String, Vec<Client>> {
        let groups = self.groups.read();
        let all = groups.iter();
        all.map(|(group, clients)| (group.clone(), clients.values().cloned().collect())).collect()
    }

    pub(super) fn any(&self, group: &str) -> Option<Arc<Connection>> {
        let groups = self.groups.read();
        let open: Vec<&Client> =
            groups.get(group)?.values().filter(|client| client.connection.is_open()).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let client = open.get(turn.checked_rem(open.len())?)?;
        Some(client.connection.clone())
    }

    pub(super) fn silent_since(&self, deadline: i64) -> Vec<(Client, String)> {
        let groups = self.groups.read();
        let mut silent = Vec::new();
        for (group, clients) in groups.iter() {
            let late = clients.values().filter(|client| client.last_seen < deadline);
            silent.extend(late.map(|client| (client.clone(), group.clone())));
        }
        silent
    }
}
