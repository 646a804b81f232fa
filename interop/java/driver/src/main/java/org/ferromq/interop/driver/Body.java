package org.ferromq.interop.driver;

import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.common.message.Message;

/** Bodies are a short text, filled up with dots when a size is asked for; the dots are not reported. */
final class Body {
    private Body() {
    }

    static String padded(String text, int size) {
        StringBuilder body = new StringBuilder(text);
        while (body.length() < size) {
            body.append('.');
        }
        return body.toString();
    }

    static String of(Message message) {
        String text = new String(message.getBody(), StandardCharsets.UTF_8);
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == '.') {
            end--;
        }
        return text.substring(0, end);
    }
}
