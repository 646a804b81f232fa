//! Apache's admin tool, 5.5.0, with our servers. What it prints is compared, since that is all it gives.

use ferromq_interop::driver::named;
use ferromq_interop::suite::{Servers, Suite};
use ferromq_interop::{Cluster, Driver, DriverKind, Problem, ServerKind, ensure, mqadmin, wire};
use std::process::ExitCode;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const CLUSTER: &str = "DefaultCluster";

type Scenario = fn(&Cluster) -> Result<(), Problem>;

fn main() -> ExitCode {
    let mut suite = Suite::new();
    let mut kinds = vec![ServerKind::FerroMq];
    // What the tool does not manage with Apache's own servers is no test of ours.
    if std::env::var_os("FERROMQ_INTEROP_PROOF").is_some() {
        kinds.push(ServerKind::Apache55);
    }
    let scenarios: [(&str, Scenario); 5] = [
        ("groups", groups),
        ("offsets", offsets),
        ("topics", topics),
        ("messages", messages),
        ("brokers", brokers),
    ];
    for kind in kinds {
        let servers = Servers::new(move || Cluster::start(kind));
        for (name, scenario) in scenarios {
            suite.add(format!("{}/{name}", kind.label()), 2, &servers, scenario);
        }
    }
    suite.run()
}

fn brokers(cluster: &Cluster) -> Result<(), Problem> {
    let broker = &cluster.brokers[0];
    let list = mqadmin::run(cluster, "clusterList", &[])?;
    let line = list.line(&[CLUSTER, &broker.name, &broker.address])?;
    ensure!(line.split_whitespace().nth(2) == Some("0"), "the broker's id in {line:?}");
    let status = mqadmin::run(cluster, "brokerStatus", &["-b", &broker.address])?;
    for key in [
        "bootTimestamp",
        "brokerVersionDesc",
        "brokerVersion",
        "putTps",
        "getTransferredTps",
        "msgPutTotalTodayNow",
        "msgGetTotalTodayNow",
        "commitLogMaxOffset",
        "commitLogMinOffset",
        "runtime",
    ] {
        status.line(&[key, ":"])?;
    }
    let settings = mqadmin::run(cluster, "getBrokerConfig", &["-b", &broker.address])?;
    settings.line(&["brokerName", &broker.name])?;
    Ok(())
}

fn topics(cluster: &Cluster) -> Result<(), Problem> {
    let broker = &cluster.brokers[0];
    let topic = "mqadmin-topics";
    let made =
        mqadmin::run(cluster, "updateTopic", &["-c", CLUSTER, "-t", topic, "-r", "4", "-w", "4"])?;
    made.line(&["create topic to", &broker.address, "success"])?;
    wire::wait_route(&cluster.namesrv, topic, 1, SOON)?;
    let route = mqadmin::run(cluster, "topicRoute", &["-t", topic])?;
    route.line(&[&broker.address])?;
    route.line(&["readQueueNums", "4"])?;
    let list = mqadmin::run(cluster, "topicList", &[])?;
    ensure!(list.text.lines().any(|l| l.trim() == topic), "{topic} is not listed:\n{}", list.text);
    let sent = Driver::produce(DriverKind::Go, cluster, topic, 8).with("mode", "queue").run()?;
    ensure!(named(&sent, "sent").len() == 8, "8 messages: {sent:?}");
    let status = mqadmin::run(cluster, "topicStatus", &["-t", topic])?;
    let columns = |queue: &str| -> Result<Vec<String>, Problem> {
        let line = status.text.lines().find(|l| {
            let mut words = l.split_whitespace();
            words.next() == Some(broker.name.as_str()) && words.next() == Some(queue)
        });
        let line =
            line.ok_or_else(|| Problem::Wrong(format!("no queue {queue}:\n{}", status.text)))?;
        Ok(line.split_whitespace().map(str::to_owned).collect())
    };
    for queue in ["0", "1", "2", "3"] {
        let columns = columns(queue)?;
        ensure!(
            columns[2] == "0" && columns[3] == "2" && columns.len() >= 5,
            "least and greatest offset in {columns:?}"
        );
    }
    let where_is = mqadmin::run(cluster, "topicClusterList", &["-t", topic])?;
    where_is.line(&[CLUSTER])?;
    let gone = mqadmin::run(cluster, "deleteTopic", &["-c", CLUSTER, "-t", topic])?;
    gone.line(&["delete topic", topic, "success"])?;
    wire::until("the route to go", SOON, || {
        Ok(wire::route(&cluster.namesrv, topic)?.is_none().then_some(()))
    })
}

