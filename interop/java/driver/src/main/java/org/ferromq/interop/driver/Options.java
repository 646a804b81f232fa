package org.ferromq.interop.driver;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The command line: {@code --name value} pairs, some of them repeatable. */
final class Options {
    private final Map<String, List<String>> values = new HashMap<>();

    Options(String[] arguments, int from) {
        for (int i = from; i + 1 < arguments.length; i += 2) {
            if (!arguments[i].startsWith("--")) {
                throw new IllegalArgumentException("expected an option, found " + arguments[i]);
            }
            values.computeIfAbsent(arguments[i].substring(2), name -> new ArrayList<>()).add(arguments[i + 1]);
        }
        if ((arguments.length - from) % 2 != 0) {
            throw new IllegalArgumentException("no value for " + arguments[arguments.length - 1]);
        }
    }

    String text(String name) {
        String value = text(name, null);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is needed");
        }
        return value;
    }

    String text(String name, String otherwise) {
        List<String> given = values.get(name);
        return given == null ? otherwise : given.get(given.size() - 1);
    }

    int number(String name, int otherwise) {
        String value = text(name, null);
        return value == null ? otherwise : Integer.parseInt(value);
    }

    boolean has(String name) {
        return values.containsKey(name);
    }

    List<String> all(String name) {
        return values.getOrDefault(name, new ArrayList<>());
    }
}
