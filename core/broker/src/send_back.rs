//! CONSUMER_SEND_MSG_BACK: a message that a consumer could not handle comes again later, or becomes
//! a dead letter (broker §2.4).

use crate::answer::{Answer, Failure, respond};
use crate::append::{announce, append};
use crate::clock::now_ms;
use crate::inner::Inner;
use crate::send::FAQ;
use ferromq_model::{flags, names, perm};
use ferromq_net::{Connection, Reply, ResponseWriter};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::ConsumerSendMsgBackRequest;
use ferromq_protocol::properties::{Properties, key};
use ferromq_protocol::record::{NewRecord, RecordView};
use ferromq_protocol::tags::tags_code;
use ferromq_store::{NewRecords, TagsCode};
use std::sync::Arc;

/// The delay level of a first retry.
const FIRST_RETRY_LEVEL: i32 = 3;

pub(crate) fn handle(
    broker: &Arc<Inner>,
    _: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    writer.write(respond(request, send_back(broker, request)))
}

fn send_back(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ConsumerSendMsgBackRequest<'_> = request.header()?;
    let (config, group) = (broker.config.load(), header.group);
    let settings = broker.groups.get_or_create(&config, group).ok_or_else(|| {
        let remark = format!("subscription group not exist, {group} {FAQ}");
        Failure::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
    })?;
    let forbidden = |what: String| {
        Failure::new(response::NO_PERMISSION, format!("the {what} sending message is forbidden"))
    };
    if !perm::writable(config.broker_permission) {
        return Err(forbidden(format!("broker[{}]", config.broker_ip1)));
    }
    if settings.retry_queue_nums <= 0 {
        return Ok(request.response(response::SUCCESS));
    }
    let unit = header.unit_mode == Some(true);
    let sys_flag = if unit { flags::topic::UNIT_SUBSCRIPTION } else { 0 };
    let retry = names::retry_topic(group);
    let queues = settings.retry_queue_nums;
    let order = broker.topics.get(&retry).is_some_and(|topic| topic.order);
    let topic =
        broker.topics.get_or_create_for_group(&retry, queues, perm::READ_WRITE, order, sys_flag);
    if !perm::writable(topic.perm) {
        return Err(forbidden(format!("topic[{retry}]")));
    }
    let not_found = || Failure::system(format!("look message by offset failed, {}", header.offset));
    let original = broker.store.record_at(header.offset).ok_or_else(not_found)?;
    let original = RecordView::parse(&original).map_err(|_| not_found())?;
    let max = header.max_reconsume_times.unwrap_or(settings.retry_max_times);
    let retry = Retry { broker, group, max, level: header.delay_level, topic: &retry, queues };
    retry.store(&original)?;
    Ok(request.response(response::SUCCESS))
}

struct Retry<'a> {
    broker: &'a Arc<Inner>,
    group: &'a str,
    max: i32,
    level: i32,
    topic: &'a str,
    queues: i32,
}

impl Retry<'_> {
    fn store(&self, original: &RecordView<'_>) -> Result<(), Failure> {
        let broker = self.broker;
        let mut own = Properties::parse(original.properties());
        if own.get(key::RETRY_TOPIC).is_none() {
            own.set(key::RETRY_TOPIC, original.topic());
        }
        own.remove(key::DELAY);
        if own.get(key::ORIGIN_MESSAGE_ID).is_none() {
            let id = ferromq_protocol::message_id::offset_id(
                original.store_host(),
                original.physical_offset(),
            );
            own.set(key::ORIGIN_MESSAGE_ID, id);
        }
        let times = original.reconsume_times();
        let dead = times >= self.max || self.level < 0;
        let tags = TagsCode::Hash(tags_code(own.get(key::TAGS)));
        let dead_letters = names::dlq_topic(self.group);
        let (topic, queue_id, tags) = if dead {
            broker.topics.get_or_create_for_group(&dead_letters, 1, perm::READ_WRITE, false, 0);
            for (origin, of) in [
                (key::DLQ_ORIGIN_TOPIC, key::RETRY_TOPIC),
                (key::DLQ_ORIGIN_MESSAGE_ID, key::ORIGIN_MESSAGE_ID),
            ] {
                let value = own.get(of).map(str::to_string);
                own.set(origin, value.unwrap_or_default());
            }
            broker.stats.dlq(self.group, original.topic(), now_ms());
            (dead_letters.as_str(), 0, tags)
        } else {
            let levels = broker.store.config().delay_levels().len() as i32;
            let level = match self.level {
                0 => FIRST_RETRY_LEVEL + times,
                level => level,
            };
            let level = level.clamp(1, levels.max(1));
            let queue_id = (original.physical_offset() % i64::from(self.queues.max(1))) as i32;
            own.set(key::DELAY, level.to_string());
            own.set(key::REAL_TOPIC, self.topic);
            own.set(key::REAL_QUEUE_ID, queue_id.to_string());
            broker.stats.send_back(self.group, original.topic(), now_ms());
            let delay = broker.store.delay_ms(level);
            (names::SCHEDULE_TOPIC, level - 1, TagsCode::DeliverAfter(delay))
        };
        let record = NewRecord {
            topic,
            queue_id,
            flag: original.flag(),
            sys_flag: original.sys_flag(),
            born_timestamp: original.born_timestamp(),
            born_host: original.born_host(),
            store_host: broker.store_host,
            reconsume_times: times + 1,
            prepared_transaction_offset: 0,
            body: original.body(),
            properties: &own.encode(),
        };
        let stored = append(broker, topic, queue_id, NewRecords::one(&record, tags))?;
        announce(broker, topic, queue_id, &stored, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::broker;
    use ferromq_protocol::code::request as code;

    #[test]
    fn a_damaged_message_does_not_come_again() {
        let broker = broker();
        broker.topic("T", 1);
        broker.store_messages("T", 0, 1);
        let header = ConsumerSendMsgBackRequest {
            offset: 0,
            group: "g",
            delay_level: 1,
            origin_msg_id: None,
            origin_topic: None,
            unit_mode: None,
            max_reconsume_times: None,
            broker_name: None,
        };
        let request = Command::request_with(code::CONSUMER_SEND_MSG_BACK, &header);
        let delayed = || broker.log().max_offset(names::SCHEDULE_TOPIC, 0).expect("an offset");
        assert!(send_back(&broker, &request).is_ok());
        assert_eq!(delayed(), 1);
        broker.damage(0);
        let failure = send_back(&broker, &request).expect_err("refused");
        assert_eq!(failure.code, response::SYSTEM_ERROR);
        assert_eq!(delayed(), 1);
    }
}
