//! Runs the servers of a scenario and does what the lines on its standard input say, answering each
//! with one line; see `core/testkit/scenarios/README.md`.

use ferromq_testkit::cluster::{Cluster, Failure};
use std::io::{BufRead, Write};

fn main() -> Result<(), Failure> {
    let running = std::env::args().nth(1);
    let runtime = tokio::runtime::Runtime::new()?;
    let mut cluster = Cluster::new(running.as_deref())?;
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        match runtime.block_on(cluster.obey(&line?)) {
            Ok(answer) => writeln!(output, "{}", format!("ok {answer}").trim_end())?,
            Err(error) => writeln!(output, "error {}", error.to_string().replace('\n', " "))?,
        }
        output.flush()?;
    }
    runtime.block_on(cluster.close());
    Ok(())
}
