package org.ferromq.interop.golden;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.TreeMap;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;

/** Complete stored records, as the commit log holds them and as pull answers carry them. */
final class Records {
    final Fixture fixture = new Fixture("records");

    static final long BORN = 1700000000123L;
    static final long STORED = 1700000000456L;

    /** Text of a length: neither constant (it would compress to nothing) nor noise (it would not compress). */
    static String text(int length) {
        Random random = new Random(length);
        StringBuilder text = new StringBuilder(length);
        while (text.length() < length) {
            text.append("order ").append(random.nextInt(10000)).append(" paid; ");
        }
        text.setLength(length);
        return text.toString();
    }

    static SocketAddress host(String host, int port) {
        try {
            return new InetSocketAddress(InetAddress.getByName(host), port);
        } catch (java.net.UnknownHostException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static <M extends MessageExt> M fill(M message, String topic, byte[] body) {
        message.setTopic(topic);
        message.setBody(body);
        message.setFlag(3);
        message.setQueueId(5);
        message.setQueueOffset(77);
        message.setCommitLogOffset(1073741824L + 4096);
        message.setBornTimestamp(BORN);
        message.setStoreTimestamp(STORED);
        message.setBornHost(host("10.20.30.40", 51234));
        message.setStoreHost(host("192.168.7.8", 10911));
        message.setBodyCRC(UtilAll.crc32(body));
        message.setReconsumeTimes(2);
        message.setTags("TagA");
        message.setKeys("order-1 order-2");
        message.setWaitStoreMsgOK(true);
        MessageAccessor.putProperty(message, "UNIQ_KEY", "0A141E2800002A139A554E05F0E50000");
        MessageAccessor.putProperty(message, "city", "Z\u00FCrich \u4E0A\u6D77");
        return message;
    }

    /** The common cases, through the codec that clients and brokers share. */
    void common() throws Exception {
        plain("plain", fill(new MessageExt(), "TopicTest", text(180).getBytes("UTF-8")));
        plain("one byte", fill(new MessageExt(), "T", new byte[] {42}));
        plain("20 KiB", fill(new MessageExt(), "TopicTest", text(20480).getBytes("UTF-8")));
        plain("topic beyond ASCII", fill(new MessageExt(), "\u4E3B\u9898", text(64).getBytes("UTF-8")));
        MessageExt binary = fill(new MessageExt(), "TopicTest", new byte[256]);
        for (int i = 0; i < 256; i++) {
            binary.getBody()[i] = (byte) i;
        }
        binary.setBodyCRC(UtilAll.crc32(binary.getBody()));
        plain("every byte value", binary);
        MessageExt v6 = fill(new MessageExt(), "TopicTest", text(90).getBytes("UTF-8"));
        v6.setBornHost(host("2001:db8::1", 51234));
        v6.setStoreHost(host("2001:db8::2", 10911));
        v6.setBornHostV6Flag();
        v6.setStoreHostAddressV6Flag();
        plain("IPv6 hosts", v6);
        MessageExt mixed = fill(new MessageExt(), "TopicTest", text(90).getBytes("UTF-8"));
        mixed.setBornHost(host("2001:db8::1", 51234));
        mixed.setBornHostV6Flag();
        plain("IPv6 client", mixed);
        MessageExt half = fill(new MessageExt(), "RMQ_SYS_TRANS_HALF_TOPIC", text(90).getBytes("UTF-8"));
        half.setSysFlag(MessageSysFlag.TRANSACTION_PREPARED_TYPE);
        half.setPreparedTransactionOffset(123456);
        plain("half of a transaction", half);
        MessageExt many = fill(new MessageExt(), "TopicTest", text(300).getBytes("UTF-8"));
        for (int i = 0; i < 200; i++) {
            MessageAccessor.putProperty(many, "property-" + i, text(40 + i % 7).replace(';', ','));
        }
        plain("200 properties", many);
        MessageExt retry = fill(new MessageExt(), "%RETRY%please_rename_unique_group_name", text(90).getBytes("UTF-8"));
        MessageAccessor.setReconsumeTime(retry, "2");
        MessageAccessor.setOriginMessageId(retry, "C0A807080000" + "2A9F0000000040001000");
        MessageAccessor.putProperty(retry, "RETRY_TOPIC", "TopicTest");
        plain("retry", retry);
    }

    void plain(String name, MessageExt message) throws Exception {
        add(name, MessageDecoder.class.getName(), MessageDecoder.encode(message, false));
    }

    /** Records bytes together with what Apache's own decoder makes of them. */
    void add(String name, String writer, byte[] bytes) {
        MessageExt read = MessageDecoder.decode(ByteBuffer.wrap(bytes), true, true);
        MessageExt raw = MessageDecoder.decode(ByteBuffer.wrap(bytes), true, false);
        if (read == null || raw == null) {
            throw new IllegalStateException("Apache's decoder refuses " + name);
        }
        fixture.add(name).with("class", writer).with("topic", read.getTopic()).with("queueId", read.getQueueId()).with("flag", read.getFlag())
            .with("queueOffset", read.getQueueOffset()).with("physicalOffset", read.getCommitLogOffset()).with("sysFlag", raw.getSysFlag())
            .with("bornTimestamp", read.getBornTimestamp()).with("bornHost", text(read.getBornHost()))
            .with("storeTimestamp", read.getStoreTimestamp()).with("storeHost", text(read.getStoreHost()))
            .with("reconsumeTimes", read.getReconsumeTimes()).with("preparedTransactionOffset", read.getPreparedTransactionOffset())
            .with("bodyCrc", read.getBodyCRC()).with("storeSize", read.getStoreSize()).with("msgId", read.getMsgId())
            .with("properties", new TreeMap<>(read.getProperties())).hex("body", raw.getBody() == null ? new byte[0] : raw.getBody())
            .with("plainBodyCrc", UtilAll.crc32(read.getBody() == null ? new byte[0] : read.getBody())).hex("hex", bytes);
    }

    private static String text(SocketAddress address) {
        InetSocketAddress inet = (InetSocketAddress) address;
        return inet.getAddress().getHostAddress() + "|" + inet.getPort();
    }
}
