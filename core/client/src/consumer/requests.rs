//! What brokers ask of a consumer (protocol §8.12 and §8.13).

use super::core::{Core, Sink};
use super::{Consumed, Listener};
use crate::instance::Member;
use crate::instance::async_trait::Boxed;
use crate::message::ReceivedMessage;
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumeStatus, ConsumerData, ConsumerRunningInfo,
    ConsumerStatusBody, ResetOffsetBody,
};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{ConsumerStatusRequest, ResetOffsetRequest};
use ferromq_protocol::record::{RecordView, StoredMessage};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// A consumer in its client instance.
pub(crate) struct GroupMember(pub(crate) Arc<Core>);

impl Member for GroupMember {
    fn group(&self) -> &str {
        self.0.group()
    }

    fn heartbeat(&self) -> ConsumerData {
        self.0.heartbeat()
    }

    fn rebalance(&self) {
        self.0.rebalance_now.notify_one();
    }

    fn asked(self: Arc<Self>, request: Command) -> Boxed<Option<Command>> {
        let core = self.0.clone();
        Box::pin(async move {
            match request.code {
                code::RESET_CONSUMER_CLIENT_OFFSET => {
                    reset(&core, &request).await;
                    None
                }
                code::GET_CONSUMER_STATUS_FROM_CLIENT => Some(status(&core, &request)),
                code::GET_CONSUMER_RUNNING_INFO => Some(running_info(&core, &request)),
                code::CONSUME_MESSAGE_DIRECTLY => Some(consume_directly(&core, &request).await),
                other => {
                    let remark = format!(" request type {other} not supported");
                    Some(request.failure(response::REQUEST_CODE_NOT_SUPPORTED, remark))
                }
            }
        })
    }
}

/// Goes on where an administrator wants.
async fn reset(core: &Arc<Core>, request: &Command) {
    let header = request.header::<ResetOffsetRequest<'_>>();
    let body = fastjson::from_slice::<ResetOffsetBody>(&request.body);
    let (Ok(header), Ok(body)) = (header, body) else {
        return tracing::warn!(
            group = core.group(),
            "a broker's order to reset offsets cannot be read"
        );
    };
    for (queue, offset) in body.offset_table.0 {
        let process = core.queues.lock().get(&queue).cloned();
        if let Some(process) = process.filter(|_| queue.topic == header.topic) {
            tracing::info!(group = core.group(), %queue, offset, "offset reset by an administrator");
            core.move_queue(&process, offset);
        }
    }
    core.persist().await;
}

fn status(core: &Core, request: &Command) -> Command {
    let topic = match request.header::<ConsumerStatusRequest<'_>>() {
        Ok(header) => header.topic,
        Err(error) => return request.failure(response::SYSTEM_ERROR, error.to_string()),
    };
    let offsets = core.offsets.all().into_iter().filter(|(queue, _)| queue.topic == topic);
    let body = ConsumerStatusBody {
        consumer_table: BTreeMap::new(),
        message_queue_table: offsets.collect(),
    };
    request.success_body(fastjson::to_vec(&body))
}

fn running_info(core: &Core, request: &Command) -> Command {
    let name_servers = core.instance.name_servers().iter().map(|address| format!("{address};"));
    let kind = match core.consume_type() {
        ferromq_protocol::body::ConsumeType::Actively => "CONSUME_ACTIVELY",
        _ => "CONSUME_PASSIVELY",
    };
    let properties = [
        ("PROP_NAMESERVER_ADDR", name_servers.collect()),
        ("PROP_CONSUME_TYPE", kind.to_string()),
        ("PROP_CLIENT_VERSION", "V5_3_3".to_string()),
        ("PROP_CONSUMEORDERLY", core.is_orderly().to_string()),
        ("PROP_THREADPOOL_CORE_SIZE", core.config.consume_thread.to_string()),
        ("PROP_CONSUMER_START_TIMESTAMP", core.started.to_string()),
    ];
    let subscriptions: Vec<_> = core.subscriptions.read().values().cloned().collect();
    let info = ConsumerRunningInfo {
        properties: properties.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        mq_table: core
            .queues
            .lock()
            .iter()
            .map(|(queue, process)| {
                let committed = core.offsets.known(queue).unwrap_or(-1);
                (queue.clone(), process.describe(committed))
            })
            .collect(),
        status_table: subscriptions
            .iter()
            .map(|subscription| (subscription.topic.clone(), ConsumeStatus::default()))
            .collect(),
        subscription_set: subscriptions,
        ..ConsumerRunningInfo::default()
    };
    request.success_body(fastjson::to_vec(&info))
}

fn listener(core: &Core) -> Option<&Listener> {
    match &core.sink {
        Sink::Concurrent(sink) => Some(&sink.listener),
        Sink::Orderly(sink) => Some(&sink.listener),
        Sink::Polled(sink) => Some(&sink.listener),
        Sink::Buffer(_) => None,
    }
}

/// Lets the listener handle one message that an administrator sends; nothing is committed.
async fn consume_directly(core: &Core, request: &Command) -> Command {
    let broker = request.fields.get("brokerName").unwrap_or_default();
    let stored = RecordView::parse(&request.body)
        .map(|record| StoredMessage::decode(&request.body, &record));
    let message = match stored {
        Ok(stored) => ReceivedMessage::new(stored, broker),
        Err(error) => return request.failure(response::SYSTEM_ERROR, error.to_string()),
    };
    let Some(listener) = listener(core) else {
        let remark = format!("the consumer of group {} has no listener", core.group());
        return request.failure(response::SYSTEM_ERROR, remark);
    };
    let start = Instant::now();
    let consumed = super::call(listener, core.group(), vec![message]).await;
    let result = ConsumeMessageDirectlyResult {
        auto_commit: true,
        consume_result: match consumed {
            Consumed::Success => "CR_SUCCESS",
            Consumed::Later { .. } => "CR_LATER",
        }
        .to_string(),
        order: core.is_orderly(),
        remark: None,
        spent_time_mills: start.elapsed().as_millis() as i64,
    };
    request.success_body(fastjson::to_vec(&result))
}
