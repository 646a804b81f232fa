//! Our servers with every client.

use ferromq_interop::suite::{Servers, Suite};
use ferromq_interop::{Cluster, DriverKind, ServerKind, scenario};
use std::process::ExitCode;

fn main() -> ExitCode {
    use DriverKind::{FerroMq, Go, Java49, Java55};
    let mut suite = Suite::new();
    let ours = Servers::new(|| Cluster::start(ServerKind::FerroMq));
    for (i, one) in scenario::ALL.iter().enumerate() {
        // Every client on both sides of every scenario; the partners change from one scenario to the next.
        let pairs = match i % 2 {
            0 => [(Java55, Java49), (Java49, Go), (Go, Java55)],
            _ => [(Java55, Go), (Java49, Java55), (Go, Java49)],
        };
        for (producer, consumer) in pairs {
            scenario::add(&mut suite, "ferromq", &ours, one, producer, consumer);
        }
        scenario::add(&mut suite, "ferromq", &ours, one, FerroMq, FerroMq);
    }
    suite.run()
}
