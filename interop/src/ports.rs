//! Ports that are free now and that nothing else in this process has been given.

use crate::Problem;
use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

fn free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok()
}

/// A port `p` such that `p - 2`, `p` and `p + 1` are free: what one Apache broker listens on.
pub fn broker() -> Result<u16, Problem> {
    reserve(&[-2, 0, 1])
}

/// One free port.
pub fn single() -> Result<u16, Problem> {
    reserve(&[0])
}

fn reserve(around: &[i32]) -> Result<u16, Problem> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_with(HashSet::new);
    for _ in 0..200 {
        // The system proposes; it avoids what is in use.
        let probe = TcpListener::bind("127.0.0.1:0").map_err(Problem::io("finding a free port"))?;
        let port = probe.local_addr().map_err(Problem::io("finding a free port"))?.port();
        drop(probe);
        let group: Vec<u16> = around.iter().map(|d| (i32::from(port) + d) as u16).collect();
        if group.iter().all(|p| !given.contains(p) && free(*p)) {
            given.extend(group);
            return Ok(port);
        }
    }
    Err(Problem::Wrong("no free ports in 200 attempts".to_owned()))
}
