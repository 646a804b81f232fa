package org.ferromq.interop.golden;

import com.alibaba.fastjson2.JSONWriter.Feature;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.common.KeyBuilder;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.compression.Compressor;
import org.apache.rocketmq.common.compression.CompressorFactory;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageBatch;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.message.MessageVersion;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.store.MessageExtEncoder;
import org.apache.rocketmq.store.PutMessageContext;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** What only 5.x can record: the store's own record encoder, three compressions, the pop texts. */
final class Flavour {
    private Flavour() {
    }

    static String standardRoute(Object route) {
        byte[] bytes = ((RemotingSerializable) route).encode(Feature.BrowserCompatible, Feature.MapSortField);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static void records(Records records) throws Exception {
        records.common();
        stored(records, "stored", false, "TopicTest", Records.text(180), 0, null);
        stored(records, "stored/20 KiB", false, "TopicTest", Records.text(20480), 0, null);
        StringBuilder topic = new StringBuilder();
        while (topic.length() < 200) {
            topic.append("long-topic-name_");
        }
        stored(records, "stored/long topic", false, topic.toString(), Records.text(180), 0, null);
        stored(records, "stored/retry of a long topic", false, "%RETRY%" + topic.substring(0, 122), Records.text(180), 0, null);
        stored(records, "stored/127 byte topic", false, topic.substring(0, 127), Records.text(180), 0, null);
        stored(records, "stored/128 byte topic", false, topic.substring(0, 128), Records.text(180), 0, null);
        stored(records, "stored/with checksum of the properties", true, "TopicTest", Records.text(180), 0, null);
        for (CompressionType type : CompressionType.values()) {
            stored(records, "stored/compressed " + type.name(), false, "TopicTest", Records.text(5000), 0, type);
        }
        stored(records, "stored/IPv6", false, "TopicTest", Records.text(180),
            MessageSysFlag.BORNHOST_V6_FLAG | MessageSysFlag.STOREHOSTADDRESS_V6_FLAG, null);
        batch(records);
    }

    /** Through the encoder of the commit log; the three fields that only the log knows stay zero. */
    private static void stored(Records records, String name, boolean checksum, String topic, String text, int flags, CompressionType type)
        throws Exception {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        if (type != null) {
            body = CompressorFactory.getCompressor(type).compress(body, 5);
            flags |= MessageSysFlag.COMPRESSED_FLAG | type.getCompressionFlag();
        }
        MessageExtBrokerInner message = Records.fill(new MessageExtBrokerInner(), topic, body);
        message.setSysFlag(flags);
        if ((flags & MessageSysFlag.BORNHOST_V6_FLAG) != 0) {
            message.setBornHost(Records.host("2001:db8::1", 51234));
            message.setStoreHost(Records.host("2001:db8::2", 10911));
        }
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        boolean wide = topic.length() > 127;
        message.setVersion(wide ? MessageVersion.MESSAGE_VERSION_V2 : MessageVersion.MESSAGE_VERSION_V1);
        MessageStoreConfig config = new MessageStoreConfig();
        config.setEnabledAppendPropCRC(checksum);
        MessageExtEncoder encoder = new MessageExtEncoder(config);
        if (encoder.encode(message) != null) {
            throw new IllegalStateException("refused: " + name);
        }
        ByteBuffer buffer = encoder.getEncoderBuffer();
        byte[] bytes = new byte[buffer.getInt(0)];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = buffer.get(i);
        }
        if (checksum) {
            int at = bytes.length - org.apache.rocketmq.common.message.MessageConst.PROPERTY_CRC32.length() - 12;
            int crc = org.apache.rocketmq.common.UtilAll.crc32(bytes, 0, bytes.length - org.apache.rocketmq.store.CommitLog.CRC32_RESERVED_LEN);
            ByteBuffer tail = ByteBuffer.wrap(bytes);
            tail.position(bytes.length - org.apache.rocketmq.store.CommitLog.CRC32_RESERVED_LEN);
            MessageDecoder.createCrc32(tail.slice(), crc);
        }
        records.add(name, MessageExtEncoder.class.getName(), bytes);
    }