fn messages(cluster: &Cluster) -> Result<(), Problem> {
    let topic = "mqadmin-messages";
    cluster.topic(topic, 2)?;
    let sent = Driver::produce(DriverKind::Java55, cluster, topic, 5)
        .with("keys", "order-")
        .with("tag", "TagA")
        .run()?;
    let sent = named(&sent, "sent");
    let third = &sent[2];
    let by_place = ["-i", third.text("offsetMsgId"), "-t", topic];
    let found = mqadmin::run(cluster, "queryMsgById", &by_place)?;
    found.line(&["Topic:", topic])?;
    found.line(&["Tags:", "TagA"])?;
    found.line(&["Keys:", "order-2"])?;
    found.line(&["Queue Offset:", &third.number("queueOffset").to_string()])?;
    // The index is written a moment after the message.
    wire::until("the message by its key", SOON, || {
        let by_key = ["-t", topic, "-k", "order-2"];
        let found = mqadmin::run(cluster, "queryMsgByKey", &by_key)?;
        Ok(found.line(&[third.text("msgId")]).is_ok().then_some(()))
    })?;
    let by_id = ["-t", topic, "-i", third.text("msgId")];
    let found = mqadmin::run(cluster, "queryMsgByUniqueKey", &by_id)?;
    found.line(&["Keys:", "order-2"])?;
    Ok(())
}

fn groups(cluster: &Cluster) -> Result<(), Problem> {
    let (topic, group) = ("mqadmin-groups", "mqadmin-group");
    let broker = &cluster.brokers[0];
    cluster.topic(topic, 4)?;
    let made = mqadmin::run(cluster, "updateSubGroup", &["-c", CLUSTER, "-g", group, "-r", "3"])?;
    made.line(&[&broker.address, "success"])?;
    let consumer = Driver::consume(DriverKind::Java49, cluster, topic, group)
        .with("instance", "seen-by-mqadmin")
        .start()?;
    Driver::produce(DriverKind::Go, cluster, topic, 12).with("mode", "queue").run()?;
    consumer.wait_messages(12, SOON)?;
    let connected = mqadmin::run(cluster, "consumerConnection", &["-g", group])?;
    connected.line(&["seen-by-mqadmin", "JAVA", "V4_9_8"])?;
    connected.line(&[topic])?;
    connected.line(&["ConsumeType", "CONSUME_PASSIVELY"])?;
    wire::until("all of it consumed", SOON, || {
        let progress = mqadmin::run(cluster, "consumerProgress", &["-g", group])?;
        Ok(progress.line(&["Diff Total", "0"]).is_ok().then_some(progress))
    })?;
    let status = mqadmin::run(cluster, "consumerStatus", &["-g", group])?;
    status.line(&["seen-by-mqadmin"])?;
    consumer.stop().map(drop)
}

fn offsets(cluster: &Cluster) -> Result<(), Problem> {
    let (topic, group) = ("mqadmin-offsets", "mqadmin-offset-group");
    let broker = &cluster.brokers[0];
    cluster.topic(topic, 4)?;
    Driver::produce(DriverKind::Go, cluster, topic, 12).with("mode", "queue").run()?;
    let consumer = Driver::consume(DriverKind::Java55, cluster, topic, group).start()?;
    consumer.wait_messages(12, SOON)?;
    let reset = mqadmin::run(cluster, "resetOffsetByTime", &["-g", group, "-t", topic, "-s", "0"])?;
    reset.line(&[&broker.name, "3"])?;
    // The running consumer is told, drops its queues and starts again.
    consumer.wait_messages(24, SOON)?;
    consumer.stop()?;
    // The same while nobody is there to be told.
    mqadmin::run(cluster, "resetOffsetByTime", &["-g", group, "-t", topic, "-s", "0"])?;
    for queue in 0..4 {
        let progress = wire::progress(&broker.address, group, topic, queue)?;
        ensure!(progress == Some(0), "queue {queue} is at {progress:?} after the reset");
    }
    Ok(())
}
