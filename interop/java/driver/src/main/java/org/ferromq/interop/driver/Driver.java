package org.ferromq.interop.driver;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A client under the control of a test: {@code produce}, {@code consume} or {@code pull} with options, events out.
 * It ends when its work is done, when standard input ends, on SIGTERM, or when its time is up (exit code 3).
 */
public final class Driver {
    private static final CountDownLatch STOP = new CountDownLatch(1);

    private Driver() {
    }

    interface Work {
        /** Does the work; returns when it is done or {@code stop} opens. */
        void run(Options options, CountDownLatch stop) throws Exception;

        /** Leaves the cluster in order. */
        void close();
    }

    public static void main(String[] arguments) {
        int code = 1;
        try {
            Options options = new Options(arguments, 1);
            // How often the client looks at its queues again without being told to; Apache's default is 20 s.
            if (options.has("rebalance-ms")) {
                System.setProperty("rocketmq.client.rebalance.waitInterval", options.text("rebalance-ms"));
            }
            Work work = work(arguments[0]);
            watchInput();
            Thread ending = new Thread(() -> {
                STOP.countDown();
                work.close();
            });
            Runtime.getRuntime().addShutdownHook(ending);
            code = run(work, options);
        } catch (Throwable problem) {
            Events.emit("error", "text", problem.toString());
            problem.printStackTrace();
        }
        System.exit(code);
    }

    private static int run(Work work, Options options) throws Exception {
        Thread worker = new Thread(() -> {
            try {
                work.run(options, STOP);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            } catch (Throwable problem) {
                Events.emit("error", "text", problem.toString());
                problem.printStackTrace();
                System.exit(1);
            }
        });
        worker.setDaemon(true);
        worker.start();
        worker.join(TimeUnit.SECONDS.toMillis(options.number("timeout-seconds", 60)));
        if (worker.isAlive()) {
            Events.emit("timeout");
            return 3;
        }
        return 0;
    }

    private static Work work(String command) {
        switch (command) {
            case "produce":
                return new Produce();
            case "consume":
                return new Consume();
            case "pull":
                return new Pull();
            default:
                throw new IllegalArgumentException("unknown command " + command + "; produce, consume or pull");
        }
    }

    private static void watchInput() {
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // Only the end matters.
                }
            } catch (java.io.IOException gone) {
                // As good as the end.
            }
            STOP.countDown();
        });
        input.setDaemon(true);
        input.start();
    }
}
