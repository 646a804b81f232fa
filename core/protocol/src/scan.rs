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

/// Visits every place where `wanted` is, in order.
#[inline(always)]
pub(crate) fn each(bytes: &[u8], wanted: u8, mut visit: impl FnMut(usize)) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mut found = match rest.first_chunk() {
            Some(chunk) => among(chunk, [wanted]),
            None => among_few(bytes, rest, |chunk| among(chunk, [wanted])),
        };
        while found != 0 {
            visit(at + found.trailing_zeros() as usize);
            found &= found - 1;
        }
        at += CHUNK;
    }
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

/// Whether any byte is at most `highest` or one of `wanted`.
#[inline(always)]
pub(crate) fn any_up_to<const N: usize>(bytes: &[u8], highest: u8, wanted: [u8; N]) -> bool {
    let find = move |chunk: &[u8; CHUNK]| up_to(chunk, highest) | among(chunk, wanted);
    let (chunks, rest) = bytes.as_chunks();
    chunks.iter().fold(0, |found, chunk| found | find(chunk)) != 0
        || !rest.is_empty() && first_of_few(bytes, bytes.len() - rest.len(), find) < bytes.len()
}

/// Whether all bytes are ASCII.
#[inline(always)]
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else { return bytes.is_ascii() };
    // The last chunk, some of which may be in another one too.
    let chunks = bytes.as_chunks::<CHUNK>().0.iter();
    let all = chunks.fold(u8x16::new(*last), |all, chunk| all | u8x16::new(*chunk));
    all.to_bitmask() == 0
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
    bytes.len().min(from + among_few(bytes, rest, find).trailing_zeros() as usize)
}

/// What `find` finds in the rest of `bytes`, which is less than a chunk.
#[inline(always)]
fn among_few(bytes: &[u8], rest: &[u8], find: impl Fn(&[u8; CHUNK]) -> u32) -> u32 {
    match bytes.last_chunk() {
        // The last chunk again, but for what lies before.
        Some(chunk) => find(chunk) >> (CHUNK - rest.len()),
        None => {
            let mut chunk = [0; CHUNK];
            chunk[..rest.len()].copy_from_slice(rest);
            // Beyond the end, zeros would be found.
            find(&chunk) & ((1 << rest.len()) - 1)
        }
    }
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

/// Bytes some of which may be others.
#[derive(Default)]
pub(crate) struct Pattern {
    chunks: Vec<Masked>,
    /// The last bytes, some of which may be in a chunk too.
    last: Option<Masked>,
    length: usize,
}

/// A chunk of a pattern.
struct Masked {
    /// Zero where a byte may be another one.
    mask: u8x16,
    /// The bytes that may not.
    bytes: u8x16,
}

impl Masked {
    fn new(bytes: &[u8; CHUNK], free: &[bool; CHUNK]) -> Self {
        let mask = u8x16::new(free.map(|free| if free { 0 } else { 0xFF }));
        Masked { mask, bytes: u8x16::new(*bytes) & mask }
    }

    /// Not zero where a byte is not what it must be, or one of `stops` where it is free.
    #[inline(always)]
    fn misfits<const N: usize>(&self, chunk: &[u8; CHUNK], stops: [u8; N]) -> u8x16 {
        let chunk = u8x16::new(*chunk);
        let none = u8x16::splat(0);
        let stops =
            stops.into_iter().fold(none, |found, stop| found | chunk.simd_eq(u8x16::splat(stop)));
        ((chunk & self.mask) ^ self.bytes) | (stops & !self.mask)
    }
}

impl Pattern {
    /// `bytes`, of which those that are `free` may be others; `None` if there are too few.
    pub(crate) fn new(bytes: &[u8], free: &[bool]) -> Option<Self> {
        let ((chunks, _), (frees, _)) = (bytes.as_chunks(), free.as_chunks());
        Some(Pattern {
            chunks: chunks
                .iter()
                .zip(frees)
                .map(|(bytes, free)| Masked::new(bytes, free))
                .collect(),
            last: Some(Masked::new(bytes.last_chunk()?, free.last_chunk()?)),
            length: bytes.len(),
        })
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Whether `bytes` are these, but for free ones, none of which may be among `stops`.
    #[inline]
    pub(crate) fn fits<const N: usize>(&self, bytes: &[u8], stops: [u8; N]) -> bool {
        if bytes.len() != self.length {
            return false;
        }
        let (Some(last), Some(end)) = (&self.last, bytes.last_chunk()) else { return false };
        let misfits = bytes
            .as_chunks()
            .0
            .iter()
            .zip(&self.chunks)
            .fold(last.misfits(end, stops), |misfits, (chunk, masked)| {
                misfits | masked.misfits(chunk, stops)
            });
        misfits.simd_eq(u8x16::splat(0)).all()
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
            let first = slow(0, &|byte| byte <= 1 || byte == 9);
            prop_assert_eq!(first_up_to(&bytes, 1, [9]), first);
            prop_assert_eq!(any_up_to(&bytes, 1, [9]), first < bytes.len());
            prop_assert!(is_ascii(&bytes));
            if let Some(last) = bytes.len().checked_sub(1) {
                let mut other = bytes.clone();
                other[from.min(last)] |= 0x80;
                prop_assert!(!is_ascii(&other));
            }
            for wanted in [0, 5] {
                let mut found = Vec::new();
                each(&bytes, wanted, |at| found.push(at));
                let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] == wanted).collect();
                prop_assert_eq!(found, places);
            }
        }

        #[test]
        fn patterns_fit_what_differs_where_it_may(bytes in proptest::collection::vec((0u8..4, any::<bool>()), 0..60),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..6), 0..3)) {
            let (bytes, free): (Vec<u8>, Vec<bool>) = bytes.into_iter().unzip();
            let Some(pattern) = Pattern::new(&bytes, &free) else {
                prop_assert!(bytes.len() < CHUNK);
                return Ok(());
            };
            let mut changed = bytes.clone();
            for (at, byte) in changes {
                changed[at.index(bytes.len())] = byte;
            }
            let fits = (0..bytes.len()).all(|at| match free[at] {
                true => changed[at] != 4 && changed[at] != 0,
                false => changed[at] == bytes[at],
            });
            prop_assert_eq!(pattern.fits(&changed, [4, 0]), fits);
            prop_assert!(!pattern.fits(&changed[1..], [4, 0]));
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
