//! Requests of administrators, of tools, and of clients about themselves: everything that neither
//! carries messages nor fetches them (broker §2.6 and §2.11).

mod clients;
mod forward;
mod groups;
mod offsets;
mod paging;
mod progress;
mod queues;
mod resets;
mod runtime;
mod settings;
mod topics;

use crate::answer::{Answer, Failure, respond};
use crate::inner::Inner;
use ferromq_net::{Connection, Reply, Responder, ResponseWriter};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use std::sync::Arc;

type Handler = fn(&Arc<Inner>, &Command) -> Answer;

/// Where a request is handled.
enum Way {
    /// At once: it takes a few look-ups in memory.
    Here(Handler),
    /// On a thread that may wait for the disk or walk through a whole table.
    Aside(Handler),
}

fn way(code: i32) -> Option<Way> {
    use Way::{Aside, Here};
    Some(match code {
        code::QUERY_CONSUMER_OFFSET => Here(offsets::query),
        code::UPDATE_CONSUMER_OFFSET => Here(offsets::update),
        code::GET_CONSUMER_LIST_BY_GROUP => Here(clients::consumer_ids),
        code::CHECK_CLIENT_CONFIG => Here(clients::check_config),
        code::LOCK_BATCH_MQ => Here(queues::lock),
        code::UNLOCK_BATCH_MQ => Here(queues::unlock),
        code::GET_MAX_OFFSET => Here(queues::max_offset),
        code::GET_MIN_OFFSET => Here(queues::min_offset),
        code::GET_TOPIC_CONFIG => Here(topics::get),
        code::UPDATE_AND_GET_GROUP_FORBIDDEN => Aside(groups::forbidden),
        code::GET_SUBSCRIPTIONGROUP_CONFIG => Here(groups::get),
        code::VIEW_BROKER_STATS_DATA => Here(runtime::view_stats),

        code::UPDATE_AND_CREATE_TOPIC => Aside(topics::update),
        code::UPDATE_AND_CREATE_TOPIC_LIST => Aside(topics::update_list),
        code::DELETE_TOPIC_IN_BROKER => Aside(topics::delete),
        code::GET_ALL_TOPIC_CONFIG => Aside(topics::all),
        code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => Aside(topics::system),
        code::CLEAN_UNUSED_TOPIC => Aside(topics::clean_unused),
        code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => Aside(groups::update),
        code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => Aside(groups::update_list),
        code::DELETE_SUBSCRIPTIONGROUP => Aside(groups::delete),
        code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => Aside(groups::all),
        code::QUERY_TOPIC_CONSUME_BY_WHO => Aside(groups::of_topic),
        code::QUERY_TOPICS_BY_CONSUMER => Aside(groups::topics),
        code::QUERY_SUBSCRIPTION_BY_CONSUMER => Aside(clients::subscription),
        code::GET_CONSUMER_CONNECTION_LIST => Aside(clients::consumers),
        code::GET_PRODUCER_CONNECTION_LIST => Aside(clients::producers),
        code::GET_ALL_PRODUCER_INFO => Aside(clients::all_producers),
        code::GET_ALL_CONSUMER_OFFSET => Aside(offsets::all),
        code::GET_ALL_DELAY_OFFSET => Aside(offsets::all_delays),
        code::QUERY_CORRECTION_OFFSET => Aside(offsets::correction),
        code::CLONE_GROUP_OFFSET => Aside(offsets::clone_group),
        code::SEARCH_OFFSET_BY_TIMESTAMP => Aside(queues::search),
        code::GET_EARLIEST_MSG_STORETIME => Aside(queues::earliest_time),
        code::QUERY_CONSUME_QUEUE => Aside(queues::entries),
        code::GET_TOPIC_STATS_INFO => Aside(progress::of_topic),
        code::GET_CONSUME_STATS => Aside(progress::of_group),
        code::GET_BROKER_CONSUME_STATS => Aside(progress::of_broker),
        code::QUERY_CONSUME_TIME_SPAN => Aside(progress::time_span),
        code::INVOKE_BROKER_TO_RESET_OFFSET => Aside(resets::reset),
        code::UPDATE_BROKER_CONFIG => Aside(settings::update),
        code::GET_BROKER_CONFIG => Aside(settings::get),
        code::GET_BROKER_RUNTIME_INFO => Aside(runtime::info),
        code::CLEAN_EXPIRED_CONSUMEQUEUE => Aside(runtime::clean_queues),
        code::DELETE_EXPIRED_COMMITLOG => Aside(runtime::delete_expired),
        _ => return None,
    })
}

/// Handles a request; whatever is unknown here is unknown to the broker.
pub(crate) fn handle(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    match request.code {
        code::HEART_BEAT => {
            writer.write(respond(request, clients::heartbeat(broker, connection, request)))
        }
        code::UNREGISTER_CLIENT => {
            writer.write(respond(request, clients::unregister(broker, connection, request)))
        }
        code::GET_CONSUMER_RUNNING_INFO => {
            later(broker, connection, request.clone(), forward::running_info)
        }
        code::CONSUME_MESSAGE_DIRECTLY => {
            later(broker, connection, request.clone(), forward::consume_directly)
        }
        code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => {
            later(broker, connection, request.clone(), forward::consumer_status)
        }
        other => match way(other) {
            Some(Way::Here(handler)) => writer.write(respond(request, handler(broker, request))),
            Some(Way::Aside(handler)) => aside(broker, connection, request.clone(), handler),
            None => writer.write(unsupported(request)),
        },
    }
}

/// The answer to a code that this broker does not know.
pub(crate) fn unsupported(request: &Command) -> Command {
    let remark = format!(" request type {} not supported", request.code);
    request.failure(response::REQUEST_CODE_NOT_SUPPORTED, remark)
}

fn aside(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: Command,
    handler: Handler,
) -> Reply {
    let responder = Responder::new(connection, &request);
    let broker = broker.clone();
    tokio::task::spawn_blocking(move || {
        responder.send(respond(&request, handler(&broker, &request)));
    });
    Reply::Later
}

/// Handles a request that has to ask others first.
fn later<F>(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: Command,
    handler: impl FnOnce(Arc<Inner>, Command) -> F,
) -> Reply
where
    F: Future<Output = Result<Command, (Command, Failure)>> + Send + 'static,
{
    let responder = Responder::new(connection, &request);
    let answer = handler(broker.clone(), request);
    tokio::spawn(async move {
        responder.send(match answer.await {
            Ok(response) => response,
            Err((request, failure)) => respond(&request, Err(failure)),
        });
    });
    Reply::Later
}

#[cfg(test)]
mod tests;
