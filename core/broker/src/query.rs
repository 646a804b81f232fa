//! Looking at single messages: VIEW_MESSAGE_BY_ID and QUERY_MESSAGE (broker §2.6, §10.2).

use crate::answer::{Answer, Failure, respond};
use crate::inner::Inner;
use ferromq_net::{Connection, Piece, Reply, Responder, Response};
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::{QueryMessageRequest, QueryMessageResponse, ViewMessageRequest};
use std::sync::Arc;

pub(crate) fn by_id(broker: &Arc<Inner>, connection: &Arc<Connection>, request: Command) -> Reply {
    aside(broker, connection, request, |broker, request| {
        let offset = request.header::<ViewMessageRequest<'_>>()?.offset;
        match broker.store.record_at(offset) {
            Some(record) => Ok(request.success_body(record).into()),
            None => Err(Failure::system(format!("can not find message by the offset, {offset}"))),
        }
    })
}

pub(crate) fn by_key(broker: &Arc<Inner>, connection: &Arc<Connection>, request: Command) -> Reply {
    aside(broker, connection, request, |broker, request| {
        let header: QueryMessageRequest<'_> = request.header()?;
        let max = match header.unique_key_query {
            Some(true) => broker.store.config().default_query_max_num,
            _ => header.max_num,
        };
        let (begin, end) = (header.begin_timestamp, header.end_timestamp);
        let chunks = broker.store.find(header.topic, header.key, max, begin, end);
        let (timestamp, offset) = broker.store.index_update();
        let fields = QueryMessageResponse {
            index_last_update_timestamp: timestamp,
            index_last_update_phyoffset: offset,
        };
        if chunks.is_empty() {
            let remark = "can not find message, maybe time range not correct";
            return Ok(request
                .failure(response::QUERY_NOT_FOUND, remark)
                .with_header(&fields)
                .into());
        }
        let chunks = chunks.into_iter().map(Piece::from).collect();
        Ok(Response { command: request.success(&fields), chunks })
    })
}

/// Old messages may have to come from the disk: not a connection's task to wait for.
fn aside(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: Command,
    look: fn(&Inner, &Command) -> Result<Response, Failure>,
) -> Reply {
    let (broker, responder) = (broker.clone(), Responder::new(connection, &request));
    tokio::task::spawn_blocking(move || {
        responder.send(look(&broker, &request).unwrap_or_else(|failure| {
            let answer: Answer = Err(failure);
            respond(&request, answer).into()
        }));
    });
    Reply::Later
}
