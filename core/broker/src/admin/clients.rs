//! Clients: their heartbeats, and who is connected.

use crate::answer::{Answer, Failure};
use crate::clients::{Client, Fingerprint};
use crate::clock::now_ms;
use crate::config::BrokerConfig;
use crate::inner::Inner;
use ferromq_model::{flags, names, perm};
use ferromq_net::Connection;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    CheckClientConfig, ConsumeType, ConsumerData, ConsumerIdList, EXPRESSION_TAG, HeartbeatData,
    ProducerConnection, ProducerInfo, ProducerTable, SubscriptionData, SubscriptionQueryBody,
};
use ferromq_protocol::code::response;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    ConsumerGroupRequest, GroupTopicRequest, HeartbeatResponse, ProducerGroupRequest,
    UnregisterClientRequest,
};
use std::sync::Arc;

/// HEART_BEAT.
pub(super) fn heartbeat(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
) -> Answer {
    let heartbeat: HeartbeatData = fastjson::from_slice(&request.body)?;
    let config = broker.config.load();
    let client = Client {
        connection: connection.clone(),
        id: heartbeat.client_id.into(),
        language: request.language,
        version: request.version,
        last_seen: now_ms(),
    };
    let hash = heartbeat.heartbeat_fingerprint;
    let fingerprint = match hash != 0 && heartbeat.without_sub {
        true => Fingerprint::Brief(hash),
        false => Fingerprint::Full(hash),
    };
    let mut wants_subscriptions = false;
    for data in heartbeat.consumer_data_set {
        wants_subscriptions |= register_consumer(broker, &config, &client, data, fingerprint);
    }
    if config.enable_register_producer {
        for data in heartbeat.producer_data_set {
            broker.clients.register_producer(&client, &data.group_name);
        }
    }
    Ok(request.success(&HeartbeatResponse {
        support_heartbeat_v2: Some(true),
        sub_change: Some(wants_subscriptions),
    }))
}

/// Registers a consumer group of a heartbeat, with its retry topic. `true` when the client must send
/// its subscriptions again.
fn register_consumer(
    broker: &Inner,
    config: &BrokerConfig,
    client: &Client,
    data: ConsumerData,
    fingerprint: Fingerprint,
) -> bool {
    if config.reject_pull_consumer_enable && data.consume_type == ConsumeType::Actively {
        return false;
    }
    let Some(group) = broker.groups.get_or_create(config, &data.group_name) else {
        tracing::warn!(group = data.group_name, client = %client.id, "consumer of an unknown group is ignored; create the group, or set autoCreateSubscriptionGroup");
        return false;
    };
    if group.retry_queue_nums > 0 {
        keep_retry_topic(broker, &data, group.retry_queue_nums, fingerprint);
    }
    let notify =
        config.notify_consumer_ids_changed_enable && group.notify_consumer_ids_changed_enable;
    let registered = broker.clients.register_consumer(client, data, fingerprint, notify);
    registered.wants_subscriptions
}

/// Creates the group's retry topic, also when it is never used: tools find groups by it.
fn keep_retry_topic(broker: &Inner, data: &ConsumerData, queues: i32, fingerprint: Fingerprint) {
    let retry = names::retry_topic(&data.group_name);
    // Without its subscriptions a heartbeat does not tell whether the group keeps the order.
    if matches!(fingerprint, Fingerprint::Brief(_)) && broker.topics.contains(&retry) {
        return;
    }
    let is_ordered = |subscription: &SubscriptionData| {
        let topic = broker.topics.get(&subscription.topic);
        topic.is_some_and(|topic| topic.order)
    };
    let order = data.subscription_data_set.iter().any(is_ordered);
    let sys_flag = match data.unit_mode {
        true => flags::topic::UNIT_SUBSCRIPTION,
        false => 0,
    };
    let topics = &broker.topics;
    topics.get_or_create_for_group(&retry, queues, perm::READ_WRITE, order, sys_flag);
}

/// UNREGISTER_CLIENT.
pub(super) fn unregister(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
) -> Answer {
    let header: UnregisterClientRequest<'_> = request.header()?;
    if let Some(group) = header.producer_group {
        broker.clients.unregister_producer(connection, group);
    }
    if let Some(group) = header.consumer_group {
        broker.clients.unregister_consumer(connection, group);
    }
    Ok(request.response(response::SUCCESS))
}

/// GET_CONSUMER_LIST_BY_GROUP.
pub(super) fn consumer_ids(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ConsumerGroupRequest<'_> = request.header()?;
    let group = header.consumer_group;
    let ids = broker.clients.consumer_group(group).map(|group| group.client_ids());
    match ids {
        Some(consumer_id_list) if !consumer_id_list.is_empty() => {
            let body = ConsumerIdList { consumer_id_list };
            Ok(request.success_body(fastjson::to_vec(&body)))
        }
        _ => Err(Failure::system(format!("no consumer for this group, {group}"))),
    }
}

/// CHECK_CLIENT_CONFIG: whether a subscription's expression can be used here.
pub(super) fn check_config(_broker: &Arc<Inner>, request: &Command) -> Answer {
    let check: CheckClientConfig = fastjson::from_slice(&request.body)?;
    let kind = &check.subscription_data.expression_type;
    match kind.is_empty() || kind == EXPRESSION_TAG {
        true => Ok(request.response(response::SUCCESS)),
        false => Err(Failure::system(format!(
            "The broker does not support consumer to filter message by {kind}"
        ))),
    }
}

/// GET_CONSUMER_CONNECTION_LIST.
pub(super) fn consumers(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ConsumerGroupRequest<'_> = request.header()?;
    let group = broker.clients.consumer_group(header.consumer_group);
    let group = group.ok_or_else(|| {
        let remark = format!("the consumer group[{}] not online", header.consumer_group);
        Failure::new(response::CONSUMER_NOT_ONLINE, remark)
    })?;
    Ok(request.success_body(fastjson::to_vec(&group.describe())))
}

/// GET_PRODUCER_CONNECTION_LIST.
pub(super) fn producers(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: ProducerGroupRequest<'_> = request.header()?;
    let group = header.producer_group;
    let clients = broker
        .clients
        .producers(group)
        .ok_or_else(|| Failure::system(format!("the producer group[{group}] not exist")))?;
    let body =
        ProducerConnection { connection_set: clients.iter().map(Client::describe).collect() };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// GET_ALL_PRODUCER_INFO.
pub(super) fn all_producers(broker: &Arc<Inner>, request: &Command) -> Answer {
    let describe = |client: &Client| {
        let connection = client.describe();
        ProducerInfo {
            client_id: connection.client_id,
            language: connection.language,
            last_update_timestamp: client.last_seen,
            remote_ip: client.connection.peer().ip().to_string(),
            version: connection.version,
        }
    };
    let groups = broker.clients.all_producers().into_iter();
    let body = ProducerTable {
        data: groups
            .map(|(group, clients)| (group, clients.iter().map(describe).collect()))
            .collect(),
    };
    Ok(request.success_body(fastjson::to_vec(&body)))
}

/// QUERY_SUBSCRIPTION_BY_CONSUMER.
pub(super) fn subscription(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: GroupTopicRequest<'_> = request.header()?;
    let topic = header.topic.unwrap_or_default();
    let group = broker.clients.consumer_group(header.group);
    let subscription = group.and_then(|group| group.subscription(topic));
    let body = SubscriptionQueryBody {
        group: header.group.to_string(),
        subscription_data: subscription.map(|data| SubscriptionData::clone(&data)),
        topic: topic.to_string(),
    };
    Ok(request.success_body(fastjson::to_vec(&body)))
}
