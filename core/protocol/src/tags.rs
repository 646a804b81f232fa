//! Tag hashes (protocol §5.10).

/// Java's `String.hashCode`: over UTF-16 code units, wrapping in 32 bits.
pub fn java_string_hash(text: &str) -> i32 {
    java_string_hash_after(0, text)
}

/// The hash of a text that goes on with `text` and has the hash `before` up to there.
pub fn java_string_hash_after(before: i32, text: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(unit.into());
    if text.is_ascii() {
        return text.bytes().fold(before, |hash, byte| step(hash, byte.into()));
    }
    text.encode_utf16().fold(before, step)
}

/// The code that a consume queue entry holds for these tags.
pub fn tags_code(tags: Option<&str>) -> i64 {
    tags.map_or(0, |tags| java_string_hash(tags).into())
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
        assert_eq!(tags_code(None), 0);
    }
}
