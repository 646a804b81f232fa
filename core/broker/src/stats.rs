//! What the broker counts (broker §9.1). Counting takes a shared lock, a look-up by text and a few
//! additions; nothing runs periodically.

mod rates;
mod windows;

pub use rates::{Rate, triple};
pub use windows::Counter;

use ferromq_model::names;
use ferromq_protocol::body::BrokerStatsData;
use foldhash::fast::RandomState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What is counted for one topic.
#[derive(Debug, Default)]
pub struct TopicStats {
    /// Messages stored.
    pub put_nums: Counter,
    /// Bytes stored.
    pub put_size: Counter,
}

/// What is counted for one group and one topic.
#[derive(Debug, Default)]
pub struct GroupStats {
    /// Messages delivered.
    pub get_nums: Counter,
    /// Bytes delivered.
    pub get_size: Counter,
    /// Messages sent back to be delivered again.
    pub send_back: Counter,
    /// Messages that became dead letters.
    pub dlq: Counter,
}

/// What is counted for the broker as a whole.
#[derive(Default)]
pub struct BrokerStats {
    /// Messages stored.
    pub put: Counter,
    /// Messages delivered.
    pub get: Counter,
    /// Messages stored in topics that are not the system's.
    pub put_of_users: Counter,
    /// Messages delivered of topics that are not the system's.
    pub get_of_users: Counter,
    /// Messages stored, for rates.
    pub put_rate: Rate,
    /// Pulls that found something, for rates.
    pub found_rate: Rate,
    /// Pulls that found nothing, for rates.
    pub miss_rate: Rate,
    /// Messages delivered, for rates.
    pub transferred_rate: Rate,
    /// Messages that could not be stored.
    pub put_failed: AtomicI64,
    /// Bytes stored.
    pub put_size: AtomicI64,
    /// The longest time that storing a message took, in ms.
    pub put_time_max: AtomicI64,
    /// The longest time that reading messages took, in ms.
    pub get_time_max: AtomicI64,
    put_times: [AtomicI64; PUT_TIMES.len()],
}

/// Upper ends of the ranges in which the times of storing are counted, in ms, with their names.
const PUT_TIMES: [(i64, &str); 13] = [
    (0, "<=0ms"),
    (10, "0~10ms"),
    (50, "10~50ms"),
    (100, "50~100ms"),
    (200, "100~200ms"),
    (500, "200~500ms"),
    (1000, "500ms~1s"),
    (2000, "1~2s"),
    (3000, "2~3s"),
    (4000, "3~4s"),
    (5000, "4~5s"),
    (10_000, "5~10s"),
    (i64::MAX, "10s~"),
];

impl BrokerStats {
    /// Counts how long it took to store a message, or each of several.
    pub fn put_took(&self, ms: i64, times: i64) {
        self.put_time_max.fetch_max(ms, Ordering::Relaxed);
        let range = PUT_TIMES.iter().position(|(end, _)| ms <= *end);
        if let Some(counter) = range.and_then(|range| self.put_times.get(range)) {
            counter.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// Within how many ms this part of the messages were stored, as far as the ranges tell.
    pub fn put_latency(&self, part: f64) -> f64 {
        let counts: Vec<i64> =
            self.put_times.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<i64>() as f64 * part).ceil() as i64;
        let mut seen = 0;
        for ((end, _), count) in PUT_TIMES.iter().zip(&counts) {
            seen += count;
            if seen >= wanted {
                return (*end).min(self.put_time_max.load(Ordering::Relaxed)) as f64;
            }
        }
        0.0
    }

    /// How often storing a message took how long, as the tools show it.
    pub fn put_times(&self) -> String {
        let names = PUT_TIMES.iter().zip(&self.put_times);
        let counted = |((_, name), count): (&(i64, &str), &AtomicI64)| {
            format!("[{name}]:{} ", count.load(Ordering::Relaxed))
        };
        names.map(counted).collect()
    }
}

/// What several requests stored in a topic, or in several.
#[derive(Debug, Default)]
pub struct Puts {
    /// How many requests.
    pub requests: i64,
    /// How many of them took less than a millisecond.
    pub at_once: i64,
    /// Messages stored.
    pub messages: i64,
    /// Bytes stored.
    pub bytes: i64,
    /// When the last was stored, in ms.
    pub last: i64,
}

impl AddAssign<&Puts> for Puts {
    fn add_assign(&mut self, more: &Puts) {
        self.requests += more.requests;
        self.at_once += more.at_once;
        self.messages += more.messages;
        self.bytes += more.bytes;
        self.last = self.last.max(more.last);
    }
}

impl TopicStats {
    /// Counts messages that several requests stored in it.
    pub fn put_all(&self, puts: &Puts) {
        if puts.requests == 0 {
            return;
        }
        self.put_nums.add_all(puts.messages, puts.requests, puts.last);
        self.put_size.add_all(puts.bytes, puts.requests, puts.last);
    }
}

/// Totals at the last two midnights.
struct Mornings {
    yesterday: (i64, i64),
    today: (i64, i64),
}

/// Messages stored or delivered, at two midnights and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTotals {
    /// Up to the midnight before the last.
    pub yesterday_morning: i64,
    /// Up to the last midnight.
    pub today_morning: i64,
    /// Up to now.
    pub now: i64,
}

