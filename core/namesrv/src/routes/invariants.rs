//! Whatever happens in whatever order, the tables agree with each other.

use super::*;
use ferromq_protocol::body::RegisterBrokerBody;
use proptest::prelude::*;

const CLUSTERS: [&str; 2] = ["C", "D"];
const GROUPS: [&str; 3] = ["a", "b", "c"];
const ADDRESSES: [&str; 4] = ["h:1", "h:2", "h:3", "h:4"];
const TOPICS: [&str; 4] = ["T", "U", "V", "W"];

#[derive(Clone, Debug)]
struct Who {
    cluster: usize,
    group: usize,
    address: usize,
    id: i64,
}

impl Who {
    fn identity(&self) -> Identity<'static> {
        Identity {
            cluster: CLUSTERS[self.cluster],
            name: GROUPS[self.group],
            address: ADDRESSES[self.address],
            id: self.id,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Register {
        who: Who,
        connection: u64,
        topics: Vec<usize>,
        version: i64,
        acting: bool,
        prune: bool,
    },
    Heard(Who, u64),
    Unregister(Who),
    Closed(u64),
    Later(i64),
    DeleteTopic(usize, Option<usize>),
    RegisterTopic(usize, usize),
    Wipe(usize),
}

fn who() -> impl Strategy<Value = Who> {
    (0..2usize, 0..3usize, 0..4usize, 0..3i64).prop_map(|(cluster, group, address, id)| Who {
        cluster,
        group,
        address,
        id,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let topics = prop::collection::vec(0..4usize, 0..4);
    let register = (who(), 0..4u64, topics, 0..3i64, any::<bool>(), any::<bool>()).prop_map(
        |(who, connection, topics, version, acting, prune)| Event::Register {
            who,
            connection,
            topics,
            version,
            acting,
            prune,
        },
    );
    prop_oneof![
        4 => register,
        1 => (who(), 0..4u64).prop_map(|(who, connection)| Event::Heard(who, connection)),
        1 => who().prop_map(Event::Unregister),
        1 => (0..4u64).prop_map(Event::Closed),
        1 => (0..100_000i64).prop_map(Event::Later),
        1 => (0..4usize, prop::option::of(0..2usize)).prop_map(|(t, c)| Event::DeleteTopic(t, c)),
        1 => (0..4usize, 0..3usize).prop_map(|(t, g)| Event::RegisterTopic(t, g)),
        1 => (0..3usize).prop_map(Event::Wipe),
    ]
}

fn happen(routes: &mut RouteTables, event: Event, now: &mut i64) {
    match event {
        Event::Register { who, connection, topics, version, acting, prune } => {
            let mut body = RegisterBrokerBody::default();
            let table = &mut body.topic_config_serialize_wrapper;
            table.data_version.counter = version;
            table.data_version.state_version = version;
            for topic in topics {
                let name = TOPICS[topic].to_string();
                table.topic_config_table.insert(name, TopicConfig::new(TOPICS[topic], 1));
            }
            let registration = Registration {
                identity: who.identity(),
                ha_address: "",
                timeout: None,
                acting_master: Some(acting),
                zone: None,
                connection,
                digest: version as u64,
            };
            if routes.register_unchanged(&registration, *now).is_none() {
                routes.register(&registration, body, prune, *now);
            }
        }
        Event::Heard(who, connection) => routes.heard(who.identity(), connection, *now),
        Event::Unregister(who) => {
            routes.unregister(&BrokerKey::from(who.identity()), GROUPS[who.group]);
        }
        Event::Closed(connection) => {
            routes.connection_closed(connection);
        }
        Event::Later(time) => {
            *now += time;
            let expired = routes.expired(*now).into_iter().map(|(key, _)| key).collect();
            routes.remove_all(expired);
        }
        Event::DeleteTopic(topic, cluster) => {
            routes.delete_topic(TOPICS[topic], cluster.map(|cluster| CLUSTERS[cluster]));
        }
        Event::RegisterTopic(topic, group) => {
            let data = QueueData { broker_name: GROUPS[group].to_string(), ..QueueData::default() };
            routes.register_topic(TOPICS[topic], &[data]);
        }
        Event::Wipe(group) => {
            routes.wipe_write_perm(GROUPS[group]);
        }
    }
}

fn check(routes: &RouteTables) {
    for (name, topic) in &routes.topics {
        assert!(!topic.queues.is_empty(), "{name} has no queues");
        for group in topic.queues.keys() {
            let group = routes.groups.get(group).expect("queues on an unknown group");
            assert!(group.topics.contains(name), "a group does not list its topic {name}");
        }
    }
    for (name, group) in &routes.groups {
        assert!(!group.data.broker_addrs.is_empty(), "{name} has no members");
        for topic in &group.topics {
            assert!(routes.topics[topic].queues.contains_key(name));
        }
        assert!(routes.clusters.values().any(|members| members.contains(name)));
        let mut addresses: Vec<_> = group.data.broker_addrs.values().collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), group.data.broker_addrs.len(), "an address has two ids");
    }
    for members in routes.clusters.values() {
        assert!(!members.is_empty());
        assert!(members.iter().all(|name| routes.groups.contains_key(name)));
    }
    for (key, live) in &routes.live {
        assert!(routes.connections[&live.connection].contains(key));
    }
    let heard: usize = routes.connections.values().map(HashSet::len).sum();
    assert_eq!(heard, routes.live.len(), "a connection lists a broker that is not heard over it");
}

proptest! {
    #[test]
    fn the_tables_agree(events in prop::collection::vec(event(), 1..60)) {
        let mut routes = RouteTables::default();
        let mut now = 0;
        for event in events {
            happen(&mut routes, event, &mut now);
            check(&routes);
        }
    }
}
