//! Apache's servers: with Apache's clients, which proves the scenarios themselves, and with ours.

use ferromq_interop::suite::{Servers, Suite};
use ferromq_interop::{Cluster, DriverKind, ServerKind, scenario};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut suite = Suite::new();
    let current = Servers::new(|| Cluster::start(ServerKind::Apache55));
    let legacy = Servers::new(|| Cluster::start(ServerKind::Apache49));
    for one in scenario::ALL {
        use DriverKind::{FerroMq, Go, Java49, Java55};
        scenario::add(&mut suite, "apache55", &current, one, FerroMq, FerroMq);
        scenario::add(&mut suite, "apache49", &legacy, one, FerroMq, FerroMq);
        // A scenario that Apache's own clients do not manage on Apache's own servers asks for too much.
        if std::env::var_os("FERROMQ_INTEROP_PROOF").is_some() {
            for (producer, consumer) in [(Java55, Java49), (Java49, Go), (Go, Java55)] {
                scenario::add(&mut suite, "apache55", &current, one, producer, consumer);
            }
            // Not Java55 to read by hand: it asks a 4.9 broker for what only 5.x can (LITE_PULL_MESSAGE).
            scenario::add(&mut suite, "apache49", &legacy, one, Java55, Java49);
        }
    }
    suite.run()
}
