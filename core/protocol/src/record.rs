//! The stored message: one record of the commit log, which also is what pull responses carry
//! (protocol §5.1, store §2.1).
//!
//! [`RecordView`] reads a record where it lies. [`encode`] lays a record out; the three fields that
//! only the log knows ([`place`]) are filled in when its place is decided. [`StoredMessage`] is a
//! record taken apart for applications.

use crate::properties::{self, Properties};
use bytes::Bytes;
use bytestring::ByteString;
use ferromq_model::flags::message;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use thiserror::Error;

mod layout;
pub use layout::{Content, Layout, NewRecord, encode, place};

/// Magic of records whose topic length is one byte.
pub const MAGIC_V1: i32 = -626843481;
/// Magic of records whose topic length is two bytes; for topics above 127 bytes.
pub const MAGIC_V2: i32 = -626843477;
/// Magic of the filler at a segment's end.
pub const MAGIC_BLANK: i32 = -875286124;
/// The least a record can take: IPv4 addresses, no body, topic or properties.
pub const MIN_LENGTH: usize = 91;

const QUEUE_ID: usize = 12;
const QUEUE_OFFSET: usize = 20;
const PHYSICAL_OFFSET: usize = 28;
const SYS_FLAG: usize = 36;
const BORN_HOST: usize = 48;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// Fewer bytes than the record says it has, or than any record needs.
    #[error("the record is cut off: {available} of {needed} bytes")]
    Truncated {
        /// What it says, or the least possible.
        needed: usize,
        /// What there is.
        available: usize,
    },
    /// Neither of the two record magics.
    #[error("unknown record magic {0:#010X}")]
    Magic(i32),
    /// The lengths within do not add up.
    #[error("the record's lengths contradict its total size of {total}")]
    Lengths {
        /// The total size.
        total: usize,
    },
    /// The body is not what was written.
    #[error("the body's checksum is {actual}, the record says {expected}")]
    Checksum {
        /// What the record says.
        expected: i32,
        /// What the body has.
        actual: i32,
    },
}

/// The checksum that records use: CRC-32, its sign bit cleared.
pub fn checksum(body: &[u8]) -> i32 {
    // Which instructions the processor has is found out once.
    static START: LazyLock<crc32fast::Hasher> = LazyLock::new(crc32fast::Hasher::new);
    let mut hasher = START.clone();
    hasher.update(body);
    (hasher.finalize() & 0x7FFF_FFFF) as i32
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

fn long(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap_or_default())
}

/// A record where it lies. Its lengths are checked once; every access after that is in bounds.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    bytes: &'a [u8],
    body: usize,
    topic: usize,
    properties: usize,
}

