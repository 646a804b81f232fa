//! Requests as clients send them: those of a connection differ in what tells one message from the next.

use bytes::Bytes;
use ferromq_protocol::batch::{self, BatchEntry};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{PullMessageRequest, SendMessageRequestV2};
use ferromq_protocol::{Command, Serialization};

pub(crate) const TOPIC: &str = "Orders";
pub(crate) const PROPERTIES: &str =
    "UNIQ_KEY\u{1}7F00000100002A139A554E05F0E50000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";

/// So many digits have the numbers of a connection that has been busy for a while.
const FIRST_OPAQUE: i32 = 100_000;

fn send_header(number: usize, properties: &str) -> SendMessageRequestV2<'_> {
    SendMessageRequestV2 {
        producer_group: "producers",
        topic: TOPIC,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id: 3,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000 + number as i64 / 8,
        flag: 0,
        properties: Some(properties),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: Some("broker-a"),
    }
}

fn frame(number: usize, mut command: Command) -> Bytes {
    command.opaque = FIRST_OPAQUE + number as i32;
    command.encode()
}

/// The send of that number on its connection.
pub(crate) fn send(number: usize, size: usize, serialization: Serialization) -> Bytes {
    let properties = PROPERTIES.replace("F0E50000", &format!("F0E5{number:04X}"));
    let header = send_header(number, &properties);
    let mut command =
        Command::request_with(request::SEND_MESSAGE_V2, &header).with_body(vec![b'x'; size]);
    command.serialization = serialization;
    frame(number, command)
}

/// A batch of 32 messages of 128 bytes.
pub(crate) fn send_batch(number: usize) -> Bytes {
    let mut body = Vec::new();
    for at in 0..32 {
        let key = format!("F0E5{:04X}", (number * 32 + at) % 0x10000);
        let properties = PROPERTIES.replace("F0E50000", &key);
        let properties = properties.as_bytes();
        batch::push(&mut body, BatchEntry { flag: 0, body: &[b'x'; 128], properties });
    }
    let header = SendMessageRequestV2 { batch: Some(true), ..send_header(number, "") };
    frame(number, Command::request_with(request::SEND_BATCH_MESSAGE, &header).with_body(body))
}

/// Pulls 32 messages.
pub(crate) fn pull(number: usize, offset: i64) -> Bytes {
    let header = PullMessageRequest {
        consumer_group: "consumers",
        topic: TOPIC,
        queue_id: 3,
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: ferromq_model::flags::pull::SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_millis: 0,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: Some("TAG"),
        max_msg_bytes: None,
        request_source: None,
        broker_name: None,
    };
    frame(number, Command::request_with(request::PULL_MESSAGE, &header))
}
