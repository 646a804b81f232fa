//! Delay levels (store §10).

use crate::house::*;
use ferromq_protocol::Command;
use ferromq_protocol::body::{DelayOffsetTable, KvTable};
use ferromq_protocol::code::request as code;
use ferromq_protocol::fastjson;
use ferromq_protocol::properties::key;
use std::time::{Duration, Instant};

fn delayed(topic: &str, queue: i32, body: &str, level: &str) -> Command {
    send_with(topic, queue, body, &[(key::DELAY, level), (TAGS, "A")])
}

#[tokio::test]
async fn a_message_comes_after_its_delay_and_not_before() {
    let house = House::open_with(|_, store| store.message_delay_level = "1s 2s".to_string()).await;
    house.create_topic("T", 2, 6).await;
    let start = now_ms();
    house.succeed(delayed("T", 1, "2", "2")).await;
    house.succeed(delayed("T", 1, "1", "1")).await;
    house.succeed(delayed("T", 0, "2", "9")).await;
    // How late each comes depends on the machine, and with that which is first.
    let in_one = house.until_there("T", 1, 2).await;
    let beyond_the_last_level = house.until_there("T", 0, 1).await;
    for message in in_one.iter().chain(&beyond_the_last_level) {
        let (seconds, took) = (message.body.parse::<i64>().unwrap(), message.stored - start);
        assert!(took >= 1000 * seconds, "{message:?} after {took} ms");
        assert_eq!(message.property(key::REAL_TOPIC), Some("T"));
    }
    // By its tag it is found as any other message.
    let by_tag = ferromq_protocol::headers::PullMessageRequest {
        subscription: Some("A"),
        ..pull("G", "T", 1, 0)
    };
    let mut tagged = bodies(&house.pull(by_tag).await);
    tagged.sort();
    assert_eq!(tagged, ["1", "2"]);
    house.close().await;
}

#[tokio::test]
async fn order_is_kept_within_a_level() {
    let house = House::open_with(|_, store| store.message_delay_level = "1s".to_string()).await;
    house.create_topic("T", 1, 6).await;
    for number in 0..200 {
        house.succeed(delayed("T", 0, &number.to_string(), "1")).await;
    }
    let all = house.until_there("T", 0, 200).await;
    let numbers: Vec<i32> = all.iter().map(|message| message.body.parse().unwrap()).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    house.close().await;
}

#[tokio::test]
async fn waiting_messages_survive_restarts_of_both_kinds() {
    let house = House::open_with(|_, store| store.message_delay_level = "1s 3s".to_string()).await;
    house.create_topic("T", 1, 6).await;
    let start = Instant::now();
    house.succeed(delayed("T", 0, "early", "1")).await;
    house.succeed(delayed("T", 0, "late", "2")).await;
    house.until_there("T", 0, 1).await;
    let house = house.restart().await;
    let other = house.killed_and_started().await;
    // What is delivered just before a kill comes again: how far a level is, is not on disk yet.
    let before_late = start.elapsed() < Duration::from_secs(3);
    for (house, once) in [(house, true), (other, before_late)] {
        let all = house.until_there("T", 0, 2).await;
        let mut found: Vec<_> = all.iter().map(|message| message.body.as_str()).collect();
        if !once {
            found.dedup();
        }
        assert_eq!(found, ["early", "late"], "each once");
        assert!(start.elapsed() >= Duration::from_secs(3));
        house.close().await;
    }
}

#[tokio::test]
async fn tools_see_how_far_each_level_is() {
    let house = House::open_with(|_, store| store.message_delay_level = "1s 1h".to_string()).await;
    house.create_topic("T", 1, 6).await;
    house.succeed(delayed("T", 0, "x", "1")).await;
    house.succeed(delayed("T", 0, "y", "2")).await;
    house.until_there("T", 0, 1).await;
    let table = until("the first level's progress", async || {
        let answer = house.succeed(Command::request(code::GET_ALL_DELAY_OFFSET)).await;
        let table: DelayOffsetTable = fastjson::from_slice(&answer.body).unwrap();
        (table.offset_table[&1] == 1).then_some(table)
    })
    .await;
    assert_eq!(table.offset_table[&2], 0);
    let answer = house.succeed(Command::request(code::GET_BROKER_RUNTIME_INFO)).await;
    let info: KvTable = fastjson::from_slice(&answer.body).unwrap();
    assert_eq!(info.table["scheduleMessageOffset_1"], "1,1");
    assert_eq!(info.table["scheduleMessageOffset_2"], "0,1");
    let capacity = &info.table["commitLogDirCapacity"];
    assert!(capacity.starts_with("Total : ") && capacity.ends_with('.'), "{capacity}");
    assert!(capacity.contains(", Free : "), "{capacity}");
    for key in ["putLatency99", "putLatency999"] {
        assert!(info.table[key].parse::<f64>().is_ok(), "{key}");
    }
    let times = &info.table["putMessageDistributeTime"];
    let counts = times.split_whitespace().map(|range| range.rsplit(':').next().unwrap());
    assert!(counts.map(|count| count.parse::<u64>().unwrap()).sum::<u64>() > 0, "{times}");
    let ratios: Vec<_> =
        info.table.keys().filter(|key| key.starts_with("commitLogDiskRatio_")).collect();
    assert_eq!(ratios.len(), 1, "{ratios:?}");
    house.close().await;
}
