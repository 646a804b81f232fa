//! Requests that the broker passes on to a client and whose answer it passes back.

use crate::answer::Failure;
use crate::clients::Client;
use crate::inner::Inner;
use ferromq_net::NetError;
use ferromq_protocol::Command;
use ferromq_protocol::body::ConsumerStatusBody;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    ConsumeMessageDirectlyRequest, ConsumerRunningInfoRequest, ConsumerStatusRequest,
};
use ferromq_protocol::message_id::parse_offset_id;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Clients older than 3.1.8 do not know these requests.
const FIRST_THAT_ANSWERS: i32 = 58;

/// The request comes back with a failure, which answers it.
type Passed = Result<Command, (Command, Failure)>;

/// GET_CONSUMER_RUNNING_INFO.
pub(super) async fn running_info(broker: Arc<Inner>, request: Command) -> Passed {
    let client = (|| {
        let header: ConsumerRunningInfoRequest<'_> = request.header()?;
        find(&broker, header.consumer_group, header.client_id)
    })();
    match client {
        Ok((group, client)) => pass(request.clone(), &group, &client, request).await,
        Err(failure) => Err((request, failure)),
    }
}

/// CONSUME_MESSAGE_DIRECTLY: the client gets the message as the body.
pub(super) async fn consume_directly(broker: Arc<Inner>, request: Command) -> Passed {
    let prepared = tokio::task::spawn_blocking(move || {
        let prepared = prepare_directly(&broker, &request);
        (request, prepared)
    });
    match prepared.await {
        Ok((request, Ok((group, client, onward)))) => pass(onward, &group, &client, request).await,
        Ok((request, Err(failure))) => Err((request, failure)),
        Err(error) => {
            let request = Command::request(code::CONSUME_MESSAGE_DIRECTLY);
            Err((request, Failure::system(error.to_string())))
        }
    }
}

fn prepare_directly(
    broker: &Inner,
    request: &Command,
) -> Result<(String, Client, Command), Failure> {
    let header: ConsumeMessageDirectlyRequest<'_> = request.header()?;
    let (group, client) =
        find(broker, header.consumer_group, header.client_id.unwrap_or_default())?;
    let mut onward = request.clone();
    let mut put = |name: &str, value: &str| {
        onward.fields.remove(name);
        onward.fields.push(name, value);
    };
    put("brokerName", &broker.config.load().broker_name);
    if let Some(topic) = header.topic.and_then(|topic| broker.topics.get(topic)) {
        put("topicSysFlag", &topic.topic_sys_flag.to_string());
    }
    if let Some(settings) = broker.groups.get(&group) {
        put("groupSysFlag", &settings.group_sys_flag.to_string());
    }
    if let Some(id) = header.msg_id.filter(|id| !id.is_empty()) {
        let message = parse_offset_id(id).and_then(|(_, offset)| broker.store.record_at(offset));
        onward.body =
            message.ok_or_else(|| Failure::system(format!("no message has the id {id}")))?;
    }
    Ok((group, client, onward))
}

fn find(broker: &Inner, group: &str, id: &str) -> Result<(String, Client), Failure> {
    let client = broker.clients.consumer(group, id);
    let client = client
        .ok_or_else(|| Failure::system(format!("The Consumer <{group}> <{id}> not online")))?;
    match client.version >= FIRST_THAT_ANSWERS {
        true => Ok((group.to_string(), client)),
        false => Err(Failure::system(format!(
            "The Consumer <{id}> Version <{}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT",
            client.version
        ))),
    }
}

/// Sends `onward` to the client; its answer becomes the answer to `request`.
async fn pass(onward: Command, group: &str, client: &Client, request: Command) -> Passed {
    match client.connection.invoke(renumbered(onward), TIMEOUT).await {
        Ok(mut answer) => {
            answer.opaque = request.opaque;
            answer.serialization = request.serialization;
            Ok(answer)
        }
        Err(error) => {
            let failure = describe(&error, group, &client.id);
            Err((request, failure))
        }
    }
}

/// The same request under a number of this broker's own: those of two administrators may be equal.
fn renumbered(onward: Command) -> Command {
    let mut request = Command::request(onward.code);
    request.fields = onward.fields;
    request.body = onward.body;
    request
}

fn describe(error: &NetError, group: &str, id: &str) -> Failure {
    match error {
        NetError::Timeout { .. } => Failure::new(
            response::CONSUME_MSG_TIMEOUT,
            format!("consumer <{group}> <{id}> Timeout: {error}"),
        ),
        error => Failure::system(format!("invoke consumer <{group}> <{id}> Exception: {error}")),
    }
}

/// INVOKE_BROKER_TO_GET_CONSUMER_STATUS: asks the group's clients for their offsets.
pub(super) async fn consumer_status(broker: Arc<Inner>, request: Command) -> Passed {
    match collect_status(&broker, &request).await {
        Ok(body) => Ok(request.success_body(fastjson::to_vec(&body))),
        Err(failure) => Err((request, failure)),
    }
}

async fn collect_status(broker: &Inner, request: &Command) -> Result<ConsumerStatusBody, Failure> {
    let header: ConsumerStatusRequest<'_> = request.header()?;
    let group = broker.clients.consumer_group(header.group);
    let clients = group.map(|group| group.clients()).unwrap_or_default();
    if clients.is_empty() {
        return Err(Failure::system(format!(
            "No Any Consumer online in the consumer group: [{}]",
            header.group
        )));
    }
    let wanted = header.client_addr.filter(|id| !id.is_empty());
    let mut body = ConsumerStatusBody::default();
    for client in clients {
        if wanted.is_some_and(|wanted| wanted != &*client.id) {
            continue;
        }
        let question = ConsumerStatusRequest { client_addr: None, ..header };
        let question = Command::request_with(code::GET_CONSUMER_STATUS_FROM_CLIENT, &question);
        let answer = client.connection.invoke(question, TIMEOUT).await;
        let answer = answer.map_err(|error| describe(&error, header.group, &client.id))?;
        if answer.code != response::SUCCESS {
            tracing::warn!(group = header.group, client = %client.id, remark = answer.remark(), "a client does not tell its offsets");
            continue;
        }
        let theirs: ConsumerStatusBody = fastjson::from_slice(&answer.body)?;
        let id = client.id.to_string();
        body.consumer_table.insert(id, theirs.message_queue_table);
    }
    Ok(body)
}
