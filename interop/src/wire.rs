//! One question to a server, over a connection of its own: what tests prepare and check with, so that
//! neither depends on the clients under test. The frames are written by hand for the same reason.

use crate::Problem;
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A server's answer.
#[derive(Debug)]
pub struct Answer {
    /// 0 for success.
    pub code: i32,
    /// Its words, if any.
    pub remark: String,
    /// The header's fields.
    pub fields: Map<String, Value>,
    /// The body.
    pub body: Vec<u8>,
}

const LIMIT: Duration = Duration::from_secs(15);

/// Asks one question and returns the answer, whatever its code.
pub fn ask(
    address: &str,
    code: i32,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, Problem> {
    let failed = || Problem::io(format!("request {code} to {address}"));
    let mut stream = connect(address)?;
    let fields: Map<String, Value> =
        fields.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    // A version since which name servers answer in standard JSON.
    let header = json!({"code": code, "language": "JAVA", "version": 479, "opaque": 1, "flag": 0, "extFields": fields});
    let header = header.to_string().into_bytes();
    let mut frame = Vec::with_capacity(8 + header.len() + body.len());
    frame.extend(((4 + header.len() + body.len()) as u32).to_be_bytes());
    frame.extend((header.len() as u32).to_be_bytes());
    frame.extend(&header);
    frame.extend(body);
    stream.write_all(&frame).map_err(failed())?;
    let mut length = [0; 8];
    stream.read_exact(&mut length).map_err(failed())?;
    let total = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let head = u32::from_be_bytes([0, length[5], length[6], length[7]]) as usize;
    if length[4] != 0 || head + 4 > total {
        return Err(Problem::Wrong(format!(
            "{address} answers {code} with a strange frame: {length:02x?}"
        )));
    }
    let mut rest = vec![0; total - 4];
    stream.read_exact(&mut rest).map_err(failed())?;
    let header: Value = serde_json::from_slice(&rest[..head]).map_err(|e| {
        Problem::Wrong(format!("{address} answers {code} with a header that is not JSON: {e}"))
    })?;
    Ok(Answer {
        code: header["code"].as_i64().unwrap_or(-1) as i32,
        remark: header["remark"].as_str().unwrap_or_default().to_owned(),
        fields: header["extFields"].as_object().cloned().unwrap_or_default(),
        body: rest.split_off(head),
    })
}

fn connect(address: &str) -> Result<TcpStream, Problem> {
    let failed = || Problem::io(format!("connecting to {address}"));
    let resolved = address
        .to_socket_addrs()
        .map_err(failed())?
        .next()
        .ok_or_else(|| Problem::Wrong(format!("{address} is no address")))?;
    let stream = TcpStream::connect_timeout(&resolved, LIMIT).map_err(failed())?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed())?;
    Ok(stream)
}

/// Asks and insists on success.
pub fn succeed(
    address: &str,
    code: i32,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, Problem> {
    let answer = ask(address, code, fields, body)?;
    if answer.code == 0 {
        return Ok(answer);
    }
    Err(Problem::Refused {
        address: address.to_owned(),
        code,
        answer: answer.code,
        remark: answer.remark,
    })
}

/// Repeats a question until it has an answer.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>, Problem>,
) -> Result<T, Problem> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(Problem::Deadline {
                name: "servers".to_owned(),
                awaited: what.to_owned(),
                limit,
                tail: String::new(),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// UPDATE_AND_CREATE_TOPIC (17).
pub fn create_topic(broker: &str, topic: &str, queues: i32) -> Result<(), Problem> {
    let queues = queues.to_string();
    let fields = [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", &queues),
        ("writeQueueNums", &queues),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    succeed(broker, 17, &fields, &[]).map(drop)
}

/// GET_ROUTEINFO_BY_TOPIC (105), if the topic is known.
pub fn route(namesrv: &str, topic: &str) -> Result<Option<Value>, Problem> {
    let answer = ask(namesrv, 105, &[("topic", topic), ("acceptStandardJsonOnly", "true")], &[])?;
    if answer.code == 17 {
        return Ok(None);
    }
    serde_json::from_slice(&answer.body)
        .map(Some)
        .map_err(|e| Problem::Wrong(format!("the route of {topic} is not standard JSON: {e}")))
}

/// Waits until a topic is routed to so many brokers.
pub fn wait_route(
    namesrv: &str,
    topic: &str,
    brokers: usize,
    limit: Duration,
) -> Result<(), Problem> {
    until(&format!("route of {topic}"), limit, || {
        let found = route(namesrv, topic)?
            .and_then(|r| r["queueDatas"].as_array().map(Vec::len))
            .unwrap_or(0);
        Ok((found >= brokers).then_some(()))
    })
}

/// The name under which a broker's address is registered (GET_BROKER_CLUSTER_INFO, 106).
pub fn broker_name(namesrv: &str, address: &str, limit: Duration) -> Result<String, Problem> {
    until(&format!("registration of {address}"), limit, || {
        let answer = succeed(namesrv, 106, &[], &[])?;
        // Numbers are keys here, which standard JSON does not have; the text is enough for the name.
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let Some(at) = text.find(&format!("\"{address}\"")) else {
            return Ok(None);
        };
        let after = &text[at..];
        let name = after.split("\"brokerName\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(name.map(str::to_owned))
    })
}

fn offset(broker: &str, code: i32, topic: &str, queue: i32) -> Result<i64, Problem> {
    let queue = queue.to_string();
    let answer = succeed(broker, code, &[("topic", topic), ("queueId", &queue)], &[])?;
    field(&answer, "offset")
}

fn field(answer: &Answer, name: &str) -> Result<i64, Problem> {
    answer.fields[name]
        .as_str()
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| Problem::Wrong(format!("no {name} in {:?}", answer.fields)))
}

/// GET_MAX_OFFSET (30).
pub fn max_offset(broker: &str, topic: &str, queue: i32) -> Result<i64, Problem> {
    offset(broker, 30, topic, queue)
}

/// GET_MIN_OFFSET (31).
pub fn min_offset(broker: &str, topic: &str, queue: i32) -> Result<i64, Problem> {
    offset(broker, 31, topic, queue)
}

/// QUERY_CONSUMER_OFFSET (14): a group's progress, if it has any.
pub fn progress(
    broker: &str,
    group: &str,
    topic: &str,
    queue: i32,
) -> Result<Option<i64>, Problem> {
    let queue = queue.to_string();
    let fields = [
        ("consumerGroup", group),
        ("topic", topic),
        ("queueId", &queue),
        // Without this, a new group on a young topic is told 0 instead of nothing.
        ("setZeroIfNotFound", "false"),
    ];
    let answer = ask(broker, 14, &fields, &[])?;
    match answer.code {
        0 => field(&answer, "offset").map(Some),
        22 => Ok(None),
        code => Err(Problem::Refused {
            address: broker.to_owned(),
            code: 14,
            answer: code,
            remark: answer.remark,
        }),
    }
}
