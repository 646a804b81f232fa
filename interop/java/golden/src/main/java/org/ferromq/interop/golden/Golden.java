package org.ferromq.interop.golden;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.TimeZone;
import org.apache.rocketmq.common.MQVersion;

/** Writes every fixture file of one Apache version into a folder: {@code Golden FOLDER VERSION}. */
public final class Golden {
    private Golden() {
    }

    public static void main(String[] arguments) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        Path folder = Paths.get(arguments[0]);
        String version = arguments[1];
        Files.createDirectories(folder);
        Classes.scan();
        System.setProperty("rocketmq.remoting.version", Integer.toString(MQVersion.CURRENT_VERSION));
        new Frames().record().write(folder, version);
        new Bodies().record().write(folder, version);
        Records records = new Records();
        Flavour.records(records);
        records.fixture.write(folder, version);
        Messages.record().write(folder, version);
        Calls calls = new Calls();
        calls.record();
        Flavour.calls(calls);
        calls.fixture.write(folder, version);
        Allocation.record().write(folder, version);
        Fixture compression = Flavour.compression();
        if (compression != null) {
            compression.write(folder, version);
        }
        System.exit(0);
    }
}
