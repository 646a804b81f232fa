//! Prepared requests: whole frames in which only numbers of a fixed width change.

use ferromq_model::flags::pull;
use ferromq_model::names;
use ferromq_protocol::Command;
use ferromq_protocol::batch::{self, BatchEntry};
use ferromq_protocol::code::request as code;
use ferromq_protocol::headers::{PullMessageRequest, SendMessageRequestV2};
use ferromq_protocol::properties::{Properties, key};
use memchr::memmem;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// The group of all producers.
pub const PRODUCER_GROUP: &str = "FERROMQ_BENCH_PRODUCER";
/// Numbers of requests have ten digits, so that one can stand where another stood.
const FIRST_OPAQUE: i32 = 1 << 30;
/// 13 digits, as every time in ms from 2001 to 2286 has.
const BORN: i64 = 1_111_111_111_111;
/// The longest number that every reader takes.
const OFFSET: i64 = 1_000_000_000_000_000_000;
/// Bytes of a body that carries a stamp.
pub const STAMP: usize = 16;

/// The number of a request: of its place among those on their way, and how often the place was
/// taken before, so that a late answer is not taken for the present one's.
pub fn opaque(place: u16, turn: u16) -> i32 {
    FIRST_OPAQUE | i32::from(turn & 0x3FFF) << 16 | i32::from(place)
}

/// What [`opaque`] was made of.
pub fn place_and_turn(opaque: i32) -> Option<(u16, u16)> {
    (opaque & FIRST_OPAQUE != 0 && opaque > 0)
        .then_some((opaque as u16, (opaque >> 16) as u16 & 0x3FFF))
}

/// Where a queue is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue {
    /// The topic.
    pub topic: String,
    /// The broker's name, when it is known.
    pub broker_name: Option<String>,
    /// Its number.
    pub id: i32,
}

/// Milliseconds since the epoch.
pub fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
}

/// A send to one queue, and to all queues that have the same bytes but for those of their [own](Self::own).
pub struct SendFrame {
    bytes: Vec<u8>,
    own_at: Range<usize>,
    opaque_at: usize,
    born_at: usize,
    keys_at: Vec<usize>,
    bodies_at: Vec<usize>,
}

impl SendFrame {
    /// Prepares a send of `batch` messages with these bodies; a single one is no batch.
    pub fn new(queue: &Queue, body: &[u8], batch: usize, unique: &UniqueKeys) -> Self {
        let mut own = Properties::new();
        own.set(key::UNIQUE_KEY, unique.placeholder.as_str());
        own.set(key::WAIT, "true");
        let one = own.encode();
        let (properties, frame_body) = match batch {
            1 => (one.clone(), body.to_vec()),
            _ => {
                let mut all = Vec::new();
                let entry = BatchEntry { flag: 0, body, properties: one.as_bytes() };
                (0..batch).for_each(|_| batch::push(&mut all, entry));
                // The batch itself has no key: a 4.9 broker would give it to its messages.
                let mut own = Properties::new();
                own.set(key::WAIT, "true");
                (own.encode(), all)
            }
        };
        let header = SendMessageRequestV2 {
            producer_group: PRODUCER_GROUP,
            topic: &queue.topic,
            default_topic: names::DEFAULT_TOPIC,
            default_topic_queue_nums: 4,
            queue_id: queue.id,
            sys_flag: 0,
            born_timestamp: BORN,
            flag: 0,
            properties: Some(&properties),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(batch > 1),
            broker_name: queue.broker_name.as_deref(),
        };
        let code = if batch > 1 { code::SEND_BATCH_MESSAGE } else { code::SEND_MESSAGE_V2 };
        let mut command = Command::request_with(code, &header).with_body(frame_body);
        command.opaque = FIRST_OPAQUE;
        let bytes = command.encode().to_vec();
        let after = bytes.len() - command.body.len();
        let placeholder = unique.placeholder.as_bytes();
        let (mut keys_at, bodies_at): (Vec<_>, Vec<_>) = match batch {
            1 => (memmem::find_iter(&bytes[..after], placeholder).collect(), vec![after]),
            _ => {
                let length = (bytes.len() - after) / batch;
                let starts: Vec<_> = (0..batch).map(|index| after + index * length).collect();
                // The properties are the end of each, and the key is their beginning.
                let key = length - one.len() + key::UNIQUE_KEY.len() + 1;
                let keys = starts.iter().map(|start| start + key).collect();
                (keys, starts.iter().map(|start| start + 20).collect())
            }
        };
        keys_at.iter_mut().for_each(|at| *at += placeholder.len() - CHANGING);
        SendFrame {
            own_at: between(&bytes, b"\"b\":", b"\"f\":"),
            opaque_at: place_of(&bytes, &format!("\"opaque\":{FIRST_OPAQUE}"), 10),
            born_at: place_of(&bytes, &format!("\"g\":\"{BORN}"), 13),
            keys_at,
            bodies_at,
            bytes,
        }
    }

