//! Our servers and Apache's in one cluster.

use ferromq_interop::ServerKind::{Apache49, Apache55, FerroMq};
use ferromq_interop::scenario::{Pair, named};
use ferromq_interop::suite::{Servers, Suite};
use ferromq_interop::{Cluster, DriverKind, Problem, ensure, wire};
use std::process::ExitCode;

/// What says most about a mix, at a bearable price.
const CHOSEN: &[&str] = &["modes", "rebalancing", "retries", "pulling"];

fn main() -> ExitCode {
    use DriverKind::{FerroMq as OurClient, Go, Java49, Java55};
    let mut suite = Suite::new();
    let mixes = [
        (
            "our broker beside Apache's under Apache's name server",
            Servers::new(|| Cluster::mixed(Apache55, &[Apache55, FerroMq])),
        ),
        (
            "Apache's broker beside ours under our name server",
            Servers::new(|| Cluster::mixed(FerroMq, &[Apache55, FerroMq])),
        ),
        (
            "our broker under Apache's 4.9 name server",
            Servers::new(|| Cluster::mixed(Apache49, &[FerroMq])),
        ),
        (
            "Apache's 4.9 broker under our name server",
            Servers::new(|| Cluster::mixed(FerroMq, &[Apache49])),
        ),
    ];
    for (i, (name, servers)) in mixes.iter().enumerate() {
        let pairs = match i {
            // The 5.5 client gives a batch an id of its own, which a 4.9 broker puts over those of its messages.
            3 => [(Java49, Go); 3],
            _ => [(Java55, Go), (Go, Java49), (Java49, Java55)],
        };
        for (j, chosen) in CHOSEN.iter().enumerate().take(if i < 2 { 4 } else { 1 }) {
            let Some(one) = named(chosen) else { continue };
            for (producer, consumer) in [pairs[(i + j) % pairs.len()], (OurClient, OurClient)] {
                let clients = format!("{}-to-{}", producer.label(), consumer.label());
                let topic = format!("{chosen}-mix{i}-{clients}");
                let test = format!("{name}/{chosen}/{clients}");
                suite.add(test, one.clients, servers, move |cluster| {
                    let pair = Pair { cluster, producer, consumer, name: topic };
                    (one.run)(&pair)?;
                    match one.name {
                        // Its few messages may all have gone to one broker.
                        "retries" => Ok(()),
                        _ => on_every_broker(&pair),
                    }
                });
            }
        }
    }
    suite.run()
}

/// A topic over several brokers has messages on each of them.
fn on_every_broker(pair: &Pair<'_>) -> Result<(), Problem> {
    for broker in &pair.cluster.brokers {
        let mut messages = 0;
        for queue in 0..4 {
            messages += wire::max_offset(&broker.address, &pair.name, queue)?;
        }
        ensure!(messages > 0, "no messages of {} on {}", pair.name, broker.name);
    }
    Ok(())
}
