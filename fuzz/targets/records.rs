//! Stored records one after another, and the same bytes as the body of a batch.
#![no_main]

use bytes::Bytes;
use ferromq_protocol::batch;
use ferromq_protocol::record::{MAGIC_V1, MAGIC_V2, RecordView, StoredMessage, records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_records(Bytes::copy_from_slice(data));
    // With a size and a magic that fit, so that the rest is looked at.
    if data.len() >= 8 {
        for magic in [MAGIC_V1, MAGIC_V2] {
            let mut record = data.to_vec();
            record[..4].copy_from_slice(&(data.len() as u32).to_be_bytes());
            record[4..8].copy_from_slice(&magic.to_be_bytes());
            check_records(record.into());
        }
    }

    let mut written = Vec::new();
    for entry in batch::entries(data) {
        let Ok(entry) = entry else { break };
        batch::push(&mut written, entry);
    }
    let read = batch::entries(data).filter_map(Result::ok);
    assert!(batch::entries(&written).map(Result::unwrap).eq(read));
});

fn check_records(source: Bytes) {
    let mut length = 0;
    for record in records(&source) {
        let Ok(record) = record else { break };
        length += record.bytes().len();
        check_record(&source, &record);
    }
    assert!(length <= source.len());
}

fn check_record(source: &Bytes, record: &RecordView<'_>) {
    let _ = record.verify();
    let message = StoredMessage::decode(source, record);
    // What is not UTF-8 is replaced in the message.
    assert_eq!(message.topic, String::from_utf8_lossy(record.topic_bytes()));
    assert_eq!(message.body, record.body());
    assert_eq!(message.born_host, record.born_host());
    assert_eq!(message.store_host, record.store_host());
    if std::str::from_utf8(record.properties_bytes()).is_ok() {
        for (name, value) in message.properties.iter() {
            assert_eq!(record.property(name), Some(value));
        }
    }
    message.offset_id();
}
