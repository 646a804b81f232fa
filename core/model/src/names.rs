//! Reserved names, and the rules that names obey (protocol §7.4, broker §1.6 and §1.7).

use thiserror::Error;

/// The topic from which others are created on first use.
pub const DEFAULT_TOPIC: &str = "TBW102";
/// Holds messages with a delay level until they are due, one queue a level.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Holds half messages of transactions.
pub const TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Marks half messages as done.
pub const TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Half messages that were checked too often.
pub const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Message traces.
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Self test.
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
/// Apache's benchmark programs send here.
pub const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// Notes about moved offsets; kept for compatibility.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Kept for compatibility.
pub const CHECKPOINT_TOPIC: &str = "CHECKPOINT_TOPIC";
/// Messages with an arbitrary delay.
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";
/// Every topic with this prefix is a system topic.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";
/// Prefix of a group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a group's dead letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Groups with this prefix belong to the system.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";
/// The producer group that every client instance registers for its own sends.
pub const CLIENT_INNER_PRODUCER_GROUP: &str = "CLIENT_INNER_PRODUCER";
/// Key-value namespace of the name server that lists strictly ordered topics.
pub const ORDER_TOPIC_NAMESPACE: &str = "ORDER_TOPIC_CONFIG";
/// The longest topic name, in bytes.
pub const MAX_TOPIC_LENGTH: usize = 127;
/// The longest `%RETRY%` or `%DLQ%` topic name, in bytes.
pub const MAX_RETRY_TOPIC_LENGTH: usize = 255;
/// The longest group name, in bytes.
pub const MAX_GROUP_LENGTH: usize = 255;

/// Groups that exist on every broker.
pub const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

const SEND_FORBIDDEN: [&str; 6] = [
    SCHEDULE_TOPIC,
    TRANS_HALF_TOPIC,
    TRANS_OP_HALF_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_EVENT,
];

/// Why a topic or group name was refused. The texts are those that Apache's broker answers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Empty or only blanks.
    #[error("The specified {kind} is blank.")]
    Blank {
        /// `topic` or `group`.
        kind: &'static str,
    },
    /// A character outside `%|a-zA-Z0-9_-`.
    #[error(
        "The specified {kind}: {name}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
    )]
    IllegalCharacter {
        /// `topic` or `group`.
        kind: &'static str,
        /// The name as given.
        name: String,
    },
    /// More bytes than allowed.
    #[error("The specified {kind}: {name}, is longer than {kind} max length: {max}")]
    TooLong {
        /// `topic` or `group`.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The limit in bytes.
        max: usize,
    },
}

fn check(kind: &'static str, name: &str, max: usize) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Blank { kind });
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'_' | b'-');
    if !name.bytes().all(legal) {
        return Err(NameError::IllegalCharacter { kind, name: name.into() });
    }
    if name.len() > max {
        return Err(NameError::TooLong { kind, name: name.into(), max });
    }
    Ok(())
}

/// Checks a topic name. Retry and dead letter topics may be longer than others.
pub fn check_topic(topic: &str) -> Result<(), NameError> {
    let derived = topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX);
    check("topic", topic, if derived { MAX_RETRY_TOPIC_LENGTH } else { MAX_TOPIC_LENGTH })
}

/// Checks a producer or consumer group name.
pub fn check_group(group: &str) -> Result<(), NameError> {
    check("group", group, MAX_GROUP_LENGTH)
}

/// The group's retry topic.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The group's dead letter topic.
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// The group whose retry topic this is.
pub fn group_of_retry_topic(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_PREFIX)
}

/// Whether the system owns the topic: such topics are neither created nor deleted by users.
pub fn is_system_topic(topic: &str) -> bool {
    topic.starts_with(SYSTEM_TOPIC_PREFIX)
        || SEND_FORBIDDEN.contains(&topic)
        || [DEFAULT_TOPIC, BENCHMARK_TOPIC, TRACE_TOPIC, CHECKPOINT_TOPIC].contains(&topic)
}

/// Whether producers may not send to the topic.
pub fn is_send_forbidden(topic: &str) -> bool {
    SEND_FORBIDDEN.contains(&topic)
}

/// Whether the group belongs to the system.
pub fn is_system_group(group: &str) -> bool {
    group.starts_with(SYSTEM_GROUP_PREFIX) || SYSTEM_GROUPS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names() {
        assert_eq!(check_topic("Order_1-%|"), Ok(()));
        assert_eq!(check_topic(&"t".repeat(127)), Ok(()));
        assert!(matches!(check_topic(&"t".repeat(128)), Err(NameError::TooLong { max: 127, .. })));
        assert_eq!(check_topic(&retry_topic(&"g".repeat(200))), Ok(()));
        assert!(matches!(check_topic(" "), Err(NameError::Blank { .. })));
        for bad in ["a.b", "a+b", "a b", "é"] {
            assert!(matches!(check_topic(bad), Err(NameError::IllegalCharacter { .. })), "{bad}");
        }
    }

    #[test]
    fn system_topics() {
        assert!(is_system_topic("rmq_sys_anything"));
        assert!(is_system_topic(DEFAULT_TOPIC) && !is_send_forbidden(DEFAULT_TOPIC));
        assert!(is_send_forbidden(SCHEDULE_TOPIC));
        assert!(!is_system_topic("Order"));
        assert_eq!(group_of_retry_topic(&retry_topic("G")), Some("G"));
    }
}
