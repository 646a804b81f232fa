//! Ports for servers that run in processes of their own.

use crate::Problem;
use ferromq_testkit::port::Port;
use std::sync::{Mutex, PoisonError};

/// Kept until this process ends: a server that was killed is to find its port free.
static GIVEN: Mutex<Vec<Port>> = Mutex::new(Vec::new());

/// A port `p` such that `p - 2`, `p` and `p + 1` are free: what one Apache broker listens on.
pub fn broker() -> Result<u16, Problem> {
    keep(Port::of_broker())
}

/// One free port.
pub fn single() -> Result<u16, Problem> {
    keep(Port::free())
}

fn keep(port: std::io::Result<Port>) -> Result<u16, Problem> {
    let port = port.map_err(Problem::io("finding a free port"))?;
    let number = port.number();
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    Ok(number)
}
