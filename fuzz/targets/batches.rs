//! Batch bodies.
#![no_main]

use ferromq_protocol::batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let entries: Vec<_> = batch::entries(body).flatten().collect();
    let mut again = Vec::new();
    entries.iter().for_each(|entry| batch::push(&mut again, *entry));
    let read: Vec<_> = batch::entries(&again).flatten().collect();
    assert_eq!(read, entries);
});
