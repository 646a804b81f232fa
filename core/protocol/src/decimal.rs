//! Whole numbers in decimal.

/// So many digits cannot exceed 64 bits.
const SAFE: usize = 18;

/// Reads a number as [`str::parse`] does: a sign, digits, and nothing else.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    match text {
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        _ => parse_long(text),
    }
}

fn parse_long(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > SAFE {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let (mut value, mut rest) = (0, digits);
    while let Some((eight, behind)) = rest.split_first_chunk() {
        value = value * 100_000_000 + eight_digits(*eight)?;
        rest = behind;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// The number that eight digits make: neighbours are put together, then pairs, then fours.
fn eight_digits(text: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(text);
    let digits = word.wrapping_sub(u64::from_le_bytes([b'0'; 8]));
    // Above `9`, adding this sets the highest bit; below `0`, it is set already.
    let strange =
        (digits.wrapping_add(u64::from_le_bytes([0x80 - 10; 8])) | digits) & 0x8080_8080_8080_8080;
    if strange != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some(((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_as_the_library_does(text in "[-+]?[0-9]{0,22}[-+x]?", number: i64) {
            prop_assert_eq!(parse(text.as_bytes()), text.parse().ok());
            prop_assert_eq!(parse(number.to_string().as_bytes()), Some(number));
        }
    }
}
