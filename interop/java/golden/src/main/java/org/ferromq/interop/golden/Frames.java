package org.ferromq.interop.golden;

import java.lang.annotation.Annotation;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.SerializeType;

/** Command frames: every header class in three fillings and both header codecs, and some frames without a class. */
final class Frames {
    private final Fixture fixture = new Fixture("frames");
    private int opaque = 1000;

    /** Request codes whose constant is not the class's own name in capitals. */
    private static final Map<String, Integer> CODES = new TreeMap<>();

    static {
        Object[] table = {
            "SendMessageRequestHeader", 10, "SendMessageRequestHeaderV2", 310, "PullMessageRequestHeader", 11,
            "QueryMessageRequestHeader", 12, "QueryConsumerOffsetRequestHeader", 14, "UpdateConsumerOffsetRequestHeader", 15,
            "CreateTopicRequestHeader", 17, "SearchOffsetRequestHeader", 29, "GetMaxOffsetRequestHeader", 30,
            "GetMinOffsetRequestHeader", 31, "GetEarliestMsgStoretimeRequestHeader", 32, "ViewMessageRequestHeader", 33,
            "HeartbeatRequestHeader", 34, "UnregisterClientRequestHeader", 35, "ConsumerSendMsgBackRequestHeader", 36,
            "EndTransactionRequestHeader", 37, "GetConsumerListByGroupRequestHeader", 38, "CheckTransactionStateRequestHeader", 39,
            "NotifyConsumerIdsChangedRequestHeader", 40, "LockBatchMqRequestHeader", 41, "UnlockBatchMqRequestHeader", 42,
            "PutKVConfigRequestHeader", 100, "GetKVConfigRequestHeader", 101, "DeleteKVConfigRequestHeader", 102,
            "RegisterBrokerRequestHeader", 103, "UnRegisterBrokerRequestHeader", 104, "GetRouteInfoRequestHeader", 105,
            "GetTopicStatsInfoRequestHeader", 202, "GetConsumerConnectionListRequestHeader", 203,
            "GetProducerConnectionListRequestHeader", 204, "WipeWritePermOfBrokerRequestHeader", 205,
            "DeleteSubscriptionGroupRequestHeader", 207, "GetConsumeStatsRequestHeader", 208, "DeleteTopicRequestHeader", 215,
            "DeleteTopicFromNamesrvRequestHeader", 216, "DeleteTopicInNamesrvRequestHeader", 216, "GetKVListByNamespaceRequestHeader", 219,
            "ResetOffsetRequestHeader", 222, "GetConsumerStatusRequestHeader", 223, "GetTopicsByClusterRequestHeader", 224,
            "QueryTopicConsumeByWhoRequestHeader", 300, "QueryConsumeTimeSpanRequestHeader", 303,
            "GetConsumerRunningInfoRequestHeader", 307, "QueryCorrectionOffsetHeader", 308,
            "ConsumeMessageDirectlyResultRequestHeader", 309, "CloneGroupOffsetRequestHeader", 314,
            "ViewBrokerStatsDataRequestHeader", 315, "GetConsumeStatsInBrokerHeader", 317, "QueryConsumeQueueRequestHeader", 321,
            "QueryDataVersionRequestHeader", 322, "ResumeCheckHalfMessageRequestHeader", 323, "ReplyMessageRequestHeader", 326,
            "AddWritePermOfBrokerRequestHeader", 327, "GetAllProducerInfoRequestHeader", 328,
        };
        for (int i = 0; i < table.length; i += 2) {
            CODES.put((String) table[i], (Integer) table[i + 1]);
        }
    }

    Fixture record() throws Exception {
        for (Class<?> type : Classes.kindsOf(CommandCustomHeader.class)) {
            if (type.isAnonymousClass() || type.getName().contains("$")) {
                continue;
            }
            for (String filling : new String[] {"full", "least", "unusual"}) {
                Object header = fill(type, filling);
                boolean request = !type.getSimpleName().contains("Response");
                int code = request ? code(type) : 0;
                byte[] body = filling.equals("full") && request ? new byte[] {1, 2, 3, 0, -1} : null;
                both(type.getSimpleName() + "/" + filling, (CommandCustomHeader) header, code, request, null, body, false);
            }
        }
        bare();
        return fixture;
    }

    /** Frames that no header class stands behind: errors, one-way requests, text that needs care. */
    private void bare() throws Exception {
        both("bare/no header", null, 206, true, null, null, false);
        both("bare/with body", null, 34, true, null, "{}".getBytes("UTF-8"), false);
        both("bare/one-way", null, 35, true, null, null, true);
        both("bare/success", null, 0, false, null, null, false);
        both("bare/error", null, 17, false, "No topic route info in name server for the topic: T\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.", null, false);
        both("bare/remark beyond ASCII", null, 1, false, "\u9519\u8BEF \u00E9\u00DF \uD83D\uDE80 \"quoted\" \\ \t \u0001 \u2028 </script>", null, false);
        both("bare/empty remark", null, 1, false, "", null, false);
        both("bare/negative code", null, -1000, false, "negative", null, false);
        both("bare/large code", null, 200050, true, null, null, false);
        byte[] large = new byte[3000];
        for (int i = 0; i < large.length; i++) {
            large[i] = (byte) (i * 31);
        }
        both("bare/large body", null, 25, true, null, large, false);
    }

