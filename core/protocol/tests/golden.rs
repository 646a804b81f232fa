//! Our codecs against what Apache's own classes wrote: every entry of `golden/*.json` is read,
//! compared and written again byte for byte. What differs and may differ stands in a table of the
//! module concerned, with the reason; a difference that has gone must leave its table.
//!
//! The positions that the allocation strategies give (`allocation-*.json`) are checked by the
//! client.

#![allow(clippy::unwrap_used)] // Fixtures are ours; whatever is wrong with one shall stop the test.

#[path = "golden/bodies.rs"]
mod bodies;
#[path = "golden/calls.rs"]
mod calls;
#[path = "golden/fixture.rs"]
mod fixture;
#[path = "golden/frames.rs"]
mod frames;
#[path = "golden/records.rs"]
mod records;
