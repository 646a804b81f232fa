//! Reading by hand, and going on where a group was.

use super::{Pair, SOON, committed, same_bodies};
use crate::driver::named;
use crate::{Driver, Problem, ensure, wire};

/// Reads all queues from their beginning and commits; the brokers know the progress afterwards.
pub fn pulling(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let sent = Driver::produce(pair.producer, cluster, name, 50).run()?;
    let sent = named(&sent, "sent");
    let events = Driver::pull(pair.consumer, cluster, name, name).with("expect", 50).run()?;
    same_bodies(&sent, &named(&events, "message"))?;
    for broker in &cluster.brokers {
        for queue in 0..4 {
            let end = wire::max_offset(&broker.address, name, queue)?;
            let progress = wire::progress(&broker.address, name, name, queue)?.unwrap_or(0);
            ensure!(
                progress == end,
                "queue {queue} of {} ends at {end}, the progress is {progress}",
                broker.name
            );
        }
    }
    Ok(())
}

/// A group that comes back goes on where it was: nothing is lost and nothing repeated.
pub fn progress_is_kept(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let send = |prefix: &str| {
        Driver::produce(pair.producer, cluster, name, 20)
            .with("body-prefix", prefix)
            .run()
            .map(|events| named(&events, "sent"))
    };
    let receive = || {
        let consumer = Driver::consume(pair.consumer, cluster, name, name).start()?;
        consumer.wait_messages(20, SOON)?;
        committed(pair, 4)?;
        let received = named(&consumer.stop()?, "message");
        Ok::<_, Problem>(received)
    };
    let first = send("first-")?;
    same_bodies(&first, &receive()?)?;
    let second = send("second-")?;
    same_bodies(&second, &receive()?)
}
