//! Sending: SEND_MESSAGE, SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE (broker §2.3).

use crate::answer::{Failure, respond};
use crate::append::{flush, no_queue, too_large};
use crate::at_hand::{AtHand, Destination, GatheredSend, KnownTopics};
use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::inner::Inner;
use crate::marks::Marks;
use crate::waiting_room::{Seat, overload};
use ferromq_model::{flags, names, perm};
use ferromq_net::{Connection, Reply, Responder, ResponseWriter};
use ferromq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::header::HeaderError;
use ferromq_protocol::headers::{SendMessageRequest, SendMessageRequestV2};
use ferromq_protocol::properties::{self, Properties, key};
use ferromq_protocol::record::{Content, Layout, NewRecord};
use ferromq_protocol::{Command, batch, tags};
use ferromq_store::{Keys, NewRecords, Queue, TagsCode};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What several answers end with.
pub(crate) const FAQ: &str =
    "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
/// How many sends may wait for the disk before further ones are refused.
const MAX_WAITING_FOR_DISK: usize = 50_000;

pub(crate) fn handle(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    handle_with(&mut broker.at_hand.this(broker), broker, connection, request, writer)
}

fn handle_with(
    at_hand: &mut AtHand,
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    match gather(at_hand, broker, connection, request) {
        Ok(Sent::Gathered(reply)) => {
            if at_hand.gathered.is_full() {
                at_hand.store(broker, connection, &mut writer.others());
            }
            reply
        }
        Ok(Sent::NeedsTopic) => {
            at_hand.store(broker, connection, &mut writer.others());
            match Seat::take(broker, request) {
                Ok(seat) => create_aside(broker, connection, request.clone(), seat),
                Err(failure) => return writer.write(refused(broker, request, failure)),
            }
            Reply::Later
        }
        Err(failure) => writer.write(refused(broker, request, failure)),
    }
}

/// The answer to a send that was not stored. Clients dereference the broker's marks even of a failure.
pub(crate) fn refused<F>(broker: &Inner, request: &Command<F>, failure: Failure) -> Command {
    let mut response = respond(request, Err(failure));
    response.fields.extend(&broker.marks.load().answer);
    response
}

/// Handles the first message of a topic on a thread that may wait for the disk: the topic must
/// outlive whatever is acknowledged to be in it.
fn create_aside(broker: &Arc<Inner>, connection: &Arc<Connection>, request: Command, seat: Seat) {
    let (broker, connection) = (broker.clone(), connection.clone());
    let responder = Responder::new(&connection, &request);
    tokio::task::spawn_blocking(move || {
        let _seat = seat;
        let reply = responder.handle(|writer| match create(&broker, &request) {
            Ok(()) => {
                // Threads that wait come and go, and need keep nothing.
                let mut at_hand = AtHand::new(&broker);
                let reply = handle_with(&mut at_hand, &broker, &connection, &request, writer);
                at_hand.store(&broker, &connection, &mut writer.others());
                at_hand.topics.settle(&broker.stats);
                reply
            }
            Err(failure) => writer.write(refused(&broker, &request, failure)),
        });
        if reply == Reply::Later {
            flush(&broker, false);
        }
    });
}

enum Sent {
    /// It is stored and answered with others that come together; `Later` if the disk must have it before.
    Gathered(Reply),
    /// The topic has to be created first.
    NeedsTopic,
}

/// Checks a send, and lays out its records behind those that are gathered.
fn gather(
    at_hand: &mut AtHand,
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
) -> Result<Sent, Failure> {
    let AtHand { marks, topics, gathered, .. } = at_hand;
    let header = header_of(request)?;
    let marks = marks.load();
    let Some(place) = accept(broker, &marks.config, topics, &header, connection.peer())? else {
        return Ok(Sent::NeedsTopic);
    };
    let is_batch = header.batch == Some(true);
    let dead_letters = if is_batch { None } else { dead_letters(broker, &header)? };
    let message = Message::new(broker, marks, &header, &topics.topic(place).config, dead_letters)?;
    let waits = broker.store.sync_flush() && message.wait;
    if waits && broker.waiting_for_disk.load(Ordering::Relaxed) >= MAX_WAITING_FOR_DISK {
        return Err(overload());
    }
    let queue_id = message.queue_id;
    let to = match message.elsewhere {
        true => Destination::Elsewhere(queue_elsewhere(broker, &message)?),
        false => {
            Destination::AtHand { topic: place, queue: topics.queue(broker, place, queue_id)? }
        }
    };
    let records = gathered.records_for(connection);
    let from = records.mark();
    let sending = Sending { broker, connection, request, header: &header, message: &message };
    let laid_out = match is_batch {
        true => sending.lay_out_batch(records),
        false => sending.lay_out_one(records),
    };
    laid_out.inspect_err(|_| records.rewind(from))?;
    let unique_key = (!is_batch).then(|| gathered.note_key(&message.unique_key));
    let request = request.head();
    gathered.add(from, GatheredSend { request, to, queue_id, unique_key, waits });
    Ok(Sent::Gathered(if waits { Reply::Later } else { Reply::Now }))
}

