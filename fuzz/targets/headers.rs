//! Every typed header, from fields of the names that it knows and others.
#![no_main]

use ferromq_protocol::fields::Fields;
use ferromq_protocol::headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<(u8, String)>)| {
    let (which, values) = input;
    let count: usize = headers::ALL.iter().map(|(_, list)| list.len()).sum();
    let mut all = headers::ALL.iter().flat_map(|(_, list)| *list);
    let Some(header) = all.nth(usize::from(which) % count) else { return };
    let mut fields = Fields::new();
    for (which, value) in &values {
        let field = header.fields.get(usize::from(*which) % (header.fields.len() + 1));
        fields.push(field.map_or("unknown", |field| field.name), value);
    }
    // What was understood, written again, is understood the same way.
    if let Ok(written) = (header.rewrite)(&fields) {
        assert_eq!((header.rewrite)(&written), Ok(written), "{}", header.name);
    }
});
