//! Messages that fall due later, perhaps in the turn of another broker: delayed ones, and those that
//! come again to a group whose retry topic has a long name.

use crate::messages::{Messages, Place, Served, physical_offset, read, unchanged};
use crate::{Failure, LONG_GROUP, SEGMENT, Turn, ensure_that, sent};
use ferromq::{Message, Producer, ReceivedMessage};
use ferromq_interop::wire;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

pub const TOPIC: &str = "Late";

/// What records of the second version begin with, behind their lengths.
const MAGIC_V2: u32 = 0xDAA3_20AB;

/// What is to come.
struct Expected {
    turn: usize,
    /// Not before this time, in ms.
    due: i64,
}

/// Delayed messages by topic and body.
#[derive(Default)]
pub struct Delayed {
    expected: BTreeMap<(String, Vec<u8>), Expected>,
    served: Served,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Delayed {
    async fn store(
        &mut self,
        turn: &Turn<'_>,
        producer: &Producer,
        level: i32,
        seconds: i64,
    ) -> Result<(), Failure> {
        for number in 0..3 {
            let body = format!("late {} {level} {number}", turn.number);
            let message = Message::new(TOPIC, body.clone()).key(&body.replace(' ', "-"));
            let expected = Expected { turn: turn.number, due: now() + seconds * 1000 };
            sent(producer, message.delay_level(level)).await?;
            self.expected.insert((TOPIC.to_string(), body.into_bytes()), expected);
        }
        Ok(())
    }

    /// What is due within the turn.
    pub async fn store_short(
        &mut self,
        turn: &Turn<'_>,
        producer: &Producer,
        messages: &Messages,
    ) -> Result<(), Failure> {
        self.store(turn, producer, 1, 1).await?;
        if !turn.plan.is_5x() {
            // 4.9 knows no records of the second version, and takes the first for the log's end.
            return Ok(());
        }
        let Some((message, offset)) = messages.one_of(turn) else {
            return Err("no message of this turn".into());
        };
        let offset = offset.to_string();
        let fields = [("offset", offset.as_str()), ("group", LONG_GROUP), ("delayLevel", "1")];
        let expected = Expected { turn: turn.number, due: now() + 1000 };
        wire::succeed(turn.address, 36, &fields, &[])?;
        let topic = format!("%RETRY%{LONG_GROUP}");
        self.expected.insert((topic, message.body.to_vec()), expected);
        Ok(())
    }

    /// What is due when the next broker has started.
    pub async fn store_long(
        &mut self,
        turn: &Turn<'_>,
        producer: &Producer,
    ) -> Result<(), Failure> {
        self.store(turn, producer, 2, 5).await
    }

    /// Everything has come by now, not before it was due, and not twice unless a broker was killed
    /// before it could say how far it was.
    pub async fn check(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let topics: Vec<String> = self.expected.keys().map(|(topic, _)| topic.clone()).collect();
        for topic in topics.iter().collect::<std::collections::BTreeSet<_>>() {
            let awaited: Vec<&[u8]> = self
                .expected
                .keys()
                .filter(|(of, _)| of == topic)
                .map(|(_, body)| &body[..])
                .collect();
            let complete = |served: &Served| {
                awaited.iter().all(|body| served.values().any(|message| message.body == *body))
            };
            let served = read(&turn.client, topic, complete).await?;
            ensure_that(complete(&served), || {
                format!("{topic} has {} messages, but not all of {}", served.len(), awaited.len())
            })?;
            let mut times = BTreeMap::<Vec<u8>, usize>::new();
            for (place, message) in served {
                self.is_expected(turn, topic, &place, &message, &mut times)?;
                unchanged(&mut self.served, place, message)?;
            }
        }
        Ok(())
    }

    fn is_expected(
        &self,
        turn: &Turn<'_>,
        topic: &str,
        place: &Place,
        message: &ReceivedMessage,
        times: &mut BTreeMap<Vec<u8>, usize>,
    ) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let expected = self.expected.get(&(topic.to_string(), message.body.to_vec()));
        let Some(expected) = expected else {
            return Err(format!("nobody sent what is at {place:?}: {text}").into());
        };
        // 4.9 recovers queues before it knows of delay levels, and delivers what it recovered at once.
        let recovered = turn.was_killed_since(expected.turn) && !turn.plan.is_5x();
        ensure_that(message.store_timestamp >= expected.due || recovered, || {
            format!("{text} came {} ms early", expected.due - message.store_timestamp)
        })?;
        let count = times.entry(message.body.to_vec()).or_default();
        *count += 1;
        let killed = turn.was_killed_since(expected.turn);
        ensure_that(*count == 1 || killed, || format!("{text} has come twice"))?;
        // Who delivers leaves in the record what the message was delayed by.
        for (name, value) in [("REAL_TOPIC", Some(topic)), ("REAL_QID", None), ("DELAY", None)] {
            let found = message.properties.get(name);
            ensure_that(found.is_some() && (value.is_none() || found == value), || {
                format!("{text} at {place:?} has {name} {found:?}")
            })?;
        }
        if topic.len() > 127 {
            is_second_version(turn, message)?;
        }
        Ok(())
    }
}

fn is_second_version(turn: &Turn<'_>, message: &ReceivedMessage) -> Result<(), Failure> {
    let offset = physical_offset(&message.offset_message_id)?;
    let base = offset - offset % SEGMENT;
    let path = turn.plan.log_paths(turn.store)[0].join(format!("{base:020}"));
    let mut magic = [0; 4];
    std::fs::File::open(path)?.read_exact_at(&mut magic, (offset - base) as u64 + 4)?;
    ensure_that(u32::from_be_bytes(magic) == MAGIC_V2, || format!("{magic:02x?} at {offset}"))
}