/// The queue of a message that goes to another topic than it was sent to.
fn queue_elsewhere(broker: &Inner, message: &Message<'_>) -> Result<Arc<Queue>, Failure> {
    let (topic, id) = (&*message.topic, message.queue_id);
    broker.store.queue(topic, id).ok_or_else(|| no_queue(topic, id))
}

fn header_of(request: &Command) -> Result<SendMessageRequest<'_>, HeaderError> {
    match request.code {
        code::SEND_MESSAGE => request.header(),
        _ => Ok(request.header::<SendMessageRequestV2<'_>>()?.into()),
    }
}

/// Checks a send and finds the place of its topic; `None` when that has to be created, or to be saved, first.
fn accept(
    broker: &Inner,
    config: &BrokerConfig,
    topics: &mut KnownTopics,
    header: &SendMessageRequest<'_>,
    peer: SocketAddr,
) -> Result<Option<usize>, Failure> {
    let start = config.start_accept_send_request_time_stamp;
    if start > 0 && now_ms() < start {
        return Err(Failure::system(format!("broker unable to service, until {start}")));
    }
    let name = header.topic;
    let place = topics.find(broker, name);
    let known = place.map(|place| topics.topic(place));
    if !perm::writable(config.broker_permission) && known.is_some_and(|topic| topic.config.order) {
        let remark = format!("the broker[{}] sending message is forbidden", config.broker_ip1);
        return Err(Failure::new(response::NO_PERMISSION, remark));
    }
    if names::is_send_forbidden(name) {
        let remark = format!("Sending message to topic[{name}] is forbidden.");
        return Err(Failure::new(response::NO_PERMISSION, remark));
    }
    if let Some(topic) = known.filter(|topic| header.queue_id >= topic.queue_count) {
        let TopicConfig { read_queue_nums, write_queue_nums, .. } = &*topic.config;
        return Err(Failure::parameter(format!(
            "request queueId[{}] is illegal, topic[{name}] readQueueNums={read_queue_nums} writeQueueNums={write_queue_nums} Producer: {peer}",
            header.queue_id
        )));
    }
    Ok(place)
}

/// Creates the topic that a message names, and saves it. Blocks on the disk.
fn create(broker: &Inner, request: &Command) -> Result<(), Failure> {
    let header = header_of(request)?;
    let name = header.topic;
    names::check_topic(name)?;
    broker.topics.expect_save(name);
    let created = create_in_memory(broker, &header);
    if created.is_ok() {
        broker.topics.save()?;
    }
    broker.topics.saved(name);
    created
}

fn create_in_memory(broker: &Inner, header: &SendMessageRequest<'_>) -> Result<(), Failure> {
    let (name, unit) = (header.topic, header.unit_mode == Some(true));
    if let Some(group) = names::group_of_retry_topic(name) {
        // Before the topic: what is refused leaves no topic behind.
        match header.batch {
            Some(true) => return Err(batch_to_retry_topic(name)),
            _ => drop(settings_of(broker, group)?),
        }
        let sys_flag = if unit { flags::topic::UNIT_SUBSCRIPTION } else { 0 };
        broker.topics.get_or_create_for_group(name, 1, perm::READ_WRITE, false, sys_flag);
        return Ok(());
    }
    let sys_flag = if unit { flags::topic::UNIT } else { 0 };
    let queues = header.default_topic_queue_nums;
    let config = broker.config.load();
    match broker.topics.get_or_create(&config, name, header.default_topic, queues, sys_flag) {
        Some(_) => Ok(()),
        None => {
            let remark = format!("topic[{name}] not exist, apply first please!{FAQ}");
            Err(Failure::new(response::TOPIC_NOT_EXIST, remark))
        }
    }
}

fn random_queue(topic: &TopicConfig) -> i32 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let queues = topic.write_queue_nums.max(1) as usize;
    (NEXT.fetch_add(1, Ordering::Relaxed) % queues) as i32
}

/// Where a message goes and with which properties.
struct Message<'a> {
    topic: Cow<'a, str>,
    /// Whether that is not the topic that it was sent to.
    elsewhere: bool,
    queue_id: i32,
    properties: Cow<'a, str>,
    /// What the broker adds to the properties.
    added: &'a str,
    unique_key: Cow<'a, str>,
    keys: Option<&'a str>,
    tags: TagsCode,
    wait: bool,
}

