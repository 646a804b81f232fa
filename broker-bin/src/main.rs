//! The program `ferromq`.
fn main() {}
