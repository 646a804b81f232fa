package org.ferromq.interop.driver;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends messages and says where each one went. */
final class Produce implements Driver.Work {
    private DefaultMQProducer producer;
    private Options options;
    private String topic;
    private String mode;
    private String prefix;

    @Override
    public void run(Options options, CountDownLatch stop) throws Exception {
        this.options = options;
        topic = options.text("topic");
        mode = options.text("mode", "sync");
        producer = create();
        producer.setNamesrvAddr(options.text("namesrv"));
        producer.setInstanceName(options.text("instance", "producer-" + ProcessHandle.current().pid()));
        producer.setSendMsgTimeout(options.number("send-timeout-ms", 10000));
        producer.setPollNameServerInterval(options.number("poll-route-ms", 2000));
        if (options.has("compress-above")) {
            producer.setCompressMsgBodyOverHowmuch(options.number("compress-above", 4096));
        }
        producer.start();
        Events.emit("ready");
        int count = options.number("count", 1);
        String[] modes = mode.split(",");
        for (String next : modes) {
            mode = next;
            // With several modes in turn, the bodies name theirs.
            prefix = options.text("body-prefix", "message-") + (modes.length > 1 ? next + "-" : "");
            if (mode.equals("batch")) {
                batches(count);
            } else if (mode.equals("async")) {
                async(count);
            } else {
                one(count, stop);
            }
        }
        Events.emit("done");
    }

    private DefaultMQProducer create() {
        String group = options.text("group", "driver-producer");
        if (!mode.equals("transaction")) {
            return new DefaultMQProducer(group);
        }
        TransactionMQProducer transactional = new TransactionMQProducer(group);
        transactional.setTransactionListener(new Outcome());
        return transactional;
    }

    /** By number: 0 commits, 1 rolls back, 2 says nothing until it is asked and commits then. */
    private static final class Outcome implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object number) {
            switch ((Integer) number % 3) {
                case 0:
                    return LocalTransactionState.COMMIT_MESSAGE;
                case 1:
                    return LocalTransactionState.ROLLBACK_MESSAGE;
                default:
                    return LocalTransactionState.UNKNOW;
            }
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            Events.emit("checked", "body", Body.of(message));
            return LocalTransactionState.COMMIT_MESSAGE;
        }
    }

    private void one(int count, CountDownLatch stop) throws Exception {
        List<MessageQueue> queues = null;
        int shards = options.number("shards", 4);
        for (int i = 0; i < count && stop.getCount() > 0; i++) {
            Message message = message(i);
            switch (mode) {
                case "sync":
                    sent(Body.of(message), null, producer.send(message));
                    break;
                case "oneway":
                    producer.sendOneway(message);
                    Events.emit("sent", "body", Body.of(message));
                    break;
                case "queue":
                    if (queues == null) {
                        queues = new ArrayList<>(producer.fetchPublishMessageQueues(topic));
                        queues.sort(null);
                    }
                    MessageQueue target = queues.get(options.number("queue", i) % queues.size());
                    sent(Body.of(message), null, producer.send(message, target));
                    break;
                case "orderly":
                    int shard = i % shards;
                    SendResult result = producer.send(message, (all, m, key) -> all.get((Integer) key % all.size()), shard);
                    sent(Body.of(message), shard, result);
                    break;
                case "transaction":
                    sent(Body.of(message), null, producer.sendMessageInTransaction(message, i));
                    break;
                default:
                    throw new IllegalArgumentException("unknown mode " + mode);
            }
            Thread.sleep(options.number("interval-ms", 0));
        }
        if (mode.equals("transaction") || options.has("linger")) {
            // The broker asks about undecided transactions: somebody must be there to answer.
            stop.await();
        }
    }

    private void batches(int count) throws Exception {
        int size = options.number("batch-size", 10);
        for (int start = 0; start < count; start += size) {
            List<Message> batch = new ArrayList<>();
            for (int i = start; i < Math.min(count, start + size); i++) {
                batch.add(message(i));
            }
            SendResult result = producer.send(batch);
            String[] ids = result.getMsgId().split(",");
            String[] places = result.getOffsetMsgId() == null ? new String[0] : result.getOffsetMsgId().split(",");
            for (int i = 0; i < batch.size(); i++) {
                event(Body.of(batch.get(i)), null, result, i < ids.length ? ids[i] : null, i < places.length ? places[i] : null,
                    result.getQueueOffset() + i);
            }
        }
    }

    private void async(int count) throws Exception {
        Semaphore window = new Semaphore(64);
        CountDownLatch answers = new CountDownLatch(count);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        for (int i = 0; i < count; i++) {
            Message message = message(i);
            window.acquire();
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    sent(Body.of(message), null, result);
                    finish();
                }

                @Override
                public void onException(Throwable problem) {
                    failure.set(problem);
                    finish();
                }

                private void finish() {
                    window.release();
                    answers.countDown();
                }
            });
        }
        answers.await();
        if (failure.get() != null) {
            throw new IllegalStateException(failure.get());
        }
    }

    private Message message(int number) {
        String body = Body.padded(prefix + number, options.number("size", 0));
        Message message = new Message(topic, body.getBytes(StandardCharsets.UTF_8));
        if (options.has("tag")) {
            // Several tags take turns.
            List<String> tags = options.all("tag");
            message.setTags(tags.get(number % tags.size()));
        }
        if (options.has("keys")) {
            message.setKeys(options.text("keys") + number);
        }
        if (options.has("delay-level")) {
            message.setDelayTimeLevel(options.number("delay-level", 1));
        }
        for (String property : options.all("property")) {
            int at = property.indexOf('=');
            message.putUserProperty(property.substring(0, at), property.substring(at + 1).replace("{i}", Integer.toString(number)));
        }
        return message;
    }

    private void sent(String body, Integer shard, SendResult result) {
        event(body, shard, result, result.getMsgId(), result.getOffsetMsgId(), result.getQueueOffset());
    }

    private static void event(String body, Integer shard, SendResult result, String id, String place, long queueOffset) {
        MessageQueue queue = result.getMessageQueue();
        Events.emit("sent", "body", body, "shard", shard, "msgId", id, "offsetMsgId", place, "queueId", queue.getQueueId(),
            "queueOffset", queueOffset, "broker", queue.getBrokerName(), "status", result.getSendStatus(), "transactionId", result.getTransactionId());
    }

    @Override
    public void close() {
        if (producer != null) {
            producer.shutdown();
        }
    }
}