impl<'a> Message<'a> {
    fn new(
        broker: &Inner,
        marks: &'a Marks,
        header: &SendMessageRequest<'a>,
        topic: &TopicConfig,
        dead_letters: Option<String>,
    ) -> Result<Self, Failure> {
        let config = &*marks.config;
        let given = header.properties.unwrap_or_default();
        let mut found = Found::in_text(given);
        let retried = header.reconsume_times.unwrap_or(0) > 0 && found.delay > 0;
        if found.half && !retried {
            let remark = format!(
                "the broker[{}] sending transaction message is forbidden",
                config.broker_ip1
            );
            return Err(Failure::new(response::NO_PERMISSION, remark));
        }
        if found.timer && found.delay <= 0 {
            return Err(Failure::system(
                "accurate timer message is not enabled, timerWheelEnable is false",
            ));
        }
        if header.sys_flag & flags::message::INNER_BATCH != 0 {
            return Err(too_large(broker));
        }
        let elsewhere = dead_letters.is_some();
        let (topic, queue_id) = match (dead_letters, header.queue_id) {
            (Some(dead_letters), _) => {
                // A message that is given up is not delayed any more.
                found.reserved |= found.delay > 0;
                found.delay = 0;
                (Cow::Owned(dead_letters), 0)
            }
            (None, 0..) => (Cow::Borrowed(header.topic), header.queue_id),
            (None, _) => (Cow::Borrowed(header.topic), random_queue(topic)),
        };
        let unique_key =
            found.unique_key.map_or_else(|| Cow::Owned(broker.ids.next()), Cow::Borrowed);
        let mut message = Message {
            topic,
            elsewhere,
            queue_id,
            tags: TagsCode::Hash(tags::tags_code(found.tags)),
            wait: found.wait,
            properties: Cow::Borrowed(given),
            added: &marks.message,
            unique_key,
            keys: found.keys,
        };
        let whole = given.is_empty() || given.ends_with(properties::PAIR_END);
        if found.reserved || found.unique_key.is_none() || found.delay > 0 || !whole {
            message.add_marks(config, given, &found);
        }
        if found.delay > 0 {
            message.delay(broker, found.delay);
        }
        if message.properties.len() + message.added.len() > properties::MAX_LENGTH {
            return Err(too_large(broker));
        }
        Ok(message)
    }

    /// Lays out the properties anew, where the usual ones cannot just follow those that were given.
    fn add_marks(&mut self, config: &BrokerConfig, given: &str, found: &Found<'_>) {
        let mut text = String::with_capacity(given.len() + 128);
        if found.reserved {
            // Written by an earlier broker, or not for clients to write: replaced, not repeated.
            let mut own = Properties::parse(given);
            for name in [key::MSG_REGION, key::TRACE_ON, key::CLUSTER, key::POP_CK] {
                own.remove(name);
            }
            if found.delay <= 0 {
                own.remove(key::DELAY);
            }
            text.push_str(&own.encode());
        } else {
            text.push_str(given);
        }
        let unique_key = found.unique_key.is_none().then_some(&*self.unique_key);
        Marks::push(config, unique_key, &mut text);
        (self.properties, self.added) = (Cow::Owned(text), "");
    }

    /// Sends the message through the schedule topic.
    fn delay(&mut self, broker: &Inner, level: i32) {
        let levels = broker.store.config().delay_levels().len() as i32;
        let level = level.min(levels);
        let properties = self.properties.to_mut();
        properties::append(properties, key::REAL_TOPIC, &self.topic);
        properties::append(properties, key::REAL_QUEUE_ID, &self.queue_id.to_string());
        self.topic = Cow::Borrowed(names::SCHEDULE_TOPIC);
        self.elsewhere = true;
        self.queue_id = level - 1;
        self.tags = TagsCode::DeliverAfter(broker.store.delay_ms(level));
    }
}

/// What matters of a property string, found in one pass.
#[derive(Default)]
struct Found<'a> {
    unique_key: Option<&'a str>,
    keys: Option<&'a str>,
    tags: Option<&'a str>,
    delay: i32,
    wait: bool,
    half: bool,
    timer: bool,
    reserved: bool,
}

impl<'a> Found<'a> {
    fn in_text(text: &'a str) -> Self {
        let mut found = Found { wait: true, ..Found::default() };
        for (name, value) in properties::pairs(text) {
            match name {
                key::UNIQUE_KEY => found.unique_key = Some(value),
                key::KEYS => found.keys = Some(value),
                key::TAGS => found.tags = Some(value),
                key::DELAY => found.delay = value.parse().unwrap_or(0),
                key::WAIT => found.wait = !value.eq_ignore_ascii_case("false"),
                key::TRANSACTION_PREPARED => found.half = value.eq_ignore_ascii_case("true"),
                key::TIMER_DELAY_SEC | key::TIMER_DELAY_MS | key::TIMER_DELIVER_MS => {
                    found.timer = true;
                }
                key::MSG_REGION | key::TRACE_ON | key::CLUSTER | key::POP_CK => {
                    found.reserved = true;
                }
                _ => {}
            }
        }
        found
    }
}

