//! Runs scenarios with the Rust clients; see `scenarios/README.md`.

use crate::cluster::{Cluster, Failure, PATIENCE};
use ferromq::{
    ClientConfig, ConfigTable, Consumer, ConsumerConfig, Delivery, Error, Message, MessageQueue,
    Producer, ProducerConfig, PullConsumer, ReceivedMessage, SendReceipt,
};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All scenario files, by name.
pub fn all() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "scenario"))
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    found
}

/// Whether a scenario is for Apache's servers too.
pub fn is_for_apache(text: &str) -> bool {
    text.lines().any(|line| line == "also apache")
}

/// Runs one scenario, against new servers or the running ones behind `name_servers`.
///
/// # Errors
/// The first step that did not do what it says.
pub async fn run(text: &str, name_servers: Option<&str>) -> Result<(), Failure> {
    let mut stage = Stage {
        cluster: Cluster::new(name_servers)?,
        name_servers: String::new(),
        deaf: String::new(),
        dead: String::new(),
        folder: String::new(),
        producers: HashMap::new(),
        consumers: HashMap::new(),
        sent: Instant::now(),
    };
    let mut outcome = Ok(());
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') || line == "also apache" {
            continue;
        }
        if let Err(error) = stage.step(line).await {
            outcome = Err(format!("line {}: {line}: {error}", number + 1).into());
            break;
        }
    }
    stage.cluster.close().await;
    outcome
}

/// A step's verb, names and options.
struct Step<'a> {
    verb: &'a str,
    names: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Step<'a> {
    fn parse(line: &'a str) -> Step<'a> {
        let mut words = line.split_whitespace();
        let mut step = Step {
            verb: words.next().unwrap_or_default(),
            names: Vec::new(),
            options: BTreeMap::new(),
        };
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => drop(step.options.insert(key, value)),
                None => step.names.push(word),
            }
        }
        step
    }

    fn name(&self) -> &'a str {
        self.names.first().copied().unwrap_or_default()
    }

    fn option(&self, key: &str) -> Option<&'a str> {
        self.options.get(key).copied()
    }

    fn text(&self, key: &str) -> &'a str {
        self.option(key).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Result<i64, Failure> {
        Ok(self.text(key).parse().map_err(|_| format!("{key} must be a number"))?)
    }

    fn is(&self, key: &str) -> bool {
        self.option(key) == Some("true")
    }

    fn millis(&self, key: &str) -> Result<Option<Duration>, Failure> {
        match self.option(key) {
            Some(_) => Ok(Some(Duration::from_millis(self.number(key)? as u64))),
            None => Ok(None),
        }
    }

    fn bodies(&self) -> Result<Vec<Vec<u8>>, Failure> {
        if let Some(text) = self.option("body") {
            return Ok(vec![text.into()]);
        }
        if let Some(hex) = self.option("hex") {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
            return Ok(vec![(0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?]);
        }
        if self.option("size").is_some() {
            return Ok(vec![(0..self.number("size")?).map(|i| (i % 251) as u8).collect()]);
        }
        let (from, to) = self.text("numbers").split_once("..").ok_or("a step without bodies")?;
        let (from, to): (u64, u64) = (from.parse()?, to.parse()?);
        Ok((from..to).map(|number| number.to_string().into_bytes()).collect())
    }

    /// Applies the settings of the step, each to the table that has it.
    fn set<T: ConfigTable>(
        &self,
        folder: &str,
        client: &mut ClientConfig,
        own: &mut T,
    ) -> Result<(), Failure> {
        for (key, value) in &self.options {
            let Some(key) = key.strip_prefix("set.") else { continue };
            let value = if *value == "folder" { folder } else { value };
            match T::settings().iter().any(|setting| setting.key == key) {
                true => own.set(key, value)?,
                false => client.set(key, value)?,
            }
        }
        Ok(())
    }
}

