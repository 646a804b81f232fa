use super::*;
use crate::testing::Pair;
use ferromq_protocol::body::{MessageModel, SubscriptionData};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::ConsumerGroupRequest;

fn client(pair: &Pair, id: &str, last_seen: i64) -> Client {
    Client {
        connection: pair.connection.clone(),
        id: id.into(),
        language: Language::JAVA,
        version: 500,
        last_seen,
    }
}

fn data(group: &str, subscriptions: &[(&str, &str, i64)]) -> ConsumerData {
    let subscription = |(topic, tags, version): &(&str, &str, i64)| {
        SubscriptionData::by_tags(*topic, tags, *version)
    };
    ConsumerData {
        group_name: group.to_string(),
        subscription_data_set: subscriptions.iter().map(subscription).collect(),
        ..ConsumerData::default()
    }
}

/// The next request that the client gets, which must be a note about `group`.
async fn noted(pair: &mut Pair, group: &str) {
    let note = pair.client.request().await;
    assert_eq!(note.code, request::NOTIFY_CONSUMER_IDS_CHANGED);
    assert!(note.is_oneway());
    let header: ConsumerGroupRequest<'_> = note.header().unwrap();
    assert_eq!(header.consumer_group, group);
}

/// Registers a group of another name, whose note marks the end of all notes before.
async fn nothing_noted(clients: &Clients, pair: &mut Pair, mark: &str) {
    clients.register_consumer(
        &client(pair, "mark", 0),
        data(mark, &[]),
        Fingerprint::Full(0),
        true,
    );
    noted(pair, mark).await;
}

const FULL: Fingerprint = Fingerprint::Full(0);

#[tokio::test]
async fn members_hear_of_each_other() {
    let clients = Clients::new();
    let (mut a, mut b) = (Pair::new().await, Pair::new().await);
    let join = |pair: &Pair, id: &str, subscriptions: &[_]| {
        clients.register_consumer(&client(pair, id, 1), data("G", subscriptions), FULL, true)
    };
    assert!(join(&a, "a", &[("T", "*", 1)]).changed);
    noted(&mut a, "G").await;
    assert!(join(&b, "b", &[("T", "*", 1)]).changed);
    noted(&mut a, "G").await;
    noted(&mut b, "G").await;
    assert_eq!(clients.consumer_group("G").unwrap().client_ids(), ["a", "b"]);

    // A newer subscription to the same topic is no change, an older one is not even taken.
    assert!(!join(&b, "b", &[("T", "x", 2)]).changed);
    assert!(!join(&b, "b", &[("T", "y", 1)]).changed);
    let group = clients.consumer_group("G").unwrap();
    assert_eq!(group.subscription("T").unwrap().sub_string, "x");
    nothing_noted(&clients, &mut a, "M").await;

    assert!(join(&b, "b", &[("U", "*", 3)]).changed);
    noted(&mut a, "G").await;
    assert!(group.subscription("T").is_none() && group.subscription("U").is_some());
    assert!(clients.groups_subscribed_to("U").contains("G"));

    clients.closed(&b.connection);
    noted(&mut a, "G").await;
    assert_eq!(group.client_ids(), ["a"]);
    clients.unregister_consumer(&a.connection, "G");
    assert!(clients.consumer_group("G").is_none());
    assert!(clients.consumer("G", "a").is_none());
    clients.closed(&a.connection);
    assert!(clients.consumer_groups().is_empty() && clients.memberships.lock().is_empty());
}

#[tokio::test]
async fn broadcasting_and_silenced_groups_hear_nothing() {
    let clients = Clients::new();
    let mut a = Pair::new().await;
    let broadcasting =
        ConsumerData { message_model: MessageModel::Broadcasting, ..data("B", &[("T", "*", 1)]) };
    assert!(clients.register_consumer(&client(&a, "a", 1), broadcasting, FULL, true).changed);
    let silenced = data("S", &[("T", "*", 1)]);
    assert!(clients.register_consumer(&client(&a, "a", 1), silenced, FULL, false).changed);
    nothing_noted(&clients, &mut a, "M").await;
}

#[tokio::test]
async fn brief_heartbeats_refresh_what_is_known() {
    let clients = Clients::new();
    let a = Pair::new().await;
    let beat = |seen, fingerprint, subscriptions: &[_]| {
        clients.register_consumer(
            &client(&a, "a", seen),
            data("G", subscriptions),
            fingerprint,
            true,
        )
    };
    let unknown = beat(1, Fingerprint::Brief(7), &[]);
    assert!(unknown.wants_subscriptions && unknown.changed);
    let full = beat(2, Fingerprint::Full(7), &[("T", "*", 1)]);
    assert!(!full.wants_subscriptions && full.changed);
    assert_eq!(beat(3, Fingerprint::Brief(7), &[]), Registered::default());
    let group = clients.consumer_group("G").unwrap();
    assert!(group.subscription("T").is_some());
    assert_eq!(group.client("a").unwrap().last_seen, 3);
    assert!(beat(4, Fingerprint::Brief(8), &[]).wants_subscriptions);

    // Another client with other producers has another hash; that alone disturbs nobody.
    let b = Pair::new().await;
    let other = |hash, topic| {
        let data = data("G", &[(topic, "*", 1)]);
        clients.register_consumer(&client(&b, "b", 5), data, Fingerprint::Full(hash), true)
    };
    other(9, "T");
    assert!(!beat(6, Fingerprint::Brief(7), &[]).wants_subscriptions);
    other(10, "U");
    assert!(beat(7, Fingerprint::Brief(7), &[]).wants_subscriptions);
}

#[tokio::test]
async fn silent_clients_are_dropped_and_disconnected() {
    let clients = Clients::new();
    let (a, b) = (Pair::new().await, Pair::new().await);
    clients.register_consumer(&client(&a, "a", 100), data("G", &[]), FULL, true);
    clients.register_producer(&client(&a, "a", 100), "P");
    clients.register_producer(&client(&b, "b", 200), "P");
    clients.drop_silent(100);
    assert_eq!(clients.producers("P").unwrap().len(), 2);
    clients.drop_silent(101);
    assert!(clients.consumer_group("G").is_none());
    assert_eq!(&*clients.producers("P").unwrap()[0].id, "b");
    assert!(!a.connection.is_open() && b.connection.is_open());
}

#[tokio::test]
async fn producers_take_turns() {
    let clients = Clients::new();
    let (a, b) = (Pair::new().await, Pair::new().await);
    assert!(clients.register_producer(&client(&a, "a", 1), "P"));
    assert!(!clients.register_producer(&client(&a, "a", 2), "P"));
    assert!(clients.register_producer(&client(&b, "b", 1), "P"));
    let turns: BTreeSet<u64> = (0..2).map(|_| clients.any_producer("P").unwrap().id()).collect();
    assert_eq!(turns.len(), 2);
    assert!(clients.any_producer("Q").is_none());
    clients.unregister_producer(&a.connection, "P");
    clients.closed(&b.connection);
    assert!(clients.producers("P").is_none() && clients.any_producer("P").is_none());
}