impl<'a> RecordView<'a> {
    /// The record at the start of `bytes`, which may go on after it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let available = bytes.len();
        if available < MIN_LENGTH {
            return Err(RecordError::Truncated { needed: MIN_LENGTH, available });
        }
        let magic = int(bytes, 4);
        if magic != MAGIC_V1 && magic != MAGIC_V2 {
            return Err(RecordError::Magic(magic));
        }
        let total = int(bytes, 0) as u32 as usize;
        let bytes =
            bytes.get(..total).ok_or(RecordError::Truncated { needed: total, available })?;
        RecordView::sections(bytes, magic).ok_or(RecordError::Lengths { total })
    }

    fn sections(bytes: &'a [u8], magic: i32) -> Option<Self> {
        if bytes.len() < MIN_LENGTH {
            return None;
        }
        let fixed = fixed_length(int(bytes, SYS_FLAG));
        let length = |at: usize| Some(int(bytes.get(..at + 4)?, at) as u32 as usize);
        let body = fixed + 4;
        let body_end = body.checked_add(length(fixed)?)?;
        let (topic, topic_length) = match magic {
            MAGIC_V1 => (body_end + 1, usize::from(*bytes.get(body_end)?)),
            _ => (body_end + 2, short(bytes, body_end)?),
        };
        let properties = topic + topic_length + 2;
        let end = properties + short(bytes, topic + topic_length)?;
        (end == bytes.len()).then_some(RecordView { bytes, body, topic, properties })
    }

    /// Checks the body against the record's checksum.
    pub fn verify(&self) -> Result<(), RecordError> {
        let (expected, actual) = (int(self.bytes, 8), checksum(self.body()));
        if self.body().is_empty() || expected == actual {
            return Ok(());
        }
        Err(RecordError::Checksum { expected, actual })
    }

    /// The record's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The queue.
    pub fn queue_id(&self) -> i32 {
        int(self.bytes, QUEUE_ID)
    }

    /// The user's flag.
    pub fn flag(&self) -> i32 {
        int(self.bytes, 16)
    }

    /// The offset in the queue; 0 for half messages and rollbacks.
    pub fn queue_offset(&self) -> i64 {
        long(self.bytes, QUEUE_OFFSET)
    }

    /// The offset in the commit log.
    pub fn physical_offset(&self) -> i64 {
        long(self.bytes, PHYSICAL_OFFSET)
    }

    /// Bits of `ferromq_model::flags::message`.
    pub fn sys_flag(&self) -> i32 {
        int(self.bytes, SYS_FLAG)
    }

    /// The two transaction bits.
    pub fn transaction_type(&self) -> i32 {
        self.sys_flag() & message::TRANSACTION_MASK
    }

    /// When the producer sent it, in ms.
    pub fn born_timestamp(&self) -> i64 {
        long(self.bytes, 40)
    }

    /// Who sent it.
    pub fn born_host(&self) -> SocketAddr {
        host(&self.bytes[BORN_HOST..])(self.sys_flag() & message::BORN_HOST_V6 != 0)
    }

    /// When the broker stored it, in ms.
    pub fn store_timestamp(&self) -> i64 {
        long(self.bytes, store_timestamp_at(self.sys_flag()))
    }

    /// Which broker stored it.
    pub fn store_host(&self) -> SocketAddr {
        let at = store_timestamp_at(self.sys_flag()) + 8;
        host(&self.bytes[at..])(self.sys_flag() & message::STORE_HOST_V6 != 0)
    }

    /// How often it was consumed without success.
    pub fn reconsume_times(&self) -> i32 {
        int(self.bytes, self.body - 16)
    }

    /// The half message's physical offset, for commits and rollbacks.
    pub fn prepared_transaction_offset(&self) -> i64 {
        long(self.bytes, self.body - 12)
    }

    /// The body as stored, possibly compressed.
    pub fn body(&self) -> &'a [u8] {
        let width = if int(self.bytes, 4) == MAGIC_V1 { 1 } else { 2 };
        &self.bytes[self.body..self.topic - width]
    }

    /// The topic; empty if it is not UTF-8.
    pub fn topic(&self) -> &'a str {
        std::str::from_utf8(self.topic_bytes()).unwrap_or_default()
    }

    /// The topic as it was written.
    pub fn topic_bytes(&self) -> &'a [u8] {
        &self.bytes[self.topic..self.properties - 2]
    }

    /// The property string; empty if it is not UTF-8.
    pub fn properties(&self) -> &'a str {
        std::str::from_utf8(self.properties_bytes()).unwrap_or_default()
    }

    /// The property string as it was written.
    pub fn properties_bytes(&self) -> &'a [u8] {
        &self.bytes[self.properties..]
    }

    /// One property.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        properties::find(self.properties(), name)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn host_length(v6: bool) -> usize {
    if v6 { 20 } else { 8 }
}

/// Where the body's length is: everything before it has a length that the flags tell.
fn fixed_length(sys_flag: i32) -> usize {
    store_timestamp_at(sys_flag) + 8 + host_length(sys_flag & message::STORE_HOST_V6 != 0) + 12
}

/// Where a record with these flags has its store time.
pub fn store_timestamp_at(sys_flag: i32) -> usize {
    BORN_HOST + host_length(sys_flag & message::BORN_HOST_V6 != 0)
}

fn host(bytes: &[u8]) -> impl Fn(bool) -> SocketAddr {
    move |v6| {
        let ip = match v6 {
            true => IpAddr::from(bytes.first_chunk::<16>().copied().unwrap_or_default()),
            false => IpAddr::from(bytes.first_chunk::<4>().copied().unwrap_or_default()),
        };
        let port = int(bytes, if v6 { 16 } else { 4 });
        SocketAddr::new(ip, port as u16)
    }
}

