//! The body of a batch: messages one after the other, each with its own flag, body and properties
//! (protocol §5.8).

use crate::scan::is_ascii;
use thiserror::Error;

/// A batch body that is not one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the batch body is malformed at byte {position}")]
pub struct BatchError {
    /// Where in the body.
    pub position: usize,
}

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEntry<'a> {
    /// The user's flag.
    pub flag: i32,
    /// The body, never compressed.
    pub body: &'a [u8],
    /// The property string, UTF-8.
    pub properties: &'a [u8],
}

/// Appends a message to a batch body.
pub fn push(out: &mut Vec<u8>, entry: BatchEntry<'_>) {
    let length = 22 + entry.body.len() + entry.properties.len();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    // Magic and CRC, which the broker computes itself.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&entry.flag.to_be_bytes());
    out.extend_from_slice(&(entry.body.len() as u32).to_be_bytes());
    out.extend_from_slice(entry.body);
    out.extend_from_slice(&(entry.properties.len() as u16).to_be_bytes());
    out.extend_from_slice(entry.properties);
}

/// The messages of a batch body; ends after the first error.
pub fn entries(body: &[u8]) -> impl Iterator<Item = Result<BatchEntry<'_>, BatchError>> {
    let mut position = 0;
    std::iter::from_fn(move || {
        if position >= body.len() {
            return None;
        }
        let start = position;
        match entry(&body[start..]) {
            Some((entry, length)) => {
                position += length;
                Some(Ok(entry))
            }
            None => {
                position = body.len();
                Some(Err(BatchError { position: start }))
            }
        }
    })
}

fn entry(bytes: &[u8]) -> Option<(BatchEntry<'_>, usize)> {
    let total = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let flag = i32::from_be_bytes(*bytes.get(12..)?.first_chunk()?);
    let body_length = u32::from_be_bytes(*bytes.get(16..)?.first_chunk()?) as usize;
    let (body, rest) = bytes[20..].split_at_checked(body_length)?;
    let (length, rest) = rest.split_first_chunk()?;
    let properties = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    // Nearly all text is ASCII, which is quicker to find out.
    let is_text = is_ascii(properties) || std::str::from_utf8(properties).is_ok();
    let whole = total == 22 + body.len() + properties.len();
    (whole && is_text).then_some((BatchEntry { flag, body, properties }, total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(list in proptest::collection::vec((any::<i32>(), any::<Vec<u8>>(), "\\PC{0,20}"), 0..5)) {
            let mut body = Vec::new();
            for (flag, text, properties) in &list {
                let properties = properties.as_bytes();
                push(&mut body, BatchEntry { flag: *flag, body: text, properties });
            }
            let read: Vec<_> = entries(&body).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), list.len());
            for (entry, (flag, text, properties)) in read.iter().zip(&list) {
                let properties = properties.as_bytes();
                prop_assert_eq!(entry, &BatchEntry { flag: *flag, body: text, properties });
            }
            if !body.is_empty() {
                let cut = entries(&body[..body.len() - 1]).last().unwrap();
                prop_assert!(cut.is_err());
            }
        }

        #[test]
        fn garbage_never_panics(body: Vec<u8>) {
            entries(&body).for_each(drop);
        }
    }

    #[test]
    fn properties_that_are_no_text_are_refused() {
        for (properties, is_text) in [("n\u{1}é\u{2}".as_bytes(), true), (b"n\x01\xE9\x02", false)]
        {
            let mut body = Vec::new();
            push(&mut body, BatchEntry { flag: 0, body: b"", properties });
            assert_eq!(entries(&body).all(|entry| entry.is_ok()), is_text);
        }
    }

    #[test]
    fn batch_of_the_specification() {
        let mut body = Vec::new();
        push(
            &mut body,
            BatchEntry {
                flag: 0,
                body: b"hello",
                properties: b"KEYS\x01k1\x02WAIT\x01true\x02TAGS\x01TagA\x02",
            },
        );
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "000000370000000000000000000000000000000568656c6c6f001c4b455953016b31025741495401747275650254414753015461674102"
        );
    }
}
