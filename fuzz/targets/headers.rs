//! Every typed header, from fields in the form of a property string.
#![no_main]

use ferromq_protocol::fields::Fields;
use ferromq_protocol::headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let fields: Fields = text.split('\u{2}').filter_map(|pair| pair.split_once('\u{1}')).collect();
    for header in headers::ALL.iter().flat_map(|(_, list)| *list) {
        if let Ok(written) = (header.rewrite)(&fields) {
            assert_eq!((header.rewrite)(&written), Ok(written), "{}", header.name);
        }
    }
});
