//! Tests of the project as a whole: what depends on what and under which licences, and the
//! [scenarios](scenario) that clients in every language go through.
//!
//! In-process clusters are `ferromq::Server`; clusters with Apache's software are in `interop`.

pub mod cluster;
pub mod port;
pub mod scenario;
