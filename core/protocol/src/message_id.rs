//! Message ids: the one that says where a message is, and the one that a producer gives it
//! (protocol §5.6 and §5.7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use wide::u8x16;

/// Both digits of each byte, all at once.
fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let bytes = u8x16::new(bytes);
    let digits = |halves: u8x16| {
        let letters = halves.max(u8x16::splat(10)).simd_eq(halves);
        halves + u8x16::splat(b'0') + (letters & u8x16::splat(b'A' - b'9' - 1))
    };
    let (high, low) = (digits(bytes >> 4u32), digits(bytes & u8x16::splat(15)));
    let (first, second) = (u8x16::unpack_low(high, low), u8x16::unpack_high(high, low));
    let mut hex = [0; 32];
    hex[..16].copy_from_slice(&first.to_array());
    hex[16..].copy_from_slice(&second.to_array());
    hex
}

/// The digits of a physical offset.
fn hex_of(offset: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    let mut digits = [0; 16];
    digits.copy_from_slice(&hex(bytes)[..16]);
    digits
}

/// Appends the digits of up to 16 bytes.
fn push_hex<const N: usize>(out: &mut String, bytes: &[u8; N]) {
    let mut padded = [0; 16];
    padded[..N].copy_from_slice(bytes);
    // Digits are text.
    out.push_str(std::str::from_utf8(&hex(padded)[..2 * N]).unwrap_or_default());
}

/// The offset message id: which broker holds the message, and at which physical offset.
#[derive(Clone, Copy)]
pub struct OffsetId {
    digits: [u8; 56],
    length: usize,
}

impl OffsetId {
    /// The id of the message at `physical_offset` of a broker.
    pub fn new(broker: SocketAddr, physical_offset: i64) -> Self {
        let (port, offset) =
            (u32::from(broker.port()).to_be_bytes(), physical_offset.to_be_bytes());
        let mut last = [0; 16];
        last[4..8].copy_from_slice(&port);
        last[8..].copy_from_slice(&offset);
        let mut digits = [0; 56];
        let length = match broker.ip() {
            IpAddr::V4(ip) => {
                last[..4].copy_from_slice(&ip.octets());
                digits[..32].copy_from_slice(&hex(last));
                32
            }
            IpAddr::V6(ip) => {
                digits[..32].copy_from_slice(&hex(ip.octets()));
                digits[32..].copy_from_slice(&hex(last)[8..]);
                56
            }
        };
        OffsetId { digits, length }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        self.digits
            .get(..self.length)
            .and_then(|id| std::str::from_utf8(id).ok())
            .unwrap_or_default()
    }
}

/// An [`OffsetId`] as a text of its own.
pub fn offset_id(broker: SocketAddr, physical_offset: i64) -> String {
    OffsetId::new(broker, physical_offset).as_str().to_string()
}

/// The ids of messages at several physical offsets of a broker, joined by commas.
pub fn offset_ids(broker: SocketAddr, offsets: impl ExactSizeIterator<Item = i64>) -> String {
    let OffsetId { digits, length } = OffsetId::new(broker, 0);
    let mut ids = Vec::with_capacity((length + 1) * offsets.len() + digits.len());
    for offset in offsets {
        // A copy of known length is quicker; what is too much goes again.
        let end = ids.len() + length - 16;
        ids.extend_from_slice(&digits);
        ids.truncate(end);
        ids.extend_from_slice(&hex_of(offset));
        ids.push(b',');
    }
    ids.pop();
    // Digits are text, which is found out once for all.
    String::from_utf8(ids).unwrap_or_default()
}

/// What an offset message id says; `None` when the text is none.
pub fn parse_offset_id(id: &str) -> Option<(SocketAddr, i64)> {
    let bytes: Vec<u8> = match id.len() {
        32 | 56 if id.is_ascii() => (0..id.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&id[at..at + 2], 16).ok())
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let (ip, rest) = match bytes.len() {
        16 => (IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)), &bytes[4..]),
        _ => (IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)), &bytes[16..]),
    };
    let port = u16::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
    Some((SocketAddr::new(ip, port), i64::from_be_bytes(*rest.last_chunk()?)))
}

