//! Tag hashes (protocol §5.10).

/// Java's `String.hashCode`: over UTF-16 code units, wrapping in 32 bits.
pub fn java_string_hash(text: &str) -> i32 {
    java_string_hash_after(0, text)
}

/// The hash of a text that goes on with `text` and has the hash `before` up to there. Bytes that are no
/// UTF-8 count as what Java puts in their place.
pub fn java_string_hash_after(before: i32, text: impl AsRef<[u8]>) -> i32 {
    let text = text.as_ref();
    if let Some(hash) = ascii_hash_after(before as u32, text) {
        return hash as i32;
    }
    let text = String::from_utf8_lossy(text);
    text.encode_utf16().fold(before as u32, step) as i32
}

/// The same, with one more character of ASCII.
pub fn java_string_hash_with(before: i32, character: u8) -> i32 {
    step(before as u32, character) as i32
}

fn step(hash: u32, unit: impl Into<u32>) -> u32 {
    hash.wrapping_mul(31).wrapping_add(unit.into())
}

/// 31 to the fourth power, and to the eighth.
const POWERS: (u32, u32) = (31u32.pow(4), 31u32.wrapping_pow(8));

/// The same of ASCII, eight bytes at a time; `None` when there are others.
fn ascii_hash_after(before: u32, text: &[u8]) -> Option<u32> {
    let (chunks, rest) = text.as_chunks::<8>();
    let (mut hash, mut seen) = (before, 0);
    for chunk in chunks {
        let bytes = u64::from_le_bytes(*chunk);
        seen |= bytes;
        // Neighbours come together: two bytes, then four. None of them overflows.
        let even = bytes & 0x00FF_00FF_00FF_00FF;
        let pairs = even * 31 + (bytes >> 8 & 0x00FF_00FF_00FF_00FF);
        let even = pairs & 0x0000_FFFF_0000_FFFF;
        let fours = even * (31 * 31) + (pairs >> 16 & 0x0000_FFFF_0000_FFFF);
        let eight = (fours as u32).wrapping_mul(POWERS.0).wrapping_add((fours >> 32) as u32);
        hash = hash.wrapping_mul(POWERS.1).wrapping_add(eight);
    }
    for byte in rest {
        seen |= u64::from(*byte);
        hash = step(hash, *byte);
    }
    (seen & 0x8080_8080_8080_8080 == 0).then_some(hash)
}

/// The code that a consume queue entry holds for these tags.
pub fn tags_code(tags: Option<impl AsRef<[u8]>>) -> i64 {
    tags.map_or(0, |tags| java_string_hash_after(0, tags).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_specification() {
        for (text, hash) in [
            ("", 0),
            ("TagA", 2598919),
            ("TagB", 2598920),
            ("*", 42),
            ("中文", 646394),
            ("order-create", -843952037),
            ("订单", 1129459),
            ("Demo#KEY-1", -852437597),
            ("polygenelubricants", -2147483648),
        ] {
            assert_eq!(java_string_hash(text), hash, "{text}");
        }
        assert_eq!(java_string_hash_after(java_string_hash("订"), "单"), java_string_hash("订单"));
        assert_eq!(tags_code(Some("order-create")), -843952037);
        assert_eq!(tags_code(None::<&str>), 0);
    }

    proptest::proptest! {
        #[test]
        fn hashes_as_java_does(before: i32, text in "[ -~]{0,40}|[ -~é中\u{1F600}]{0,40}") {
            let units = text.encode_utf16();
            let hash = units.fold(before, |hash, unit| {
                hash.wrapping_mul(31).wrapping_add(i32::from(unit))
            });
            assert_eq!(java_string_hash_after(before, &text), hash);
        }
    }
}
