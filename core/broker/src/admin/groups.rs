//! Consumer groups: creation, change, deletion and listing.

use super::paging::Page;
use crate::answer::{Answer, Failure};
use crate::inner::Inner;
use ferromq_model::names;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    GroupForbidden, GroupList, SubscriptionGroupConfig, SubscriptionGroupList, TopicList,
};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    AllGroupConfigRequest, AllGroupConfigResponse, DeleteGroupRequest, GroupForbiddenRequest,
    GroupRequest, TopicRequest,
};
use std::sync::Arc;

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP.
pub(super) fn update(broker: &Arc<Inner>, request: &Command) -> Answer {
    if !request.body.is_empty() {
        let group = fastjson::from_slice(&request.body)?;
        put(broker, vec![group])?;
    }
    Ok(request.response(response::SUCCESS))
}

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST.
pub(super) fn update_list(broker: &Arc<Inner>, request: &Command) -> Answer {
    let list: SubscriptionGroupList = fastjson::from_slice(&request.body)?;
    put(broker, list.group_config_list)?;
    Ok(request.response(response::SUCCESS))
}

fn put(broker: &Inner, groups: Vec<SubscriptionGroupConfig>) -> Result<(), Failure> {
    for group in &groups {
        names::check_group(&group.group_name)?;
    }
    for group in groups {
        broker.groups.put(group);
    }
    broker.topics.groups_changed();
    Ok(broker.groups.save()?)
}

/// DELETE_SUBSCRIPTIONGROUP.
pub(super) fn delete(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: DeleteGroupRequest<'_> = request.header()?;
    let group = header.group_name;
    broker.groups.delete(group);
    broker.locks.remove_group(group);
    if broker.config.load().auto_delete_unused_stats {
        broker.stats.remove_group(group);
    }
    let forgets = header.clean_offset.or(header.remove_offset) == Some(true);
    if forgets {
        broker.offsets.remove_group(group);
    }
    broker.topics.groups_changed();
    if forgets {
        broker.offsets.save()?;
    }
    broker.groups.save()?;
    Ok(request.response(response::SUCCESS))
}

/// GET_ALL_SUBSCRIPTIONGROUP_CONFIG.
pub(super) fn all(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: AllGroupConfigRequest<'_> = request.header()?;
    let mut table = broker.groups.snapshot();
    let total = AllGroupConfigResponse {
        total_group_num: i32::try_from(table.subscription_group_table.len()).ok(),
    };
    let page =
        Page { first: header.group_seq, version: header.data_version, most: header.max_group_num };
    let version = table.data_version.clone();
    page.cut(&mut table.subscription_group_table, &version, &broker.config.load())?;
    Ok(request.success(&total).with_body(fastjson::to_vec(&table)))
}

/// GET_SUBSCRIPTIONGROUP_CONFIG; creates the group where that is allowed.
pub(super) fn get(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: GroupRequest<'_> = request.header()?;
    let group =
        broker.groups.get_or_create(&broker.config.load(), header.group).ok_or_else(|| {
            let code = response::SUBSCRIPTION_GROUP_NOT_EXIST;
            Failure::new(code, "No group in this broker")
        })?;
    Ok(request.success_body(fastjson::to_vec(&*group)))
}

/// UPDATE_AND_GET_GROUP_FORBIDDEN.
pub(super) fn forbidden(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: GroupForbiddenRequest<'_> = request.header()?;
    if let Some(readable) = header.readable {
        broker.groups.set_may_read(header.group, header.topic, readable);
        broker.groups.save()?;
    }
    let body = GroupForbidden {
        group: header.group.to_string(),
        readable: broker.groups.may_read(header.group, header.topic),
        topic: header.topic.to_string(),
    };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// QUERY_TOPIC_CONSUME_BY_WHO: the groups that subscribe to the topic or have progress in it.
pub(super) fn of_topic(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: TopicRequest<'_> = request.header()?;
    let mut groups = broker.clients.groups_subscribed_to(header.topic);
    groups.extend(broker.offsets.groups_of_topic(header.topic));
    let body = GroupList { group_list: groups.into_iter().collect() };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// QUERY_TOPICS_BY_CONSUMER: the topics in which the group has progress.
pub(super) fn topics(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: GroupRequest<'_> = request.header()?;
    let topics = broker.offsets.topics_of_group(header.group);
    let body =
        TopicList { broker_addr: Some(broker.address()), topic_list: topics.into_iter().collect() };
    Ok(request.success_body(fastjson::to_vec(&body)))
}
