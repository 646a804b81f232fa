//! Apache's own benchmark classes (rocketmq-example 5.5.0): they load both servers, and what they print is taken.

use crate::interrupt;
use crate::proc;
use crate::servers::Running;
use ferromq_interop::apache;
use ferromq_interop::process::{Line, Process};
use ferromq_interop::setup::Part;
use ferromq_interop::{Problem, wire};
use std::time::{Duration, Instant};

/// One of the classes, running.
pub struct Class {
    process: Process,
    since: Instant,
    figure: &'static str,
}

/// Each line is about the last ten seconds.
pub const WINDOW: Duration = Duration::from_secs(10);

/// As Apache's `runclass.sh` has it.
const FLAGS: &[&str] = &["-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC"];

/// Creates a topic for them.
pub fn topic(running: &Running, name: &str) -> Result<(), Problem> {
    let namesrv = name_server(running)?;
    wire::create_topic(&running.broker, name, 8)?;
    wire::wait_route(namesrv, name, 1, Duration::from_secs(30))
}

fn name_server(running: &Running) -> Result<&str, Problem> {
    let namesrv = running.namesrv.as_deref();
    namesrv.ok_or_else(|| Problem::Wrong("Apache's clients need a name server".to_owned()))
}

impl Class {
    fn start(
        running: &Running,
        class: &str,
        figure: &'static str,
        options: &[&str],
    ) -> Result<Class, Problem> {
        let main = format!("org.apache.rocketmq.example.benchmark.{class}");
        let mut command = apache::java(Part::Servers55, running.folder(), FLAGS, &main)?;
        command.args(["-n", name_server(running)?, "-ri", "1000"]).args(options);
        let process =
            Process::start_guarded(&format!("apache-{class}"), &command, running.folder())?;
        Ok(Class { process, since: Instant::now(), figure })
    }

    /// `Producer`: 64 threads, each with one send on its way.
    pub fn producer(running: &Running, topic: &str, size: u32) -> Result<Class, Problem> {
        let size = size.to_string();
        Class::start(running, "Producer", "Send TPS: ", &["-t", topic, "-w", "64", "-s", &size])
    }

    /// `BatchProducer`: 64 threads, each with one batch of 32 on its way.
    pub fn batch_producer(running: &Running, topic: &str, size: u32) -> Result<Class, Problem> {
        let size = size.to_string();
        let options = ["-t", topic, "-w", "64", "-b", "32", "-s", &size];
        Class::start(running, "BatchProducer", "Send MPS: ", &options)
    }

    /// `Consumer`: a push consumer with 20 threads.
    pub fn consumer(running: &Running, topic: &str) -> Result<Class, Problem> {
        let options = ["-t", topic, "-w", "20", "-g", "bench_consumer"];
        Class::start(running, "Consumer", "Consume TPS: ", &options)
    }

    /// Messages a second over the ten seconds before its first line after `warm_up` and those ten seconds.
    pub fn rate(&self, warm_up: Duration) -> Result<f64, Problem> {
        let from = self.since + warm_up + WINDOW;
        self.line(from).map(|(_, rate)| rate)
    }

    /// Messages that it handled for each second of its own CPU time, in the ten seconds after `warm_up`.
    pub fn per_cpu_second(&self, warm_up: Duration) -> Result<f64, Problem> {
        let (begin, _) = self.line(self.since + warm_up)?;
        let before = proc::cpu_seconds(self.process.pid())?;
        let (end, rate) = self.line(begin.at + WINDOW)?;
        let used = proc::cpu_seconds(self.process.pid())? - before;
        Ok(rate * (end.at - begin.at).as_secs_f64() / used)
    }

    /// Its first line from some time on.
    fn line(&self, from: Instant) -> Result<(Line, f64), Problem> {
        let deadline = from + Duration::from_secs(60);
        loop {
            interrupt::check()?;
            let found = self.process.wait("figures", Duration::from_millis(100), |lines| {
                lines
                    .iter()
                    .filter(|l| l.at >= from)
                    .find_map(|line| Some((line.clone(), figure(&line.text, self.figure)?)))
            });
            match found {
                Err(Problem::Deadline { .. }) if Instant::now() < deadline => {}
                other => return other,
            }
        }
    }
}

/// The whole number that follows a name in a line.
pub fn figure(line: &str, name: &str) -> Option<f64> {
    let rest = &line[line.find(name)? + name.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_each_class_are_read() {
        let producer = "Current Time: 2026-11-28 04:00:00,123 | Send TPS: 38123 | Max RT(ms): 212 | Average RT(ms):   1.672 | Send Failed: 0 | Response Failed: 0";
        let batches = "Current Time: 2026-11-28 04:00:00,123 | Send TPS: 9000 | Send MPS: 288000 | Max RT(ms): 41 | Average RT(ms):   6.812 | Average Message RT(ms):   0.212 | Send Failed: 0 | Send Message Failed: 0";
        let consumer = "Current Time: 2026-11-28 04:00:00,123 | Consume TPS: 37991 | AVG(B2C) RT(ms):   2.100 | AVG(S2C) RT(ms):   1.200 | MAX(B2C) RT(ms): 90 | MAX(S2C) RT(ms): 80 | Consume Fail: 0";
        assert_eq!(figure(producer, "Send TPS: "), Some(38123.0));
        assert_eq!(figure(batches, "Send MPS: "), Some(288000.0));
        assert_eq!(figure(consumer, "Consume TPS: "), Some(37991.0));
        assert_eq!(figure("topic: BenchmarkTest, threadCount: 64", "Send TPS: "), None);
    }
}
