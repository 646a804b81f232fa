//! Requests as clients send them.

use bytes::Bytes;
use ferromq_protocol::batch::{self, BatchEntry};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{PullMessageRequest, SendMessageRequestV2};
use ferromq_protocol::{Command, Serialization};

pub(crate) const TOPIC: &str = "Orders";
pub(crate) const PROPERTIES: &str =
    "UNIQ_KEY\u{1}7F00000100002A139A554E05F0E50000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";

fn send_header() -> SendMessageRequestV2<'static> {
    SendMessageRequestV2 {
        producer_group: "producers",
        topic: TOPIC,
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id: 3,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        flag: 0,
        properties: Some(PROPERTIES),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: Some("broker-a"),
    }
}

pub(crate) fn send(size: usize, serialization: Serialization) -> Bytes {
    let body = vec![b'x'; size];
    let mut command =
        Command::request_with(request::SEND_MESSAGE_V2, &send_header()).with_body(body);
    command.serialization = serialization;
    command.encode()
}

/// A batch of 32 messages of 128 bytes.
pub(crate) fn send_batch() -> Bytes {
    let mut body = Vec::new();
    for _ in 0..32 {
        batch::push(&mut body, BatchEntry { flag: 0, body: &[b'x'; 128], properties: PROPERTIES });
    }
    let header = SendMessageRequestV2 { batch: Some(true), properties: Some(""), ..send_header() };
    Command::request_with(request::SEND_BATCH_MESSAGE, &header).with_body(body).encode()
}

/// Pulls 32 messages.
pub(crate) fn pull(offset: i64) -> Bytes {
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
    Command::request_with(request::PULL_MESSAGE, &header).encode()
}
