//! A client that sends to queue 0 of the topic T, and asks for its end.

use super::PATIENCE;
use crate::broker::Broker;
use ferromq_net::{ConnectOptions, Connections, NoRequests};
use ferromq_protocol::Command;
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::headers::{QueueRequest, SendMessageRequestV2};
use std::sync::Arc;
use std::time::Instant;

/// A send of a message with a body of so many bytes.
pub(crate) fn send_request(length: usize) -> Command {
    let header = SendMessageRequestV2 {
        producer_group: "PG",
        topic: "T",
        default_topic: "TBW102",
        default_topic_queue_nums: 1,
        queue_id: 0,
        sys_flag: 0,
        born_timestamp: 1,
        flag: 0,
        properties: None,
        reconsume_times: None,
        unit_mode: None,
        max_reconsume_times: None,
        batch: None,
        broker_name: None,
    };
    Command::request_with(code::SEND_MESSAGE_V2, &header).with_body(vec![7; length])
}

/// A connection to a broker, of its own.
pub(crate) struct Client {
    connections: Connections,
    address: String,
}

impl Client {
    pub(crate) fn new(broker: &Broker) -> Arc<Client> {
        let connections = Connections::new(Arc::new(NoRequests), ConnectOptions::default());
        Arc::new(Client { connections, address: broker.address().to_string() })
    }

    pub(crate) async fn ask(&self, request: Command) -> Command {
        self.connections.invoke(&self.address, request, PATIENCE).await.expect("an answer")
    }

    pub(crate) async fn send(&self, length: usize) -> Command {
        self.ask(send_request(length)).await
    }

    /// Sends until the broker is not busy: it may wait for the next segment too long. The answer is a success.
    pub(crate) async fn send_until_stored(&self, length: usize) -> Command {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(length).await;
            if answer.code == response::SUCCESS {
                return answer;
            }
            assert_eq!(answer.code, response::SYSTEM_BUSY, "{}", answer.remark());
            assert!(Instant::now() < deadline, "it stays busy: {}", answer.remark());
        }
    }

    pub(crate) async fn max_offset(&self) -> Command {
        let header = QueueRequest { topic: "T", queue_id: 0, broker_name: None, committed: None };
        self.ask(Command::request_with(code::GET_MAX_OFFSET, &header)).await
    }
}
