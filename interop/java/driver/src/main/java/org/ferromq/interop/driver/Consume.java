package org.ferromq.interop.driver;

import java.lang.reflect.Method;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** A push consumer that tells of every delivery and of every change of its queues. */
final class Consume implements Driver.Work {
    private DefaultMQPushConsumer consumer;
    private String topic;
    private int failTimes;
    private final Map<String, AtomicInteger> deliveries = new ConcurrentHashMap<>();
    private CountDownLatch expected;

    @Override
    public void run(Options options, CountDownLatch stop) throws Exception {
        topic = options.text("topic");
        failTimes = options.number("fail-times", 0);
        expected = new CountDownLatch(options.number("expect", Integer.MAX_VALUE));
        consumer = new DefaultMQPushConsumer(options.text("group"));
        consumer.setNamesrvAddr(options.text("namesrv"));
        consumer.setInstanceName(options.text("instance", "consumer-" + ProcessHandle.current().pid()));
        consumer.setPollNameServerInterval(options.number("poll-route-ms", 2000));
        consumer.setConsumeFromWhere(options.text("from", "first").equals("first") ? ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET
            : ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        model(options.text("model", "clustering").toUpperCase());
        if (options.has("max-reconsume")) {
            consumer.setMaxReconsumeTimes(options.number("max-reconsume", 16));
        }
        if (options.has("suspend-ms")) {
            consumer.setSuspendCurrentQueueTimeMillis(options.number("suspend-ms", 1000));
        }
        if (options.has("sql")) {
            consumer.subscribe(topic, MessageSelector.bySql(options.text("sql")));
        } else {
            consumer.subscribe(topic, options.text("tags", "*"));
        }
        if (options.text("listener", "concurrent").equals("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) ->
                delivered(messages) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) ->
                delivered(messages) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER);
        }
        consumer.start();
        Events.emit("ready");
        watchQueues(stop);
    }

    /** The model's enumeration has moved between versions; its setter has not. */
    private void model(String name) throws ReflectiveOperationException {
        for (Method method : DefaultMQPushConsumer.class.getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                for (Object value : method.getParameterTypes()[0].getEnumConstants()) {
                    if (value.toString().equals(name)) {
                        method.invoke(consumer, value);
                    }
                }
            }
        }
    }

    /** One message a call, by default; an answer counts for all of them. */
    private boolean delivered(List<MessageExt> messages) {
        boolean good = true;
        for (MessageExt message : messages) {
            String body = Body.of(message);
            int before = deliveries.computeIfAbsent(body, b -> new AtomicInteger()).getAndIncrement();
            boolean accepted = before >= failTimes;
            good &= accepted;
            report(message, accepted);
        }
        if (good) {
            messages.forEach(message -> expected.countDown());
        }
        return good;
    }

    static void report(MessageExt message, boolean accepted) {
        Events.emit("message", "body", Body.of(message), "size", message.getBody().length, "queueId", message.getQueueId(),
            "queueOffset", message.getQueueOffset(), "reconsumeTimes", message.getReconsumeTimes(), "msgId", message.getMsgId(),
            "tags", message.getTags(), "keys", message.getKeys(), "topic", message.getTopic(), "broker", message.getBrokerName(),
            "accepted", accepted, "thread", Thread.currentThread().getId(), "properties", new java.util.TreeMap<>(message.getProperties()).toString());
    }

    /** Reports the queues at every change, until there is nothing left to do. */
    private void watchQueues(CountDownLatch stop) throws InterruptedException {
        TreeSet<String> known = null;
        while (stop.getCount() > 0 && expected.getCount() > 0) {
            TreeSet<String> queues = new TreeSet<>();
            for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
                if (queue.getTopic().equals(topic)) {
                    queues.add(queue.getBrokerName() + ":" + queue.getQueueId());
                }
            }
            if (!queues.equals(known)) {
                Events.emit("assigned", "count", queues.size(), "queues", String.join(",", queues));
                known = queues;
            }
            expected.await(50, TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void close() {
        if (consumer != null) {
            // Leaves the group at once and keeps its progress.
            consumer.shutdown();
        }
    }
}
