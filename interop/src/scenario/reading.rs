//! Reading by hand, and going on where a group was.

use super::{Pair, SOON, committed, same_bodies};
use crate::driver::named;
use crate::{Driver, Problem};

/// Reads all queues from their beginning and commits; the brokers know the progress afterwards.
pub fn pulling(pair: &Pair<'_>) -> Result<(), Problem> {
    let (cluster, name) = (pair.cluster, &pair.name);
    cluster.topic(name, 4)?;
    let sent = Driver::produce(pair.producer, cluster, name, 50).run()?;
    let sent = named(&sent, "sent");
    let reader = Driver::pull(pair.consumer, cluster, name, name).with("expect", 50).start()?;
    reader.wait_messages(50, SOON)?;
    // While it lives: Java's client tells its progress every five seconds, and without waiting for an answer,
    // so what it tells last of all may be lost with its connection.
    committed(pair, 4)?;
    same_bodies(&sent, &named(&reader.stop()?, "message"))
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
