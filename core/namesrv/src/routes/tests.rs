use super::*;
use ferromq_model::perm;
use ferromq_protocol::body::{RegisterBrokerBody, TopicList, TopicRouteData};
use serde_json::json;

fn identity(name: &'static str, address: &'static str, id: i64) -> Identity<'static> {
    Identity { cluster: "C", name, address, id }
}

fn registration(identity: Identity<'static>) -> Registration<'static> {
    Registration {
        identity,
        ha_address: "ha:1",
        timeout: None,
        acting_master: Some(false),
        zone: None,
        connection: 1,
        digest: 0,
    }
}

fn table(counter: i64, topics: &[&str]) -> RegisterBrokerBody {
    let mut body = RegisterBrokerBody::default();
    let table = &mut body.topic_config_serialize_wrapper;
    table.data_version.counter = counter;
    for topic in topics {
        let config = TopicConfig::new(*topic, 4);
        table.topic_config_table.insert(topic.to_string(), config);
    }
    body
}

fn accepted(registered: Registered) -> (Option<(String, String)>, Option<MinIdNotice>) {
    match registered {
        Registered::Accepted { master, notice } => (master, notice),
        other => panic!("not accepted: {other:?}"),
    }
}

/// Registers at time 0 and expects success.
fn enter(routes: &mut RouteTables, registration: &Registration<'_>, body: RegisterBrokerBody) {
    accepted(routes.register(registration, body, false, 0));
}

fn cluster_of_two() -> RouteTables {
    let mut routes = RouteTables::default();
    let body = || table(1, &["T", "U"]);
    enter(&mut routes, &registration(identity("a", "a:0", 0)), body());
    let mut other = registration(identity("b", "b:0", 0));
    other.connection = 2;
    enter(&mut routes, &other, body());
    routes
}

fn perms(routes: &RouteTables, topic: &str) -> Vec<(String, i32)> {
    let route = routes.route(topic, false).unwrap();
    let pairs = route.queue_datas.into_iter();
    pairs.map(|q| (q.broker_name, q.perm)).collect()
}

fn sorted(list: TopicList) -> Vec<String> {
    let mut topics = list.topic_list;
    topics.sort();
    topics
}

#[test]
fn a_route_has_the_queues_and_addresses_of_every_broker() {
    let routes = cluster_of_two();
    let route = routes.route("T", false).unwrap();
    let names: Vec<_> = route.broker_datas.iter().map(|b| b.broker_name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(route.broker_datas[0].master(), Some("a:0"));
    assert_eq!(route.broker_datas[0].cluster, "C");
    assert_eq!(route.queue_datas.len(), 2);
    assert_eq!(route.queue_datas[1].write_queue_nums, 4);
    assert_eq!(route.queue_datas[1].perm, perm::READ_WRITE);
    assert!(routes.route("X", false).is_none());
}

#[test]
fn a_first_registration_needs_the_whole_table() {
    let mut routes = RouteTables::default();
    let first = registration(identity("a", "a:0", 0));
    let answer = routes.register(&first, table(1, &["T"]), false, 0);
    assert_eq!(answer, Registered::Incomplete);
    assert!(routes.route("T", false).is_none());
    assert!(routes.cluster_info().broker_addr_table.is_empty());
    enter(&mut routes, &first, table(1, &["T", "U"]));
    enter(&mut routes, &first, table(2, &["V"]));
    assert_eq!(sorted(routes.all_topics()), ["T", "U", "V"]);
}

#[test]
fn a_known_version_writes_only_unknown_topics() {
    let mut routes = cluster_of_two();
    let broker = registration(identity("a", "a:0", 0));
    let changed = |counter| {
        let mut body = table(counter, &["T", "U", "V"]);
        let topics = &mut body.topic_config_serialize_wrapper.topic_config_table;
        topics.get_mut("T").unwrap().perm = perm::READ;
        body
    };
    enter(&mut routes, &broker, changed(1));
    assert_eq!(perms(&routes, "T")[0].1, perm::READ_WRITE);
    assert_eq!(perms(&routes, "V").len(), 1);
    enter(&mut routes, &broker, changed(2));
    assert_eq!(perms(&routes, "T")[0].1, perm::READ);
}

#[test]
fn registration_deletes_topics_only_when_told_to() {
    let mut routes = cluster_of_two();
    let broker = registration(identity("a", "a:0", 0));
    accepted(routes.register(&broker, table(2, &["U", "V"]), false, 0));
    assert_eq!(perms(&routes, "T").len(), 2);
    // One topic is an addition, never the whole table.
    accepted(routes.register(&broker, table(3, &["W"]), true, 0));
    assert_eq!(perms(&routes, "T").len(), 2);
    accepted(routes.register(&broker, table(4, &["U", "W"]), true, 0));
    assert_eq!(perms(&routes, "T"), [("b".to_string(), 6)]);
    assert_eq!(sorted(routes.all_topics()), ["T", "U", "W"]);
}

#[test]
fn a_slaves_topics_do_not_count_and_it_learns_its_master() {
    let mut routes = RouteTables::default();
    let slave = registration(identity("a", "a:1", 1));
    let answer = routes.register(&slave, table(1, &["T", "S"]), false, 0);
    assert_eq!(accepted(answer), (None, None));
    assert!(routes.route("S", false).is_none());
    let mut master = registration(identity("a", "a:0", 0));
    master.ha_address = "a:ha";
    enter(&mut routes, &master, table(1, &["T", "U"]));
    let (known, _) = accepted(routes.register(&slave, table(1, &["T", "S"]), false, 0));
    assert_eq!(known, Some(("a:0".to_string(), "a:ha".to_string())));
    assert!(routes.route("S", false).is_none());
    let addresses = &routes.route("T", false).unwrap().broker_datas[0].broker_addrs;
    assert_eq!(addresses.len(), 2);
}

#[test]
fn a_promoted_slave_gives_up_its_old_id() {
    let mut routes = RouteTables::default();
    let slave = registration(identity("a", "a:1", 1));
    enter(&mut routes, &slave, table(1, &["T", "U"]));
    let promoted = registration(identity("a", "a:1", 0));
    enter(&mut routes, &promoted, table(1, &["T", "U"]));
    let group = routes.member_group("C", "a");
    assert_eq!(group.broker_addrs, BTreeMap::from([(0, "a:1".to_string())]));
}

#[test]
fn an_older_state_loses_against_the_holder_of_its_id() {
    let mut routes = RouteTables::default();
    let mut body = table(1, &["T", "U"]);
    body.topic_config_serialize_wrapper.data_version.state_version = 5;
    enter(&mut routes, &registration(identity("a", "a:0", 0)), body.clone());
    let newcomer = registration(identity("a", "x:0", 0));
    let answer = routes.register(&newcomer, table(9, &["T", "U"]), false, 0);
    assert_eq!(answer, Registered::Outdated);
    assert_eq!(routes.member_group("C", "a").broker_addrs[&0], "a:0");
    assert!(routes.version(newcomer.identity).is_none());
    body.topic_config_serialize_wrapper.data_version.state_version = 6;
    enter(&mut routes, &newcomer, body);
    assert_eq!(routes.member_group("C", "a").broker_addrs[&0], "x:0");
}

#[test]
fn a_prime_slave_brings_its_topics_without_write_permission() {
    let mut routes = RouteTables::default();
    let mut slave = registration(identity("a", "a:2", 2));
    enter(&mut routes, &slave, table(1, &["T", "U"]));
    assert!(routes.route("T", false).is_none(), "acting master was not asked for");
    slave.acting_master = Some(true);
    enter(&mut routes, &slave, table(2, &["T", "U"]));
    assert_eq!(perms(&routes, "T")[0].1, perm::READ);
    // A larger id is not prime.
    let mut other = registration(identity("a", "a:3", 3));
    other.acting_master = Some(true);
    enter(&mut routes, &other, table(1, &["T", "V"]));
    assert!(routes.route("V", false).is_none());
}

#[test]
fn an_acting_master_is_shown_as_master_while_there_is_none() {
    let mut routes = RouteTables::default();
    let mut slave = registration(identity("a", "a:2", 2));
    slave.acting_master = Some(true);
    let member_topic = "rmq_sys_SYNC_BROKER_MEMBER_a";
    enter(&mut routes, &slave, table(1, &["T", member_topic]));
    let ids = |routes: &RouteTables, topic, acting| -> Vec<i64> {
        let route: TopicRouteData = routes.route(topic, acting).unwrap();
        route.broker_datas[0].broker_addrs.keys().copied().collect()
    };
    assert_eq!(ids(&routes, "T", true), [0]);
    assert_eq!(ids(&routes, "T", false), [2]);
    assert_eq!(ids(&routes, member_topic, true), [2]);
    let mut master = registration(identity("a", "a:0", 0));
    master.acting_master = Some(true);
    enter(&mut routes, &master, table(1, &["T", "U"]));
    assert_eq!(ids(&routes, "T", true), [0, 2]);
}

#[test]
fn an_unchanged_registration_is_known_by_its_digest() {
    let mut routes = cluster_of_two();
    let mut broker = registration(identity("a", "a:0", 0));
    assert!(routes.register_unchanged(&broker, 500).is_some());
    assert!(routes.expired(120_400).iter().all(|(key, _)| key.address == "b:0"));
    broker.digest = 1;
    assert!(routes.register_unchanged(&broker, 500).is_none());
    broker.digest = 0;
    broker.ha_address = "ha:2";
    assert!(routes.register_unchanged(&broker, 500).is_none());
    broker.ha_address = "ha:1";
    broker.zone = Some("z");
    assert!(routes.register_unchanged(&broker, 500).is_none());
    broker.zone = None;
    broker.acting_master = Some(true);
    assert!(routes.register_unchanged(&broker, 500).is_none());
    broker.acting_master = None;
    assert!(routes.register_unchanged(&broker, 500).is_some());
    let unknown = registration(identity("a", "a:9", 9));
    assert!(routes.register_unchanged(&unknown, 500).is_none());
}

#[test]
fn a_deleted_topic_comes_back_with_the_same_registration() {
    let mut routes = cluster_of_two();
    let broker = registration(identity("a", "a:0", 0));
    routes.delete_topic("T", None);
    assert!(routes.route("T", false).is_none());
    assert!(routes.register_unchanged(&broker, 0).is_none());
    enter(&mut routes, &broker, table(1, &["T", "U"]));
    assert_eq!(perms(&routes, "T").len(), 1);
    assert!(routes.register_unchanged(&broker, 0).is_some());
}

#[test]
fn a_change_of_the_group_makes_the_same_registration_count_again() {
    let mut routes = RouteTables::default();
    let member = |address, id| Registration {
        acting_master: Some(true),
        connection: id as u64 + 1,
        ..registration(identity("a", address, id))
    };
    enter(&mut routes, &member("a:0", 0), table(1, &["T", "U"]));
    enter(&mut routes, &member("a:1", 1), table(1, &["S", "U"]));
    assert!(routes.register_unchanged(&member("a:1", 1), 0).is_some());
    routes.unregister(&BrokerKey::from(member("a:0", 0).identity), "a");
    // Now it is prime, and its own topics count.
    assert!(routes.register_unchanged(&member("a:1", 1), 0).is_none());
    enter(&mut routes, &member("a:1", 1), table(1, &["S", "U"]));
    assert_eq!(perms(&routes, "S"), [("a".to_string(), perm::READ)]);
}

#[test]
fn the_last_member_takes_group_cluster_and_topics_along() {
    let mut routes = cluster_of_two();
    enter(&mut routes, &registration(identity("b", "b:0", 0)), table(2, &["OnlyB", "U"]));
    routes.unregister(&BrokerKey::from(identity("b", "b:0", 0)), "b");
    assert!(routes.route("OnlyB", false).is_none());
    assert_eq!(perms(&routes, "T"), [("a".to_string(), 6)]);
    let info = routes.cluster_info();
    assert_eq!(info.cluster_addr_table["C"], ["a"]);
    routes.unregister(&BrokerKey::from(identity("a", "a:0", 0)), "a");
    assert!(routes.cluster_info().cluster_addr_table.is_empty());
    assert!(routes.all_topics().topic_list.is_empty());
    assert!(routes.live.is_empty() && routes.connections.is_empty() && routes.topics.is_empty());
}

#[test]
fn without_its_master_a_group_keeps_its_topics() {
    let member = |address, id, acting| Registration {
        acting_master: Some(acting),
        ..registration(identity("a", address, id))
    };
    for (acting, expected) in [(false, perm::READ_WRITE), (true, perm::READ)] {
        let mut routes = RouteTables::default();
        enter(&mut routes, &member("a:0", 0, acting), table(1, &["T", "U"]));
        enter(&mut routes, &member("a:1", 1, acting), table(1, &["T", "U"]));
        routes.unregister(&BrokerKey::from(identity("a", "a:0", 0)), "a");
        assert_eq!(perms(&routes, "T"), [("a".to_string(), expected)]);
    }
}

#[test]
fn brokers_expire_after_their_own_timeout() {
    let mut routes = RouteTables::default();
    let mut quick = registration(identity("a", "a:0", 0));
    quick.timeout = Some(10_000);
    enter(&mut routes, &quick, table(1, &["T", "U"]));
    let mut slow = registration(identity("b", "b:0", 0));
    slow.connection = 2;
    enter(&mut routes, &slow, table(1, &["T", "U"]));
    assert!(routes.expired(10_000).is_empty());
    let expired = routes.expired(10_001);
    assert_eq!(expired.len(), 1);
    assert_eq!((expired[0].0.address.as_str(), expired[0].1), ("a:0", 1));
    routes.heard(quick.identity, 1, 5_000);
    assert!(routes.expired(15_000).is_empty());
    assert_eq!(routes.expired(120_001).len(), 2);
    let (removed, notices) = routes.remove_all(vec![expired[0].0.clone()]);
    assert_eq!((removed.len(), notices.len()), (1, 0));
    assert_eq!(perms(&routes, "T"), [("b".to_string(), 6)]);
}

#[test]
fn the_end_of_a_connection_removes_whoever_was_heard_over_it() {
    let mut routes = cluster_of_two();
    assert!(routes.uses(1) && routes.uses(2) && !routes.uses(3));
    // A broker that has come back over another connection stays.
    routes.heard(identity("a", "a:0", 0), 3, 0);
    let (removed, _) = routes.connection_closed(1);
    assert!(removed.is_empty());
    let (removed, _) = routes.connection_closed(2);
    assert_eq!(removed, [BrokerKey::from(identity("b", "b:0", 0))]);
    assert!(routes.route("T", false).is_some());
    routes.connection_closed(3);
    assert!(routes.route("T", false).is_none());
}

#[test]
fn a_smaller_id_is_announced_to_the_others() {
    let mut routes = RouteTables::default();
    let member = |address, id| registration(identity("a", address, id));
    let body = || table(1, &["T", "U"]);
    let (_, first) = accepted(routes.register(&member("a:2", 2), body(), false, 0));
    assert_eq!(first, None, "nobody to tell");
    let (_, larger) = accepted(routes.register(&member("a:3", 3), body(), false, 0));
    assert_eq!(larger, None);
    let mut master = member("a:0", 0);
    master.ha_address = "a:ha";
    let (_, notice) = accepted(routes.register(&master, body(), false, 0));
    let expected = MinIdNotice {
        id: 0,
        address: "a:0".to_string(),
        offline: None,
        ha_address: Some("a:ha".to_string()),
        recipients: vec!["a:2".to_string(), "a:3".to_string()],
    };
    assert_eq!(notice, Some(expected));
}

#[test]
fn the_loss_of_the_smallest_id_is_announced_to_all_who_are_left() {
    let member = |address, id| Registration {
        acting_master: Some(true),
        ..registration(identity("a", address, id))
    };
    let mut routes = RouteTables::default();
    for broker in [member("a:0", 0), member("a:2", 2), member("a:3", 3)] {
        enter(&mut routes, &broker, table(1, &["T", "U"]));
    }
    let leave = |routes: &mut RouteTables, address, id| {
        routes.unregister(&BrokerKey::from(identity("a", address, id)), "a")
    };
    assert_eq!(leave(&mut routes, "a:3", 3), None);
    let notice = leave(&mut routes, "a:0", 0).unwrap();
    assert_eq!((notice.id, notice.address.as_str()), (2, "a:2"));
    assert_eq!(notice.offline.as_deref(), Some("a:0"));
    assert_eq!(notice.recipients, ["a:2"]);
    assert_eq!(leave(&mut routes, "a:2", 2), None);
}

#[test]
fn write_permission_is_wiped_and_given_until_the_broker_changes_its_table() {
    let mut routes = cluster_of_two();
    assert_eq!(routes.wipe_write_perm("a"), 2);
    assert_eq!(routes.wipe_write_perm("nobody"), 0);
    assert_eq!(perms(&routes, "T"), [("a".to_string(), 4), ("b".to_string(), 6)]);
    let broker = registration(identity("a", "a:0", 0));
    enter(&mut routes, &broker, table(1, &["T", "U"]));
    assert_eq!(perms(&routes, "T")[0].1, 4, "an unchanged table restores nothing");
    assert_eq!(routes.add_write_perm("a"), 2);
    assert_eq!(perms(&routes, "T")[0].1, 6);
    routes.wipe_write_perm("a");
    enter(&mut routes, &broker, table(2, &["T", "U"]));
    assert_eq!(perms(&routes, "T")[0].1, 6);
}

#[test]
fn a_topic_is_deleted_for_one_cluster_or_for_all() {
    let mut routes = cluster_of_two();
    let mut far = registration(identity("f", "f:0", 0));
    far.identity.cluster = "Far";
    enter(&mut routes, &far, table(1, &["T", "U"]));
    routes.delete_topic("T", Some("Nowhere"));
    assert_eq!(perms(&routes, "T").len(), 3);
    routes.delete_topic("T", Some("C"));
    assert_eq!(perms(&routes, "T"), [("f".to_string(), 6)]);
    routes.delete_topic("T", None);
    assert!(routes.route("T", false).is_none());
    assert_eq!(sorted(routes.topics_of_cluster("Far")), ["U"]);
}

#[test]
fn a_topic_is_registered_for_known_brokers_or_not_at_all() {
    let mut routes = cluster_of_two();
    let queues = |broker: &str| QueueData {
        broker_name: broker.to_string(),
        perm: 4,
        read_queue_nums: 2,
        topic_sys_flag: 0,
        write_queue_nums: 1,
    };
    assert!(!routes.register_topic("N", &[queues("a"), queues("nobody")]));
    assert!(routes.route("N", false).is_none());
    assert!(routes.register_topic("N", &[queues("a")]));
    assert_eq!(routes.route("N", false).unwrap().queue_datas, [queues("a")]);
    assert!(routes.register_topic("N", &[]));
    routes.unregister(&BrokerKey::from(identity("a", "a:0", 0)), "a");
    assert!(routes.route("N", false).is_none());
}

#[test]
fn lists_of_topics() {
    let mut routes = cluster_of_two();
    let mut body = table(2, &["Unit", "Sub", "Both"]);
    for (topic, bits) in [("Unit", 1), ("Sub", 2), ("Both", 3)] {
        let topics = &mut body.topic_config_serialize_wrapper.topic_config_table;
        topics.get_mut(topic).unwrap().topic_sys_flag = bits;
    }
    enter(&mut routes, &registration(identity("a", "a:0", 0)), body);
    assert_eq!(sorted(routes.all_topics()), ["Both", "Sub", "T", "U", "Unit"]);
    assert_eq!(sorted(routes.topics_of_cluster("C")).len(), 5);
    assert!(routes.topics_of_cluster("X").topic_list.is_empty());
    assert_eq!(sorted(routes.unit_topics()), ["Both", "Unit"]);
    assert_eq!(sorted(routes.unit_subscribed_topics()), ["Both", "Sub"]);
    assert_eq!(sorted(routes.unit_subscribed_plain_topics()), ["Sub"]);
    let system = routes.system_topics();
    assert_eq!(system.topic_list, ["C", "a", "b"]);
    assert_eq!(system.broker_addr.as_deref(), Some("a:0"));
    assert_eq!(RouteTables::default().system_topics().broker_addr, None);
}

#[test]
fn member_groups() {
    let routes = cluster_of_two();
    assert_eq!(routes.member_group("C", "a").broker_addrs[&0], "a:0");
    let unknown = routes.member_group("C", "x");
    assert_eq!((unknown.broker_name.as_str(), unknown.broker_addrs.len()), ("x", 0));
}

#[test]
fn filter_servers_and_static_mappings_are_part_of_the_route() {
    let mut routes = cluster_of_two();
    assert!(routes.route("T", false).unwrap().filter_server_table.is_empty());
    let broker = registration(identity("a", "a:0", 0));
    let mut body = table(2, &["T", "U"]);
    body.filter_server_list = vec!["f:1".to_string()];
    let mapping = json!({"topic": "T", "bname": "a", "totalQueues": 8});
    body.topic_config_serialize_wrapper.topic_queue_mapping_info_map =
        Some(BTreeMap::from([("T".to_string(), mapping.clone())]));
    enter(&mut routes, &broker, body);
    let route = routes.route("T", false).unwrap();
    assert_eq!(route.filter_server_table["a:0"], ["f:1"]);
    assert_eq!(route.topic_queue_mapping_by_broker, Some(json!({ "a": mapping })));
    enter(&mut routes, &broker, table(3, &["T", "U"]));
    assert!(routes.route("T", false).unwrap().filter_server_table.is_empty());
}

#[test]
fn a_zone_sees_its_own_brokers_and_masterless_ones() {
    let mut routes = RouteTables::default();
    let zones = [("a", "a:0", 0, "East"), ("b", "b:0", 0, "west"), ("c", "c:1", 1, "west")];
    for (name, address, id, zone) in zones {
        let mut broker = registration(identity(name, address, id));
        broker.zone = Some(zone);
        broker.acting_master = Some(true);
        let mut body = table(1, &["T", "U"]);
        body.filter_server_list = vec![format!("filter-{name}")];
        enter(&mut routes, &broker, body);
    }
    let mut route = routes.route("T", false).unwrap();
    keep_zone(&mut route, "EAST");
    let names: Vec<_> = route.queue_datas.iter().map(|q| q.broker_name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(route.broker_datas.len(), 2);
    assert!(!route.filter_server_table.contains_key("b:0"));
}
