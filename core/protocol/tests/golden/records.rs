//! Stored records, batch bodies, message ids and compressed bodies.

use crate::fixture::{Entry, bytes, entries};
use bytes::Bytes;
use ferromq_protocol::batch;
use ferromq_protocol::compression::{Compression, CompressionError};
use ferromq_protocol::message_id::{offset_id, parse_offset_id};
use ferromq_protocol::properties::Properties;
use ferromq_protocol::record::{
    NewRecord, RecordError, RecordView, StoredMessage, checksum, encode, place, records,
};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

/// The address in `ip|port`.
fn host(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once('|').unwrap();
    SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap())
}

/// Compares properties with Apache's reading and their text with what we write: 4.9 leaves the last
/// separator out, which everyone can read.
fn check_properties(entry: &Entry, text: &str, expected: &Value) {
    let read = Properties::parse(text);
    let expected = expected.as_object().unwrap();
    assert_eq!(read.len(), expected.len(), "{entry}: {read:?}");
    for (name, value) in expected {
        assert_eq!(read.get(name), value.as_str(), "{entry}: {name}");
    }
    let end = if entry.version == "4.9.8" && !text.is_empty() { "\u{2}" } else { "" };
    assert_eq!(read.encode(), format!("{text}{end}"), "{entry}: properties written again");
}

#[test]
fn records_are_read_and_written_again() {
    let all = entries("records");
    for entry in &all {
        let whole = Bytes::from(entry.bytes("hex"));
        let record = RecordView::parse(&whole).unwrap_or_else(|error| panic!("{entry}: {error}"));
        let message = StoredMessage::decode(&whole, &record);
        record.verify().unwrap_or_else(|error| panic!("{entry}: {error}"));
        for (key, number) in [
            ("storeSize", record.bytes().len() as i64),
            ("queueId", message.queue_id.into()),
            ("flag", message.flag.into()),
            ("queueOffset", message.queue_offset),
            ("physicalOffset", message.physical_offset),
            ("sysFlag", message.sys_flag.into()),
            ("bornTimestamp", message.born_timestamp),
            ("storeTimestamp", message.store_timestamp),
            ("reconsumeTimes", message.reconsume_times.into()),
            ("preparedTransactionOffset", message.prepared_transaction_offset),
            ("bodyCrc", checksum(&message.body).into()),
        ] {
            assert_eq!(number, entry.number(key), "{entry}: {key}");
        }
        assert_eq!(message.topic, entry.text("topic"), "{entry}");
        assert_eq!(message.born_host, host(entry.text("bornHost")), "{entry}");
        assert_eq!(message.store_host, host(entry.text("storeHost")), "{entry}");
        assert_eq!(message.body, entry.bytes("body"), "{entry}");
        assert_eq!(message.offset_id(), entry.text("msgId"), "{entry}");
        let plain = match Compression::of_flags(message.sys_flag) {
            Some(kind) => kind.expand(&message.body, 1 << 20).unwrap(),
            None => message.body.to_vec(),
        };
        assert_eq!(i64::from(checksum(&plain)), entry.number("plainBodyCrc"), "{entry}");
        check_properties(entry, record.properties(), entry.value("properties"));
        assert_eq!(record.properties(), last_bytes(&whole, record.properties().len()), "{entry}");
        written_again(entry, &record, &whole);
        assert_damage_is_noticed(entry, &record);
    }
    // As pull answers carry them, one after another.
    let stream: Vec<u8> = all.iter().flat_map(|entry| entry.bytes("hex")).collect();
    let read: Vec<_> = records(&stream).map(|record| record.unwrap().bytes().to_vec()).collect();
    assert_eq!(read, all.iter().map(|entry| entry.bytes("hex")).collect::<Vec<_>>());
}

/// Properties stand at a record's end.
fn last_bytes(record: &[u8], length: usize) -> &str {
    std::str::from_utf8(&record[record.len() - length..]).unwrap()
}

