//! Every scenario with the Rust clients.

use ferromq_testkit::scenario;
use libtest_mimic::{Arguments, Trial};

fn main() {
    let trial = |(name, path)| {
        Trial::test(name, move || {
            let text = std::fs::read_to_string(path)?;
            let runtime = tokio::runtime::Runtime::new()?;
            Ok(runtime.block_on(scenario::run(&text, None)).map_err(|error| error.to_string())?)
        })
    };
    let trials = scenario::all().into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
