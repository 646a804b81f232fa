//! Messages of every kind, and whether they are served as they were.

use crate::{Failure, LIMIT, Turn, ensure_that, sent};
use ferromq::{
    Admin, ClientConfig, ConsumerConfig, Message, MessageQueue, Producer, PullConsumer,
    ReceivedMessage,
};
use ferromq_interop::ServerKind::Apache49;
use ferromq_interop::wire;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub const TOPICS: [&str; 2] = ["Kept", "Also"];

/// A place in a queue.
pub type Place = (MessageQueue, i64);

/// Messages by their places.
pub type Served = BTreeMap<Place, ReceivedMessage>;

struct Sent {
    id: String,
    physical_offset: i64,
    message: Message,
}

/// What was stored, and how it was first served.
#[derive(Default)]
pub struct Messages {
    sent: BTreeMap<Place, Sent>,
    served: Served,
}

/// The physical offset that an offset message id ends with.
pub fn physical_offset(id: &str) -> Result<i64, Failure> {
    let digits = id.len().checked_sub(16).and_then(|at| id.get(at..));
    Ok(i64::from_str_radix(digits.ok_or("an id without an offset")?, 16)?)
}

/// Bytes that nothing makes shorter.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

impl Messages {
    pub async fn store(&mut self, turn: &Turn<'_>, producer: &Producer) -> Result<(), Failure> {
        for topic in TOPICS {
            for number in 0..40 {
                let body = match number % 4 {
                    // Long enough to be compressed.
                    0 => format!("{topic} {} {number} ", turn.number)
                        .repeat(300 + number)
                        .into_bytes(),
                    _ => noise(300 * number, (turn.number * 1000 + number) as u64),
                };
                let message = Message::new(topic, body)
                    .key(&format!("key-{}-{number}", turn.number))
                    .key("all")
                    .tag(if number % 2 == 0 { "even" } else { "odd" })
                    .property("written-by", turn.kind.label())
                    .flag(number as i32);
                let receipt = sent(producer, message.clone()).await?;
                let physical_offset = physical_offset(&receipt.offset_message_id)?;
                let sent = Sent { id: receipt.message_id, physical_offset, message };
                self.sent.insert((receipt.queue, receipt.queue_offset), sent);
            }
            let batch: Vec<Message> = (0..5)
                .map(|number| Message::new(topic, format!("batch {} {number}", turn.number)))
                .map(|message| message.key("batch"))
                .collect();
            let receipt = producer.send_batch(batch.clone()).await?;
            let ids = receipt.message_id.split(',').zip(receipt.offset_message_id.split(','));
            for ((offset, message), (id, place)) in (receipt.queue_offset..).zip(batch).zip(ids) {
                let physical_offset = physical_offset(place)?;
                let sent = Sent { id: id.to_string(), physical_offset, message };
                self.sent.insert((receipt.queue.clone(), offset), sent);
            }
        }
        Ok(())
    }

    /// A message of this turn, and its physical offset.
    pub fn one_of(&self, turn: &Turn<'_>) -> Option<(&Message, i64)> {
        let first = format!("key-{}-7 all", turn.number);
        let mut sent = self.sent.values();
        let sent = sent.find(|sent| sent.message.properties.get("KEYS") == Some(&first))?;
        Some((&sent.message, sent.physical_offset))
    }

    /// Every message is served as it was sent, and as it was served before.
    pub async fn compare(&mut self, turn: &Turn<'_>, admin: &Admin) -> Result<(), Failure> {
        for topic in TOPICS {
            let of_topic = |(queue, _): &Place| queue.topic == topic;
            let expected = self.sent.iter().filter(|(place, _)| of_topic(place)).count();
            let served = read(&turn.client, topic, |served| served.len() >= expected).await?;
            ensure_that(served.len() == expected, || {
                format!("{topic} has {} messages instead of {expected}", served.len())
            })?;
            for (place, message) in served {
                let Some(sent) = self.sent.get(&place) else {
                    return Err(format!("nothing was stored at {place:?}").into());
                };
                as_sent(sent, &message).map_err(|what| format!("{place:?} has another {what}"))?;
                unchanged(&mut self.served, place, message)?;
            }
        }
        for (place, message) in self.served.iter().skip(turn.number).step_by(23) {
            self.by_time(turn, admin, place, message).await?;
            by_key(turn, admin, message).await?;
        }
        Ok(())
    }