enum Receiver {
    Group(Consumer, Vec<Delivery>),
    Pull(PullConsumer, Vec<MessageQueue>),
}

struct Stage {
    cluster: Cluster,
    name_servers: String,
    deaf: String,
    dead: String,
    folder: String,
    producers: HashMap<String, (Producer, Vec<SendReceipt>)>,
    consumers: HashMap<String, Receiver>,
    /// When a message was last sent.
    sent: Instant,
}

impl Stage {
    async fn step(&mut self, line: &str) -> Result<(), Failure> {
        let step = Step::parse(line);
        let start = Instant::now();
        let limit = PATIENCE + step.millis("for")?.unwrap_or_default();
        let outcome = tokio::time::timeout(limit, self.act(&step, line)).await;
        let outcome = outcome.map_err(|_| "it takes too long")?;
        if let Some(limit) = step.millis("within")?
            && start.elapsed() > limit
        {
            return Err(format!("it took {:?}", start.elapsed()).into());
        }
        let Some(names) = step.option("fails") else { return outcome };
        match outcome {
            Ok(()) => Err("it did not fail".into()),
            Err(failure) => match failure.downcast_ref::<Error>() {
                Some(error) if names.split('|').any(|name| name == error.name()) => Ok(()),
                Some(error) => Err(format!("it failed with {}: {error}", error.name()).into()),
                None => Err(failure),
            },
        }
    }

    async fn act(&mut self, step: &Step<'_>, line: &str) -> Result<(), Failure> {
        match step.verb {
            "cluster" => self.name_servers = self.cluster.obey(line).await?,
            "deaf" => self.deaf = self.cluster.obey(line).await?,
            "dead" => self.dead = self.cluster.obey(line).await?,
            "folder" => self.folder = self.cluster.obey(line).await?,
            "topic" | "stop" | "start" => drop(self.cluster.obey(line).await?),
            "producer" => self.producer(step).await?,
            "consumer" | "pull" => self.consumer(step).await?,
            "send" => self.send(step).await?,
            "spread" => self.spread(step)?,
            "receive" => self.receive(step).await?,
            "nothing" => {
                let wait = step.millis("for")?.unwrap_or_default();
                let messages = self.receiver(step.name())?.poll(wait).await?;
                if let Some((message, _)) = messages.first() {
                    return Err(format!("{:?} came", message.body).into());
                }
            }
            "queues" => self.queues(step).await?,
            "seek" => {
                let offset = step.number("offset")?;
                match self.receiver(step.name())? {
                    Receiver::Pull(consumer, queues) => {
                        for queue in queues.iter() {
                            consumer.seek(queue, offset).await?;
                        }
                    }
                    Receiver::Group(..) => return Err("only pull consumers seek".into()),
                }
            }
            "commit" => match self.receiver(step.name())? {
                Receiver::Group(consumer, _) => consumer.commit().await,
                Receiver::Pull(consumer, _) => consumer.commit().await,
            },
            "close" => self.close(step.name()).await?,
            verb => return Err(format!("nobody knows {verb}").into()),
        }
        Ok(())
    }

    fn client(&self, step: &Step<'_>) -> ClientConfig {
        ClientConfig {
            namesrv_addr: match step.option("at") {
                None => self.name_servers.clone(),
                Some("deaf") => self.deaf.clone(),
                Some("dead") => self.dead.clone(),
                Some(address) => address.to_string(),
            },
            instance_name: step.name().to_string(),
            poll_name_server_interval: 200,
            heartbeat_broker_interval: 500,
            persist_consumer_offset_interval: 100,
            ..ClientConfig::default()
        }
    }

    async fn producer(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let (mut client, mut config) = (self.client(step), ProducerConfig::default());
        step.set(&self.folder, &mut client, &mut config)?;
        let producer = Producer::start(client, config).await?;
        self.producers.insert(step.name().to_string(), (producer, Vec::new()));
        Ok(())
    }

