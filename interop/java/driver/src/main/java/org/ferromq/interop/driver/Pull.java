package org.ferromq.interop.driver;

import java.util.Collection;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
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
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
        consumer.assign(queues);
        for (MessageQueue queue : queues) {
            consumer.seekToBegin(queue);
        }
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
    }

    @Override
    public void close() {
        if (consumer != null) {
            consumer.shutdown();
        }
    }
}
