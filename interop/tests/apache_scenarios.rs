//! The scenarios that every language goes through, where they say `also apache`, against Apache's servers
//! with our Rust client. `with-apache` runs those of other languages.

use ferromq_interop::suite::{Servers, Suite};
use ferromq_interop::{Cluster, Problem, ServerKind};
use ferromq_testkit::scenario;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut suite = Suite::new();
    let servers = Servers::new(|| Cluster::start(ServerKind::Apache55));
    for (name, path) in scenario::all() {
        let Ok(text) = std::fs::read_to_string(&path) else {
            panic!("{} cannot be read", path.display());
        };
        if !scenario::is_for_apache(&text) {
            continue;
        }
        // Clients are tasks of this process, not processes as elsewhere here.
        suite.add(format!("apache55/{name}"), 1, &servers, move |cluster| {
            // One for all: clients of the same name share connections, which end with their runtime.
            let runtime = ferromq::runtime().map_err(|error| Problem::Wrong(error.to_string()))?;
            let outcome = runtime.block_on(scenario::run(&text, Some(&cluster.namesrv)));
            outcome.map_err(|failure| Problem::Wrong(failure.to_string()))
        });
    }
    suite.run()
}
