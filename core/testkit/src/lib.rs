//! Tests of the project as a whole: what depends on what, and under which licences. See `tests/`.
//!
//! In-process clusters are `ferromq::Server`; clusters with Apache's software are in `interop`.
