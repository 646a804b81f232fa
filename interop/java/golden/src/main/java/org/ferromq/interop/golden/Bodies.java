package org.ferromq.interop.golden;

import static org.ferromq.interop.golden.Classes.make;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.ferromq.interop.golden.Classes.Made;

/** JSON bodies, as Apache's serialiser writes them; {@code pretty} is the form of the configuration files. */
final class Bodies {
    private final Fixture fixture = new Fixture("bodies");

    private static final long TIME = 1700000000123L;

    Fixture record() {
        routes();
        clients();
        topics();
        groups();
        progress();
        statistics();
        connections();
        lists();
        newer();
        return fixture;
    }

    private void add(String name, Made made) {
        String text = new String(RemotingSerializable.encode(made.object), StandardCharsets.UTF_8);
        fixture.add(name).with("class", made.object.getClass().getName()).with("text", text)
            .with("pretty", RemotingSerializable.toJson(made.object, true));
    }

    static Map<Object, Object> map(Object... pairs) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put(pairs[i], pairs[i + 1]);
        }
        return map;
    }

    static List<Object> list(Object... items) {
        return Arrays.asList(items);
    }

    private static MessageQueue queue(String broker, int id) {
        return new MessageQueue("TopicTest", broker, id);
    }

    private static Made version(long counter) {
        return make("DataVersion").since5("stateVersion", 2).set("timestamp", TIME).set("counter", counter);
    }

    static Made topic(String name, int queues, int perm) {
        return make("TopicConfig").set("topicName", name).set("readQueueNums", queues).set("writeQueueNums", queues).set("perm", perm);
    }

    private static Made broker(String name, Object... addresses) {
        return make("BrokerData").set("cluster", "DefaultCluster").set("brokerName", name).set("brokerAddrs", map(addresses));
    }

    private static Made queueData(String broker, int queues, int perm, int flags) {
        return make("QueueData").set("brokerName", broker).set("readQueueNums", queues).set("writeQueueNums", queues).set("perm", perm)
            .set("topicSysFlag", flags);
    }

    private void routes() {
        Made one = make("TopicRouteData").set("queueDatas", list(queueData("broker-a", 8, 6, 0)))
            .set("brokerDatas", list(broker("broker-a", 0L, "127.0.0.1:10911"))).set("filterServerTable", map());
        route("route/one broker", one);
        Made two = make("TopicRouteData").set("orderTopicConf", "broker-a:4;broker-b:4")
            .set("queueDatas", list(queueData("broker-a", 4, 6, 1), queueData("broker-b", 4, 4, 0)))
            .set("brokerDatas", list(broker("broker-a", 0L, "10.0.0.1:10911", 1L, "10.0.0.2:10911"), broker("broker-b", 0L, "10.0.0.3:10911", 12L, "10.0.0.4:10911")))
            .set("filterServerTable", map("10.0.0.1:10911", list("10.0.0.9:1", "10.0.0.9:2")));
        route("route/two brokers", two);
        Made unicode = make("TopicRouteData").set("queueDatas", list(queueData("\u4EE3\u7406-a", 8, 6, 0)))
            .set("brokerDatas", list(broker("\u4EE3\u7406-a", 0L, "127.0.0.1:10911"))).set("filterServerTable", map());
        route("route/beyond ASCII", unicode);
        route("route/empty", make("TopicRouteData").set("queueDatas", list()).set("brokerDatas", list()).set("filterServerTable", map()));
        if (Classes.exists("TopicQueueMappingInfo")) {
            Made mapped = make("TopicRouteData").set("queueDatas", list(queueData("broker-a", 2, 6, 0)))
                .set("brokerDatas", list(broker("broker-a", 0L, "127.0.0.1:10911"))).set("filterServerTable", map())
                .set("topicQueueMappingByBroker", map("broker-a", mapping()));
            route("route/static topic", mapped);
        }
        Made cluster = make("ClusterInfo").set("brokerAddrTable", map("broker-a", broker("broker-a", 0L, "10.0.0.1:10911", 1L, "10.0.0.2:10911")))
            .set("clusterAddrTable", map("DefaultCluster", Classes.convert(list("broker-a"), java.util.Set.class)));
        add("cluster", cluster);
    }

    private static Made mapping() {
        return make("TopicQueueMappingInfo").set("topic", "static").set("scope", "__global__").set("totalQueues", 4).set("bname", "broker-a")
            .set("epoch", TIME).set("dirty", false).set("currIdMap", map(0, 0, 1, 1));
    }

    /** Both dialects: the plain one, and the one name servers answer 4.9.4 and later with. */
    private void route(String name, Made route) {
        add(name, route);
        fixture.add(name + "/standard").with("class", route.object.getClass().getName()).with("text", Flavour.standardRoute(route.object));
    }

    private static Made subscription(String topic, String expression, String... tags) {
        Made made = make("SubscriptionData").set("topic", topic).set("subString", expression).set("subVersion", TIME)
            .set("tagsSet", list((Object[]) tags));
        Object[] codes = Arrays.stream(tags).map(String::hashCode).toArray();
        return made.set("codeSet", list(codes));
    }

    private static Made consumer(String group, String type, String model, String from, Object... subscriptions) {
        return make("ConsumerData").set("groupName", group).set("consumeType", type).set("messageModel", model).set("consumeFromWhere", from)
            .set("subscriptionDataSet", list(subscriptions));
    }

    private void clients() {
        Made producer = make("ProducerData").set("groupName", "PG");
        add("heartbeat/producer", make("HeartbeatData").set("clientID", "10.0.0.9@1234#5678").set("producerDataSet", list(producer)));
        add("heartbeat/both", make("HeartbeatData").set("clientID", "10.0.0.9@1234#5678").set("producerDataSet", list(producer))
            .set("consumerDataSet", list(consumer("CG", "CONSUME_PASSIVELY", "CLUSTERING", "CONSUME_FROM_LAST_OFFSET",
                subscription("TopicTest", "TagA || TagB", "TagA", "TagB"), subscription("%RETRY%CG", "*")))));
        add("heartbeat/broadcasting", make("HeartbeatData").set("clientID", "c").set("consumerDataSet",
            list(consumer("CG", "CONSUME_ACTIVELY", "BROADCASTING", "CONSUME_FROM_FIRST_OFFSET",
                subscription("TopicTest", "a > 3 AND b = 'x\"y'").set("expressionType", "SQL92")))));
        add("heartbeat/fingerprint", make("HeartbeatData").set("clientID", "c").since5("heartbeatFingerprint", 12345).since5("isWithoutSub", true));
        add("check client", make("CheckClientRequestBody").set("clientId", "c").set("group", "CG").set("subscriptionData", subscription("TopicTest", "a > 3").set("expressionType", "SQL92")));
        Object queues = list(queue("broker-a", 0), queue("broker-a", 3), queue("broker-b", 1));
        add("lock request", make("LockBatchRequestBody").set("consumerGroup", "CG").set("clientId", "c").set("mqSet", queues));
        add("unlock request", make("UnlockBatchRequestBody").set("consumerGroup", "CG").set("clientId", "c").set("mqSet", queues));
        add("lock answer", make("LockBatchResponseBody").set("lockOKMQSet", queues));
        add("consumer ids", make("GetConsumerListByGroupResponseBody").set("consumerIdList", list("a@1", "b@2")));
    }

    private void topics() {
        Made table = make("TopicConfigSerializeWrapper").set("dataVersion", version(7))
            .set("topicConfigTable", map("TopicTest", topic("TopicTest", 8, 6), "TBW102", topic("TBW102", 8, 7).set("order", true).set("topicSysFlag", 2),
                "\u4E3B\u9898", topic("\u4E3B\u9898", 4, 4).set("topicFilterType", "MULTI_TAG").since5("attributes", map("queue.type", "BatchCQ"))));
        add("topics", table);
        add("topics/empty", make("TopicConfigSerializeWrapper").set("dataVersion", version(0)));
        add("topic", topic("TopicTest", 16, 6));
        add("version", version(7));
        add("topic list", make("TopicList").set("topicList", list("TopicTest", "TBW102")).set("brokerAddr", "10.0.0.1:10911"));
        add("topic list/bare", make("TopicList").set("topicList", list()));
        for (String shape : new String[] {"one", "three", "none"}) {
            registration("registration/" + shape, shape.equals("one") ? 1 : shape.equals("three") ? 3 : 0);
        }
    }

    private void registration(String name, int topics) {
        Map<Object, Object> table = map();
        for (int i = 0; i < topics; i++) {
            Made config = topic("Topic" + i, 4 + i, 6);
            table.put("Topic" + i, i == 2 ? config.set("order", true).since5("attributes", map("message.type", "FIFO")) : config);
        }
        boolean newer = Classes.exists("TopicConfigAndMappingSerializeWrapper");
        Made wrapper = make(newer ? "TopicConfigAndMappingSerializeWrapper" : "TopicConfigSerializeWrapper").set("dataVersion", version(topics))
            .set("topicConfigTable", table);
        if (newer && topics == 3) {
            wrapper.set("topicQueueMappingInfoMap", map("static", mapping()));
        }
        if (newer) {
            wrapper.set("mappingDataVersion", version(1));
        }
        Made body = make("RegisterBrokerBody").set("topicConfigSerializeWrapper", wrapper).set("filterServerList", topics == 1 ? list("10.0.0.9:1") : list());
        add(name, body);
        fixture.add(name + "/compressed").with("class", body.object.getClass().getName())
            .with("text", new String((byte[]) body.call("encode", false), StandardCharsets.UTF_8)).hex("hex", (byte[]) body.call("encode", true));
    }

    private static Made group(String name) {
        return make("SubscriptionGroupConfig").set("groupName", name);
    }

    private void groups() {
        add("group", group("CG"));
        Made special = group("special").set("consumeEnable", false).set("retryQueueNums", 2).set("retryMaxTimes", 3).set("brokerId", 1)
            .since5("consumeMessageOrderly", true).since5("attributes", map("lite.bind.topic", "parent"));
        if (Classes.exists("SimpleSubscriptionData")) {
            special.since5("groupRetryPolicy", make("GroupRetryPolicy").set("type", "EXPONENTIAL").set("exponentialRetryPolicy", make("ExponentialRetryPolicy")));
        }
        add("group/special", special);
        Made wrapper = make("SubscriptionGroupWrapper").set("dataVersion", version(3)).set("subscriptionGroupTable", map("CG", group("CG"), "special", special))
            .since5("forbiddenTable", map("CG", map("TopicTest", 1)));
        add("groups", wrapper);
    }

    private void progress() {
        add("offsets", make("ConsumerOffsetSerializeWrapper").set("offsetTable", map("TopicTest@CG", map(0, 5L, 1, 6L, 10, 7L), "%RETRY%CG@CG", map(0, 1L)))
            .since5("dataVersion", version(4)));
        Made delay = Classes.exists("DelayOffsetSerializeWrapper") ? make("DelayOffsetSerializeWrapper") : null;
        if (delay != null) {
            add("delay offsets", delay.set("offsetTable", map(1, 5L, 3, 17L)));
        }
        Made wrapper = make("OffsetWrapper").set("brokerOffset", 10).set("consumerOffset", 8).set("lastTimestamp", TIME).since5("pullOffset", 9);
        add("consume stats", make("ConsumeStats").set("offsetTable", map(queue("broker-a", 3), wrapper)).set("consumeTps", 12.5));
        Made second = make("OffsetWrapper").set("brokerOffset", 100).set("consumerOffset", -1);
        add("consume stats/two", make("ConsumeStats").set("offsetTable", map(queue("broker-a", 3), wrapper, queue("broker-b", 0), second)));
        add("consume stats/none", make("ConsumeStats"));
        add("reset", make("ResetOffsetBody").set("offsetTable", map(queue("broker-a", 0), 100L, queue("broker-a", 1), 0L)));
        add("consumer status", make("GetConsumerStatusBody").set("messageQueueTable", map()).set("consumerTable", map("c", map(queue("broker-a", 0), 5L))));
        add("correction", make("QueryCorrectionOffsetBody").set("correctionOffsets", map(0, 5L, 1, Long.MAX_VALUE)));
        add("time span", make("QueryConsumeTimeSpanBody").set("consumeTimeSpanSet", list(make("QueueTimeSpan").set("messageQueue", queue("broker-a", 0))
            .set("minTimeStamp", TIME).set("maxTimeStamp", TIME + 1).set("consumeTimeStamp", TIME).set("delayTime", 5))));
    }

    private void statistics() {
        Made offset = make("TopicOffset").set("minOffset", 1).set("maxOffset", 10).set("lastUpdateTimestamp", TIME);
        add("topic stats", make("TopicStatsTable").set("offsetTable", map(queue("broker-a", 3), offset)).since5("topicPutTps", 1.5));
        Made item = make("BrokerStatsItem").set("sum", 600).set("tps", 10.0).set("avgpt", 1.25);
        add("broker stats", make("BrokerStatsData").set("statsMinute", item).set("statsHour", make("BrokerStatsItem").set("sum", 3600)).set("statsDay", make("BrokerStatsItem")));
        add("table", make("KVTable").set("table", map("bootTimestamp", "1700000000123", "brokerVersionDesc", "V5_5_0", "text", "a \"quoted\" line\nand \u4E0A\u6D77")));
        Made process = make("ProcessQueueInfo").set("commitOffset", 3).set("cachedMsgCount", 2).set("lastPullTimestamp", TIME);
        Made running = make("ConsumerRunningInfo").set("properties", map("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY", "PROP_NAMESERVER_ADDR", "127.0.0.1:9876;"))
            .set("subscriptionSet", list(subscription("TopicTest", "*"))).set("mqTable", map(queue("broker-a", 3), process))
            .set("statusTable", map("TopicTest", make("ConsumeStatus").set("pullRT", 1.5).set("consumeOKTPS", 100.0)));
        add("running", running);
        Made direct = make("ConsumeMessageDirectlyResult").set("order", false).set("autoCommit", true).set("consumeResult", "CR_SUCCESS")
            .set("remark", "fine").set("spentTimeMills", 3);
        add("consumed directly", direct);
    }

    private static Made connection() {
        return make("Connection").set("clientId", "10.0.0.9@1").set("clientAddr", "10.0.0.9:50000").set("language", "JAVA").set("version", 401);
    }

    private void connections() {
        add("producers", make("ProducerConnection").set("connectionSet", list(connection())));
        add("consumers", make("ConsumerConnection").set("connectionSet", list(connection())).set("subscriptionTable", map("TopicTest", subscription("TopicTest", "*")))
            .set("consumeType", "CONSUME_PASSIVELY").set("messageModel", "CLUSTERING").set("consumeFromWhere", "CONSUME_FROM_LAST_OFFSET"));
    }

    private void lists() {
        add("group list", make("GroupList").set("groupList", list("CG", "other")));
        add("queue", make("MessageQueue").set("topic", "TopicTest").set("brokerName", "broker-a").set("queueId", 3));
    }

    /** Bodies that 5.x alone has. */
    private void newer() {
        if (!Classes.exists("QueryAssignmentRequestBody")) {
            return;
        }
        add("assignment request", make("QueryAssignmentRequestBody").set("topic", "TopicTest").set("consumerGroup", "CG").set("clientId", "c")
            .set("strategyName", "AVG").set("messageModel", "CLUSTERING"));
        add("assignment answer", make("QueryAssignmentResponseBody").set("messageQueueAssignments",
            list(make("MessageQueueAssignment").set("messageQueue", queue("broker-a", -1)).set("mode", "POP"))));
        add("request mode", make("SetMessageRequestModeRequestBody").set("topic", "TopicTest").set("consumerGroup", "CG").set("mode", "POP").set("popShareQueueNum", 2));
        java.util.BitSet bits = new java.util.BitSet();
        bits.set(0);
        bits.set(9);
        add("batch ack", make("BatchAckMessageRequestBody").set("brokerName", "broker-a").set("acks", list(make("BatchAck").set("consumerGroup", "CG")
            .set("topic", "TopicTest").set("retry", "0").set("startOffset", 100).set("queueId", 1).set("reviveQueueId", 2).set("popTime", TIME)
            .set("invisibleTime", 60000).set("bitSet", bits))));
        add("topics to create", make("CreateTopicListRequestBody").set("topicConfigList", list(topic("a", 4, 6), topic("b", 8, 6))));
        add("groups to create", make("SubscriptionGroupList").set("groupConfigList", list(group("CG"))));
        Made members = make("BrokerMemberGroup").set("cluster", "DefaultCluster").set("brokerName", "broker-a").set("brokerAddrs", map(0L, "10.0.0.1:10911", 1L, "10.0.0.2:10911"));
        add("members", make("GetBrokerMemberGroupResponseBody").set("brokerMemberGroup", members));
        Object producers = Classes.convert(map("PG", list(make("ProducerInfo").set("clientId", "c").set("remoteIP", "10.0.0.9")
            .set("language", "JAVA").set("version", 401).set("lastUpdateTimestamp", TIME))), Map.class);
        add("producer table", make("ProducerTableInfo").set("data", producers));
        add("topic and mapping", make("TopicConfigAndQueueMapping").set("topicName", "TopicTest"));
    }
}