    /** A batch as the log takes it apart: several records one after another. */
    private static void batch(Records records) throws Exception {
        List<Message> list = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Message message = new Message("TopicTest", "Tag" + i, "key" + i, Records.text(40 * (i + 1)).getBytes(StandardCharsets.UTF_8));
            list.add(message);
        }
        MessageBatch sent = MessageBatch.generateFromList(list);
        MessageExtBatch batch = Records.fill(new MessageExtBatch(), "TopicTest", sent.encode());
        batch.setPropertiesString("");
        PutMessageContext context = new PutMessageContext("TopicTest-5");
        context.setPhyPos(new long[3]);
        MessageExtEncoder encoder = new MessageExtEncoder(new MessageStoreConfig());
        ByteBuffer all = encoder.encode(batch, context);
        int index = 0;
        for (int at = 0; at < all.limit(); index++) {
            byte[] bytes = new byte[all.getInt(at)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = all.get(at + i);
            }
            records.add("stored/batch part " + index, MessageExtEncoder.class.getName(), bytes);
            at += bytes.length;
        }
    }

    static void calls(Calls calls) throws Exception {
        for (String text : Calls.TEXTS) {
            calls.add("tags code", () -> MessageExtBrokerInner.tagsString2tagsCode(text), text);
            calls.add("index hash", () -> new Index().hash(text), text);
        }
        calls.add("extra info", () -> ExtraInfoUtil.buildExtraInfo(100, 1700000000123L, 60000, 3, "TopicTest", "broker-a", 2), 100, 1700000000123L, 60000, 3, "TopicTest", "broker-a", 2);
        calls.add("extra info", () -> ExtraInfoUtil.buildExtraInfo(100, 1700000000123L, 60000, 3, "%RETRY%CG_TopicTest", "broker-a", 2, 105), 100, 1700000000123L, 60000, 3, "%RETRY%CG_TopicTest", "broker-a", 2, 105);
        calls.add("pop retry topic v1", () -> KeyBuilder.buildPopRetryTopicV1("TopicTest", "CG"), "TopicTest", "CG");
        calls.add("pop retry topic v2", () -> KeyBuilder.buildPopRetryTopicV2("TopicTest", "CG"), "TopicTest", "CG");
        StringBuilder start = new StringBuilder();
        ExtraInfoUtil.buildStartOffsetInfo(start, "TopicTest", 0, 100);
        ExtraInfoUtil.buildStartOffsetInfo(start, "TopicTest", 3, 7);
        calls.add("start offsets", start::toString, "TopicTest", 0, 100, "TopicTest", 3, 7);
        StringBuilder offsets = new StringBuilder();
        List<Long> three = new ArrayList<>();
        three.add(100L);
        three.add(101L);
        three.add(107L);
        ExtraInfoUtil.buildMsgOffsetInfo(offsets, "TopicTest", 0, three);
        calls.add("message offsets", offsets::toString, "TopicTest", 0, three);
        org.apache.rocketmq.acl.common.SessionCredentials none = new org.apache.rocketmq.acl.common.SessionCredentials("AK", "SK");
        for (String text : Calls.TEXTS) {
            calls.add("acl signature", () -> org.apache.rocketmq.acl.common.AclUtils.calSignature(text.getBytes("UTF-8"), none.getSecretKey()), text, "SK");
        }
    }

    /** The index file's hash of a key is the store's own method; it needs no file to answer. */
    private static final class Index {
        private static final org.apache.rocketmq.store.index.IndexFile FILE = file();

        private static org.apache.rocketmq.store.index.IndexFile file() {
            try {
                java.nio.file.Path path = java.nio.file.Files.createTempDirectory("golden");
                path.toFile().deleteOnExit();
                return new org.apache.rocketmq.store.index.IndexFile(path.resolve("20231114221320000").toString(), 10, 10, 0, 0);
            } catch (java.io.IOException e) {
                throw new IllegalStateException(e);
            }
        }

        int hash(String key) {
            return FILE.indexKeyHashMethod(key);
        }
    }

    static Fixture compression() throws Exception {
        Fixture fixture = new Fixture("compression");
        for (CompressionType type : CompressionType.values()) {
            Compressor compressor = CompressorFactory.getCompressor(type);
            for (int length : new int[] {1, 100, 5000, 100000}) {
                byte[] plain = Records.text(length).getBytes(StandardCharsets.UTF_8);
                byte[] packed = compressor.compress(plain, 5);
                fixture.add(type.name() + "/" + length).with("class", compressor.getClass().getName()).with("flag", type.getCompressionFlag())
                    .with("length", length).with("crc32", org.apache.rocketmq.common.UtilAll.crc32(plain))
                    .with("start", new String(plain, 0, Math.min(64, plain.length), StandardCharsets.UTF_8)).hex("hex", packed);
            }
        }
        return fixture;
    }
}
