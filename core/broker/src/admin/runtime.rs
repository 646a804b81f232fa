//! What the broker tells about itself.

use crate::answer::{Answer, Failure};
use crate::clock::now_ms;
use crate::inner::Inner;
use crate::stats::{DayTotals, triple};
use ferromq_model::names;
use ferromq_protocol::Command;
use ferromq_protocol::body::KvTable;
use ferromq_protocol::code::response;
use ferromq_protocol::command::CURRENT_VERSION;
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::BrokerStatsRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// VIEW_BROKER_STATS_DATA.
pub(super) fn view_stats(broker: &Arc<Inner>, request: &Command) -> Answer {
    let header: BrokerStatsRequest<'_> = request.header()?;
    let (name, key) = (header.stats_name, header.stats_key);
    let data = broker.stats.view(name, key, now_ms());
    let data =
        data.ok_or_else(|| Failure::system(format!("The stats <{name}> <{key}> not exist")))?;
    Ok(request.success_body(fastjson::to_vec(&data)))
}

/// GET_BROKER_RUNTIME_INFO. Every key that tools look for is there: some fail without one. Those of
/// queues between thread pools are 0, as there are none.
pub(super) fn info(broker: &Arc<Inner>, request: &Command) -> Answer {
    let now = now_ms();
    let mut table = BTreeMap::new();
    of_broker(broker, now, &mut table);
    of_log(broker, &mut table);
    of_delays(broker, &mut table);
    of_traffic(broker, now, &mut table);
    for pool in ["send", "pull", "litePull", "query", "ack"] {
        for figure in ["Size", "Capacity", "HeadWaitTimeMills"] {
            table.insert(format!("{pool}ThreadPoolQueue{figure}"), "0".to_string());
        }
    }
    for key in ["EndTransactionQueueSize", "EndTransactionThreadPoolQueueCapacity"] {
        table.insert(key.to_string(), "0".to_string());
    }
    Ok(request.success_body(fastjson::to_vec(&KvTable { table })))
}

type Figures = BTreeMap<String, String>;

fn put(table: &mut Figures, key: &str, value: impl ToString) {
    table.insert(key.to_string(), value.to_string());
}

fn of_broker(broker: &Inner, now: i64, table: &mut Figures) {
    let config = broker.config.load();
    put(table, "bootTimestamp", broker.started);
    put(table, "runtime", duration(now - broker.started));
    put(table, "brokerActive", true);
    put(table, "brokerVersion", CURRENT_VERSION);
    put(table, "brokerVersionDesc", concat!("FerroMQ ", env!("CARGO_PKG_VERSION")));
    put(table, "startAcceptSendRequestTimeStamp", config.start_accept_send_request_time_stamp);
    for key in ["timerReadBehind", "timerOffsetBehind", "timerCongestNum"] {
        put(table, key, 0);
    }
    for key in ["timerEnqueueTps", "timerDequeueTps"] {
        put(table, key, "0.0");
    }
}

fn of_log(broker: &Inner, table: &mut Figures) {
    let store = &broker.store;
    let disks = store.log_disks();
    // The emptiest counts, as that is where messages can go.
    let least = disks.iter().map(|(_, used)| *used).fold(f64::INFINITY, f64::min);
    put(table, "commitLogDiskRatio", least);
    for (path, used) in disks {
        put(table, &format!("commitLogDiskRatio_{}", path.display()), used);
    }
    put(table, "consumeQueueDiskRatio", store.disk_used());
    put(table, "commitLogMinOffset", store.log_start());
    put(table, "commitLogMaxOffset", store.log_end());
    let unflushed = store.log_end() - store.log_flushed();
    put(table, "remainHowManyDataToFlush", format!("{unflushed} B"));
    // With what was put, this tells how many messages share a sync. Apache's brokers do not say.
    put(table, "commitLogSyncTimesTotal", store.log_syncs());
    // Entries are in their queues before the sender has its answer.
    put(table, "dispatchBehindBytes", 0);
    put(table, "dispatchMaxBuffer", 0);
    put(table, "pageCacheLockTimeMills", 0);
    put(table, "earliestMessageTimeStamp", store.earliest_store_time());
    let (total, free) = store.disk_space();
    let capacity = format!("Total : {}, Free : {}.", human_readable(total), human_readable(free));
    put(table, "commitLogDirCapacity", capacity);
}

fn of_delays(broker: &Inner, table: &mut Figures) {
    for (level, offset) in broker.delay.snapshot().offset_table {
        let end = broker.log().max_offset(names::SCHEDULE_TOPIC, level - 1).unwrap_or(offset);
        put(table, &format!("scheduleMessageOffset_{level}"), format!("{offset},{end}"));
    }
}

fn human_readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

fn of_traffic(broker: &Inner, now: i64, table: &mut Figures) {
    let stats = broker.stats.broker();
    put(table, "putTps", triple(&[&stats.put_rate], now));
    put(table, "getFoundTps", triple(&[&stats.found_rate], now));
    put(table, "getMissTps", triple(&[&stats.miss_rate], now));
    put(table, "getTotalTps", triple(&[&stats.found_rate, &stats.miss_rate], now));
    let transferred = triple(&[&stats.transferred_rate], now);
    put(table, "getTransferedTps", &transferred);
    put(table, "getTransferredTps", transferred);
    let messages = stats.put.total();
    let size = stats.put_size.load(Ordering::Relaxed);
    put(table, "putMessageTimesTotal", messages);
    put(table, "putMessageSizeTotal", size);
    put(table, "putMessageAverageSize", size as f64 / messages.max(1) as f64);
    put(table, "putMessageFailedTimes", stats.put_failed.load(Ordering::Relaxed));
    put(table, "putMessageEntireTimeMax", stats.put_time_max.load(Ordering::Relaxed));
    put(table, "getMessageEntireTimeMax", stats.get_time_max.load(Ordering::Relaxed));
    put(table, "putMessageDistributeTime", stats.put_times());
    put(table, "putLatency99", stats.put_latency(0.99));
    put(table, "putLatency999", stats.put_latency(0.999));
    for (name, totals) in
        [("Put", broker.stats.put_totals(now)), ("Get", broker.stats.get_totals(now))]
    {
        let DayTotals { yesterday_morning, today_morning, now } = totals;
        put(table, &format!("msg{name}TotalYesterdayMorning"), yesterday_morning);
        put(table, &format!("msg{name}TotalTodayMorning"), today_morning);
        put(table, &format!("msg{name}TotalTodayNow"), now);
    }
}

fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    format!(
        "[ {} days, {} hours, {} minutes, {} seconds ]",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// CLEAN_EXPIRED_CONSUMEQUEUE.
pub(super) fn clean_queues(broker: &Arc<Inner>, request: &Command) -> Answer {
    delete_expired(broker, request)
}

/// DELETE_EXPIRED_COMMITLOG.
pub(super) fn delete_expired(broker: &Arc<Inner>, request: &Command) -> Answer {
    broker.store.remove_expired(SystemTime::now())?;
    Ok(request.response(response::SUCCESS))
}
