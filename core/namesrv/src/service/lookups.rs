//! What clients and tools ask: routes, clusters, topic lists (protocol §6.4 and §6.5).

use super::{Answer, NameService};
use crate::routes::keep_zone;
use ferromq_model::names::ORDER_TOPIC_NAMESPACE;
use ferromq_protocol::Command;
use ferromq_protocol::body::{BrokerMemberGroupBody, TopicList, TopicRouteData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    AddWritePermResponse, BrokerMemberGroupRequest, BrokerNameRequest, ClusterRequest,
    DeleteTopicInNamesrvRequest, RouteRequest, TopicRequest, WipeWritePermResponse,
};

/// From this protocol version (4.9.4) on, clients read standard JSON.
const VERSION_WITH_STANDARD_JSON: i32 = 401;

impl NameService {
    /// GET_ROUTEINFO_BY_TOPIC.
    pub(super) fn route(&self, request: &Command) -> Answer {
        let header: RouteRequest<'_> = request.header()?;
        let config = self.settings.current();
        if config.need_wait_for_service
            && self.clock.now() - self.started < i64::from(config.wait_seconds_for_service) * 1000
        {
            return Ok(request.failure(response::SYSTEM_ERROR, "name server not ready"));
        }
        let topic = header.topic;
        let route = self.routes.read().route(topic, config.support_acting_master);
        let Some(mut route) = route else {
            let remark = format!("No topic route info in name server for the topic: {topic}");
            return Ok(request.failure(response::TOPIC_NOT_EXIST, remark));
        };
        if config.order_message_enable {
            route.order_topic_conf = self.kv.value(ORDER_TOPIC_NAMESPACE, topic);
        }
        let zone = header.zone_name.filter(|zone| !zone.trim().is_empty());
        let zone = zone.filter(|_| header.zone_mode == Some(true));
        if let Some(zone) = zone {
            keep_zone(&mut route, zone);
        }
        let standard = request.version >= VERSION_WITH_STANDARD_JSON
            || header.accept_standard_json_only == Some(true);
        Ok(request.success_body(if standard && zone.is_none() && !config.cluster_test {
            fastjson::to_standard_vec(&route)
        } else {
            fastjson::to_vec(&route)
        }))
    }

    /// GET_BROKER_CLUSTER_INFO.
    pub(super) fn cluster_info(&self, request: &Command) -> Answer {
        let info = self.routes.read().cluster_info();
        Ok(request.success_body(fastjson::to_vec(&info)))
    }

    /// GET_BROKER_MEMBER_GROUP.
    pub(super) fn member_group(&self, request: &Command) -> Answer {
        let header: BrokerMemberGroupRequest<'_> = request.header()?;
        let routes = self.routes.read();
        let body = BrokerMemberGroupBody {
            broker_member_group: routes.member_group(header.cluster_name, header.broker_name),
        };
        Ok(request.success_body(fastjson::to_vec(&body)))
    }

    /// GET_ALL_TOPIC_LIST_FROM_NAMESERVER.
    pub(super) fn all_topics(&self, request: &Command) -> Answer {
        if !self.settings.current().enable_all_topic_list {
            return Ok(switched_off(request));
        }
        Ok(list(request, self.routes.read().all_topics()))
    }

    /// GET_SYSTEM_TOPIC_LIST_FROM_NS.
    pub(super) fn system_topics(&self, request: &Command) -> Answer {
        Ok(list(request, self.routes.read().system_topics()))
    }

    /// GET_TOPICS_BY_CLUSTER.
    pub(super) fn topics_of_cluster(&self, request: &Command) -> Answer {
        if !self.settings.current().enable_topic_list {
            return Ok(switched_off(request));
        }
        let header: ClusterRequest<'_> = request.header()?;
        let topics = self.routes.read().topics_of_cluster(header.cluster);
        Ok(list(request, topics))
    }

    /// GET_UNIT_TOPIC_LIST, GET_HAS_UNIT_SUB_TOPIC_LIST and GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST.
    pub(super) fn unit_topics(&self, request: &Command) -> Answer {
        if !self.settings.current().enable_topic_list {
            return Ok(switched_off(request));
        }
        let routes = self.routes.read();
        let topics = match request.code {
            code::GET_UNIT_TOPIC_LIST => routes.unit_topics(),
            code::GET_HAS_UNIT_SUB_TOPIC_LIST => routes.unit_subscribed_topics(),
            _ => routes.unit_subscribed_plain_topics(),
        };
        Ok(list(request, topics))
    }

    /// WIPE_WRITE_PERM_OF_BROKER.
    pub(super) fn wipe_write_perm(&self, request: &Command) -> Answer {
        let header: BrokerNameRequest<'_> = request.header()?;
        let wipe_topic_count = self.routes.write().wipe_write_perm(header.broker_name);
        Ok(request.success(&WipeWritePermResponse { wipe_topic_count }))
    }

    /// ADD_WRITE_PERM_OF_BROKER.
    pub(super) fn add_write_perm(&self, request: &Command) -> Answer {
        let header: BrokerNameRequest<'_> = request.header()?;
        let add_topic_count = self.routes.write().add_write_perm(header.broker_name);
        Ok(request.success(&AddWritePermResponse { add_topic_count }))
    }

    /// DELETE_TOPIC_IN_NAMESRV.
    pub(super) fn delete_topic(&self, request: &Command) -> Answer {
        let header: DeleteTopicInNamesrvRequest<'_> = request.header()?;
        let cluster = header.cluster_name.filter(|cluster| !cluster.is_empty());
        self.routes.write().delete_topic(header.topic, cluster);
        Ok(request.response(response::SUCCESS))
    }

    /// REGISTER_TOPIC_IN_NAMESRV.
    pub(super) fn register_topic(&self, request: &Command) -> Answer {
        let header: TopicRequest<'_> = request.header()?;
        let topic = header.topic;
        let body: TopicRouteData = fastjson::from_slice(&request.body)?;
        if !self.routes.write().register_topic(topic, &body.queue_datas) {
            tracing::warn!(topic, "ignored a topic on a broker that is not registered");
        }
        Ok(request.response(response::SUCCESS))
    }
}

fn list(request: &Command, topics: TopicList) -> Command {
    request.success_body(fastjson::to_vec(&topics))
}

fn switched_off(request: &Command) -> Command {
    request.failure(response::SYSTEM_ERROR, "disable")
}
