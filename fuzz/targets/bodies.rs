//! Every JSON body: what was read can be written in each form, and every form can be read.
#![no_main]

use ferromq_model::MessageQueue;
use ferromq_protocol::body::*;
use ferromq_protocol::fastjson::{from_slice, to_pretty, to_standard_vec, to_vec};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn check<T: Serialize + DeserializeOwned + PartialEq>(text: &[u8]) {
    let Ok(body) = from_slice::<T>(text) else { return };
    let compact = to_vec(&body);
    // The last digit of a fraction may change on the way.
    let fraction = |pair: &[u8]| pair[0].is_ascii_digit() && matches!(pair[1], b'.' | b'e');
    let exact = !compact.windows(2).any(fraction);
    for written in [compact, to_pretty(&body), to_standard_vec(&body)] {
        match from_slice::<T>(&written) {
            Ok(again) => assert!(again == body || !exact, "{}", String::from_utf8_lossy(&written)),
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&written)),
        }
    }
}

macro_rules! check_all {
    ($text:ident: $($body:ty),* $(,)?) => { $(check::<$body>($text);)* };
}

fuzz_target!(|text: &[u8]| {
    // What is no JSON at all is nothing to forty types.
    if from_slice::<Value>(text).is_err() {
        return;
    }
    check_all!(text:
        BrokerMemberGroupBody, BrokerStatsData, CheckClientConfig, ClusterInfo, ConsumeMessageDirectlyResult, ConsumeQueueBody,
        ConsumeStats, ConsumeStatsList, ConsumeTimeSpanBody, ConsumerConnection, ConsumerIdList, ConsumerOffsetTable,
        ConsumerRunningInfo, ConsumerStatusBody, CorrectionOffsets, DataVersion, DelayOffsetTable, GroupForbidden, GroupList,
        HeartbeatData, KvConfigFile, KvTable, LockBatchRequest, LockBatchResponse, MessageQueue, ProducerConnection,
        ProducerTable, RegisterBrokerBody, ResetOffsetBody, SubscriptionGroupConfig, SubscriptionGroupList,
        SubscriptionGroupTable, SubscriptionQueryBody, TopicConfig, TopicConfigList, TopicConfigTable, TopicList,
        TopicRouteData, TopicStatsTable,
    );
});