/// Makes unique message ids: address, process, a number drawn at start, time and a counter.
pub struct UniqueIds {
    prefix: String,
    started: SystemTime,
    counter: AtomicU16,
}

impl UniqueIds {
    /// For a process whose address is `ip`; `seed` is any number that other processes with the
    /// same id on the same host are unlikely to have.
    pub fn new(ip: IpAddr, process: u32, seed: u32) -> Self {
        let mut prefix = String::with_capacity(44);
        match ip {
            IpAddr::V4(ip) => push_hex(&mut prefix, &ip.octets()),
            IpAddr::V6(ip) => push_hex(&mut prefix, &ip.octets()),
        }
        push_hex(&mut prefix, &(process as u16).to_be_bytes());
        push_hex(&mut prefix, &seed.to_be_bytes());
        UniqueIds { prefix, started: month_start(SystemTime::now()), counter: AtomicU16::new(0) }
    }

    /// The next id.
    pub fn next(&self) -> String {
        let elapsed = self.started.elapsed().unwrap_or_default().as_millis() as u32;
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(self.prefix.len() + 12);
        id.push_str(&self.prefix);
        push_hex(&mut id, &elapsed.to_be_bytes());
        push_hex(&mut id, &count.to_be_bytes());
        id
    }
}

/// The first of the month of `now`, in UTC: tools read the age of a message from its id, and count
/// from there.
fn month_start(now: SystemTime) -> SystemTime {
    let days = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    // Day of the month by counting whole months from 1970.
    let mut rest = days;
    'years: for year in 1970.. {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for month in [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if rest < month {
                break 'years;
            }
            rest -= month;
        }
    }
    UNIX_EPOCH + std::time::Duration::from_secs((days - rest) * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn offset_id_of_the_specification() {
        let broker = "10.0.0.1:10911".parse().unwrap();
        assert_eq!(offset_id(broker, 4096), "0A00000100002A9F0000000000001000");
        assert_eq!(parse_offset_id("0A00000100002A9F0000000000001000"), Some((broker, 4096)));
        let broker = "[fd00::1:2]:10911".parse().unwrap();
        let id = "FD00000000000000000000000001000200002A9F0000000000001000";
        assert_eq!(offset_id(broker, 4096), id);
        for bad in [
            "",
            "0A",
            "0A00000100002A9F000000000000100G",
            "0A00000100012A9F0000000000001000",
            "é000000100002A9F000000000000100",
        ] {
            assert_eq!(parse_offset_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn digits_are_those_of_each_byte() {
        for start in (0..=240).step_by(16) {
            let bytes: [u8; 16] = std::array::from_fn(|at| start + at as u8);
            let expected: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            assert_eq!(hex(bytes), expected.as_bytes());
        }
    }

    #[test]
    fn unique_ids_differ_and_have_32_digits() {
        let ids = UniqueIds::new("10.0.0.9".parse().unwrap(), 70_000, 7);
        let all: std::collections::HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|id| id.len() == 32 && id.starts_with("0A000009117000000007")));
        assert_eq!(UniqueIds::new("::1".parse().unwrap(), 1, 7).next().len(), 56);
    }

    #[test]
    fn months_start_on_the_first() {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        assert_eq!(month_start(at(1_709_251_199)), at(1_706_745_600), "29 February 2024");
        assert_eq!(month_start(at(1_709_251_200)), at(1_709_251_200), "1 March 2024");
    }

    proptest! {
        #[test]
        fn offset_ids_round_trip(ip: IpAddr, port: u16, offset: i64) {
            let broker = SocketAddr::new(ip, port);
            prop_assert_eq!(parse_offset_id(&offset_id(broker, offset)), Some((broker, offset)));
            let both = [offset_id(broker, offset), offset_id(broker, !offset)];
            prop_assert_eq!(offset_ids(broker, [offset, !offset].into_iter()), both.join(","));
        }
    }
}
