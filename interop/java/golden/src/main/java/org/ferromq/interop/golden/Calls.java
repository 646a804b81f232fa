package org.ferromq.interop.golden;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.common.sysflag.PullSysFlag;

/** Small functions whose results both sides must agree on: a name, its arguments, its result. */
final class Calls {
    final Fixture fixture = new Fixture("calls");

    static final String[] TEXTS = {
        "", "a", "TagA", "TagB", "*", "TopicTest", "please_rename_unique_group_name", "%RETRY%group", "\u4E3B\u9898", "\u00E9\u00DF",
        "\uD83D\uDE80", "polygenelubricants", "Aa", "BB", "0123456789abcdefghijklmnopqrstuvwxyz", "TopicTest#7F00000100002A139A554E05F0E50000",
    };

    void add(String function, Callable<Object> result, Object... arguments) throws Exception {
        fixture.add(function).with("arguments", Arrays.asList(arguments)).with("result", result.call());
    }

    void record() throws Exception {
        for (String text : TEXTS) {
            add("string hash", text::hashCode, text);
            add("crc32", () -> UtilAll.crc32(text.getBytes("UTF-8")), text);
            add("retry topic", () -> MixAll.getRetryTopic(text), text);
            add("dead letter topic", () -> MixAll.getDLQTopic(text), text);
        }
        for (int flags = 0; flags < 8; flags++) {
            boolean commit = (flags & 1) != 0;
            boolean suspend = (flags & 2) != 0;
            boolean subscription = (flags & 4) != 0;
            add("pull flags", () -> PullSysFlag.buildSysFlag(commit, suspend, subscription, false), commit, suspend, subscription, false);
        }
        Object[][] flags = {
            {"COMPRESSED_FLAG", MessageSysFlag.COMPRESSED_FLAG}, {"MULTI_TAGS_FLAG", MessageSysFlag.MULTI_TAGS_FLAG},
            {"TRANSACTION_PREPARED_TYPE", MessageSysFlag.TRANSACTION_PREPARED_TYPE},
            {"TRANSACTION_COMMIT_TYPE", MessageSysFlag.TRANSACTION_COMMIT_TYPE},
            {"TRANSACTION_ROLLBACK_TYPE", MessageSysFlag.TRANSACTION_ROLLBACK_TYPE},
            {"BORNHOST_V6_FLAG", MessageSysFlag.BORNHOST_V6_FLAG}, {"STOREHOSTADDRESS_V6_FLAG", MessageSysFlag.STOREHOSTADDRESS_V6_FLAG},
        };
        for (Object[] flag : flags) {
            add("message flag", () -> flag[1], flag[0]);
        }
        properties();
        topicLines();
        for (String id : new String[] {
            "7F000001000018B4AAC24B9F3C2B0000", "0A00000900007B139A554E05F0E5FFFE",
            "20010DB8000000000000000000000001000018B4AAC24B9F3C2B0001",
        }) {
            add("client id: address", () -> MessageClientIDSetter.getIPStrFromID(id), id);
            add("client id: process", () -> MessageClientIDSetter.getPidFromID(id), id);
        }
        for (java.lang.reflect.Field field : MessageConst.class.getFields()) {
            if (field.getType() == String.class) {
                Object value = field.get(null);
                add("property name", () -> value, field.getName());
            }
        }
        constants("RequestCode", "request code");
        constants("ResponseCode", "response code");
        for (Object language : Classes.named("LanguageCode").getEnumConstants()) {
            add("language", () -> new Classes.Made(language).call("getCode"), language.toString());
        }
        for (Object version : Classes.named("MQVersion").getDeclaredClasses()[0].getEnumConstants()) {
            add("version", () -> ((Enum<?>) version).ordinal(), version.toString());
        }
    }

    private void constants(String type, String name) throws Exception {
        for (java.lang.reflect.Field field : Classes.named(type).getFields()) {
            if (field.getType() == int.class) {
                Object value = field.get(null);
                add(name, () -> value, field.getName());
            }
        }
    }

    private void properties() throws Exception {
        Object[][] maps = {
            {}, {"KEYS", "k"}, {"TAGS", "TagA", "KEYS", "k1 k2", "WAIT", "true"}, {"a", ""}, {"\u952E", "\u503C \uD83D\uDE80", "x", "y=z;"},
            {"UNIQ_KEY", "7F00000100002A139A554E05F0E50000", "CLUSTER", "DefaultCluster", "MIN_OFFSET", "0", "MAX_OFFSET", "250"},
        };
        for (Object[] pairs : maps) {
            Map<String, String> map = new LinkedHashMap<>();
            for (int i = 0; i < pairs.length; i += 2) {
                map.put((String) pairs[i], (String) pairs[i + 1]);
            }
            add("properties to text", () -> MessageDecoder.messageProperties2String(map), map);
        }
        for (String text : new String[] {
            "", "KEYS\u0001k", "KEYS\u0001k\u0002", "KEYS\u0001k\u0002TAGS\u0001t\u0002", "KEYS", "KEYS\u0001\u0002", "\u0001v\u0002", "a\u0001b\u0001c\u0002d\u0001e",
            "\u0002\u0002a\u0001b\u0002\u0002", "a\u00011\u0002a\u00012\u0002",
        }) {
            add("text to properties", () -> new java.util.TreeMap<>(MessageDecoder.string2messageProperties(text)), text);
        }
    }

    private void topicLines() throws Exception {
        for (Object[] c : new Object[][] {{"TopicTest", 8, 8, 6, 0, false}, {"TBW102", 8, 8, 7, 0, false}, {"ordered", 4, 2, 4, 3, true}}) {
            TopicConfig config = new TopicConfig((String) c[0], (Integer) c[1], (Integer) c[2], (Integer) c[3]);
            config.setTopicSysFlag((Integer) c[4]);
            config.setOrder((Boolean) c[5]);
            add("topic line", config::encode, c);
        }
        for (String line : new String[] {"T 8 8 6 SINGLE_TAG", "T 8 8 6 SINGLE_TAG {}", "T 4 4 6 MULTI_TAG {\"+queue.type\":\"BatchCQ\"}", "T 8 8 6"}) {
            TopicConfig config = new TopicConfig();
            boolean read = config.decode(line);
            Map<String, Object> result = new HashMap<>();
            result.put("read", read);
            result.put("topicName", config.getTopicName());
            result.put("perm", config.getPerm());
            result.put("readQueueNums", config.getReadQueueNums());
            add("topic from line", () -> new java.util.TreeMap<>(result), line);
        }
    }
}
