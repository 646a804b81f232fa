//! Topics: creation, change, deletion and listing.

use super::paging::Page;
use crate::answer::{Answer, Failure};
use crate::inner::Inner;
use crate::topics::{MAX_QUEUES, TopicTable};
use ferromq_model::names;
use ferromq_protocol::Command;
use ferromq_protocol::body::{TopicConfig, TopicConfigList, TopicList};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    AllTopicConfigRequest, AllTopicConfigResponse, CreateTopicRequest, TopicRequest,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// UPDATE_AND_CREATE_TOPIC.
pub(super) fn update(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: CreateTopicRequest<'_> = request.header()?;
    let changes = TopicTable::attribute_changes(header.attributes.unwrap_or_default())?;
    let filter_type = header.topic_filter_type.filter(|text| !text.is_empty());
    let topic = TopicConfig {
        order: header.order,
        perm: header.perm,
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        topic_filter_type: filter_type.unwrap_or("SINGLE_TAG").to_string(),
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        ..TopicConfig::new(header.topic, 0)
    };
    check(broker, &topic, &changes)?;
    broker.topics.upsert(topic, &changes)?;
    settle(broker)?;
    Ok(request.response(response::SUCCESS))
}

/// UPDATE_AND_CREATE_TOPIC_LIST. Either all topics are acceptable, or none is touched.
pub(super) fn update_list(broker: &Arc<Inner>, request: &Command) -> Answer {
    let list: TopicConfigList = fastjson::from_slice(&request.body)?;
    for topic in &list.topic_config_list {
        check(broker, topic, &topic.attributes)?;
    }
    let mut outcome = Ok(());
    for mut topic in list.topic_config_list {
        let changes = std::mem::take(&mut topic.attributes);
        outcome = broker.topics.upsert(topic, &changes).map(|_| ());
        if outcome.is_err() {
            break;
        }
    }
    settle(broker)?;
    outcome?;
    Ok(request.response(response::SUCCESS))
}

/// How long an administrator waits for the name servers.
const ANNOUNCEMENT: Duration = Duration::from_secs(3);

/// Makes sure that changes are on disk and that the name servers know them: whoever created a topic
/// uses it next. Also when nothing changed, as an earlier answer may have failed for the disk.
fn settle(broker: &Inner) -> Result<(), Failure> {
    broker.topics.save()?;
    if !broker.topics.wait_announced(ANNOUNCEMENT) {
        tracing::warn!("a name server is slow to take a changed topic");
    }
    Ok(())
}

fn check(
    broker: &Inner,
    topic: &TopicConfig,
    changes: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let config = broker.config.load();
    names::check_topic(&topic.topic_name)?;
    check_not_system(broker, &topic.topic_name)?;
    let mixed = changes.get("+message.type").map(String::as_str) == Some("MIXED");
    if mixed && !config.enable_mixed_message_type {
        return Err(Failure::parameter("MIXED message type is not supported."));
    }
    for (name, queues) in
        [("readQueueNums", topic.read_queue_nums), ("writeQueueNums", topic.write_queue_nums)]
    {
        if !(0..=MAX_QUEUES).contains(&queues) {
            return Err(Failure::parameter(format!(
                "The {name} of topic[{}] must lie in 0..={MAX_QUEUES}, not {queues}.",
                topic.topic_name
            )));
        }
    }
    match (0..=7).contains(&topic.perm) {
        true => Ok(()),
        false => Err(Failure::parameter(format!(
            "The perm of topic[{}] must lie in 0..=7, not {}.",
            topic.topic_name, topic.perm
        ))),
    }
}

fn check_not_system(broker: &Inner, topic: &str) -> Result<(), Failure> {
    let protect = broker.config.load().validate_system_topic_when_update_topic;
    match protect && broker.topics.is_system(topic) {
        true => {
            Err(Failure::parameter(format!("The topic[{topic}] is conflict with system topic.")))
        }
        false => Ok(()),
    }
}

/// DELETE_TOPIC_IN_BROKER. An unknown topic is no failure: whatever is left of it goes.
pub(super) fn delete(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: TopicRequest<'_> = request.header()?;
    let topic = header.topic;
    if topic.trim().is_empty() {
        return Err(Failure::parameter("The specified topic is blank."));
    }
    check_not_system(broker, topic)?;
    let config = broker.config.load();
    let mut doomed = vec![topic.to_string()];
    if config.clear_retry_topic_when_delete_topic {
        doomed.extend(pop_retry_topics(broker, topic));
    }
    for topic in &doomed {
        broker.topics.delete(topic);
        broker.offsets.remove_topic(topic);
        if config.auto_delete_unused_stats {
            broker.stats.remove_topic(topic);
        }
        let removed = broker.store.remove_topic(topic);
        broker.topics.queues_removed();
        removed?;
        broker.long_polling.topic_deleted(broker, topic);
    }
    broker.topics.save()?;
    broker.offsets.save()?;
    Ok(request.response(response::SUCCESS))
}

/// The topics in which pop consumers' failed messages wait: `%RETRY%group_topic`, and
/// `%RETRY%group+topic` since 5.2.
fn pop_retry_topics(broker: &Inner, topic: &str) -> Vec<String> {
    let groups = broker.offsets.groups_of_topic(topic);
    let of_group = |group: String| {
        ['_', '+'].map(|separator| format!("{}{group}{separator}{topic}", names::RETRY_PREFIX))
    };
    let candidates = groups.into_iter().flat_map(of_group);
    candidates.filter(|name| broker.topics.contains(name)).collect()
}

/// GET_ALL_TOPIC_CONFIG.
pub(super) fn all(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: AllTopicConfigRequest<'_> = request.header()?;
    let mut table = broker.topics.snapshot();
    let total = AllTopicConfigResponse {
        total_topic_num: i32::try_from(table.topic_config_table.len()).ok(),
    };
    let page =
        Page { first: header.topic_seq, version: header.data_version, most: header.max_topic_num };
    let version = table.data_version.clone();
    page.cut(&mut table.topic_config_table, &version, &broker.config.load())?;
    Ok(request.success(&total).with_body(fastjson::to_vec(&table)))
}

/// GET_TOPIC_CONFIG.
pub(super) fn get(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: TopicRequest<'_> = request.header()?;
    let topic = broker.topics.get(header.topic).ok_or_else(|| {
        let remark = format!("No topic in this broker. topic: {}", header.topic);
        Failure::new(response::TOPIC_NOT_EXIST, remark)
    })?;
    Ok(request.success_body(fastjson::to_vec(&*topic)))
}

/// GET_SYSTEM_TOPIC_LIST_FROM_BROKER.
pub(super) fn system(broker: &Arc<Inner>, request: &Command) -> Answer {
    let list = TopicList { topic_list: broker.topics.system_topics(), ..TopicList::default() };
    Ok(request.success_body(fastjson::to_vec(&list)))
}

/// CLEAN_UNUSED_TOPIC: deletes the queues of topics that the broker does not have.
pub(super) fn clean_unused(broker: &Arc<Inner>, request: &Command) -> Answer {
    let known = |topic: &str| broker.topics.contains(topic);
    let removed = broker.log().remove_unknown_topics(known);
    broker.topics.queues_removed();
    removed?;
    Ok(request.response(response::SUCCESS))
}