    /// The bytes from the topic to the queue.
    pub fn own(&self) -> &[u8] {
        &self.bytes[self.own_at.clone()]
    }

    /// Whether nothing but what is their own tells two frames apart, so that one can be written for both.
    pub fn is_like(&self, other: &SendFrame) -> bool {
        self.own_at == other.own_at
            && self.bytes[..self.own_at.start] == other.bytes[..other.own_at.start]
            && self.bytes[self.own_at.end..] == other.bytes[other.own_at.end..]
    }

    /// Appends the frame, with the `own` bytes of one that [is like](Self::is_like) it. With `stamp`, bodies begin
    /// with it and the message's place in the batch is added to its second half.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        own: &[u8],
        opaque: i32,
        born: &Born,
        keys: &mut UniqueKeys,
        stamp: Option<(u64, u64)>,
    ) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[self.own_at.clone()].copy_from_slice(own);
        put_digits(&mut frame[self.opaque_at..self.opaque_at + 10], opaque as u64);
        frame[self.born_at..self.born_at + 13].copy_from_slice(&born.digits);
        for at in &self.keys_at {
            keys.put_next(&mut frame[*at..*at + CHANGING]);
        }
        let Some((time, first)) = stamp else { return };
        for (at, number) in self.bodies_at.iter().zip(first..) {
            frame[*at..at + 8].copy_from_slice(&time.to_be_bytes());
            frame[at + 8..at + STAMP].copy_from_slice(&number.to_be_bytes());
        }
    }
}

/// Where the last `length` bytes of `pattern` stand; the pattern is in every frame of its kind.
fn place_of(frame: &[u8], pattern: &str, length: usize) -> usize {
    let found = memmem::find(frame, pattern.as_bytes()).unwrap_or_default();
    found + pattern.len() - length
}

/// What lies between two patterns, nothing unless both are there.
fn between(frame: &[u8], before: &[u8], behind: &[u8]) -> Range<usize> {
    let start = memmem::find(frame, before).map_or(frame.len(), |at| at + before.len());
    let length = memmem::find(&frame[start..], behind).unwrap_or_default();
    start..start + length
}

/// The numbers below 100 with two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Writes a number with leading zeros.
fn put_digits(into: &mut [u8], mut value: u64) {
    let mut pairs = into.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + (value % 10) as u8;
    }
}

/// When messages are born: the same millisecond for many in a row.
#[derive(Default)]
pub struct Born {
    millis: i64,
    digits: [u8; 13],
}

impl Born {
    /// Sets it, in ms since the epoch.
    pub fn set(&mut self, millis: i64) {
        if self.millis != millis {
            self.millis = millis;
            put_digits(&mut self.digits, millis as u64);
        }
    }
}

/// Hexadecimal digits of a unique key that change from one to the next.
const CHANGING: usize = 12;