/// The records of a pull response's body, one after the other; ends after the first error.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<RecordView<'_>, RecordError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = RecordView::parse(rest);
        rest = record.map_or(&[][..], |record| &rest[record.bytes.len()..]);
        Some(record)
    })
}

/// A stored message taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// The topic.
    pub topic: String,
    /// The queue.
    pub queue_id: i32,
    /// The offset in the queue.
    pub queue_offset: i64,
    /// The offset in the commit log.
    pub physical_offset: i64,
    /// The user's flag.
    pub flag: i32,
    /// Bits of `ferromq_model::flags::message`.
    pub sys_flag: i32,
    /// When the producer sent it, in ms.
    pub born_timestamp: i64,
    /// Who sent it.
    pub born_host: SocketAddr,
    /// When the broker stored it, in ms.
    pub store_timestamp: i64,
    /// Which broker stored it.
    pub store_host: SocketAddr,
    /// How often it was consumed without success.
    pub reconsume_times: i32,
    /// The half message's physical offset, for commits.
    pub prepared_transaction_offset: i64,
    /// The body as stored, possibly compressed.
    pub body: Bytes,
    /// The properties.
    pub properties: Properties,
}

impl StoredMessage {
    /// Takes a record apart; the body stays a slice of `source`, in which the record lies.
    pub fn decode(source: &Bytes, record: &RecordView<'_>) -> Self {
        // What is not UTF-8 is replaced, as Java does: a message that cannot be read would keep everything
        // behind it in its queue from being read.
        let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&record.bytes[range]);
        let properties = source.slice_ref(&record.bytes[record.properties..]);
        let properties = ByteString::try_from(properties)
            .unwrap_or_else(|_| text(record.properties..record.bytes.len()).into_owned().into());
        StoredMessage {
            topic: text(record.topic..record.properties - 2).into_owned(),
            queue_id: record.queue_id(),
            queue_offset: record.queue_offset(),
            physical_offset: record.physical_offset(),
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp(),
            born_host: record.born_host(),
            store_timestamp: record.store_timestamp(),
            store_host: record.store_host(),
            reconsume_times: record.reconsume_times(),
            prepared_transaction_offset: record.prepared_transaction_offset(),
            body: source.slice_ref(record.body()),
            properties: Properties::received(properties),
        }
    }

    /// The offset message id.
    pub fn offset_id(&self) -> String {
        crate::message_id::offset_id(self.store_host, self.physical_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sample() -> NewRecord<'static> {
        NewRecord {
            topic: "T",
            queue_id: 3,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1700000000000,
            born_host: "10.0.0.9:50000".parse().unwrap(),
            store_host: "10.0.0.1:10911".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"hello",
            properties: "KEYS\u{1}k1\u{2}TAGS\u{1}TagA\u{2}",
        }
    }

    #[test]
    fn what_is_not_utf8_is_replaced_as_java_does() {
        let mut out = Vec::new();
        encode(&mut out, &sample());
        let first_value = out.len() - sample().properties.len() + "KEYS\u{1}".len();
        out[first_value] = 0xFF;
        let bytes = Bytes::from(out);
        let message = StoredMessage::decode(&bytes, &RecordView::parse(&bytes).unwrap());
        assert_eq!(message.properties.get("KEYS"), Some("\u{FFFD}1"));
        assert_eq!(message.properties.get("TAGS"), Some("TagA"));
    }

    #[test]
    fn records_of_the_specification() {
        let mut out = Vec::new();
        encode(&mut out, &sample());
        place(&mut out, 10, 4096, 1700000000001);
        assert_eq!(
            hex(&out),
            "00000073daa320a73610a6860000000300000000000000000000000a0000000000001000000000000000018bcfe568000a0000090000c3500000018bcfe568010a00000100002a9f0000000000000000000000000000000568656c6c6f015400124b455953016b310254414753015461674102"
        );
        let mut out = Vec::new();
        let demo = NewRecord {
            topic: "Demo",
            queue_id: 1,
            born_host: "127.0.0.1:50000".parse().unwrap(),
            properties: "TAGS\u{1}TagA\u{2}KEYS\u{1}K1\u{2}",
            ..sample()
        };
        encode(&mut out, &demo);
        place(&mut out, 0, 0, 1700000000001);
        assert_eq!(hex(&out), "00000076daa320a73610a6860000000100000000000000000000000000000000000000000000000000000\
            18bcfe568007f0000010000c3500000018bcfe568010a00000100002a9f0000000000000000000000000000000568656c6c6f0444656d6f0012\
            54414753015461674102\
            4b455953014b3102".replace(' ', ""));
        assert_eq!(checksum(b"123456789"), 1274296614);
        assert_eq!(checksum(b"hello rocketmq"), 1932557065);
    }

    #[test]
    fn damage_is_named() {
        let mut out = Vec::new();
        encode(&mut out, &sample());
        assert!(matches!(
            RecordView::parse(&out[..100]),
            Err(RecordError::Truncated { needed: 115, available: 100 })
        ));
        assert!(matches!(RecordView::parse(&[0; 200]), Err(RecordError::Magic(0))));
        let mut longer = out.clone();
        longer[87] = 200;
        assert!(matches!(RecordView::parse(&longer), Err(RecordError::Lengths { total: 115 })));
        let body_at = 88;
        out[body_at] ^= 1;
        let record = RecordView::parse(&out).unwrap();
        assert!(matches!(record.verify(), Err(RecordError::Checksum { .. })));
    }

    prop_compose! {
        fn any_record()(
            topic in "[a-z]{1,200}", queue_id: i32, flag: i32, sys_flag in 0i32..2048, times: (i64, i64),
            born_host: SocketAddr, store_host: SocketAddr, reconsume: i32, prepared: i64,
            body: Vec<u8>, pairs in proptest::collection::vec(("[a-z]{1,4}", "\\PC{1,8}"), 0..5), offsets: (i64, i64),
        ) -> StoredMessage {
            StoredMessage {
                topic, queue_id, queue_offset: offsets.0, physical_offset: offsets.1, flag,
                sys_flag: sys_flag & !0x30
                    | if born_host.is_ipv6() { 0x10 } else { 0 }
                    | if store_host.is_ipv6() { 0x20 } else { 0 },
                born_timestamp: times.0, store_timestamp: times.1,
                born_host: SocketAddr::new(born_host.ip(), born_host.port()),
                store_host: SocketAddr::new(store_host.ip(), store_host.port()),
                reconsume_times: reconsume, prepared_transaction_offset: prepared, body: body.into(),
                properties: pairs.into_iter().collect(),
            }
        }
    }

    fn encoded(message: &StoredMessage) -> Vec<u8> {
        let mut out = Vec::new();
        let record = NewRecord {
            topic: &message.topic,
            queue_id: message.queue_id,
            flag: message.flag,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            born_host: message.born_host,
            store_host: message.store_host,
            reconsume_times: message.reconsume_times,
            prepared_transaction_offset: message.prepared_transaction_offset,
            body: &message.body,
            properties: &message.properties.encode(),
        };
        encode(&mut out, &record);
        place(&mut out, message.queue_offset, message.physical_offset, message.store_timestamp);
        out
    }

    proptest! {
        #[test]
        fn round_trip(messages in proptest::collection::vec(any_record(), 0..4)) {
            let bytes: Bytes = messages.iter().flat_map(encoded).collect();
            let read: Vec<_> = records(&bytes)
                .map(|record| StoredMessage::decode(&bytes, &record.unwrap()))
                .collect();
            prop_assert_eq!(&read, &messages);
            prop_assert!(records(&bytes).all(|record| record.unwrap().verify().is_ok()));
        }

        #[test]
        fn damage_never_panics(message in any_record(), at: proptest::sample::Index, value: u8, cut: proptest::sample::Index) {
            let mut bytes = encoded(&message);
            let at = at.index(bytes.len());
            bytes[at] = value;
            let cut = cut.index(bytes.len() + 1);
            let bytes = Bytes::from(bytes).slice(..cut);
            for record in records(&bytes).flatten() {
                let _ = record.verify();
                let _ = StoredMessage::decode(&bytes, &record);
            }
        }
    }
}