    async fn by_time(
        &self,
        turn: &Turn<'_>,
        admin: &Admin,
        place: &Place,
        message: &ReceivedMessage,
    ) -> Result<(), Failure> {
        // 4.9 chooses the file by its date, which mapped writes of its own leave behind.
        if turn.kind == Apache49 && message.properties.get("written-by") != Some("ferromq") {
            return Ok(());
        }
        let (queue, time) = (&place.0, message.store_timestamp);
        let offset = admin.search_offset(turn.address, queue, time).await?;
        // Several may have come in the same millisecond.
        let found = self.served.get(&(queue.clone(), offset));
        ensure_that(found.is_some_and(|found| found.store_timestamp == time), || {
            format!("{time} is the time of {place:?}, but offset {offset} is found for it")
        })
    }
}

fn as_sent(sent: &Sent, served: &ReceivedMessage) -> Result<(), &'static str> {
    let message = &sent.message;
    for (name, same) in [
        ("body", served.body == message.body),
        ("id", served.message_id == sent.id),
        (
            "place",
            physical_offset(&served.offset_message_id).is_ok_and(|at| at == sent.physical_offset),
        ),
        ("flag", served.flag == message.flag),
    ] {
        if !same {
            return Err(name);
        }
    }
    let mut properties = message.properties.iter();
    match properties.all(|(name, value)| served.properties.get(name) == Some(value)) {
        true => Ok(()),
        false => Err("property"),
    }
}

/// What is in a place stays what it is, down to who sent it when, and where in the log it is.
pub fn unchanged(
    known: &mut Served,
    place: Place,
    message: ReceivedMessage,
) -> Result<(), Failure> {
    match known.get(&place) {
        Some(before) => ensure_that(*before == message, || {
            format!("{place:?} was {before:?} and is {message:?}")
        }),
        None => {
            known.insert(place, message);
            Ok(())
        }
    }
}

async fn by_key(turn: &Turn<'_>, admin: &Admin, message: &ReceivedMessage) -> Result<(), Failure> {
    let (topic, time) = (message.topic.as_str(), message.store_timestamp);
    let keys = message.keys().unwrap_or_default().split(' ').next().unwrap_or_default();
    if keys == "batch" {
        return Ok(());
    }
    // The index of Apache's brokers, and ours, is a moment behind.
    let deadline = Instant::now() + LIMIT;
    for key in [keys, &message.message_id] {
        loop {
            let found = admin.query_messages(topic, key, 32).await?;
            if found.iter().any(|found| found.offset_message_id == message.offset_message_id) {
                break;
            }
            ensure_that(Instant::now() < deadline, || format!("{key} is not found in {topic}"))?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let within = |begin: i64, end: i64| -> Result<bool, Failure> {
        let (begin, end) = (begin.to_string(), end.to_string());
        let fields = [
            ("topic", topic),
            ("key", keys),
            ("maxNum", "32"),
            ("beginTimestamp", &begin),
            ("endTimestamp", &end),
        ];
        Ok(wire::ask(turn.address, 12, &fields, &[])?.code == 0)
    };
    // The index knows whole seconds.
    ensure_that(within(time - 1000, time + 1000)?, || format!("{keys} is not found by its time"))?;
    let outside = within(0, time - 2000)? || within(time + 2000, i64::MAX)?;
    ensure_that(!outside, || format!("{keys} is found at another time"))
}

/// All messages of a topic, once they are complete. The group's progress is not used.
pub async fn read(
    client: &ClientConfig,
    topic: &str,
    complete: impl Fn(&Served) -> bool,
) -> Result<Served, Failure> {
    let config = ConsumerConfig { group: "reader".to_string(), ..ConsumerConfig::default() };
    let consumer = PullConsumer::start(client.clone(), config).await?;
    let deadline = Instant::now() + LIMIT;
    let queues = loop {
        match consumer.topic_queues(topic).await {
            Ok(queues) => break queues,
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    consumer.assign(&queues).await?;
    for queue in &queues {
        consumer.seek_to_begin(queue).await?;
    }
    let mut served = Served::new();
    loop {
        let wait = if complete(&served) { Duration::from_millis(200) } else { LIMIT };
        let messages = consumer.poll(1000, wait).await?;
        if messages.is_empty() {
            break;
        }
        for mut message in messages {
            // They say where the queue begins and ends at present.
            message.properties.remove("MIN_OFFSET");
            message.properties.remove("MAX_OFFSET");
            served.insert((message.queue.clone(), message.queue_offset), message);
        }
    }
    consumer.close().await;
    Ok(served)
}
