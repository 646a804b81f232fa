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
        return parse_very_long(text);
    }
    let (eights, rest) = digits.as_chunks();
    let mut value = 0;
    for eight in eights {
        value = value * 100_000_000 + eight_digits(u64::from_le_bytes(*eight))?;
    }
    if !rest.is_empty() {
        value = value * TENS[rest.len()] + last_digits(digits, rest.len())?;
    }
    Some(if negative { -value } else { value })
}

#[cold]
fn parse_very_long(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

const TENS: [i64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The number that the last `count` digits make, one to seven; shorter texts have no others.
fn last_digits(text: &[u8], count: usize) -> Option<i64> {
    let missing = 8 * (8 - count as u32);
    let word = match (text.last_chunk(), text.first_chunk(), text.last_chunk()) {
        (Some(eight), _, _) => u64::from_le_bytes(*eight),
        // Of less than eight digits, some belong to both halves.
        (None, Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) << missing | u64::from(last) << 32
        }
        _ => text.iter().take(3).fold(0, |word, digit| word >> 8 | u64::from(*digit) << 56),
    };
    eight_digits(word & u64::MAX << missing | ZEROS >> (64 - missing))
}

/// The number that eight digits make: neighbours are put together, then pairs, then fours.
fn eight_digits(word: u64) -> Option<i64> {
    let digits = word.wrapping_sub(ZEROS);
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
        fn reads_as_the_library_does(text in "[-+]?[0-9]{0,22}[-+x/:]?[0-9]{0,8}", number: i64) {
            prop_assert_eq!(parse(text.as_bytes()), text.parse().ok());
            prop_assert_eq!(parse(number.to_string().as_bytes()), Some(number));
        }
    }
}