/// Unique keys as clients make them: 16 bytes, of which the last six are time and counter; here a
/// counter alone.
#[derive(Clone)]
pub struct UniqueKeys {
    placeholder: String,
    next: [u8; CHANGING],
}

impl UniqueKeys {
    /// Keys of one thread of this process.
    pub fn new(thread: usize) -> Self {
        let (process, time) = (std::process::id() as u16, wall_clock() as u32);
        let mut next = [b'0'; CHANGING];
        next[..2].copy_from_slice(format!("{:02X}", thread as u8).as_bytes());
        UniqueKeys { placeholder: format!("7F000001{process:04X}{time:08X}000000000000"), next }
    }

    fn put_next(&mut self, into: &mut [u8]) {
        into.copy_from_slice(&self.next);
        // Counts as people do: what goes beyond the last digit is carried to the one before.
        for digit in self.next.iter_mut().rev() {
            *digit = match *digit {
                b'9' => b'A',
                b'F' => b'0',
                other => other + 1,
            };
            if *digit != b'0' {
                break;
            }
        }
    }
}

/// A pull of one queue.
pub struct PullFrame {
    bytes: Vec<u8>,
    opaque_at: usize,
    offset_at: usize,
}

impl PullFrame {
    /// Prepares a pull of at most `max` messages; with `hold` the broker may keep it so many ms.
    pub fn new(queue: &Queue, group: &str, max: i32, hold: Option<i64>) -> Self {
        let suspend = if hold.is_some() { pull::SUSPEND } else { 0 };
        let header = PullMessageRequest {
            consumer_group: group,
            topic: &queue.topic,
            queue_id: queue.id,
            queue_offset: OFFSET,
            max_msg_nums: max,
            sys_flag: pull::SUBSCRIPTION | suspend,
            commit_offset: 0,
            suspend_timeout_millis: hold.unwrap_or(0),
            subscription: Some("*"),
            sub_version: wall_clock(),
            expression_type: Some("TAG"),
            max_msg_bytes: None,
            request_source: None,
            broker_name: queue.broker_name.as_deref(),
        };
        let mut command = Command::request_with(code::PULL_MESSAGE, &header);
        command.opaque = FIRST_OPAQUE;
        let bytes = command.encode().to_vec();
        PullFrame {
            opaque_at: place_of(&bytes, &format!("\"opaque\":{FIRST_OPAQUE}"), 10),
            offset_at: place_of(&bytes, &format!("\"queueOffset\":\"{OFFSET}"), 19),
            bytes,
        }
    }

    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>, opaque: i32, offset: i64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        put_digits(&mut frame[self.opaque_at..self.opaque_at + 10], opaque as u64);
        put_digits(&mut frame[self.offset_at..self.offset_at + 19], offset as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn queue() -> Queue {
        Queue { topic: "T".into(), broker_name: Some("b".into()), id: 3 }
    }

    fn decoded(bytes: &[u8]) -> Command {
        let mut buffer = BytesMut::from(bytes);
        let command = Command::decode(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty());
        command
    }

    fn key_of(properties: &str) -> String {
        let properties = Properties::parse(properties);
        assert_eq!(properties.get(key::WAIT), Some("true"));
        properties.get(key::UNIQUE_KEY).unwrap().to_string()
    }

    fn born(millis: i64) -> Born {
        let mut born = Born::default();
        born.set(millis);
        born
    }

    #[test]
    fn keys_count_in_hexadecimal_digits() {
        let mut keys = UniqueKeys::new(10);
        let mut next = || {
            let mut digits = [0; CHANGING];
            keys.put_next(&mut digits);
            u64::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        };
        for number in 0..70_000 {
            assert_eq!(next(), (10 << 40) + number);
        }
    }

    #[test]
    fn numbers_have_leading_zeros() {
        let digits = |length, value| {
            let mut into = vec![0; length];
            put_digits(&mut into, value);
            String::from_utf8(into).unwrap()
        };
        assert_eq!(digits(10, 1_073_741_824), "1073741824");
        assert_eq!(digits(13, 1_700_000_000_123), "1700000000123");
        assert_eq!(digits(19, 4711), "0000000000000004711");
        assert_eq!(digits(3, 7), "007");
    }

    #[test]
    fn a_single_send_is_what_a_client_sends() {
        let mut keys = UniqueKeys::new(1);
        let frame = SendFrame::new(&queue(), &[b'x'; 20], 1, &keys);
        let mut out = Vec::new();
        frame.write(&mut out, frame.own(), opaque(7, 2), &born(1_700_000_000_123), &mut keys, None);
        let first = decoded(&out);
        out.clear();
        frame.write(
            &mut out,
            frame.own(),
            opaque(8, 2),
            &born(1_700_000_000_124),
            &mut keys,
            Some((5, 6)),
        );
        let second = decoded(&out);
        assert_eq!((first.code, place_and_turn(first.opaque)), (310, Some((7, 2))));
        let header: SendMessageRequestV2<'_> = first.header().unwrap();
        assert_eq!((header.topic, header.queue_id, header.broker_name), ("T", 3, Some("b")));
        assert_eq!((header.born_timestamp, header.batch), (1_700_000_000_123, Some(false)));
        assert_eq!(&first.body[..], &[b'x'; 20]);
        let (one, other) = (key_of(header.properties.unwrap()), {
            let header: SendMessageRequestV2<'_> = second.header().unwrap();
            key_of(header.properties.unwrap())
        });
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert_eq!(&second.body[..STAMP], [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(&second.body[STAMP..], b"xxxx");
    }

    #[test]
    fn the_messages_of_a_batch_have_keys_and_stamps_of_their_own() {
        let mut keys = UniqueKeys::new(0);
        let frame = SendFrame::new(&queue(), &[b'x'; 18], 3, &keys);
        let mut out = Vec::new();
        frame.write(
            &mut out,
            frame.own(),
            opaque(0, 0),
            &born(1_700_000_000_123),
            &mut keys,
            Some((9, 100)),
        );
        let command = decoded(&out);
        let header: SendMessageRequestV2<'_> = command.header().unwrap();
        assert_eq!((command.code, header.batch), (320, Some(true)));
        let entries: Vec<_> = batch::entries(&command.body).collect::<Result<_, _>>().unwrap();
        let mut seen: Vec<_> = entries
            .iter()
            .map(|entry| key_of(std::str::from_utf8(entry.properties).unwrap()))
            .collect();
        seen.dedup();
        assert_eq!(seen.len(), 3);
        for (entry, number) in entries.iter().zip(100u64..) {
            assert_eq!(entry.body[..8], 9u64.to_be_bytes());
            assert_eq!(entry.body[8..16], number.to_be_bytes());
            assert_eq!(&entry.body[16..], b"xx");
        }
    }

    #[test]
    fn a_pull_asks_for_its_offset() {
        let frame = PullFrame::new(&queue(), "g", 32, Some(15_000));
        let mut out = Vec::new();
        frame.write(&mut out, opaque(1, 0x3FFF), 4711);
        let command = decoded(&out);
        assert_eq!((command.code, place_and_turn(command.opaque)), (11, Some((1, 0x3FFF))));
        let header: PullMessageRequest<'_> = command.header().unwrap();
        assert_eq!((header.queue_offset, header.queue_id, header.max_msg_nums), (4711, 3, 32));
        assert_eq!(header.sys_flag, pull::SUBSCRIPTION | pull::SUSPEND);
        assert_eq!(header.suspend_timeout_millis, 15_000);
    }

    #[test]
    fn numbers_of_other_requests_are_told_apart() {
        assert_eq!(place_and_turn(17), None);
        assert_eq!(place_and_turn(-1), None);
        assert_eq!(place_and_turn(opaque(u16::MAX, 0)), Some((u16::MAX, 0)));
    }
}