type Keyed<T> = RwLock<HashMap<String, T, RandomState>>;

/// Everything that is counted.
pub struct Stats {
    cluster: String,
    broker: BrokerStats,
    topics: Keyed<Arc<TopicStats>>,
    /// By topic, then by group.
    groups: Keyed<HashMap<String, Arc<GroupStats>>>,
    mornings: Mutex<Mornings>,
    next_midnight: AtomicI64,
    time_zone: TimeZone,
}

impl Stats {
    /// Nothing counted yet. `cluster` is the key of the broker's own items; midnight is the host's.
    pub fn new(cluster: &str, now: i64) -> Self {
        Stats::in_time_zone(cluster, now, TimeZone::system())
    }

    fn in_time_zone(cluster: &str, now: i64, time_zone: TimeZone) -> Self {
        Stats {
            cluster: cluster.to_string(),
            broker: BrokerStats::default(),
            topics: RwLock::default(),
            groups: RwLock::default(),
            mornings: Mutex::new(Mornings { yesterday: (0, 0), today: (0, 0) }),
            next_midnight: AtomicI64::new(midnight_after(now, &time_zone)),
            time_zone,
        }
    }

    /// The broker's own items.
    pub fn broker(&self) -> &BrokerStats {
        &self.broker
    }

    /// The items of a topic; a caller that counts often may keep them.
    pub fn topic(&self, topic: &str) -> Arc<TopicStats> {
        if let Some(stats) = self.topics.read().get(topic) {
            return stats.clone();
        }
        let mut topics = self.topics.write();
        topics.entry(topic.to_string()).or_default().clone()
    }

    /// The items of a group and a topic; a caller that counts often may keep them.
    pub fn group(&self, group: &str, topic: &str) -> Arc<GroupStats> {
        if let Some(stats) = self.known_group(group, topic) {
            return stats;
        }
        let mut topics = self.groups.write();
        let groups = topics.entry(topic.to_string()).or_default();
        groups.entry(group.to_string()).or_default().clone()
    }

    fn known_group(&self, group: &str, topic: &str) -> Option<Arc<GroupStats>> {
        self.groups.read().get(topic)?.get(group).cloned()
    }

    /// Counts messages that one request stored in a topic, but not how long that took.
    pub fn put(&self, topic: &str, messages: i64, bytes: i64, now: i64) {
        let puts = Puts { requests: 1, messages, bytes, last: now, ..Puts::default() };
        self.topic(topic).put_all(&puts);
        self.put_all(names::is_system_topic(topic), &puts);
    }

    /// Counts messages that several requests stored, as the broker's; those of a topic count them
    /// [too](TopicStats::put_all). `are_system` when all of their topics are the system's.
    pub fn put_all(&self, are_system: bool, puts: &Puts) {
        let Puts { requests, at_once, messages, bytes, last } = *puts;
        if requests == 0 {
            return;
        }
        self.roll_mornings(last);
        self.broker.put.add_all(messages, requests, last);
        self.broker.put_rate.add(messages, last);
        self.broker.put_size.fetch_add(bytes, Ordering::Relaxed);
        if !are_system {
            self.broker.put_of_users.add_all(messages, requests, last);
        }
        if at_once > 0 {
            self.broker.put_took(0, at_once);
        }
    }

