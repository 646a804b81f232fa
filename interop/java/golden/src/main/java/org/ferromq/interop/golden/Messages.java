package org.ferromq.interop.golden;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageId;

/** Bodies of batch sends, and message ids. */
final class Messages {
    private Messages() {
    }

    static Fixture record() throws Exception {
        Fixture fixture = new Fixture("messages");
        batch(fixture, "one", message("TagA", "k1", "hello", 0));
        batch(fixture, "three", message("TagA", "k1", "first", 0), message(null, null, "second", 7), message("\u6807\u7B7E", "a b", "\u4F60\u597D \uD83D\uDE80", -1));
        batch(fixture, "empty body", message(null, null, "", 0));
        Message[] many = new Message[32];
        for (int i = 0; i < many.length; i++) {
            many[i] = message("Tag" + i % 3, "key" + i, Records.text(100 + i * 13), i);
        }
        batch(fixture, "thirty-two", many);
        ids(fixture, "127.0.0.1", 10911, 0);
        ids(fixture, "10.20.30.40", 10911, 123456789012L);
        ids(fixture, "255.255.255.255", 65535, Long.MAX_VALUE);
        ids(fixture, "2001:db8::1", 10911, 4096);
        ids(fixture, "fe80::1ff:fe23:4567:890a", 30911, 1073741824L);
        return fixture;
    }

    private static Message message(String tag, String keys, String body, int flag) throws Exception {
        Message message = new Message("TopicTest", body.getBytes("UTF-8"));
        message.setFlag(flag);
        if (tag != null) {
            message.setTags(tag);
        }
        if (keys != null) {
            message.setKeys(keys);
        }
        MessageAccessor.putProperty(message, "UNIQ_KEY", "7F00000100002A139A554E05F0E5000" + Math.abs(flag) % 10);
        return message;
    }

    private static void batch(Fixture fixture, String name, Message... messages) throws Exception {
        List<Message> list = new ArrayList<>();
        List<Object> fields = new ArrayList<>();
        for (Message message : messages) {
            list.add(message);
        }
        byte[] bytes = MessageDecoder.encodeMessages(list);
        for (Message read : MessageDecoder.decodeMessages(ByteBuffer.wrap(bytes))) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("flag", read.getFlag());
            one.put("body", Fixture.hex(read.getBody()));
            one.put("properties", new TreeMap<>(read.getProperties()));
            fields.add(one);
        }
        fixture.add("batch/" + name).with("class", MessageDecoder.class.getName()).with("messages", fields).hex("hex", bytes);
    }

    private static void ids(Fixture fixture, String host, int port, long offset) throws Exception {
        String id = MessageDecoder.createMessageId(new InetSocketAddress(InetAddress.getByName(host), port), offset);
        MessageId read = MessageDecoder.decodeMessageId(id);
        InetSocketAddress address = (InetSocketAddress) read.getAddress();
        fixture.add("message id/" + host).with("class", MessageDecoder.class.getName()).with("host", address.getAddress().getHostAddress())
            .with("port", address.getPort()).with("offset", read.getOffset()).with("id", id);
    }
}