fn written_again(entry: &Entry, record: &RecordView<'_>, whole: &[u8]) {
    let mut written = Vec::new();
    encode(
        &mut written,
        &NewRecord {
            topic: record.topic(),
            queue_id: record.queue_id(),
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp(),
            born_host: record.born_host(),
            store_host: record.store_host(),
            reconsume_times: record.reconsume_times(),
            prepared_transaction_offset: record.prepared_transaction_offset(),
            body: record.body(),
            properties: record.properties(),
        },
    );
    place(&mut written, record.queue_offset(), record.physical_offset(), record.store_timestamp());
    assert_eq!(written, whole, "{entry}: written again");
}

fn assert_damage_is_noticed(entry: &Entry, record: &RecordView<'_>) {
    let whole = record.bytes();
    for length in [0, 4, 90, whole.len() - 1] {
        let cut = RecordView::parse(&whole[..length]).err();
        assert!(matches!(cut, Some(RecordError::Truncated { .. })), "{entry} cut to {length}");
    }
    let mut damaged = whole.to_vec();
    let body = record.body().as_ptr().addr() - whole.as_ptr().addr();
    damaged[body] ^= 1;
    let verified = RecordView::parse(&damaged).and_then(|record| record.verify());
    assert!(matches!(verified, Err(RecordError::Checksum { .. })), "{entry}: {verified:?}");
}

#[test]
fn batches_are_read_and_written_again() {
    let mut count = 0;
    for entry in entries("messages").iter().filter(|entry| entry.name.starts_with("batch/")) {
        count += 1;
        let whole = entry.bytes("hex");
        let read: Vec<_> = batch::entries(&whole).map(Result::unwrap).collect();
        let expected = entry.value("messages").as_array().unwrap();
        assert_eq!(read.len(), expected.len(), "{entry}");
        let mut written = Vec::new();
        for (message, expected) in read.into_iter().zip(expected) {
            assert_eq!(Some(i64::from(message.flag)), expected["flag"].as_i64(), "{entry}");
            assert_eq!(message.body, bytes(expected["body"].as_str().unwrap()), "{entry}");
            let properties = std::str::from_utf8(message.properties).unwrap();
            check_properties(entry, properties, &expected["properties"]);
            batch::push(&mut written, message);
        }
        assert_eq!(written, whole, "{entry}: written again");
    }
    assert_eq!(count, 8);
}

#[test]
fn message_ids_are_read_and_written_again() {
    let mut count = 0;
    for entry in entries("messages").iter().filter(|entry| entry.name.starts_with("message id/")) {
        count += 1;
        let ip: IpAddr = entry.text("host").parse().unwrap();
        let broker = SocketAddr::new(ip, u16::try_from(entry.number("port")).unwrap());
        let (id, offset) = (entry.text("id"), entry.number("offset"));
        assert_eq!(offset_id(broker, offset), id, "{entry}");
        assert_eq!(parse_offset_id(id), Some((broker, offset)), "{entry}");
    }
    assert_eq!(count, 10);
}

/// Only read: which of the many streams of a text a library writes is its own affair.
#[test]
fn compressed_bodies_are_expanded() {
    for entry in entries("compression") {
        // 4.9 names no kind: it is zlib.
        let flags = entry.number("flag") as i32 | ferromq_model::flags::message::COMPRESSED;
        let kind = Compression::of_flags(flags).unwrap();
        let name = entry.name.split('/').next().unwrap();
        assert_eq!(format!("{kind:?}").to_uppercase(), name, "{entry}");
        let length = entry.number("length") as usize;
        let packed = entry.bytes("hex");
        let plain = kind.expand(&packed, length).unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(plain.len(), length, "{entry}");
        assert_eq!(i64::from(checksum(&plain)), entry.number("crc32"), "{entry}");
        assert!(plain.starts_with(entry.text("start").as_bytes()), "{entry}");
        let short = kind.expand(&packed, length - 1);
        assert!(matches!(short, Err(CompressionError::TooLong { .. })), "{entry}: {short:?}");
        for end in [packed.len() / 2, packed.len() - 1].into_iter().chain(0..packed.len().min(100))
        {
            let cut = kind.expand(&packed[..end], length);
            assert!(cut.is_err(), "{entry} passes for whole with {end} of {} bytes", packed.len());
        }
    }
}
