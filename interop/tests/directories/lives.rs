//! Topics that are deleted, and topics that are made anew under their old names.

use crate::messages::read;
use crate::{Failure, LIMIT, Turn, ensure_that, sent};
use ferromq::{Admin, Message, Producer};
use ferromq_interop::wire;
use std::time::{Duration, Instant};

const AGAIN: &str = "Again";

#[derive(Default)]
pub struct Lives {
    gone: Vec<String>,
    /// What the topic that is made anew has got in its present life.
    present: Vec<String>,
}

impl Lives {
    /// What is deleted is not there, and what was made anew has its own messages and no others.
    pub async fn check(&self, turn: &Turn<'_>, admin: &Admin) -> Result<(), Failure> {
        let topics = admin.topic_table(turn.address).await?.topic_config_table;
        for topic in &self.gone {
            ensure_that(!topics.contains_key(topic), || format!("{topic} has come back"))?;
            let route = wire::route(turn.namesrv, topic)?;
            ensure_that(route.is_none(), || format!("{topic} has a route again"))?;
        }
        let served = read(&turn.client, AGAIN, |served| served.len() >= self.present.len()).await?;
        let bodies: Vec<String> =
            served.values().map(|message| String::from_utf8_lossy(&message.body).into()).collect();
        let offsets = served.keys().map(|(_, offset)| *offset);
        ensure_that(bodies == self.present && offsets.eq(0..bodies.len() as i64), || {
            format!("{AGAIN} has {bodies:?} instead of {:?}", self.present)
        })
    }

    pub async fn remake(
        &mut self,
        turn: &Turn<'_>,
        admin: &Admin,
        producer: &Producer,
    ) -> Result<(), Failure> {
        if turn.number > 0 {
            admin.delete_topic(AGAIN).await?;
        }
        let gone = format!("Gone-{}", turn.number);
        for topic in [AGAIN, &gone] {
            wire::create_topic(turn.address, topic, 1)?;
            wire::wait_route(turn.namesrv, topic, 1, LIMIT)?;
        }
        self.present = (0..3 + turn.number).map(|n| format!("life {} {n}", turn.number)).collect();
        for body in &self.present {
            sent(producer, Message::new(AGAIN, body.clone())).await?;
            sent(producer, Message::new(&gone, body.clone())).await?;
        }
        admin.delete_topic(&gone).await?;
        self.gone.push(gone);
        self.is_on_disk(turn).await
    }

    /// Waits until the queue's first entry is in its file, which with our broker takes a moment. From
    /// then on Apache's broker leaves out former lives when it recovers what a killed one has left;
    /// before, it takes them for the beginning of the queue.
    async fn is_on_disk(&self, turn: &Turn<'_>) -> Result<(), Failure> {
        let file = turn.store.join("consumequeue").join(AGAIN).join("0").join(format!("{:020}", 0));
        let deadline = Instant::now() + LIMIT;
        // Where the record is, and its size.
        let is_entry = |bytes: Vec<u8>| bytes.get(..12).is_some_and(|entry| entry != [0; 12]);
        while !std::fs::read(&file).is_ok_and(is_entry) {
            ensure_that(Instant::now() < deadline, || format!("{} stays empty", file.display()))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