    /// Counts messages delivered to a group; none when a pull found nothing.
    pub fn get(&self, group: &str, topic: &str, messages: i64, bytes: i64, now: i64) {
        if messages == 0 {
            return self.found_nothing(now);
        }
        let is_system = names::is_system_topic(topic);
        self.get_of(&self.group(group, topic), is_system, messages, bytes, now);
    }

    /// Counts a pull that found nothing.
    pub fn found_nothing(&self, now: i64) {
        self.broker.miss_rate.add(1, now);
    }

    /// Counts messages delivered to a group.
    pub fn get_of(&self, stats: &GroupStats, is_system: bool, messages: i64, bytes: i64, now: i64) {
        self.roll_mornings(now);
        stats.get_nums.add(messages, now);
        stats.get_size.add(bytes, now);
        self.broker.get.add(messages, now);
        self.broker.found_rate.add(1, now);
        self.broker.transferred_rate.add(messages, now);
        if !is_system {
            self.broker.get_of_users.add(messages, now);
        }
    }

    /// Counts a message sent back by a group.
    pub fn send_back(&self, group: &str, topic: &str, now: i64) {
        self.group(group, topic).send_back.add(1, now);
    }

    /// Counts a message of a group that became a dead letter.
    pub fn dlq(&self, group: &str, topic: &str, now: i64) {
        self.group(group, topic).dlq.add(1, now);
    }

    /// Messages delivered to the group from the topic a second, during the last minute.
    pub fn get_tps(&self, group: &str, topic: &str, now: i64) -> f64 {
        let stats = self.known_group(group, topic);
        stats.map_or(0.0, |stats| stats.get_nums.tps(now))
    }

    /// Messages stored in the topic a second, during the last minute.
    pub fn put_tps(&self, topic: &str, now: i64) -> f64 {
        let stats = self.topics.read().get(topic).cloned();
        stats.map_or(0.0, |stats| stats.put_nums.tps(now))
    }

    /// Forgets a topic.
    pub fn remove_topic(&self, topic: &str) {
        self.topics.write().remove(topic);
        self.groups.write().remove(topic);
    }

    /// Forgets a group.
    pub fn remove_group(&self, group: &str) {
        self.groups.write().retain(|_, groups| {
            groups.remove(group);
            !groups.is_empty()
        });
    }

    /// An item by the name and key that the tools use; `None` when it never counted anything.
    pub fn view(&self, name: &str, key: &str, now: i64) -> Option<BrokerStatsData> {
        let of_broker = |counter: &Counter| {
            (key == self.cluster && counter.used()).then(|| counter.windows(now))
        };
        let used = |counter: &Counter| counter.used().then(|| counter.windows(now));
        let topic = || self.topics.read().get(key).cloned();
        let group = || {
            let (topic, group) = key.split_once('@')?;
            self.known_group(group, topic)
        };
        match name {
            "TOPIC_PUT_NUMS" => used(&topic()?.put_nums),
            "TOPIC_PUT_SIZE" => used(&topic()?.put_size),
            "GROUP_GET_NUMS" => used(&group()?.get_nums),
            "GROUP_GET_SIZE" => used(&group()?.get_size),
            "SNDBCK_PUT_NUMS" => used(&group()?.send_back),
            "DLQ_PUT_NUMS" => used(&group()?.dlq),
            "BROKER_PUT_NUMS" => of_broker(&self.broker.put),
            "BROKER_GET_NUMS" => of_broker(&self.broker.get),
            "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC" => of_broker(&self.broker.put_of_users),
            "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC" => of_broker(&self.broker.get_of_users),
            _ => None,
        }
    }

    /// Messages stored, by day.
    pub fn put_totals(&self, now: i64) -> DayTotals {
        self.totals(now, |(put, _)| put)
    }

    /// Messages delivered, by day.
    pub fn get_totals(&self, now: i64) -> DayTotals {
        self.totals(now, |(_, get)| get)
    }

    fn totals(&self, now: i64, choose: impl Fn((i64, i64)) -> i64) -> DayTotals {
        self.roll_mornings(now);
        let mornings = self.mornings.lock();
        DayTotals {
            yesterday_morning: choose(mornings.yesterday),
            today_morning: choose(mornings.today),
            now: choose((self.broker.put.total(), self.broker.get.total())),
        }
    }

