//! From a request's code to its handler.

use crate::inner::Inner;
use crate::{admin, append, pull, query, send, send_back, waiting_room};
use ferromq_net::{Answers, Connection, Reply, ResponseWriter, Service};
use ferromq_protocol::Command;
use ferromq_protocol::code::request as code;
use std::sync::Arc;

/// The port that serves everything.
pub(crate) struct MainPort(pub(crate) Arc<Inner>);

/// The port two below, which serves everything but pulls.
pub(crate) struct FastPort(pub(crate) Arc<Inner>);

impl Service for MainPort {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        match request.code {
            code::PULL_MESSAGE | code::LITE_PULL_MESSAGE => {
                self.0.at_hand.store(&self.0, connection, &mut writer.others());
                pull::handle(&self.0, connection, request, writer)
            }
            _ => handle(&self.0, connection, request, writer),
        }
    }

    fn all_handled(&self, connection: &Arc<Connection>, answers: &mut Answers<'_>) {
        self.0.at_hand.finish(&self.0, connection, answers);
    }

    fn answer_later(&self, idle: bool) -> bool {
        append::flush(&self.0, idle)
    }

    fn closed(&self, connection: &Arc<Connection>) {
        self.0.clients.closed(connection);
        self.0.long_polling.closed(connection.id());
    }
}

impl Service for FastPort {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        handle(&self.0, connection, request, writer)
    }

    fn all_handled(&self, connection: &Arc<Connection>, answers: &mut Answers<'_>) {
        self.0.at_hand.finish(&self.0, connection, answers);
    }

    fn answer_later(&self, idle: bool) -> bool {
        append::flush(&self.0, idle)
    }

    fn closed(&self, connection: &Arc<Connection>) {
        self.0.clients.closed(connection);
    }
}

fn handle(
    broker: &Arc<Inner>,
    connection: &Arc<Connection>,
    request: &Command,
    writer: &mut ResponseWriter<'_>,
) -> Reply {
    if let code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE = request.code {
        return waiting_room::handle(broker, connection, request, writer, send::handle);
    }
    // Whatever it is finds the messages that were sent before it.
    broker.at_hand.store(broker, connection, &mut writer.others());
    match request.code {
        code::CONSUMER_SEND_MSG_BACK => {
            waiting_room::handle(broker, connection, request, writer, send_back::handle)
        }
        code::QUERY_MESSAGE => query::by_key(broker, connection, request.clone()),
        code::VIEW_MESSAGE_BY_ID => query::by_id(broker, connection, request.clone()),
        _ => admin::handle(broker, connection, request, writer),
    }
}
