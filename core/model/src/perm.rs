//! Topic and broker permission bits (protocol §3.8).

/// Other topics may be created from this one (only the default topic `TBW102` has it).
pub const INHERIT: i32 = 1;
/// Producers may choose the queues.
pub const WRITE: i32 = 2;
/// Consumers may read the queues.
pub const READ: i32 = 4;
/// Readable and writable: an ordinary topic.
pub const READ_WRITE: i32 = READ | WRITE;

/// Whether `perm` lets consumers read.
pub fn readable(perm: i32) -> bool {
    perm & READ != 0
}

/// Whether `perm` lets producers write.
pub fn writable(perm: i32) -> bool {
    perm & WRITE != 0
}

/// Whether topics may be created from a topic with `perm`.
pub fn inheritable(perm: i32) -> bool {
    perm & INHERIT != 0
}

/// The three-letter form that the tools print, such as `RW-`.
pub fn describe(perm: i32) -> String {
    let letter = |bit, letter| if perm & bit != 0 { letter } else { '-' };
    [letter(READ, 'R'), letter(WRITE, 'W'), letter(INHERIT, 'X')].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_each_bit() {
        assert_eq!(describe(7), "RWX");
        assert_eq!(describe(6), "RW-");
        assert_eq!(describe(4), "R--");
        assert_eq!(describe(0), "---");
    }
}
