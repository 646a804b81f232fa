package org.ferromq.interop.golden;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.jar.JarFile;

/**
 * Finds and fills Apache's classes by simple name. 4.9 and 5.x keep the same classes in different packages, and
 * the fixtures need the same content from both: so nothing here is bound to a package, and a member that one of
 * the versions does not have is left out.
 */
final class Classes {
    private static final Map<String, Class<?>> BY_NAME = new TreeMap<>();

    private Classes() {
    }

    static void scan() throws IOException {
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            String jar = new File(path).getName();
            if (!jar.matches("rocketmq-(common|remoting|client|store|acl)-.*\\.jar")) {
                continue;
            }
            try (JarFile file = new JarFile(path)) {
                file.stream().map(e -> e.getName()).filter(n -> n.startsWith("org/apache/rocketmq/") && n.endsWith(".class"))
                    .forEach(Classes::note);
            }
        }
    }

    private static void note(String entry) {
        String name = entry.substring(0, entry.length() - 6).replace('/', '.');
        try {
            Class<?> type = Class.forName(name, false, Classes.class.getClassLoader());
            // Some names exist twice (a legacy twin); the one the protocol uses is the one in `protocol`.
            String simple = name.substring(Math.max(name.lastIndexOf('.'), name.lastIndexOf('$')) + 1);
            if (!BY_NAME.containsKey(simple) || name.contains(".protocol.")) {
                BY_NAME.put(simple, type);
            }
        } catch (LinkageError | ClassNotFoundException unusable) {
            // A class whose optional dependency is absent: no fixture wants it.
        }
    }

    static boolean exists(String simpleName) {
        return BY_NAME.containsKey(simpleName);
    }

    static Class<?> named(String simpleName) {
        Class<?> type = BY_NAME.get(simpleName);
        if (type == null) {
            throw new IllegalArgumentException("no class " + simpleName + " on the class path");
        }
        return type;
    }

    /** Every concrete class that is a {@code parent}, in the order of their names. */
    static List<Class<?>> kindsOf(Class<?> parent) {
        List<Class<?>> kinds = new ArrayList<>();
        for (Class<?> type : BY_NAME.values()) {
            int modifiers = type.getModifiers();
            if (parent.isAssignableFrom(type) && !type.isInterface() && !Modifier.isAbstract(modifiers)) {
                kinds.add(type);
            }
        }
        return kinds;
    }

    /** The instance fields that go on the wire, superclasses last, as Apache's own mapping sees them. */
    static List<Field> fields(Class<?> type) {
        List<Field> fields = new ArrayList<>();
        for (Class<?> c = type; c != null && c != Object.class; c = c.getSuperclass()) {
            for (Field field : c.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers()) && !field.getName().startsWith("this")) {
                    field.setAccessible(true);
                    fields.add(field);
                }
            }
        }
        return fields;
    }

    static Object create(Class<?> type) {
        try {
            for (Constructor<?> constructor : type.getDeclaredConstructors()) {
                // Some classes insist on their content; it is set afterwards all the same.
                if (type.getDeclaredConstructors().length == 1 && constructor.getParameterCount() > 0) {
                    constructor.setAccessible(true);
                    Object[] arguments = new Object[constructor.getParameterCount()];
                    for (int i = 0; i < arguments.length; i++) {
                        Class<?> wanted = constructor.getParameterTypes()[i];
                        arguments[i] = wanted == long.class ? 0L : wanted == int.class ? 0 : wanted == boolean.class ? (Object) false : null;
                    }
                    return constructor.newInstance(arguments);
                }
            }
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot create " + type, e);
        }
    }

    static Object constant(String simpleName, String constant) {
        try {
            return named(simpleName).getField(constant).get(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** An object in the making. */
    static Made make(String simpleName) {
        return new Made(create(named(simpleName)));
    }

    static final class Made {
        final Object object;

        Made(Object object) {
            this.object = object;
        }

        /** Sets a member this version must have. */
        Made set(String name, Object value) {
            if (!assign(name, value)) {
                throw new IllegalArgumentException(object.getClass() + " has no member " + name);
            }
            return this;
        }

        /** Sets a member that only newer versions have. */
        Made since5(String name, Object value) {
            assign(name, value);
            return this;
        }

        private boolean assign(String name, Object value) {
            try {
                String setter = "set" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
                for (Method method : object.getClass().getMethods()) {
                    if (method.getName().equals(setter) && method.getParameterCount() == 1) {
                        method.invoke(object, convert(value, method.getParameterTypes()[0]));
                        return true;
                    }
                }
                for (Field field : fields(object.getClass())) {
                    if (field.getName().equals(name)) {
                        field.set(object, convert(value, field.getType()));
                        return true;
                    }
                }
                return false;
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(object.getClass() + "." + name, e);
            }
        }

        Object call(String name, Object... arguments) {
            for (Method method : object.getClass().getMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == arguments.length
                    && accepts(method, arguments)) {
                    try {
                        return method.invoke(object, arguments);
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(object.getClass() + "." + name, e);
                    }
                }
            }
            throw new IllegalArgumentException(object.getClass() + " has no method " + name);
        }

        private static boolean accepts(Method method, Object[] arguments) {
            for (int i = 0; i < arguments.length; i++) {
                Class<?> type = method.getParameterTypes()[i];
                if (!type.isPrimitive() && !type.isInstance(arguments[i])) {
                    return false;
                }
            }
            return true;
        }
    }

    /** What {@code target} takes for {@code value}: enumerations by name, numbers by width, the made thing itself. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object convert(Object value, Class<?> target) {
        if (value instanceof Made) {
            return ((Made) value).object;
        }
        if (target.isEnum() && value instanceof String) {
            return Enum.valueOf((Class<Enum>) target, (String) value);
        }
        if (value instanceof Number) {
            Number number = (Number) value;
            if (target == int.class || target == Integer.class) {
                return number.intValue();
            } else if (target == long.class || target == Long.class) {
                return number.longValue();
            } else if (target == double.class || target == Double.class) {
                return number.doubleValue();
            } else if (target == AtomicLong.class) {
                return new AtomicLong(number.longValue());
            }
        }
        if (value instanceof List && Set.class.isAssignableFrom(target)) {
            List<Object> items = new ArrayList<>();
            for (Object item : (List<?>) value) {
                items.add(convert(item, Object.class));
            }
            return SortedSet.class.isAssignableFrom(target) ? new TreeSet<>(items)
                : target == HashSet.class ? new HashSet<>(items) : new LinkedHashSet<>(items);
        }
        if (value instanceof List) {
            List<Object> items = new ArrayList<>();
            for (Object item : (List<?>) value) {
                items.add(convert(item, Object.class));
            }
            return items;
        }
        if (value instanceof Map && Map.class.isAssignableFrom(target)) {
            Map items = target == Properties.class ? new Properties() : SortedMap.class.isAssignableFrom(target) ? new TreeMap<>()
                : ConcurrentMap.class.isAssignableFrom(target) ? new ConcurrentHashMap<>() : target == HashMap.class ? new HashMap<>() : new LinkedHashMap<>();
            ((Map<?, ?>) value).forEach((k, v) -> items.put(convert(k, Object.class), convert(v, Object.class)));
            return items;
        }
        return value;
    }
}
