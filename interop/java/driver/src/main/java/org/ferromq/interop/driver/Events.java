package org.ferromq.interop.driver;

import java.io.PrintStream;

/** One JSON object a line on standard output; nothing else goes there. */
final class Events {
    private static final PrintStream OUT = System.out;

    private Events() {
    }

    /** Writes an event: its name, then keys and values by turns; null values are left out. */
    static synchronized void emit(String event, Object... members) {
        StringBuilder line = new StringBuilder("{\"event\":");
        quote(line, event);
        for (int i = 0; i < members.length; i += 2) {
            Object value = members[i + 1];
            if (value == null) {
                continue;
            }
            line.append(',');
            quote(line, members[i].toString());
            line.append(':');
            if (value instanceof Number || value instanceof Boolean) {
                line.append(value);
            } else {
                quote(line, value.toString());
            }
        }
        OUT.println(line.append('}'));
        OUT.flush();
    }

    private static void quote(StringBuilder line, String text) {
        line.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                line.append('\\').append(c);
            } else if (c < 0x20) {
                line.append(String.format("\\u%04x", (int) c));
            } else {
                line.append(c);
            }
        }
        line.append('"');
    }
}
