package org.ferromq.interop.driver;

import java.util.Collection;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Reads every queue from its beginning by hand, and commits what it read. */
final class Pull implements Driver.Work {
    private DefaultLitePullConsumer consumer;

    @Override
    public void run(Options options, CountDownLatch stop) throws Exception {
        String topic = options.text("topic");
        int expected = options.number("expect", Integer.MAX_VALUE);
        consumer = new DefaultLitePullConsumer(options.text("group"));
        consumer.setNamesrvAddr(options.text("namesrv"));
        consumer.setInstanceName(options.text("instance", "pull-" + ProcessHandle.current().pid()));
        consumer.setAutoCommit(false);
        // Not by seeking: pulls that began before it are counted, and the group's progress with them.
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
        consumer.assign(queues);
        Events.emit("ready");
        int read = 0;
        while (read < expected && stop.getCount() > 0) {
            for (MessageExt message : consumer.poll(500)) {
                read++;
                Consume.report(message, true);
            }
        }
        consumer.commitSync();
        for (MessageQueue queue : queues) {
            Events.emit("committed", "topic", topic, "broker", queue.getBrokerName(), "queueId", queue.getQueueId(), "offset", consumer.committed(queue));
        }
        // The client goes on telling its progress.
        stop.await();
    }

    @Override
    public void close() {
        if (consumer != null) {
            consumer.shutdown();
        }
    }
}
