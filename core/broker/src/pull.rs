//! Pulling: PULL_MESSAGE and LITE_PULL_MESSAGE (broker §2.5).

use crate::answer::{Failure, respond};
use crate::at_hand::Reader;
use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::inner::Inner;
use crate::send::FAQ;
use ferromq_model::{flags, perm};
use ferromq_net::{Connection, Piece, Reply, Responder, Response, ResponseWriter};
use ferromq_protocol::Command;
use ferromq_protocol::body::{EXPRESSION_TAG, MessageModel, SubscriptionData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{PullMessageRequest, PullMessageResponse};
use ferromq_store::{Chunk, ReadLimits, ReadResult, ReadStatus, StoreError};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The least bytes that a client may ask for.
const MIN_BYTES: i32 = 100;

pub(crate) fn handle(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    match pull(broker, connection, request) {
        Ok(Some(answer)) => writer.write(answer),
        Ok(None) => Reply::Later,
        Err(failure) => writer.write(respond(request, Err(failure))),
    }
}

/// The answer to a pull. Its header is laid out where it goes out from.
type PullAnswer = Response<PullMessageResponse>;

fn pull(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
) -> Result<Option<PullAnswer>, Failure> {
    let header: PullMessageRequest<'_> = request.header()?;
    let (group, topic, queue_id) = (header.consumer_group, header.topic, header.queue_id);
    let config = broker.config.load();
    check_allowed(&config, request.code)?;
    let mut at_hand = broker.at_hand.this(broker);
    let reader = at_hand.readers.find(broker, &config, group, topic)?;
    let subscription = accept(broker, connection, reader, &header)?;
    let has = |bit| header.sys_flag & bit != 0;
    if let Some(offset) = broker.offsets.take_reset(group, topic, queue_id) {
        return Ok(Some(moved(broker, request, topic, queue_id, offset)?.into()));
    }
    if has(flags::pull::COMMIT_OFFSET) {
        broker.offsets.commit(group, topic, queue_id, header.commit_offset);
    }
    let limits = ReadLimits {
        max_messages: header.max_msg_nums,
        max_bytes: header.max_msg_bytes.map_or(usize::MAX, |bytes| bytes.max(MIN_BYTES) as usize),
    };
    let result = read_cached(broker, reader, queue_id, header.queue_offset, limits, &subscription)?;
    let finds_nothing = |result: &ReadResult| {
        answer_code(result, header.queue_offset).0 == response::PULL_NOT_FOUND
    };
    let waits = has(flags::pull::SUSPEND);
    match result {
        Some(result) if !waits || !finds_nothing(&result) => {
            let template = request.response_of(response::SUCCESS, ());
            match result.count {
                0 => broker.stats.found_nothing(now_ms()),
                _ => reader.has_found(broker, queue_id, &result, now_ms()),
            }
            return Ok(Some(respond_with(template, header.queue_offset, result)));
        }
        _ => {}
    }
    drop(at_hand);
    let millis = match config.long_polling_enable {
        true => header.suspend_timeout_millis,
        false => config.short_polling_time_mills,
    };
    let held = HeldPull {
        responder: Responder::new(connection, request),
        response: request.response_of(response::PULL_NOT_FOUND, ()),
        group: group.into(),
        topic: topic.into(),
        queue_id,
        offset: header.queue_offset,
        limits,
        subscription,
        waits,
        deadline: Instant::now() + Duration::from_millis(millis.clamp(0, 3_600_000) as u64),
    };
    match result {
        Some(_) => broker.long_polling.hold(broker, held),
        None => broker.cold_reads.serve(broker, held),
    }
    Ok(None)
}

/// Whether the broker allows pulls at all.
fn check_allowed(config: &BrokerConfig, code: i32) -> Result<(), Failure> {
    let forbidden = |remark: String| Failure::new(response::NO_PERMISSION, remark);
    if !perm::readable(config.broker_permission) {
        return Err(forbidden(format!(
            "the broker[{}] pulling message is forbidden",
            config.broker_ip1
        )));
    }
    if code == code::LITE_PULL_MESSAGE && !config.lite_pull_message_enable {
        let remark =
            format!("the broker[{}] for lite pull consumer is forbidden", config.broker_ip1);
        return Err(forbidden(remark));
    }
    Ok(())
}

/// Checks a pull and finds its subscription; `None` when it wants all messages.
fn accept(
    broker: &Inner,
    connection: &Connection,
    reader: &Reader,
    header: &PullMessageRequest<'_>,
) -> Result<Option<Arc<SubscriptionData>>, Failure> {
    let (queue, queues) = (header.queue_id, reader.topic.read_queue_nums);
    if queue < 0 || queue >= queues {
        return Err(Failure::parameter(format!(
            "queueId[{queue}] is illegal, topic:[{}] topicConfig.readQueueNums:[{queues}] consumer:[{}]",
            header.topic,
            connection.peer()
        )));
    }
    let subscription = match header.sys_flag & flags::pull::SUBSCRIPTION != 0 {
        true if wants_all(header) => return Ok(None),
        true => given_subscription(header),
        false => registered_subscription(broker, header, reader.group.consume_broadcast_enable)?,
    };
    if subscription.expression_type != EXPRESSION_TAG {
        let kind = &subscription.expression_type;
        return Err(Failure::system(format!(
            "The broker does not support consumer to filter message by {kind}"
        )));
    }
    Ok(Some(subscription))
}

/// Whether a pull that says what it wants wants all messages, as most do.
fn wants_all(header: &PullMessageRequest<'_>) -> bool {
    let is_tags = header.expression_type.is_none_or(|kind| kind == EXPRESSION_TAG);
    is_tags && matches!(header.subscription.unwrap_or_default().trim(), "" | "*")
}

/// Whether a message whose tags hash to `tags_code` may be wanted.
fn may_match(subscription: &Option<Arc<SubscriptionData>>, tags_code: i64) -> bool {
    subscription.as_ref().is_none_or(|subscription| subscription.may_match(tags_code))
}

fn given_subscription(header: &PullMessageRequest<'_>) -> Arc<SubscriptionData> {
    let expression = header.subscription.unwrap_or_default();
    let mut subscription = SubscriptionData::by_tags(header.topic, expression, header.sub_version);
    if let Some(kind) = header.expression_type {
        subscription.expression_type = kind.to_string();
    }
    Arc::new(subscription)
}

fn registered_subscription(
    broker: &Inner,
    header: &PullMessageRequest<'_>,
    may_broadcast: bool,
) -> Result<Arc<SubscriptionData>, Failure> {
    let (group, topic) = (header.consumer_group, header.topic);
    let missing = |what: &str| {
        Failure::new(
            response::SUBSCRIPTION_NOT_EXIST,
            format!("the consumer's {what} not exist{FAQ}"),
        )
    };
    let online = broker.clients.consumer_group(group).ok_or_else(|| missing("group info"))?;
    if !may_broadcast && online.message_model() == MessageModel::Broadcasting {
        let remark = format!("the consumer group[{group}] can not consume by broadcast way");
        return Err(Failure::new(response::NO_PERMISSION, remark));
    }
    if !broker.groups.may_read(group, topic) {
        let remark = format!("the consumer group[{group}] is forbidden for topic[{topic}]");
        return Err(Failure::new(response::NO_PERMISSION, remark));
    }
    let subscription = online.subscription(topic).ok_or_else(|| missing("subscription"))?;
    if subscription.sub_version < header.sub_version {
        let remark = "the consumer's subscription not latest";
        return Err(Failure::new(response::SUBSCRIPTION_NOT_LATEST, remark));
    }
    Ok(subscription)
}

/// What a queue that cannot exist holds.
const NOTHING: ReadResult = ReadResult {
    status: ReadStatus::NoMessageInQueue,
    next_offset: 0,
    min_offset: 0,
    max_offset: 0,
    chunks: Vec::new(),
    count: 0,
    bytes: 0,
    far_behind: false,
};

/// Reads what is in memory; `None` when the disk would have to be waited for.
fn read_cached(
    broker: &Inner,
    reader: &mut Reader,
    queue_id: i32,
    offset: i64,
    limits: ReadLimits,
    subscription: &Option<Arc<SubscriptionData>>,
) -> Result<Option<ReadResult>, StoreError> {
    let Some(queue) = reader.queue(broker, queue_id) else { return Ok(Some(NOTHING)) };
    broker.store.read_cached(queue, offset, limits, |tags| may_match(subscription, tags))
}

/// The response code and remark of a read.
fn answer_code(result: &ReadResult, offset: i64) -> (i32, &'static str) {
    let code = match result.status {
        ReadStatus::Found => response::SUCCESS,
        ReadStatus::MessageWasRemoving | ReadStatus::NoMatchedMessage => {
            response::PULL_RETRY_IMMEDIATELY
        }
        ReadStatus::NoMessageInQueue if offset != 0 => response::PULL_OFFSET_MOVED,
        ReadStatus::NoMessageInQueue
        | ReadStatus::OffsetFoundNull
        | ReadStatus::OffsetOverflowOne => response::PULL_NOT_FOUND,
        ReadStatus::OffsetOverflowBadly | ReadStatus::OffsetTooSmall => response::PULL_OFFSET_MOVED,
    };
    (code, result.status.name())
}

fn respond_with(template: Command<()>, offset: i64, result: ReadResult) -> PullAnswer {
    let (code, remark) = answer_code(&result, offset);
    let mut command = template.with_fields(PullMessageResponse {
        suggest_which_broker_id: 0,
        next_begin_offset: result.next_offset,
        min_offset: result.min_offset,
        max_offset: result.max_offset,
        offset_delta: Some(0),
        topic_sys_flag: Some(0),
        group_sys_flag: Some(0),
        forbidden_type: None,
    });
    command.code = code;
    command.remark = Some(Cow::Borrowed(remark));
    let piece = |Chunk { bytes, file }| Piece { bytes, file };
    Response { command, chunks: result.chunks.into_iter().map(piece).collect() }
}

/// The answer that makes a consumer go on elsewhere, as an administrator wants.
fn moved(
    broker: &Inner,
    request: &Command,
    topic: &str,
    queue_id: i32,
    offset: i64,
) -> Result<Command<PullMessageResponse>, StoreError> {
    let log = broker.log();
    let header = PullMessageResponse {
        suggest_which_broker_id: 0,
        next_begin_offset: offset,
        min_offset: log.min_offset(topic, queue_id)?,
        max_offset: log.max_offset(topic, queue_id)?,
        offset_delta: Some(0),
        topic_sys_flag: Some(0),
        group_sys_flag: Some(0),
        forbidden_type: None,
    };
    let mut response = request.response_of(response::PULL_OFFSET_MOVED, header);
    response.remark = Some(Cow::Borrowed("OFFSET_RESET"));
    Ok(response)
}

/// A pull that waits for messages, or for the disk.
pub(crate) struct HeldPull {
    responder: Responder,
    response: Command<()>,
    group: Box<str>,
    topic: Box<str>,
    queue_id: i32,
    offset: i64,
    limits: ReadLimits,
    /// `None` for all messages.
    subscription: Option<Arc<SubscriptionData>>,
    /// Whether it waits when there is nothing.
    waits: bool,
    deadline: Instant,
}

impl HeldPull {
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn queue_id(&self) -> i32 {
        self.queue_id
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.responder.connection()
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    fn read(&self, broker: &Inner) -> Result<ReadResult, StoreError> {
        let Some(queue) = broker.store.queue(&self.topic, self.queue_id) else {
            return Ok(NOTHING);
        };
        let filter = |tags| may_match(&self.subscription, tags);
        broker.store.read(&queue, self.offset, self.limits, filter)
    }

    /// Reads, and answers or goes on waiting. Waits for the disk.
    pub(crate) fn read_and_answer(self, broker: &Arc<Inner>) {
        if !self.connection().is_open() {
            return;
        }
        let read = self.read(broker);
        let nothing =
            |result: &ReadResult| answer_code(result, self.offset).0 == response::PULL_NOT_FOUND;
        match read {
            Ok(result) if self.waits && nothing(&result) => broker.long_polling.hold(broker, self),
            read => self.answer(broker, read),
        }
    }

    /// Answers if there are messages now; otherwise it goes on waiting, behind those that do not
    /// pass its filter.
    pub(crate) fn retry(mut self, broker: &Arc<Inner>) -> Option<HeldPull> {
        if !self.connection().is_open() {
            return None;
        }
        match self.read(broker) {
            Ok(result) if result.status == ReadStatus::NoMatchedMessage => {
                self.offset = result.next_offset;
                Some(self)
            }
            read => {
                self.answer(broker, read);
                None
            }
        }
    }

    /// Answers with whatever there is.
    pub(crate) fn finish(self, broker: &Inner) {
        let read = self.read(broker);
        self.answer(broker, read);
    }

    fn answer(self, broker: &Inner, read: Result<ReadResult, StoreError>) {
        match read {
            Ok(result) => {
                let (group, topic) = (&self.group, &self.topic);
                broker.stats.get(group, topic, result.count.into(), result.bytes as i64, now_ms());
                if result.count > 0 {
                    broker.offsets.pulled(group, topic, self.queue_id, result.next_offset);
                }
                self.responder.send(respond_with(self.response, self.offset, result));
            }
            Err(error) => {
                let failure = Failure::from(error);
                let mut response = self.response;
                response.code = failure.code;
                response.remark = Some(failure.remark);
                self.responder.send(response);
            }
        }
    }
}
