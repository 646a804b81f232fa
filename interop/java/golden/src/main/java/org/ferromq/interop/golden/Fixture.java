package org.ferromq.interop.golden;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One fixture file: a list of entries, one a line, so that a change shows as the lines it concerns. */
final class Fixture {
    private final String category;
    private final List<Map<String, Object>> entries = new ArrayList<>();

    Fixture(String category) {
        this.category = category;
    }

    /** A new entry; the caller adds the rest with {@link Entry#with}. */
    Entry add(String name) {
        Entry entry = new Entry();
        entry.put("name", name);
        entries.add(entry);
        return entry;
    }

    void write(Path folder, String version) throws IOException {
        StringBuilder text = new StringBuilder("{\"apache\":");
        json(text, version);
        text.append(",\"category\":");
        json(text, category);
        text.append(",\"entries\":[\n");
        for (int i = 0; i < entries.size(); i++) {
            json(text, entries.get(i));
            text.append(i + 1 < entries.size() ? ",\n" : "\n");
        }
        text.append("]}\n");
        Path file = folder.resolve(category + "-" + version + ".json");
        Files.write(file, text.toString().getBytes(StandardCharsets.UTF_8));
        System.out.println(file + ": " + entries.size() + " entries, " + text.length() + " characters");
    }

    static final class Entry extends LinkedHashMap<String, Object> {
        Entry with(String key, Object value) {
            put(key, value);
            return this;
        }

        Entry hex(String key, byte[] bytes) {
            return with(key, Fixture.hex(bytes));
        }
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder(bytes.length * 2);
        for (byte b : bytes) {
            text.append(Character.forDigit((b >> 4) & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return text.toString();
    }

    private static void json(StringBuilder out, Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                json(out, String.valueOf(member.getKey()));
                out.append(':');
                json(out, member.getValue());
                separator = ",";
            }
            out.append(separator.equals("{") ? "{}" : "}");
        } else if (value instanceof Collection) {
            String separator = "[";
            for (Object item : (Collection<?>) value) {
                out.append(separator);
                json(out, item);
                separator = ",";
            }
            out.append(separator.equals("[") ? "[]" : "]");
        } else {
            out.append('"');
            for (char c : value.toString().toCharArray()) {
                if (c == '"' || c == '\\') {
                    out.append('\\').append(c);
                } else if (c < 0x20 || c == 0x7F) {
                    out.append(String.format("\\u%04x", (int) c));
                } else {
                    out.append(c);
                }
            }
            out.append('"');
        }
    }
}