    /// Notes the totals when midnight has passed since the last count: nothing was counted between
    /// midnight and now, so they are midnight's.
    fn roll_mornings(&self, now: i64) {
        if now < self.next_midnight.load(Ordering::Relaxed) {
            return;
        }
        let mut mornings = self.mornings.lock();
        let midnight = self.next_midnight.load(Ordering::Relaxed);
        if now < midnight {
            return;
        }
        let totals = (self.broker.put.total(), self.broker.get.total());
        mornings.yesterday = match now >= midnight_after(midnight, &self.time_zone) {
            true => totals,
            false => mornings.today,
        };
        mornings.today = totals;
        let next = midnight_after(now, &self.time_zone);
        self.next_midnight.store(next, Ordering::Relaxed);
    }
}

/// The first midnight after `now`.
fn midnight_after(now: i64, time_zone: &TimeZone) -> i64 {
    let midnight = || {
        let today = Timestamp::from_millisecond(now).ok()?;
        let today = today.to_zoned_datetime(time_zone.clone());
        let tomorrow = today.tomorrow().ok()?.start_of_day().ok()?;
        Some(tomorrow.timestamp().as_millisecond())
    };
    // Only a clock beyond the calendar's end has no next midnight.
    midnight().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_049_600_000;
    const HOURS: i64 = 3_600_000;

    fn stats() -> Stats {
        Stats::in_time_zone("DefaultCluster", NOON, TimeZone::UTC)
    }

    #[test]
    fn items_exist_once_they_counted() {
        let stats = stats();
        assert!(stats.view("TOPIC_PUT_NUMS", "T", NOON).is_none());
        stats.put("T", 3, 300, NOON);
        stats.get("G", "T", 2, 200, NOON);
        stats.get("G", "T", 0, 0, NOON);
        stats.send_back("G", "T", NOON);
        let now = NOON + 30_000;
        for (name, key, sum) in [
            ("TOPIC_PUT_NUMS", "T", 3),
            ("TOPIC_PUT_SIZE", "T", 300),
            ("GROUP_GET_NUMS", "T@G", 2),
            ("GROUP_GET_SIZE", "T@G", 200),
            ("SNDBCK_PUT_NUMS", "T@G", 1),
            ("BROKER_PUT_NUMS", "DefaultCluster", 3),
            ("BROKER_GET_NUMS", "DefaultCluster", 2),
        ] {
            let data = stats.view(name, key, now).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(data.stats_minute.sum, sum, "{name}");
        }
        for (name, key) in [
            ("DLQ_PUT_NUMS", "T@G"),
            ("BROKER_PUT_NUMS", "T"),
            ("NO_SUCH_ITEM", "T"),
            ("GROUP_GET_NUMS", "T"),
        ] {
            assert!(stats.view(name, key, now).is_none(), "{name} {key}");
        }
        assert_eq!(stats.put_tps("T", now), 0.1);
        stats.remove_group("G");
        assert!(stats.view("GROUP_GET_NUMS", "T@G", now).is_none());
        stats.remove_topic("T");
        assert!(stats.view("TOPIC_PUT_NUMS", "T", now).is_none());
    }

    #[test]
    fn totals_roll_at_midnight() {
        let stats = stats();
        let at = |time| {
            let totals = stats.put_totals(time);
            (totals.yesterday_morning, totals.today_morning, totals.now)
        };
        stats.put("T", 10, 1, NOON);
        assert_eq!(at(NOON), (0, 0, 10));
        stats.put("T", 5, 1, NOON + 13 * HOURS);
        assert_eq!(at(NOON + 13 * HOURS), (0, 10, 15));
        stats.put("T", 1, 1, NOON + 37 * HOURS);
        assert_eq!(at(NOON + 37 * HOURS), (10, 15, 16));
        assert_eq!(at(NOON + 200 * HOURS), (16, 16, 16));
    }

    #[test]
    fn times_of_storing_fall_into_ranges() {
        let stats = stats();
        for ms in [0, 0, 3, 10, 11, 60_000] {
            stats.broker().put_took(ms, 1);
        }
        let times = stats.broker().put_times();
        assert!(times.starts_with("[<=0ms]:2 [0~10ms]:2 [10~50ms]:1 [50~100ms]:0 "));
        assert!(times.ends_with("[10s~]:1 "));
        assert_eq!(stats.broker().put_time_max.load(Ordering::Relaxed), 60_000);
    }
}
