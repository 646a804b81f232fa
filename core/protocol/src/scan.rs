//! Looking for bytes in text, sixteen at a time: most of what is read ends within the first sixteen.

use wide::u8x16;

/// How many bytes are looked at together.
const CHUNK: usize = 16;

/// One bit for each byte of a chunk that is among `wanted`; the first byte's is the lowest.
#[inline(always)]
fn among<const N: usize>(chunk: &[u8; CHUNK], wanted: [u8; N]) -> u32 {
    let chunk = u8x16::new(*chunk);
    let none = u8x16::splat(0);
    let found =
        wanted.into_iter().fold(none, |found, byte| found | chunk.simd_eq(u8x16::splat(byte)));
    found.to_bitmask()
}

/// The same for bytes up to `highest`.
#[inline(always)]
fn up_to(chunk: &[u8; CHUNK], highest: u8) -> u32 {
    let chunk = u8x16::new(*chunk);
    chunk.min(u8x16::splat(highest)).simd_eq(chunk).to_bitmask()
}

/// Where the first of the bytes `wanted` is, from `from` on; where `bytes` end if there is none.
#[inline(always)]
pub(crate) fn first_of<const N: usize>(bytes: &[u8], from: usize, wanted: [u8; N]) -> usize {
    first(bytes, from, |chunk| among(chunk, wanted))
}

/// As [`first_of`], from behind `before` on; `None` if that is not what is at `at`, or is near the end.
#[inline(always)]
pub(crate) fn first_of_behind<const N: usize>(
    bytes: &[u8],
    at: usize,
    before: &[u8; 3],
    wanted: [u8; N],
) -> Option<usize> {
    let rest = bytes.get(at..)?.first_chunk::<{ 3 + CHUNK }>()?;
    let (start, chunk) = (rest.first_chunk::<3>()?, rest.last_chunk::<CHUNK>()?);
    if start != before {
        return None;
    }
    Some(match among(chunk, wanted) {
        0 => first_of_more(bytes, at + 3 + CHUNK, |chunk| among(chunk, wanted)),
        found => at + 3 + found.trailing_zeros() as usize,
    })
}

/// Where the first byte is that is at most `highest` or one of `wanted`; where `bytes` end if there is
/// none.
#[inline(always)]
pub(crate) fn first_up_to<const N: usize>(bytes: &[u8], highest: u8, wanted: [u8; N]) -> usize {
    first(bytes, 0, move |chunk| up_to(chunk, highest) | among(chunk, wanted))
}

/// Where the first byte from `from` on is that `find` finds in a chunk; where `bytes` end if there is
/// none.
#[inline(always)]
fn first(bytes: &[u8], from: usize, find: impl Fn(&[u8; CHUNK]) -> u32 + Copy) -> usize {
    let Some(chunk) = bytes.get(from..).and_then(|rest| rest.first_chunk()) else {
        return first_of_few(bytes, from, find);
    };
    match find(chunk) {
        0 => first_of_more(bytes, from + CHUNK, find),
        found => from + found.trailing_zeros() as usize,
    }
}

/// As [`first`], beyond the first chunk.
#[inline(never)]
fn first_of_more(bytes: &[u8], from: usize, find: impl Fn(&[u8; CHUNK]) -> u32 + Copy) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = find(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += CHUNK;
    }
    first_of_few(bytes, at, find)
}

/// As [`first`], where there is no whole chunk any more.
#[inline(never)]
fn first_of_few(bytes: &[u8], from: usize, find: impl Fn(&[u8; CHUNK]) -> u32) -> usize {
    let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) else {
        return bytes.len();
    };
    let length = match bytes.last_chunk() {
        // The last chunk again, but for what lies before.
        Some(chunk) => (find(chunk) >> (CHUNK - rest.len())).trailing_zeros() as usize,
        None => {
            let mut chunk = [0; CHUNK];
            chunk[..rest.len()].copy_from_slice(rest);
            // Beyond the end, zeros may be found.
            find(&chunk).trailing_zeros() as usize
        }
    };
    bytes.len().min(from + length)
}

/// Moves bytes from `from` down to `to` until one of `wanted` comes, and returns where that is and
/// where what was moved ends.
#[inline(always)]
pub(crate) fn move_down<const N: usize>(
    bytes: &mut [u8],
    mut from: usize,
    mut to: usize,
    wanted: [u8; N],
) -> Option<(usize, usize)> {
    while let Some(chunk) = bytes.get(from..).and_then(|rest| rest.first_chunk::<CHUNK>()) {
        let chunk = *chunk;
        let found = among(&chunk, wanted);
        let target = bytes.get_mut(to..).and_then(|rest| rest.first_chunk_mut::<CHUNK>())?;
        if found != 0 {
            // Only what comes before it: the rest may overlap what is still to be read.
            let length = found.trailing_zeros() as usize;
            let kept = u128::MAX << (8 * length);
            let (moved, before) = (u128::from_le_bytes(chunk), u128::from_le_bytes(*target));
            *target = (moved & !kept | before & kept).to_le_bytes();
            return Some((from + length, to + length));
        }
        *target = chunk;
        from += CHUNK;
        to += CHUNK;
    }
    loop {
        let byte = *bytes.get(from)?;
        if wanted.contains(&byte) {
            return Some((from, to));
        }
        *bytes.get_mut(to)? = byte;
        from += 1;
        to += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_look_at_each_byte_finds(bytes in proptest::collection::vec(0u8..30, 0..60), from in 0usize..65) {
            let slow = |from: usize, is: &dyn Fn(u8) -> bool| {
                let mut places = from..bytes.len();
                places.find(|at| is(bytes[*at])).unwrap_or(bytes.len())
            };
            prop_assert_eq!(first_of(&bytes, from, [1]), slow(from, &|byte| byte == 1));
            prop_assert_eq!(first_of(&bytes, from, [4, 0]), slow(from, &|byte| byte == 4 || byte == 0));
            prop_assert_eq!(first_up_to(&bytes, 1, [9]), slow(0, &|byte| byte <= 1 || byte == 9));
        }

        #[test]
        fn moves_what_comes_before(bytes in proptest::collection::vec(0u8..30, 1..60), from in 0usize..60, gap in 1usize..20) {
            let from = from.min(bytes.len()).max(gap.min(bytes.len()));
            let to = from - gap.min(from);
            let mut moved = bytes.clone();
            let found = move_down(&mut moved, from, to, [7, 8]);
            let stop = first_of(&bytes, from, [7, 8]);
            prop_assert_eq!(found.map_or(bytes.len(), |(stop, _)| stop), stop);
            if let Some((stop, end)) = found {
                prop_assert_eq!(end - to, stop - from);
                prop_assert_eq!(&moved[to..end], &bytes[from..stop]);
                prop_assert_eq!(&moved[..to], &bytes[..to]);
                prop_assert_eq!(&moved[stop..], &bytes[stop..]);
            }
        }
    }
}