fn settings_of(broker: &Inner, group: &str) -> Result<Arc<SubscriptionGroupConfig>, Failure> {
    broker.groups.get_or_create(&broker.config.load(), group).ok_or_else(|| {
        let remark = format!("subscription group not exist, {group} {FAQ}");
        Failure::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
    })
}

/// The group's dead letter topic, when this is a retry message that failed too often.
fn dead_letters(
    broker: &Inner,
    header: &SendMessageRequest<'_>,
) -> Result<Option<String>, Failure> {
    let Some(group) = names::group_of_retry_topic(header.topic) else { return Ok(None) };
    let settings = settings_of(broker, group)?;
    let max = header.max_reconsume_times.unwrap_or(settings.retry_max_times);
    let times = header.reconsume_times.unwrap_or(0);
    if times <= 0 || (times <= max && !broker.locks.any(group, now_ms())) {
        return Ok(None);
    }
    let topic = names::dlq_topic(group);
    broker.topics.get_or_create_for_group(&topic, 1, perm::READ_WRITE, false, 0);
    broker.stats.dlq(group, &topic, now_ms());
    Ok(Some(topic))
}

fn batch_to_retry_topic(topic: &str) -> Failure {
    let remark = format!("batch request does not support retry group {topic}");
    Failure::new(response::MESSAGE_ILLEGAL, remark)
}

/// Few batches hold more messages.
const USUAL_BATCH: usize = 64;

/// A send whose records are to be laid out.
struct Sending<'a> {
    broker: &'a Inner,
    connection: &'a Connection,
    request: &'a Command,
    header: &'a SendMessageRequest<'a>,
    message: &'a Message<'a>,
}

impl Sending<'_> {
    fn base_record(&self) -> NewRecord<'_> {
        let Sending { broker, connection, header, message, .. } = *self;
        NewRecord {
            topic: &message.topic,
            queue_id: message.queue_id,
            flag: header.flag,
            // Only the broker itself stores what a transaction hides: recovery enters no such record in
            // its queue.
            sys_flag: header.sys_flag & !flags::message::TRANSACTION_MASK,
            born_timestamp: header.born_timestamp,
            born_host: connection.peer(),
            store_host: broker.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &[],
            properties: &message.properties,
        }
    }

    fn lay_out_one(&self, records: &mut NewRecords) -> Result<(), Failure> {
        let Sending { broker, request, header, message, .. } = *self;
        if request.body.len() > broker.store.config().max_message_size as usize {
            return Err(too_large(broker));
        }
        let record = NewRecord {
            body: &request.body,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            ..self.base_record()
        };
        let keys = Keys::new(Some(message.unique_key.as_bytes()), message.keys.map(str::as_bytes));
        records.push_like(&Layout::of(&record), &record.content(message.added), message.tags, keys);
        Ok(())
    }

    fn lay_out_batch(&self, records: &mut NewRecords) -> Result<(), Failure> {
        let Sending { broker, request, header, message, .. } = *self;
        let illegal = |remark: String| Failure::new(response::MESSAGE_ILLEGAL, remark);
        let topic = header.topic;
        if topic.len() > names::MAX_TOPIC_LENGTH {
            return Err(illegal(format!("message topic length too long {}", topic.len())));
        }
        if topic.starts_with(names::RETRY_PREFIX) {
            return Err(batch_to_retry_topic(topic));
        }
        if message.elsewhere {
            return Err(illegal("a batch cannot be delayed".to_string()));
        }
        if request.body.len() > broker.store.config().max_message_size as usize {
            return Err(too_large(broker));
        }
        // A record takes more than an entry, but for long bodies not much.
        records.reserve(USUAL_BATCH, request.body.len() * 3 / 2);
        let layout = Layout::of(&self.base_record());
        let before = records.len();
        for entry in batch::entries(&request.body) {
            let entry = entry.map_err(|error| illegal(error.to_string()))?;
            if entry.properties.len() > properties::MAX_LENGTH {
                return Err(too_large(broker));
            }
            let named = [key::TAGS, key::UNIQUE_KEY, key::KEYS];
            let found = properties::find_each(entry.properties, named);
            let [tag, unique_key, keys] =
                found.map(|place| place.map(|place| &entry.properties[place]));
            let content =
                Content { flag: entry.flag, body: entry.body, properties: [entry.properties, b""] };
            let tags = TagsCode::Hash(tags::tags_code(tag));
            records.push_like(&layout, &content, tags, Keys::new(unique_key, keys));
        }
        if records.len() == before {
            return Err(illegal("the batch holds no message".to_string()));
        }
        Ok(())
    }
}
