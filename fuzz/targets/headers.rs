//! Every typed header, from fields with the names that headers know.
#![no_main]

use ferromq_protocol::fields::Fields;
use ferromq_protocol::headers::ALL;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<(u8, String)>)| {
    let count = ALL.iter().map(|(_, headers)| headers.len()).sum::<usize>();
    let mut headers = ALL.iter().flat_map(|(_, headers)| headers.iter());
    let Some(header) = headers.nth(usize::from(input.0) % count) else { return };
    let mut fields = Fields::new();
    for (which, value) in &input.1 {
        match header.fields.get(usize::from(*which) % (header.fields.len() + 1)) {
            Some(field) => fields.push(field.name, value),
            None => fields.push("unknown", value),
        }
    }
    // What was understood, written again, is understood the same way.
    if let Ok(again) = (header.rewrite)(&fields) {
        let twice = (header.rewrite)(&again);
        assert_eq!(twice.as_ref(), Ok(&again));
    }
});
