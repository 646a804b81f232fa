//! Laying records out.

use super::{
    BORN_HOST, MAGIC_V1, MAGIC_V2, PHYSICAL_OFFSET, QUEUE_ID, QUEUE_OFFSET, SYS_FLAG, checksum,
    host_length, int, store_timestamp_at,
};
use ferromq_model::flags::message;
use std::net::{IpAddr, SocketAddr};

/// What a record is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The topic, at most 255 bytes.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// Bits of `ferromq_model::flags::message`; the address bits are set by [`encode`].
    pub sys_flag: i32,
    /// When the producer sent it, in ms.
    pub born_timestamp: i64,
    /// Who sent it.
    pub born_host: SocketAddr,
    /// Which broker stores it.
    pub store_host: SocketAddr,
    /// How often it was consumed without success.
    pub reconsume_times: i32,
    /// The half message's physical offset, for commits.
    pub prepared_transaction_offset: i64,
    /// The body as it is to be stored.
    pub body: &'a [u8],
    /// The property string, at most [`crate::properties::MAX_LENGTH`] bytes.
    pub properties: &'a str,
}

/// Changes bytes at a place; nothing is checked where that is known when this is compiled.
#[inline(always)]
fn set<const N: usize, const M: usize>(bytes: &mut [u8; N], at: usize, value: [u8; M]) {
    bytes[at..at + M].copy_from_slice(&value);
}

/// The longest that comes before a body's length: both addresses are IPv6.
const LONGEST_HEAD: usize = BORN_HOST + 20 + 8 + 20 + 12;

/// Puts an address and its port at `at`; returns what comes behind them.
#[inline(always)]
fn set_host(head: &mut [u8; LONGEST_HEAD], at: usize, host: SocketAddr) -> usize {
    let port = u32::from(host.port()).to_be_bytes();
    match host.ip() {
        IpAddr::V4(ip) => {
            set(head, at, ip.octets());
            set(head, at + 4, port);
        }
        IpAddr::V6(ip) => {
            set(head, at, ip.octets());
            set(head, at + 16, port);
        }
    }
    at + host_length(host.is_ipv6())
}

impl<'a> NewRecord<'a> {
    /// What others like it need not have in common with it, and more properties behind its own.
    pub fn content(&self, added: &'a str) -> Content<'a> {
        let properties = [self.properties.as_bytes(), added.as_bytes()];
        Content { flag: self.flag, body: self.body, properties }
    }

    /// The flags as they are stored: they tell which addresses are IPv6.
    fn stored_sys_flag(&self) -> i32 {
        let set = |host: SocketAddr, bit| if host.is_ipv6() { bit } else { 0 };
        self.sys_flag & !(message::BORN_HOST_V6 | message::STORE_HOST_V6)
            | set(self.born_host, message::BORN_HOST_V6)
            | set(self.store_host, message::STORE_HOST_V6)
    }
}

/// Appends a record without its place; see [`place`].
pub fn encode(out: &mut Vec<u8>, record: &NewRecord<'_>) {
    Layout::of(record).encode(out, &record.content(""));
}

/// What differs from record to record within a batch.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The user's flag.
    pub flag: i32,
    /// The body as it is to be stored.
    pub body: &'a [u8],
    /// The property string, UTF-8, in two parts: whoever adds some need not copy the others.
    pub properties: [&'a [u8]; 2],
}

/// What records have in common that differ in their [`Content`] alone, laid out once for all of them.
pub struct Layout<'a> {
    head: [u8; LONGEST_HEAD],
    /// How long it is with these addresses: up to the body's length.
    head_length: usize,
    topic: &'a str,
}

impl<'a> Layout<'a> {
    /// The layout of records like this one; its content does not matter.
    #[inline]
    pub fn of(record: &NewRecord<'a>) -> Self {
        let magic = if record.topic.len() > 127 { MAGIC_V2 } else { MAGIC_V1 };
        let mut head = [0; LONGEST_HEAD];
        set(&mut head, 4, magic.to_be_bytes());
        set(&mut head, QUEUE_ID, record.queue_id.to_be_bytes());
        set(&mut head, SYS_FLAG, record.stored_sys_flag().to_be_bytes());
        set(&mut head, 40, record.born_timestamp.to_be_bytes());
        let mut last = [0; 12];
        set(&mut last, 0, record.reconsume_times.to_be_bytes());
        set(&mut last, 4, record.prepared_transaction_offset.to_be_bytes());
        let store_timestamp = set_host(&mut head, BORN_HOST, record.born_host);
        let after = set_host(&mut head, store_timestamp + 8, record.store_host);
        set(&mut head, after, last);
        Layout { head, head_length: after + last.len(), topic: record.topic }
    }

    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// Bits of `ferromq_model::flags::message`.
    pub fn sys_flag(&self) -> i32 {
        int(&self.head, SYS_FLAG)
    }

    /// Appends a record without its place; see [`place`].
    pub fn encode(&self, out: &mut Vec<u8>, content: &Content<'_>) {
        let Content { flag, body, properties: [own, added] } = *content;
        let (topic, properties) = (self.topic.as_bytes(), own.len() + added.len());
        let topic_width = if topic.len() > 127 { 2 } else { 1 };
        let length = self.head_length + 4 + body.len() + topic_width + topic.len() + 2 + properties;
        let start = out.len();
        out.reserve(length);
        // A copy of known length is quicker, and what is too much is written over.
        out.extend_from_slice(&self.head);
        out.truncate(start + self.head_length);
        if let Some(head) = out.get_mut(start..).and_then(|head| head.first_chunk_mut::<20>()) {
            set(head, 0, (length as u32).to_be_bytes());
            set(head, 8, checksum(body).to_be_bytes());
            set(head, 16, flag.to_be_bytes());
        }
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(body);
        match topic_width {
            2 => out.extend_from_slice(&(topic.len() as u16).to_be_bytes()),
            _ => out.push(topic.len() as u8),
        }
        out.extend_from_slice(topic);
        out.extend_from_slice(&(properties as u16).to_be_bytes());
        out.extend_from_slice(own);
        out.extend_from_slice(added);
        debug_assert_eq!(out.len() - start, length);
    }
}

/// Fills in where and when a record laid out by [`encode`] is stored.
pub fn place(record: &mut [u8], queue_offset: i64, physical_offset: i64, store_timestamp: i64) {
    let timestamp = store_timestamp_at(int(record, SYS_FLAG));
    record[QUEUE_OFFSET..QUEUE_OFFSET + 8].copy_from_slice(&queue_offset.to_be_bytes());
    record[PHYSICAL_OFFSET..PHYSICAL_OFFSET + 8].copy_from_slice(&physical_offset.to_be_bytes());
    record[timestamp..timestamp + 8].copy_from_slice(&store_timestamp.to_be_bytes());
}