    private void both(String name, CommandCustomHeader header, int code, boolean request, String remark, byte[] body,
        boolean oneway) throws Exception {
        opaque++;
        for (SerializeType codec : SerializeType.values()) {
            RemotingCommand command = request ? RemotingCommand.createRequestCommand(code, header)
                : RemotingCommand.createResponseCommand(code, remark);
            if (!request && header != null) {
                command.writeCustomHeader(header);
            }
            command.setLanguage(LanguageCode.JAVA);
            command.setOpaque(opaque);
            command.setSerializeTypeCurrentRPC(codec);
            command.setBody(body);
            if (oneway) {
                command.markOnewayRPC();
            }
            ByteBuffer frame = encode(command, codec, body);
            byte[] bytes = new byte[frame.remaining()];
            frame.get(bytes);
            RemotingCommand read = RemotingCommand.decode(ByteBuffer.wrap(bytes, 4, bytes.length - 4).slice());
            Fixture.Entry entry = fixture.add(name).with("class", header == null ? null : header.getClass().getName())
                .with("codec", codec.name()).with("code", read.getCode()).with("language", String.valueOf(read.getLanguage()))
                .with("version", read.getVersion()).with("opaque", read.getOpaque()).with("flag", read.getFlag())
                .with("remark", read.getRemark());
            entry.with("ext", read.getExtFields() == null ? null : new TreeMap<>(read.getExtFields()));
            entry.hex("body", read.getBody() == null ? new byte[0] : read.getBody()).hex("frame", bytes);
            if (header != null) {
                entry.with("fields", values(header));
            }
        }
    }

    /** What the pipeline writes: for the binary codec, the hand-written fast path where a class has one. */
    private static ByteBuffer encode(RemotingCommand command, SerializeType codec, byte[] body) {
        io.netty.buffer.ByteBuf out = io.netty.buffer.Unpooled.buffer();
        command.fastEncodeHeader(out);
        if (body != null) {
            out.writeBytes(body);
        }
        byte[] bytes = new byte[out.readableBytes()];
        out.readBytes(bytes);
        return ByteBuffer.wrap(bytes);
    }

    private static Map<String, Object> values(Object header) throws IllegalAccessException {
        Map<String, Object> values = new LinkedHashMap<>();
        for (Field field : Classes.fields(header.getClass())) {
            Object value = field.get(header);
            if (value != null) {
                values.put(field.getName(), value instanceof Number || value instanceof Boolean ? value : value.toString());
            }
        }
        return values;
    }

    private static int code(Class<?> type) {
        Integer known = CODES.get(type.getSimpleName());
        if (known != null) {
            return known;
        }
        for (Annotation annotation : type.getAnnotations()) {
            if (annotation.annotationType().getSimpleName().equals("RocketMQAction")) {
                try {
                    return (Integer) annotation.annotationType().getMethod("value").invoke(annotation);
                } catch (ReflectiveOperationException e) {
                    throw new IllegalStateException(e);
                }
            }
        }
        String constant = type.getSimpleName().replaceAll("Request(Header)?.*$", "").replaceAll("([a-z])([A-Z])", "$1_$2").toUpperCase();
        try {
            return (Integer) Classes.named("RequestCode").getField(constant).get(null);
        } catch (ReflectiveOperationException none) {
            return 9999;
        }
    }

    private static Object fill(Class<?> type, String filling) throws IllegalAccessException {
        Object header = Classes.create(type);
        int seed = 1;
        for (Field field : Classes.fields(type)) {
            boolean mandatory = field.getType().isPrimitive();
            for (Annotation annotation : field.getAnnotations()) {
                mandatory |= annotation.annotationType().getSimpleName().equals("CFNotNull");
            }
            boolean inherited = field.getDeclaringClass() != type;
            if (filling.equals("least") && !mandatory) {
                if (!field.getType().isPrimitive()) {
                    field.set(header, null);
                }
                continue;
            }
            // The inherited routing fields are rarely all set; one filling shows them.
            if (inherited && filling.equals("unusual") && !mandatory) {
                continue;
            }
            Object value = value(field, filling.equals("unusual"), seed++);
            if (value != null) {
                field.set(header, value);
            }
        }
        return header;
    }

    private static Object value(Field field, boolean unusual, int seed) {
        Class<?> type = field.getType();
        String name = field.getName();
        if (type == String.class) {
            return text(name, unusual);
        } else if (type == int.class || type == Integer.class) {
            return unusual ? -seed : 100 + seed;
        } else if (type == long.class || type == Long.class) {
            return unusual ? Long.MIN_VALUE + seed : name.toLowerCase().contains("time") ? 1700000000000L + seed : 4294967296L + seed;
        } else if (type == boolean.class || type == Boolean.class) {
            return !unusual;
        } else if (type == double.class || type == Double.class) {
            return unusual ? -0.0 : 12.5;
        } else if (type == short.class || type == Short.class) {
            return (short) seed;
        } else if (type == byte.class || type == Byte.class) {
            return (byte) seed;
        } else if (type.isEnum()) {
            return type.getEnumConstants()[0];
        }
        return null;
    }

    private static String text(String name, boolean unusual) {
        String lower = name.toLowerCase();
        if (name.equals("properties") || name.equals("i")) {
            return unusual ? "" : "TAGS\u0001TagA\u0002KEYS\u0001k1 k2\u0002WAIT\u0001true\u0002UNIQ_KEY\u00017F00000100002A139A554E05F0E50000\u0002";
        } else if (unusual) {
            return "\u4E3B\u9898 \"" + name + "\" \\ \u00E9 \uD83D\uDE80";
        } else if (lower.contains("topic")) {
            return "TopicTest";
        } else if (lower.contains("group")) {
            return "please_rename_unique_group_name";
        } else if (lower.contains("addr")) {
            return "127.0.0.1:10911";
        } else if (lower.contains("broker")) {
            return "broker-a";
        }
        return "the " + name;
    }
}
