//! JSON bodies in fastjson's dialect.
#![no_main]

use ferromq_protocol::body::*;
use ferromq_protocol::fastjson::{from_slice, to_standard_vec, to_vec};
use libfuzzer_sys::fuzz_target;

/// Reads a body, and what is written of it again: both must be the same.
fn check<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(text: &[u8]) {
    let Ok(body) = from_slice::<T>(text) else { return };
    for again in [to_vec(&body), to_standard_vec(&body)] {
        match from_slice::<T>(&again) {
            // A floating point number that is none is the only thing that differs from itself.
            Ok(read) => assert!(read == body || format!("{body:?}").contains("NaN")),
            Err(error) => panic!("{error} of {}", String::from_utf8_lossy(&again)),
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, text) = input;
    match kind % 14 {
        0 => check::<TopicRouteData>(text),
        1 => check::<ClusterInfo>(text),
        2 => check::<HeartbeatData>(text),
        3 => check::<TopicConfigTable>(text),
        4 => check::<RegisterBrokerBody>(text),
        5 => check::<LockBatchRequest>(text),
        6 => check::<ConsumeStats>(text),
        7 => check::<TopicStatsTable>(text),
        8 => check::<ConsumerRunningInfo>(text),
        9 => check::<ResetOffsetBody>(text),
        10 => check::<SubscriptionGroupTable>(text),
        11 => check::<ConsumerOffsetTable>(text),
        12 => check::<ConsumerStatusBody>(text),
        _ => check::<ConsumeQueueBody>(text),
    }
});