    async fn consumer(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let mut config = ConsumerConfig {
            group: step.text("group").to_string(),
            consume_from_where: "CONSUME_FROM_FIRST_OFFSET".to_string(),
            ..ConsumerConfig::default()
        };
        let (mut client, topic) = (self.client(step), step.text("topic"));
        step.set(&self.folder, &mut client, &mut config)?;
        let receiver = if step.verb == "pull" {
            let consumer = PullConsumer::start(client, config).await?;
            let queues = consumer.topic_queues(topic).await?;
            consumer.assign(&queues).await?;
            Receiver::Pull(consumer, queues)
        } else {
            let tags = step.option("tags").unwrap_or("*");
            let subscriptions = [(topic, tags)];
            let consumer =
                Consumer::start(client, config, &subscriptions, step.is("ordered")).await?;
            Receiver::Group(consumer, Vec::new())
        };
        self.consumers.insert(step.name().to_string(), receiver);
        Ok(())
    }

    async fn send(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let (producer, receipts) = self.producers.get_mut(step.name()).ok_or("no such producer")?;
        let mut messages = Vec::new();
        for body in step.bodies()? {
            let mut message = Message::new(step.text("topic"), body);
            if let Some(tag) = step.option("tag") {
                message = message.tag(tag);
            }
            if let Some(key) = step.option("key") {
                message = message.key(key);
            }
            if let Some((name, value)) = step.text("property").split_once(':') {
                message = message.property(name, value);
            }
            if step.option("delay").is_some() {
                message = message.delay_level(step.number("delay")? as i32);
            }
            messages.push(message);
        }
        match step.text("how") {
            "batch" => receipts.push(producer.send_batch(messages).await?),
            "background" => {
                let mut sendings = Vec::new();
                for message in messages {
                    sendings.push(producer.send_in_background(message).await?);
                }
                for sending in sendings {
                    receipts.push(sending.await?);
                }
            }
            "oneway" => {
                for message in messages {
                    producer.send_oneway(message).await?;
                }
            }
            _ => {
                for message in messages {
                    let receipt = loop {
                        let sent = match step.option("order") {
                            Some(key) => producer.send_ordered(message.clone(), key).await,
                            None => producer.send(message.clone()).await,
                        };
                        match sent {
                            Err(_) if step.is("retry") => {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                            sent => break sent?,
                        }
                    };
                    receipts.push(receipt);
                }
            }
        }
        self.sent = Instant::now();
        Ok(())
    }

    fn spread(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let (_, receipts) = self.producers.get_mut(step.name()).ok_or("no such producer")?;
        let mut counts = BTreeMap::<MessageQueue, i64>::new();
        for receipt in receipts.drain(..) {
            *counts.entry(receipt.queue).or_default() += 1;
        }
        let share = match step.option("least") {
            Some(_) => (step.number("least")?, i64::MAX),
            None => (step.number("each")?, step.number("each")?),
        };
        let wrong = |count: &i64| *count < share.0 || *count > share.1;
        if counts.len() as i64 != step.number("queues")? || counts.values().any(wrong) {
            return Err(format!("they went to {counts:?}").into());
        }
        Ok(())
    }

    fn receiver(&mut self, name: &str) -> Result<&mut Receiver, Failure> {
        Ok(self.consumers.get_mut(name).ok_or("no such consumer")?)
    }

    async fn receive(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let mut missing = BTreeMap::<Vec<u8>, usize>::new();
        for body in step.bodies()? {
            *missing.entry(body).or_default() += 1;
        }
        let mut known: Vec<Vec<u8>> = missing.keys().cloned().collect();
        known.sort();
        let mut last = BTreeMap::<MessageQueue, u64>::new();
        let mut turn = 0;
        let names: Vec<&str> = step.name().split(',').collect();
        let start = Instant::now();
        while !missing.is_empty() {
            let receiver = self.receiver(names[turn % names.len()])?;
            turn += 1;
            let wait = match names.len() {
                1 => PATIENCE.saturating_sub(start.elapsed()),
                _ => Duration::from_millis(20),
            };
            let messages = receiver.poll(wait).await?;
            if start.elapsed() >= PATIENCE {
                return Err(format!("{} bodies did not come", missing.len()).into());
            }
            let since = self.sent.elapsed();
            for (message, delivery) in messages {
                check(step, &message, since)?;
                let body = message.body.to_vec();
                if step.is("in_order") {
                    let number = std::str::from_utf8(&body)?.parse()?;
                    if last.insert(message.queue.clone(), number).is_some_and(|n| n >= number) {
                        return Err(format!("{number} came out of order").into());
                    }
                }
                match missing.get_mut(&body) {
                    Some(1) => drop(missing.remove(&body)),
                    Some(count) => *count -= 1,
                    None if step.is("repeats") && known.binary_search(&body).is_ok() => {}
                    None => return Err(format!("{:?} came too", message.body).into()),
                }
                let Some(delivery) = delivery else { continue };
                match step.text("settle") {
                    "later" => delivery.retry_later(step.number("level").unwrap_or(0) as i32),
                    "drop" => drop(delivery),
                    "hold" => {
                        let name = names[(turn - 1) % names.len()];
                        if let Receiver::Group(_, held) = self.receiver(name)? {
                            held.push(delivery);
                        }
                    }
                    _ => delivery.ack(),
                }
            }
        }
        Ok(())
    }

    async fn queues(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let (topic, count) = (step.text("topic"), step.number("count")?);
        let Receiver::Group(consumer, _) = self.receiver(step.name())? else {
            return Err("a pull consumer has all queues".into());
        };
        let start = Instant::now();
        loop {
            let own = consumer.queues().iter().filter(|queue| queue.topic == topic).count();
            if own as i64 == count {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("it has {own}").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn close(&mut self, name: &str) -> Result<(), Failure> {
        match (self.producers.get(name), self.consumers.get_mut(name)) {
            (Some((producer, _)), _) => producer.close().await,
            (_, Some(Receiver::Group(consumer, held))) => {
                consumer.close().await;
                held.clear();
            }
            (_, Some(Receiver::Pull(consumer, _))) => consumer.close().await,
            _ => return Err("no such client".into()),
        }
        Ok(())
    }
}

impl Receiver {
    /// What came, with what is to be settled.
    async fn poll(
        &self,
        wait: Duration,
    ) -> Result<Vec<(ReceivedMessage, Option<Delivery>)>, Error> {
        Ok(match self {
            Receiver::Group(consumer, _) => {
                let deliveries = consumer.poll(32, wait).await?;
                let both = |delivery: Delivery| (ReceivedMessage::clone(&delivery), Some(delivery));
                deliveries.into_iter().map(both).collect()
            }
            Receiver::Pull(consumer, _) => {
                let messages = consumer.poll(32, wait).await?;
                messages.into_iter().map(|message| (message, None)).collect()
            }
        })
    }
}

fn check(step: &Step<'_>, message: &ReceivedMessage, since: Duration) -> Result<(), Failure> {
    if let Some(tag) = step.option("tag")
        && message.tag() != Some(tag)
    {
        return Err(format!("its tag is {:?}", message.tag()).into());
    }
    if let Some(key) = step.option("key")
        && message.keys() != Some(key)
    {
        return Err(format!("its keys are {:?}", message.keys()).into());
    }
    if let Some((name, value)) = step.text("property").split_once(':')
        && message.properties.get(name) != Some(value)
    {
        return Err(format!("its {name} is {:?}", message.properties.get(name)).into());
    }
    if step.option("times").is_some()
        && i64::from(message.reconsume_times) != step.number("times")?
    {
        return Err(format!("it was tried {} times before", message.reconsume_times).into());
    }
    if let Some(after) = step.millis("after")?
        && since < after
    {
        return Err(format!("it came after {since:?}").into());
    }
    Ok(())
}
