//! What brokers ask of a client.

use super::Instance;
use ferromq_net::{Connection, Reply, Responder, ResponseWriter, Service};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use std::sync::{Arc, Weak};

/// Passes what brokers ask on to the consumer concerned.
pub(super) struct FromBroker(pub(super) Weak<Instance>);

impl FromBroker {
    fn group_of(request: &Command) -> Option<&str> {
        match request.code {
            code::NOTIFY_CONSUMER_IDS_CHANGED
            | code::GET_CONSUMER_RUNNING_INFO
            | code::CONSUME_MESSAGE_DIRECTLY => request.fields.get("consumerGroup"),
            code::RESET_CONSUMER_CLIENT_OFFSET | code::GET_CONSUMER_STATUS_FROM_CLIENT => {
                request.fields.get("group")
            }
            _ => None,
        }
    }
}

impl Service for FromBroker {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        let Some(group) = FromBroker::group_of(request) else {
            let remark = format!(" request type {} not supported", request.code);
            return writer.write(request.failure(response::REQUEST_CODE_NOT_SUPPORTED, remark));
        };
        let consumer = self.0.upgrade().and_then(|instance| instance.consumer(group));
        let Some(consumer) = consumer else {
            let remark = format!("no consumer of group {group} is here");
            return writer.write(request.failure(response::SYSTEM_ERROR, remark));
        };
        if request.code == code::NOTIFY_CONSUMER_IDS_CHANGED {
            consumer.rebalance();
            return Reply::Later;
        }
        let (responder, request) = (Responder::new(connection, request), request.clone());
        tokio::spawn(async move {
            if let Some(answer) = consumer.asked(request).await {
                responder.send(answer);
            }
        });
        Reply::Later
    }
}
