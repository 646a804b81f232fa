//! What a send costs on the wire: reading its request and writing its answer.

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ferromq_protocol::code::request;
use ferromq_protocol::headers::{SendMessageRequestV2, SendMessageResponse};
use ferromq_protocol::record::{self, NewRecord, RecordView};
use ferromq_protocol::{Command, Serialization};
use std::hint::black_box;

const PROPERTIES: &str =
    "UNIQ_KEY\u{1}7F00000100002A139A554E05F0E50000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";

fn send_request(serialization: Serialization) -> Bytes {
    let header = SendMessageRequestV2 {
        producer_group: "producers",
        topic: "Orders",
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
    };
    let mut command =
        Command::request_with(request::SEND_MESSAGE_V2, &header).with_body(vec![b'x'; 128]);
    command.serialization = serialization;
    command.encode()
}

fn read_send(frame: BytesMut) -> i64 {
    let mut frame = frame;
    let command = Command::decode(&mut frame).ok().flatten();
    let header = command.as_ref().and_then(|c| c.header::<SendMessageRequestV2<'_>>().ok());
    header.map_or(0, |header| header.born_timestamp)
}

fn wire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(1));
    for (name, serialization) in [("json", Serialization::Json), ("binary", Serialization::Binary)]
    {
        let frame = send_request(serialization);
        group.bench_function(format!("read a send, {name}"), |bencher| {
            let input = || BytesMut::from(&frame[..]);
            bencher.iter_batched(input, |frame| black_box(read_send(frame)), BatchSize::SmallInput);
        });
    }
    let request = Command::request(request::SEND_MESSAGE_V2);
    let mut out = BytesMut::with_capacity(4096);
    group.bench_function("write the answer to a send, json", |bencher| {
        bencher.iter(|| {
            out.clear();
            let header = SendMessageResponse {
                msg_id: "7F00000100002A9F0000000000001000",
                queue_id: 3,
                queue_offset: 4711,
                transaction_id: Some("7F00000100002A139A554E05F0E50000"),
                batch_uniq_id: None,
                recall_handle: None,
            };
            request.response_of(0, &header).encode_head(0, &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let host = ([127, 0, 0, 1], 10911).into();
    let body = [b'x'; 128];
    let new = NewRecord {
        topic: "Orders",
        queue_id: 3,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties: PROPERTIES,
    };
    let mut out = Vec::with_capacity(1024);
    criterion.bench_function("records/lay out", |bencher| {
        bencher.iter(|| {
            out.clear();
            record::encode(&mut out, black_box(&new));
            out.len()
        });
    });
    let mut bytes = Vec::new();
    record::encode(&mut bytes, &new);
    criterion.bench_function("records/parse and verify", |bencher| {
        bencher.iter(|| RecordView::parse(black_box(&bytes)).map(|record| record.verify().is_ok()));
    });
}

criterion_group!(benches, wire, records);
criterion_main!(benches);
