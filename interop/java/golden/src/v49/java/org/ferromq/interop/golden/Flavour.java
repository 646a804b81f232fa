package org.ferromq.interop.golden;

import com.alibaba.fastjson.serializer.SerializerFeature;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.common.UtilAll;

/** What 4.9 does its own way. */
final class Flavour {
    private Flavour() {
    }

    /** The features a 4.9.4 name server writes routes with. */
    static String standardRoute(Object route) {
        return com.alibaba.fastjson.JSON.toJSONString(route, SerializerFeature.BrowserCompatible, SerializerFeature.QuoteFieldNames,
            SerializerFeature.SkipTransientField, SerializerFeature.MapSortField);
    }

    static void records(Records records) throws Exception {
        records.common();
        records.add("compressed", org.apache.rocketmq.common.message.MessageDecoder.class.getName(), compressed());
    }

    private static byte[] compressed() throws Exception {
        org.apache.rocketmq.common.message.MessageExt message = Records.fill(new org.apache.rocketmq.common.message.MessageExt(), "TopicTest",
            Records.text(5000).getBytes(StandardCharsets.UTF_8));
        message.setSysFlag(org.apache.rocketmq.common.sysflag.MessageSysFlag.COMPRESSED_FLAG);
        // The checksum of a record is that of the body as it is stored.
        message.setBodyCRC(UtilAll.crc32(UtilAll.compress(message.getBody(), 5)));
        return org.apache.rocketmq.common.message.MessageDecoder.encode(message, true);
    }

    static void calls(Calls calls) throws Exception {
        for (String text : Calls.TEXTS) {
            calls.add("acl signature", () -> org.apache.rocketmq.acl.common.AclUtils.calSignature(text.getBytes("UTF-8"), "SK"), text, "SK");
        }
    }

    static Fixture compression() throws Exception {
        Fixture fixture = new Fixture("compression");
        for (int length : new int[] {1, 100, 5000, 100000}) {
            byte[] plain = Records.text(length).getBytes(StandardCharsets.UTF_8);
            fixture.add("ZLIB/" + length).with("class", UtilAll.class.getName()).with("flag", 0).with("length", length)
                .with("crc32", UtilAll.crc32(plain)).with("start", new String(plain, 0, Math.min(64, plain.length), StandardCharsets.UTF_8))
                .hex("hex", UtilAll.compress(plain, 5));
        }
        return fixture;
    }
}
